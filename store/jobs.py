"""Jobs: how they come to be, how they are asked for again or given up, and how they look to people.

A job is committed before Temporal hears of it. `signaled_at` is null until it has: whoever commits a job may die, and
`reconciler.py` tells Temporal instead. What happens between is decided under the job's row lock.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from errors import BadInput
from messages import DATA_TYPES, TERMINAL_JOB_STATUSES, DataType, Failure, JobStatus, PartStatus, Retry, Run, Waiting
from store import notifications, unshown
from store.addons import EXTENDED_DATA_RETENTION, OWNED
from store.database import Connection
from unshown import Unshown

DONE: frozenset[PartStatus] = frozenset({"completed", "skipped"})

CLOSED = 1_000_000_000
"""A `transition` that no late write of the same attempt outdoes."""


_PENDING_AGAIN = """
    status = 'pending', attempt = job.attempt + 1, transition = 0, signaled_at = null, completed_at = null,
    estimated_completion_at = null, error_message = null, updated_at = now()
"""
_OF_AN_ATTEMPT = "{cancel_requested_at,cancel_heard_at,addon_ended_at,first_run_id}"
"""What a job's metadata holds of one attempt only."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


# --- Coming to be -----------------------------------------------------------------------------------------------------


async def ask_for(
    connection: Connection,
    *,
    workspace: str,
    retention_days: int | None = None,
    repositories: Sequence[str] = (),
    data_types: Sequence[DataType] = (),
    fresh: bool = False,
    requested_by: str = "operator",
) -> str:
    """A job of its own for a workspace (its id or slug). Answers its id.

    `fresh`: what other jobs have covered is fetched again.

    Without `retention_days` it is for what the workspace's owner bought, else for what the workspace keeps anyway;
    without repositories (by full name) for all, without types for all. Raises `BadInput` for what it does not know.
    """
    workspace_id, bought, kept = await _workspace(connection, workspace)
    addon_id, bought_days = bought or (None, None)
    days = retention_days or bought_days or kept
    if not days:
        raise BadInput("--retention-days", f"missing: workspace {workspace} bought none and keeps none")
    selected = await _repositories(connection, workspace_id, repositories) if repositories else None
    job_id = await connection.fetchval(
        """
        insert into workspace_backfill_jobs (
            workspace_id, addon_type, subscription_addon_id, retention_days, cutoff_at, backfill_types,
            repositories_selected, requested_by, total_repositories, created_at, updated_at, metadata
        )
        select $1, $2, $3, $4::int, now() - make_interval(hours => 24 * $4::int), $5, $6::uuid[], $7, coalesce(
            cardinality($6::uuid[]), (select count(*) from workspace_repositories where workspace_id = $1)
        ), now(), now(), $8
        returning id
        """,
        workspace_id,
        EXTENDED_DATA_RETENTION,
        addon_id,
        days,
        [each for each in DATA_TYPES if each in (data_types or DATA_TYPES)],
        selected,
        requested_by,
        {"fresh": True} if fresh else {},
    )
    return str(job_id)


async def _workspace(connection: Connection, reference: str) -> tuple[UUID, tuple[UUID, int] | None, int | None]:
    """Its id, the best active add-on of its owner with the days, and the days that it keeps."""
    row = await connection.fetchrow(
        """
        select workspaces.id, workspaces.data_retention_days as kept, addon.id as addon_id, addon.retention_days as days
        from workspaces
        join app_users on app_users.id = workspaces.owner_id
        left join lateral (
            select id, retention_days from subscription_addons
            where user_id = app_users.auth_user_id and addon_type = $3 and status = 'active'
              and retention_days is not null
            order by retention_days desc limit 1
        ) addon on true
        where workspaces.id = $1 or workspaces.slug = $2
        order by workspaces.id = $1 desc nulls last limit 1
        """,
        _uuid(reference),
        reference,
        EXTENDED_DATA_RETENTION,
    )
    if row is None:
        raise BadInput("--workspace", f"there is no workspace {reference}")
    return row["id"], (row["addon_id"], row["days"]) if row["addon_id"] else None, row["kept"]


