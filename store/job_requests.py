"""What people ask of jobs: a job of its own, another attempt, an end.

A job is committed before Temporal hears of it. `signaled_at` is null until it has: whoever commits a job may die, and
`reconciler.py` tells Temporal instead. What happens between is decided under the job's row lock.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from errors import BadInput
from messages import DATA_TYPES, DataType
from store.addons import EXTENDED_DATA_RETENTION
from store.database import Connection
from store.job_attempts import OF_AN_ATTEMPT, PENDING_AGAIN, end
from store.job_views import DONE, JobSummary, JobView, RepositoryView, read, uuid_of


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
        uuid_of(reference),
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
            {PENDING_AGAIN},
            metadata = metadata - '{OF_AN_ATTEMPT}'::text[] || jsonb_build_object('retry', $2::jsonb)
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


def _select(job: JobView, repositories: Sequence[str]) -> list[RepositoryView]:
    if not repositories:
        return job.repositories
    by_name = {each.full_name.lower(): each for each in job.repositories}
    if missing := [name for name in repositories if name.lower() not in by_name]:
        raise BadInput("--repo", f"{', '.join(missing)} is not part of job {job.id}")
    return list({name.lower(): by_name[name.lower()] for name in repositories}.values())


async def ask_to_stop(connection: Connection, job_id: str) -> JobSummary:
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
    await connection.execute("select 1 from workspace_backfill_jobs where id = $1 for update", uuid_of(job_id))
