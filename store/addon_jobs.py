"""Creates jobs that an add-on pays for, stops them when the add-on ends, and resumes them when the owner has an add-on
again.
"""

from typing import NamedTuple
from uuid import UUID

from errors import RetryNow
from messages import DATA_TYPES, Failure
from store.addons import EXTENDED_DATA_RETENTION, OWNED
from store.database import Connection
from store.job_attempts import LEFT_OUT, OF_AN_ATTEMPT, PENDING_AGAIN, REDUCIBLE, end, in_words

ADDON_ENDED = Failure(
    code="addon_ended",
    message="the add-on has ended",
    action="the job goes on at its committed cursors once the add-on is active again",
)

# A job is paid for while its add-on is active and belongs to the present owner of the workspace.
_PAID = """
    exists (
        select from subscription_addons
        where id = job.subscription_addon_id and status = 'active' and user_id = owned.user_id
    )
"""


async def create_bought(
    connection: Connection, owner: UUID, *, addon_id: UUID, retention_days: int, purchase_key: str
) -> tuple[str, ...]:
    """Creates a job for each active workspace of the owner, and returns the ids of the jobs.

    A workspace gets no job if a purchase of this add-on has already created a job of at least `retention_days` for it.
    A job that was canceled because the add-on ended does not count.
    """
    rows = await connection.fetch(
        """
        insert into workspace_backfill_jobs (
            workspace_id, addon_type, subscription_addon_id, retention_days, cutoff_at, backfill_types,
            requested_by, purchase_key, total_repositories, created_at, updated_at
        )
        select id, $2, $3, $4::int, now() - make_interval(hours => 24 * $4::int), $5, 'purchase', $6, (
            select count(*) from workspace_repositories where workspace_id = workspaces.id
        ), now(), now()
        from workspaces
        where owner_id = $1 and coalesce(is_active, true) and not exists (
            select 1 from workspace_backfill_jobs
            where workspace_id = workspaces.id and subscription_addon_id = $3
              and purchase_key is not null and retention_days >= $4
              and not (status = 'canceled' and metadata ? 'addon_ended_at')
        )
        order by id
        on conflict (workspace_id, purchase_key) where purchase_key is not null do nothing
        returning id
        """,
        owner,
        EXTENDED_DATA_RETENTION,
        addon_id,
        retention_days,
        list(DATA_TYPES),
        purchase_key,
    )
    return tuple(str(row["id"]) for row in rows)


class WorkspaceRepository(NamedTuple):
    """A repository in a workspace. It also marks a place in the list of the repositories of all workspaces, because
    that list is ordered by these two ids.
    """

    workspace_id: UUID
    repository_id: UUID


CHECKED_AT_ONCE = 500
"""Repositories that one call of `create_added` checks."""

# Of `owned` and `listed`: paid for, and no job for as many days reads all data types ($2) of it.
_ADDED = """
    is_active and days is not null and not exists (
        select from workspace_backfill_jobs job
        left join subscription_addons addon on addon.id = subscription_addon_id
        where job.workspace_id = owned.workspace_id and job.retention_days >= days
          and (addon.id is null or addon.user_id = owned.user_id)
          and (job.requested_by in ('purchase', 'reconciler') or job.backfill_types @> $2::text[])
          and (
            exists (
                select from workspace_backfill_progress part
                where backfill_job_id = job.id and repository_id = listed.repository_id
                  and part.status <> 'skipped' and not (
                      part.status = 'canceled' and job.status = 'canceled' and job.metadata ? 'addon_ended_at'
                  )
                  -- Removed and added again, while some types still ran: the others have ended without their rows.
                  and not exists (
                      select from backfill_sweeps sweep
                      where sweep.backfill_job_id = job.id and sweep.repository_id = listed.repository_id
                        and sweep.status = 'skipped' and sweep.error ->> 'code' = 'removed'
                  )
            )
            or (
                job.status = 'pending'
                and (repositories_selected is null or listed.repository_id = any(repositories_selected))
                and (job.attempt = 0 or not exists (
                    select from workspace_backfill_progress where backfill_job_id = job.id
                ))
            )
        )
    )
"""