async def _repositories(connection: Connection, workspace_id: UUID, names: Sequence[str]) -> list[UUID]:
    rows = await connection.fetch(
        """
        select repositories.id, lower(full_name) as name
        from workspace_repositories join repositories on repositories.id = repository_id
        where workspace_id = $1 and lower(full_name) = any($2)
        """,
        workspace_id,
        [name.lower() for name in names],
    )
    found = {row["name"]: row["id"] for row in rows}
    if missing := [name for name in names if name.lower() not in found]:
        raise BadInput("--repo", f"{', '.join(missing)} is not a repository of this workspace")
    return list(found.values())


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def create_bought(
    connection: Connection, owner: UUID, *, addon_id: UUID, retention_days: int, purchase_key: str
) -> tuple[str, ...]:
    """One job for each active workspace of the owner that has none yet for as many days of this add-on."""
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


async def create_added(connection: Connection) -> tuple[str, ...]:
    """A job for each workspace with the add-on that has repositories which no job for as many days has.

    They were added after the purchase, or the whole workspace was: created since, or handed to the buyer.
    """
    rows = await connection.fetch(
        f"""
        with {OWNED}, added as (
            select owned.workspace_id, addon_id, days,
                   array_agg(repository_id order by repository_id) as repository_ids
            from owned join workspace_repositories listed on listed.workspace_id = owned.workspace_id
            where is_active and days is not null and not exists (
                select from workspace_backfill_jobs job
                left join subscription_addons addon on addon.id = subscription_addon_id
                where job.workspace_id = owned.workspace_id and job.retention_days >= days
                  and (addon.id is null or addon.user_id = owned.user_id)
                  and (
                    exists (
                        select from workspace_backfill_progress part
                        where backfill_job_id = job.id and repository_id = listed.repository_id
                          and part.status <> 'skipped' and not (
                              part.status = 'canceled' and job.status = 'canceled' and job.metadata ? 'addon_ended_at'
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
            group by 1, 2, 3
        )
        insert into workspace_backfill_jobs (
            workspace_id, addon_type, subscription_addon_id, retention_days, cutoff_at, backfill_types,
            repositories_selected, requested_by, total_repositories, created_at, updated_at
        )
        select workspace_id, $2, addon_id, days, now() - make_interval(hours => 24 * days), $3, repository_ids,
               'reconciler', cardinality(repository_ids), now(), now()
        from added
        returning id
        """,
        None,
        EXTENDED_DATA_RETENTION,
        list(DATA_TYPES),
    )
    return tuple(str(row["id"]) for row in rows)


# --- Stopped with the add-on, and resumed with it ---------------------------------------------------------------------

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


async def stop_unpaid(connection: Connection, owner: UUID | None) -> tuple[str, ...]:
    """Stops open jobs whose add-on is over, or is not of the workspace's present owner; answers their ids.

    The workspaces are those of one `app_users.id`, or all. A job that another add-on of the owner pays for goes on
    under that one. One that waits is canceled here; one in progress is marked, and the reconciler tells its workflow.
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
    """Asks again for jobs that stopped with an add-on, where the owner has one for as many days now: their next attempt
    goes on at the committed cursors. Answers their ids."""
    rows = await connection.fetch(
        f"""
        with {OWNED}
        update workspace_backfill_jobs job set
            {_PENDING_AGAIN}, subscription_addon_id = owned.addon_id,
            metadata = metadata - '{_OF_AN_ATTEMPT}'::text[] || jsonb_build_object('retry', jsonb_build_object(
                'repository_ids', '[]'::jsonb, 'data_types', '[]'::jsonb,
                'requested_by', 'purchase', 'requested_at', now()
            ))
        from owned
        where job.workspace_id = owned.workspace_id and is_active and job.status = 'canceled'
          and metadata ? 'addon_ended_at' and owned.days >= job.retention_days
        returning job.id
        """,
        owner,
    )
    return tuple(str(row["id"]) for row in rows)


# --- Being heard of ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unheard:
    """A pending job of which Temporal must hear; `message` is what to signal."""

    job_id: str
    workspace_id: str
    workspace_name: str
    retention_days: int
    attempt: int
    message: Run | Retry


async def unheard(connection: Connection, *, job_id: str | None = None, limit: int = 100) -> list[Unheard]:
    """Pending jobs of which Temporal has not heard, oldest first; only `job_id`, if given."""
    rows = await connection.fetch(
        """
        select job.id, job.workspace_id, workspaces.name, job.retention_days, job.attempt,
               job.metadata -> 'retry' as retry
        from workspace_backfill_jobs job join workspaces on workspaces.id = job.workspace_id
        where job.status = 'pending' and job.signaled_at is null and ($1::uuid is null or job.id = $1)
        order by job.created_at, job.id limit $2
        """,
        job_id,
        limit,
    )
    return [
        Unheard(
            job_id=str(row["id"]),
            workspace_id=str(row["workspace_id"]),
            workspace_name=row["name"],
            retention_days=row["retention_days"],
            attempt=row["attempt"],
            message=_message(str(row["id"]), row["attempt"], row["retry"]),
        )
        for row in rows
    ]


def _message(job_id: str, attempt: int, retry: dict[str, Any] | None) -> Run | Retry:
    return Retry.model_validate({**(retry or {}), "job_id": job_id}) if attempt else Run(job_id=job_id)


async def heard(connection: Connection, job: Unheard, *, first_run_id: str | None) -> None:
    """Temporal heard of it, in the chain of runs that began with `first_run_id`; None: a server too old to tell."""
    await connection.execute(
        """
        update workspace_backfill_jobs set
            signaled_at = now(), updated_at = now(),
            metadata = metadata || jsonb_strip_nulls(jsonb_build_object('first_run_id', $3::text))
        where id = $1 and attempt = $2 and signaled_at is null
        """,
        job.job_id,
        job.attempt,
        first_run_id,
    )


# --- Being asked for again, or given up -------------------------------------------------------------------------------


async def ask_again(
    connection: Connection,
    job_id: str,
    *,
    repositories: Sequence[str] = (),
    data_types: Sequence[DataType] = (),
    requested_by: str = "operator",
) -> str:
    """A job that has ended is pending again, as its next attempt; what to do again is in `metadata.retry`.

    Answers its id. Raises `BadInput` if it is unknown, has not ended, or nothing of what was selected is left undone.
    """
    await _lock(connection, job_id)
    job = await read(connection, job_id)
    if not job.ended:
        raise BadInput("JOB", f"{job_id} is {job.status}; what failed can be retried once it has ended")
    selected = _select(job, repositories)
    if other := [each for each in data_types if each not in job.data_types]:
        raise BadInput("--type", f"{', '.join(other)} is not part of job {job_id}")
    wanted = set(data_types or job.data_types)
    if job.repositories and not any(
        part.status not in DONE and part.data_type in wanted for each in selected for part in each.types
    ):
        raise BadInput("JOB", f"nothing to retry: all that was selected of {job_id} is completed")
    if not job.repositories and job.status == "completed":
        raise BadInput("JOB", f"nothing to retry: {job_id} is completed")
    await connection.execute(
        f"""
        update workspace_backfill_jobs job set
            {_PENDING_AGAIN},
            metadata = metadata - '{_OF_AN_ATTEMPT}'::text[] || jsonb_build_object('retry', $2::jsonb)
        where id = $1
        """,
        job_id,
        {
            "repository_ids": [each.repository_id for each in selected] if repositories else [],
            "data_types": list(data_types),
            "requested_by": requested_by,
            "requested_at": datetime.now(UTC),
        },
    )
    return job.id


def _select(job: "JobView", repositories: Sequence[str]) -> list["RepositoryView"]:
    if not repositories:
        return job.repositories
    by_name = {each.full_name.lower(): each for each in job.repositories}
    if missing := [name for name in repositories if name.lower() not in by_name]:
        raise BadInput("--repo", f"{', '.join(missing)} is not part of job {job.id}")
    return list({name.lower(): by_name[name.lower()] for name in repositories}.values())


async def ask_to_stop(connection: Connection, job_id: str) -> "JobSummary":
    """Ends a job that waits for its turn; marks one in progress, which its workflow has to stop. Answers it as it was.

    Raises `BadInput` if it is unknown or has ended.
    """
    await _lock(connection, job_id)
    job = await read(connection, job_id)
    if job.ended:
        raise BadInput("JOB", f"{job_id} is {job.status} already")
    if job.status == "pending":
        await end(connection, job.id, status="canceled", reason=None)
    else:
        await connection.execute(
            """
            update workspace_backfill_jobs set
                metadata = metadata || jsonb_build_object('cancel_requested_at', now()), updated_at = now()
            where id = $1
            """,
            job.id,
        )
    return job


async def _lock(connection: Connection, job_id: str) -> None:
    """Nobody else changes the job's row until the transaction ends."""
    await connection.execute("select 1 from workspace_backfill_jobs where id = $1 for update", _uuid(job_id))