async def create_added(
    connection: Connection, after: WorkspaceRepository | None = None
) -> tuple[tuple[str, ...], WorkspaceRepository | None]:
    """Creates jobs for repositories that an add-on pays for and that no job covers yet. A job covers a repository if it
    reads all data types, and at least as many days of history as the add-on grants. Returns the ids of the jobs, and
    the repository after which the next call continues (None if this call reached the end).

    Such a repository was added to a workspace after the purchase, or its workspace came to the buyer after the
    purchase. A workspace gets one job for all these repositories. One call checks the next `CHECKED_AT_ONCE`
    repositories of all workspaces. The check begins after the repository `after`, or at the first repository if `after`
    is None.
    """
    [checked] = await connection.fetch(
        f"""
        with {OWNED}, listed as (
            select workspace_id, repository_id from workspace_repositories
            where $3::uuid is null or (workspace_id, repository_id) > ($3, $4)
            order by workspace_id, repository_id limit $5
        )
        select array(
            select distinct owned.workspace_id from listed join owned using (workspace_id) where {_ADDED}
        ) as workspaces, (select count(*) from listed) as number, last.*
        from (values (1)) always
        left join (select * from listed order by workspace_id desc, repository_id desc limit 1) last on true
        """,
        None,
        list(DATA_TYPES),
        *(after or (None, None)),
        CHECKED_AT_ONCE,
    )
    following = WorkspaceRepository(checked["workspace_id"], checked["repository_id"])
    rows = await connection.fetch(
        f"""
        with {OWNED}, added as (
            select owned.workspace_id, addon_id, days,
                   array_agg(repository_id order by repository_id) as repository_ids
            from owned join workspace_repositories listed on listed.workspace_id = owned.workspace_id
            where owned.workspace_id = any($4) and {_ADDED}
            group by 1, 2, 3
        )
        insert into workspace_backfill_jobs (
            workspace_id, addon_type, subscription_addon_id, retention_days, cutoff_at, backfill_types,
            repositories_selected, requested_by, total_repositories, created_at, updated_at
        )
        select workspace_id, $3, addon_id, days, now() - make_interval(hours => 24 * days), $2, repository_ids,
               'reconciler', cardinality(repository_ids), now(), now()
        from added
        returning id
        """,
        None,
        list(DATA_TYPES),
        EXTENDED_DATA_RETENTION,
        checked["workspaces"],
    )
    return tuple(str(row["id"]) for row in rows), following if checked["number"] == CHECKED_AT_ONCE else None


async def stop_unpaid(connection: Connection, owner: UUID | None) -> tuple[str, ...]:
    """Stops open jobs whose add-on has ended or belongs to a former owner of the workspace. Returns the ids of the
    stopped jobs.

    `owner` is the `app_users.id` of the person whose workspaces are checked. If `owner` is None, all workspaces are
    checked. If another add-on of the owner pays for a job, the job continues under that add-on. A pending job is
    canceled at once. A job in progress is marked, and the reconciler tells its workflow to stop.
    """
    await connection.execute(
        f"""
        with {OWNED}
        update workspace_backfill_jobs job set subscription_addon_id = owned.addon_id, updated_at = now()
        from owned
        where job.workspace_id = owned.workspace_id and status in ('pending', 'in_progress')
          and subscription_addon_id is not null and owned.days >= job.retention_days and not {_PAID}
        """,
        owner,
    )
    rows = await connection.fetch(
        f"""
        with {OWNED}
        update workspace_backfill_jobs job set
            metadata = metadata || jsonb_build_object('addon_ended_at', now(), 'cancel_requested_at', now()),
            updated_at = now()
        from owned
        where job.workspace_id = owned.workspace_id and status in ('pending', 'in_progress')
          and subscription_addon_id is not null and not metadata ? 'cancel_requested_at' and not {_PAID}
        returning job.id, status
        """,
        owner,
    )
    for row in rows:
        if row["status"] == "pending":
            await end(connection, str(row["id"]), status="canceled", reason=ADDON_ENDED)
    return tuple(str(row["id"]) for row in rows)