@dataclass(frozen=True)
class Stopping:
    """A job in progress that is to stop, of which its workflow has not heard yet."""

    job_id: str
    workspace_id: str
    attempt: int


async def stopping(connection: Connection) -> list[Stopping]:
    rows = await connection.fetch(
        """
        select id::text as job_id, workspace_id::text, attempt from workspace_backfill_jobs
        where status = 'in_progress' and metadata ? 'cancel_requested_at' and not metadata ? 'cancel_heard_at'
        order by created_at
        """
    )
    return [Stopping(**dict(row)) for row in rows]


async def heard_to_stop(connection: Connection, job: Stopping) -> None:
    """Its workflow was told to stop."""
    await connection.execute(
        """
        update workspace_backfill_jobs set
            metadata = metadata || jsonb_build_object('cancel_heard_at', now()), updated_at = now()
        where id = $1 and attempt = $2 and status = 'in_progress'
        """,
        job.job_id,
        job.attempt,
    )


# --- Jobs that nobody works on any more -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Open:
    """A job that should be on its way. Its workflow is one in the chain of runs that began with `first_run_id`."""

    job_id: str
    workspace_id: str
    status: JobStatus
    attempt: int
    first_run_id: str | None
    cancel_requested: bool


async def reconciles_alone(connection: Connection) -> bool:
    """Whether this transaction is the only one that compares jobs with Temporal; it stays so until it ends."""
    alone: bool = await connection.fetchval("select pg_try_advisory_xact_lock(hashtextextended('backfill jobs', 0))")
    return alone


async def heard_and_open(connection: Connection, *, quiet: timedelta) -> list[Open]:
    """Jobs in progress, and pending ones of which Temporal heard at least `quiet` ago."""
    rows = await connection.fetch(
        """
        select id, workspace_id, status, attempt, metadata
        from workspace_backfill_jobs
        where status = 'in_progress' or (status = 'pending' and signaled_at <= now() - $1::interval)
        order by workspace_id, created_at
        """,
        quiet,
    )
    return [
        Open(
            job_id=str(row["id"]),
            workspace_id=str(row["workspace_id"]),
            status=row["status"],
            attempt=row["attempt"],
            first_run_id=row["metadata"].get("first_run_id"),
            cancel_requested="cancel_requested_at" in row["metadata"],
        )
        for row in rows
    ]


async def forget(connection: Connection, job: Open) -> bool:
    """Whoever heard of this pending job is gone: it is unheard again. False if it has changed since it was read."""
    tag: str = await connection.execute(
        """
        update workspace_backfill_jobs set signaled_at = null, updated_at = now()
        where id = $1 and status = 'pending' and attempt = $2 and metadata ->> 'first_run_id' is not distinct from $3
        """,
        job.job_id,
        job.attempt,
        job.first_run_id,
    )
    return tag == "UPDATE 1"


async def abandon(connection: Connection, job: Open, reason: Failure) -> JobStatus | None:
    """Ends a job in progress whose workflow is gone: canceled if that was asked for, else failed.

    A workflow writes its job's end before its own, so who saw it gone sees that here: None, if anything has changed.
    """
    unchanged = await connection.fetchval(
        "select true from workspace_backfill_jobs where id = $1 and status = 'in_progress' and attempt = $2 for update",
        job.job_id,
        job.attempt,
    )
    if not unchanged:
        return None
    status: JobStatus = "canceled" if job.cancel_requested else "failed"
    await end(connection, job.job_id, status=status, reason=reason)
    return status


async def estimate(connection: Connection) -> None:
    """Keeps in each job in progress when it will end, for those who read the row and not `JobView.eta`."""
    for row in await connection.fetch("select id::text from workspace_backfill_jobs where status = 'in_progress'"):
        eta = (await read(connection, row["id"])).eta
        await connection.execute(
            """
            update workspace_backfill_jobs set estimated_completion_at = date_trunc('second', $2::timestamptz)
            where id = $1 and status = 'in_progress'
              and estimated_completion_at is distinct from date_trunc('second', $2::timestamptz)
            """,
            row["id"],
            eta,
        )


async def end(connection: Connection, job_id: str, *, status: JobStatus, reason: Failure | None) -> None:
    """Ends a job, whose row is locked, from outside its workflow; what it had not finished ends with it.

    Every lease is taken away and every `transition` closed, so that whoever still works on it can write no more.
    """
    failed = reason.model_dump(mode="json") if reason else None
    # Sweeps first, progress after: the order in which a page's transaction locks them.
    sweeps = await connection.fetch(
        """
        update backfill_sweeps
        set status = $2, error = $3, completed_at = now(), lease_token = lease_token + 1, lease_owner = null
        where backfill_job_id = $1 and status in ('pending', 'in_progress')
        returning repository_id, data_type, position ->> 'cursor' as cursor
        """,
        job_id,
        status,
        failed,
    )
    repositories = await connection.fetch(
        """
        update workspace_backfill_progress progress set
            status = $2, error_message = $3, completed_at = now(), transition = $4,
            metadata = progress.metadata - 'waiting_until' - 'waiting',
            data_types_failed = case when $2 = 'failed' then array(
                select unnest(job.backfill_types) except select unnest(data_types_completed || data_types_skipped)
            ) else data_types_failed end
        from workspace_backfill_jobs job, repositories
        where job.id = $1 and backfill_job_id = $1 and progress.status in ('pending', 'in_progress')
          and repositories.id = repository_id
        returning repository_id, full_name
        """,
        job_id,
        status,
        f"{reason.code}: {reason.message}" if reason else None,
        CLOSED,
    )
    places = defaultdict(list)
    for sweep in sweeps:
        places[sweep["repository_id"]].append({"data_type": sweep["data_type"], "cursor": sweep["cursor"]})
    failures = [
        failed | {"repository": each["full_name"]} | place
        for each in sorted(repositories, key=lambda row: row["full_name"])
        for place in places.get(each["repository_id"], [{}])
        if failed and status == "failed"
    ]
    message = f"{reason.message} ({reason.action})" if reason else None
    await connection.execute(
        """
        update workspace_backfill_jobs set
            status = $2, error_message = $3, transition = $4, completed_at = now(), updated_at = now(),
            estimated_completion_at = null,
            completed_repositories = (
                select count(*) from workspace_backfill_progress
                where backfill_job_id = $1 and status in ('completed', 'skipped')
            ),
            failed_repositories = (
                select count(*) from workspace_backfill_progress where backfill_job_id = $1 and status = 'failed'
            ),
            error_details = coalesce(error_details, '[]') || $5::jsonb,
            metadata = case when $5::jsonb = '[]' then metadata else
                metadata || jsonb_build_object('errors', jsonb_path_query_array(
                    coalesce(metadata -> 'errors', '[]') || $5::jsonb, '$[last - 99 to last]'
                )) end
        where id = $1
        """,
        job_id,
        status,
        message,
        CLOSED,
        failures,
    )
    if status == "failed":
        await notifications.tell(connection, job_id, "failed", "failed", message or "")