async def resume_paid(connection: Connection, owner: UUID | None) -> tuple[str, ...]:
    """Requests a retry of each job that was canceled because its add-on ended, if the owner of the workspace has an
    add-on. Returns the ids of the retried jobs.

    If this add-on grants fewer days than the job reads, the job is reduced to these days, with a later cutoff. A job
    that has not begun is not reduced, since another job for these days costs the same; nor is an operator's, who asked
    for its days.

    `owner` is the `app_users.id` of the person whose workspaces are checked. If `owner` is None, all workspaces are
    checked. The next attempt resumes at the committed cursors. It selects what the stopped attempt selected, without
    the repositories that somebody canceled alone: these stay canceled until a person retries them.
    """
    rows = await connection.fetch(
        f"""
        with {OWNED}
        update workspace_backfill_jobs job set
            {PENDING_AGAIN}, subscription_addon_id = owned.addon_id,
            metadata = metadata - '{OF_AN_ATTEMPT}'::text[] || jsonb_build_object('retry', jsonb_build_object(
                'repository_ids', coalesce(metadata #> '{{retry,repository_ids}}', '[]'),
                'data_types', coalesce(metadata #> '{{retry,data_types}}', '[]'),
                'left_out', {LEFT_OUT},
                'requested_by', 'purchase', 'requested_at', now()
            ))
        from owned
        where job.workspace_id = owned.workspace_id and is_active and job.status = 'canceled'
          and metadata ? 'addon_ended_at' and (owned.days >= job.retention_days or owned.days > 0 and {REDUCIBLE})
        returning job.id, job.retention_days > owned.days as is_reduced, owned.days
        """,
        owner,
    )
    for row in rows:
        if row["is_reduced"]:
            await _reduce(connection, row["id"], row["days"])
    return tuple(str(row["id"]) for row in rows)


async def _reduce(connection: Connection, job_id: UUID, days: int) -> None:
    """Reduces a job to `days`. It no longer is the job of its purchase: if the larger add-on is bought again, the
    larger job is created anew, and resumes from what this job has covered.
    """
    await connection.execute(
        """
        update workspace_backfill_jobs set
            retention_days = $2::int, cutoff_at = created_at - make_interval(hours => 24 * $2::int),
            purchase_key = case when purchase_key is not null then id::text end,
            metadata = metadata || jsonb_build_object('reduced_from', retention_days)
        where id = $1
        """,
        job_id,
        days,
    )


async def cancel_for_good(connection: Connection, job_id: str) -> None:
    """Keeps a job canceled whose add-on has ended, even if the owner has an add-on again. Its waiting retries are
    forgotten. The caller must have locked the job's row.
    """
    await connection.execute(
        """
        update workspace_backfill_jobs set updated_at = now(), error_message = nullif(error_message, $2),
            metadata = metadata - '{addon_ended_at,retries_waiting}'::text[]
        where id = $1
        """,
        job_id,
        in_words(ADDON_ENDED),
    )


_OLDER_RESUMED = """
select exists (
    select from workspace_backfill_jobs job join workspace_backfill_jobs other using (workspace_id)
    where job.id = $1 and other.status = 'pending' and not other.metadata ? 'paused_at'
      and other.metadata #>> '{retry,requested_by}' = 'purchase'
      and (other.created_at, other.id) < (job.created_at, job.id)
)
"""


async def waits_for_resumed(connection: Connection, job_id: str) -> bool:
    """Returns whether a pending job must not begin yet, because an older job of its workspace was canceled when its
    add-on ended, and an add-on pays for it again. That job is resumed here if it still is canceled. It has to go first:
    its sweeps are not complete, so no other job inherits the pages that they have stored.

    The waiting job is marked as one that Temporal has not heard of. So the reconciler signals it again, after the older
    job. Raises `RetryNow` if the signal of the waiting job is not recorded yet: recorded later, it would remove this
    mark.
    """
    job = await connection.fetchrow(
        """
        select owner_id, signaled_at
        from workspace_backfill_jobs job join workspaces on workspaces.id = job.workspace_id
        where job.id = $1 and job.status = 'pending' and not job.metadata ? 'paused_at'
        """,
        job_id,
    )
    if job is None:
        return False
    if job["owner_id"] is not None:
        await resume_paid(connection, job["owner_id"])
    if not await connection.fetchval(_OLDER_RESUMED, job_id):
        return False
    if job["signaled_at"] is None:
        raise RetryNow("not_heard", f"the signal of job {job_id} is not recorded yet", "attempted again")
    await connection.execute(
        """
        update workspace_backfill_jobs set signaled_at = null, updated_at = now() where id = $1 and status = 'pending'
        """,
        job_id,
    )
    return True