# --- As people see it -------------------------------------------------------------------------------------------------


class TypeView(_Row):
    """One data type of one repository. `stored` and `expected` count threads, `counts` all that is stored.

    `notes` is what GitHub refuses of a type that is complete otherwise, in words; `proof.sources` tells of each source
    of events (rows.EventSource) `status`, `rows`, `as_of` and, where it was skipped, the `reason`.
    """

    data_type: str
    status: PartStatus
    stored: int
    expected: int | None
    counts: dict[str, int]
    as_of: datetime | None
    proof: dict[str, Any] | None
    """Why it is complete: what was compared, and the numbers."""
    error: Failure | None
    notes: list[str]
    unshown: Unshown | None
    """What GitHub will not give for good, as far as it is known; None: it shows all."""


class RepositoryView(_Row):
    repository_id: str
    full_name: str
    status: PartStatus
    error: str | None
    started_at: datetime | None
    completed_at: datetime | None
    waiting: Waiting | None
    """What it, or some of its types, waits for."""
    waiting_until: datetime | None
    """Nothing of it can go on before."""
    types: list[TypeView]


class AddonView(_Row):
    retention_days: int | None
    status: str
    purchased_at: datetime | None
    expires_at: datetime | None
    past_due: bool
    """A payment is due: it is kept until Polar revokes it."""
    renews: bool | None
    """False: it was canceled, and ends at `expires_at`. None: it is not active."""
    changes_at: datetime | None
    """When a change of plan takes effect that was ordered for the next period."""
    changes_to_days: int | None
    """The days of that plan; None: it is none of ours."""


class JobSummary(_Row):
    """The job's own fields."""

    id: str
    workspace_id: str
    workspace_name: str
    workspace_slug: str
    status: JobStatus
    attempt: int
    requested_by: str | None
    retention_days: int
    cutoff_at: datetime
    data_types: list[str]
    total_repositories: int
    completed_repositories: int
    failed_repositories: int
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    cancel_requested_at: datetime | None
    error_message: str | None

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL_JOB_STATUSES

    @property
    def ended_well(self) -> bool:
        """It ended, and all of it is there."""
        return self.status == "completed" and self.failed_repositories == 0


class JobView(JobSummary):
    """A job with everything a progress view needs, at one moment."""

    as_of: datetime
    eta: datetime | None
    waiting: Waiting | None
    """Set if nothing of the job goes on: what ends first of all that its repositories wait for."""
    waiting_until: datetime | None
    """Set if nothing of the job can go on before."""
    addon: AddonView | None
    unshown: int
    """Things that GitHub does not show, of all types."""
    repositories: list[RepositoryView]


_JOB = """
    select job.id::text, job.workspace_id::text, workspaces.name as workspace_name, workspaces.slug as workspace_slug,
           job.status, job.attempt, job.requested_by, job.retention_days, job.cutoff_at,
           job.backfill_types as data_types, job.total_repositories, job.completed_repositories,
           job.failed_repositories, job.created_at, job.started_at, job.completed_at,
           (job.metadata ->> 'cancel_requested_at')::timestamptz as cancel_requested_at, job.error_message,
           job.subscription_addon_id, job.repositories_selected, now() as as_of
    from workspace_backfill_jobs job join workspaces on workspaces.id = job.workspace_id
"""

# Repositories are the job's progress rows, or, before there are any, those that it is going to begin with.
_REPOSITORIES = """
    with parts as (
        select repository_id, status, error_message, started_at, completed_at, data_types_completed, data_types_failed,
               data_types_skipped, metadata -> 'waiting' as waiting,
               (metadata ->> 'waiting_until')::timestamptz as waiting_until
        from workspace_backfill_progress where backfill_job_id = $1
    ), scope as (
        select * from parts
        union all
        select repository_id, 'pending', null, null, null, '{}', '{}', '{}', null, null
        from (
            select unnest($3::uuid[]) as repository_id
            union
            select repository_id from workspace_repositories where workspace_id = $2 and $3::uuid[] is null
        ) selected
        where not exists (select 1 from parts)
    )
    select scope.repository_id::text, repositories.full_name, scope.status, scope.error_message as error,
           scope.started_at, scope.completed_at, scope.waiting, scope.waiting_until,
           data_types_completed, data_types_failed, data_types_skipped, coalesce(sweeps.by_type, '{}') as sweeps
    from scope join repositories on repositories.id = scope.repository_id
    left join lateral (
        select jsonb_object_agg(data_type, jsonb_build_object(
            'status', status, 'counts', counts, 'expected', expected, 'proof', proof, 'error', error
        )) as by_type
        from backfill_sweeps
        where backfill_job_id = $1 and backfill_sweeps.repository_id = scope.repository_id
    ) sweeps on true
    order by repositories.full_name
"""


async def find(connection: Connection, reference: str) -> str:
    """The id of a job: `reference` is a job's id, or the id or slug of a workspace, whose latest job is meant.

    Raises `BadInput` if there is none.
    """
    uuid = _uuid(reference)
    job_id = await connection.fetchval("select id from workspace_backfill_jobs where id = $1", uuid)
    workspace_id = await connection.fetchval(
        "select id from workspaces where id = $1 or slug = $2 order by id = $1 desc nulls last limit 1", uuid, reference
    )
    if job_id is None and workspace_id is None:
        raise BadInput("JOB|WORKSPACE", f"there is no job and no workspace {reference}")
    job_id = job_id or await connection.fetchval(
        "select id from workspace_backfill_jobs where workspace_id = $1 order by created_at desc, id limit 1",
        workspace_id,
    )
    if job_id is None:
        raise BadInput("JOB|WORKSPACE", f"workspace {reference} has no backfill yet")
    return str(job_id)


async def recent(connection: Connection, *, limit: int) -> list[JobSummary]:
    """The jobs that were asked for last, newest first."""
    rows = await connection.fetch(f"{_JOB} order by job.created_at desc, job.id limit $1", limit)
    return [JobSummary.model_validate(dict(row)) for row in rows]


async def look(connection: Connection, job_id: str) -> JobView:
    """The job as it stands, all of it at one moment; the transaction must have done nothing else before."""
    await connection.execute("set transaction isolation level repeatable read, read only")
    return await read(connection, job_id)


async def read(connection: Connection, job_id: str) -> JobView:
    """The job as it stands. Raises `BadInput` if there is none."""
    job = await connection.fetchrow(f"{_JOB} where job.id = $1", _uuid(job_id))
    if job is None:
        raise BadInput("JOB", f"there is no job {job_id}")
    addon = await connection.fetchrow(
        """
        select retention_days, status, purchased_at, expires_at,
               status = 'active' and coalesce(metadata ->> 'polar_status' = 'past_due', false) as past_due,
               case when status = 'active' then
                   coalesce(metadata ->> 'cancel_at_period_end', 'false') = 'false' and metadata ->> 'ends_at' is null
               end as renews,
               (metadata #>> '{pending_update,applies_at}')::timestamptz as changes_at,
               (metadata ->> 'pending_days')::integer as changes_to_days
        from subscription_addons where id = $1
        """,
        job["subscription_addon_id"],
    )
    rows = await connection.fetch(_REPOSITORIES, job_id, UUID(job["workspace_id"]), job["repositories_selected"])
    not_shown = await unshown.of_job(connection, job["id"])
    repositories = [
        RepositoryView.model_validate(
            {
                **row,
                "types": [
                    {**_type(each, row), "unshown": not_shown.get((row["repository_id"], each))}
                    for each in job["data_types"]
                ],
            }
        )
        for row in rows
    ]
    waiting_until = _waiting_until(repositories) if job["status"] == "in_progress" else None
    return JobView.model_validate(
        {
            **job,
            "addon": dict(addon) if addon else None,
            "unshown": sum(each.things for each in not_shown.values()),
            "repositories": repositories,
            "waiting": _waiting(repositories) if job["status"] == "in_progress" else None,
            "waiting_until": waiting_until,
            "eta": _eta(job, repositories, waiting_until),
        }
    )


def _type(data_type: str, row: Any) -> dict[str, Any]:
    sweep = row["sweeps"].get(data_type) or {}
    counts = sweep.get("counts") or {}
    return {
        "data_type": data_type,
        "status": _type_status(data_type, row, sweep.get("status")),
        "stored": counts.get(data_type, 0),
        "expected": sweep.get("expected"),
        "counts": counts,
        "as_of": (sweep.get("proof") or {}).get("as_of"),
        "proof": sweep.get("proof"),
        "error": sweep.get("error"),
        "notes": (sweep.get("proof") or {}).get("notes") or [],
    }


def _type_status(data_type: str, row: Any, swept: str | None) -> str:
    """A repository can end before a sweep of it began (it is gone): then its progress row knows."""
    if swept:
        return swept
    for status in ("completed", "failed", "skipped"):
        if data_type in row[f"data_types_{status}"]:
            return status
    ended: str = row["status"] if row["status"] in ("failed", "canceled", "skipped") else "pending"
    return ended


def _waiting(repositories: Sequence[RepositoryView]) -> Waiting | None:
    waits = [each.waiting for each in repositories if each.status == "in_progress"]
    if any(each is None or each.data_types for each in waits):
        return None
    held = [each for each in waits if each is not None and each.reason != "turn"]
    return min(held, key=lambda each: (each.until is None, each.until or each.since), default=None)


def _waiting_until(repositories: Sequence[RepositoryView]) -> datetime | None:
    # One between its legs neither waits for GitHub nor goes on.
    running = [
        each.waiting_until
        for each in repositories
        if each.status == "in_progress" and (each.waiting_until or any(it.status == "in_progress" for it in each.types))
    ]
    moments = [each for each in running if each is not None]
    return min(moments) if moments and len(moments) == len(running) else None


def _eta(job: Any, repositories: Sequence[RepositoryView], waiting_until: datetime | None) -> datetime | None:
    """When it ends at the pace so far, if what nobody has counted yet is like what was counted."""
    if job["status"] != "in_progress" or not job["started_at"] or job["attempt"]:
        return None  # a retry began with most of it done: there is no pace to tell
    parts = [part for each in repositories for part in each.types]
    going = [part for part in parts if part.status in ("pending", "in_progress")]
    sizes = [max(part.expected, part.stored) for part in parts if part.expected is not None]
    # What ended without all that was expected is not coming any more.
    done = sum(part.stored if part in going else max(part.expected or 0, part.stored) for part in parts)
    if not done:
        return None
    known = sum(max(part.expected - part.stored, 0) for part in going if part.expected is not None)
    uncounted = sum(part.expected is None for part in going)
    left = known + uncounted * (sum(sizes) / len(sizes) if sizes else 0)
    eta: datetime = job["as_of"] + (job["as_of"] - job["started_at"]) * (left / done)
    return max(eta, waiting_until) if waiting_until else eta
