"""Jobs of which Temporal has to be told: pending jobs, jobs that have to stop, and jobs whose workflow is gone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from messages import Failure, JobStatus, Retry, Run
from store.database import Connection
from store.job_attempts import end


@dataclass(frozen=True)
class Unheard:
    """A pending job that Temporal has not heard of. `message` is the signal to send."""

    job_id: str
    workspace_id: str
    workspace_name: str
    retention_days: int
    attempt: int
    message: Run | Retry


async def unheard(connection: Connection, *, job_id: str | None = None, limit: int = 100) -> list[Unheard]:
    """Returns the pending jobs that Temporal has not heard of, oldest first. `job_id` limits the result to one job."""
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
    if not attempt:
        return Run(job_id=job_id)
    return Retry.model_validate({**(retry or {}), "job_id": job_id, "attempt": attempt})


async def heard(connection: Connection, job: Unheard, *, first_run_id: str | None) -> None:
    """Records that Temporal has heard of the job. `first_run_id` is the first run in the workflow's chain of runs. It
    is None if the server is too old to tell.
    """
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


@dataclass(frozen=True)
class Stopping:
    """A job in progress that has to stop, as a whole or in some repositories. The job's workflow has not
    been told yet.
    """

    job_id: str
    workspace_id: str
    attempt: int
    whole: bool
    """Whether the whole job is to stop."""
    repositories: list[str]
    """The ids of the repositories that are to stop alone."""


async def stopping(connection: Connection, *, job_id: str | None = None) -> list[Stopping]:
    """Returns the jobs in progress that have to stop, as a whole or in some repositories. Jobs whose workflow has been
    told are left out. The oldest job comes first. `job_id` limits the result to one job.
    """
    rows = await connection.fetch(
        """
        select id::text as job_id, workspace_id::text, attempt, metadata ? 'cancel_requested_at' as whole,
               coalesce(metadata -> 'stopping', '[]') as repositories
        from workspace_backfill_jobs
        where status = 'in_progress' and ($1::uuid is null or id = $1) and (
            (metadata ? 'cancel_requested_at' and not metadata ? 'cancel_heard_at')
            or metadata -> 'stopping' <> coalesce(metadata -> 'stopping_heard', '[]')
        )
        order by created_at
        """,
        job_id,
    )
    return [Stopping(**dict(row)) for row in rows]


async def heard_to_stop(connection: Connection, job: Stopping) -> None:
    """Records that the workflow was told to stop the job, or repositories of it. If more repositories were canceled
    since, the workflow still has to be told of these.
    """
    await connection.execute(
        """
        update workspace_backfill_jobs set updated_at = now(), metadata = metadata
            || case when $3 then jsonb_build_object('cancel_heard_at', now()) else '{}' end
            || jsonb_build_object('stopping_heard', $4::jsonb)
        where id = $1 and attempt = $2 and status = 'in_progress'
        """,
        job.job_id,
        job.attempt,
        job.whole,
        job.repositories,
    )


@dataclass(frozen=True)
class Open:
    """A job that should have a workflow, in the chain of runs that began with `first_run_id`."""

    job_id: str
    workspace_id: str
    status: JobStatus
    attempt: int
    first_run_id: str | None


async def take_comparison_lease(connection: Connection, lasts: timedelta) -> datetime | None:
    """Takes the lease under which one process at a time compares jobs with Temporal. Returns the moment at which the
    lease expires, or None if another process holds the lease.

    A lock would not do, because no transaction may stay open during requests to Temporal. The lease of a killed process
    expires.
    """
    ends_at: datetime | None = await connection.fetchval(
        """
        insert into reconciler_turns as lease (name, ends_at) values ('jobs', clock_timestamp() + $1::interval)
        on conflict (name) do update set ends_at = excluded.ends_at where lease.ends_at <= clock_timestamp()
        returning ends_at
        """,
        lasts,
    )
    return ends_at


async def end_comparison_lease(connection: Connection, ends_at: datetime) -> None:
    """Ends the lease that expires at `ends_at`. Nothing changes if another process has taken the lease since."""
    await connection.execute(
        "update reconciler_turns set ends_at = clock_timestamp() where name = 'jobs' and ends_at = $1", ends_at
    )


async def heard_and_open(connection: Connection, *, quiet: timedelta) -> list[Open]:
    """Returns the jobs that should have a workflow: jobs in progress, and pending jobs of which Temporal heard at least
    `quiet` ago.
    """
    rows = await connection.fetch(
        """
        select id, workspace_id, status, attempt, metadata ->> 'first_run_id' as first_run_id
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
            first_run_id=row["first_run_id"],
        )
        for row in rows
    ]


async def forget(connection: Connection, job: Open) -> bool:
    """Marks this pending job as one that Temporal has not heard of, because its workflow is gone. The reconciler then
    signals the job again. Returns False if the job has changed since it was read.
    """
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
    """Ends a job in progress whose workflow is gone. The job ends as canceled if a cancel was requested, otherwise as
    failed.

    Returns the new status. If the job has changed since it was read, changes nothing and returns None, because the
    workflow may have written the end itself.
    """
    unchanged = await connection.fetchrow(
        """
        select metadata ? 'cancel_requested_at' as cancel_requested
        from workspace_backfill_jobs where id = $1 and status = 'in_progress' and attempt = $2 for update
        """,
        job.job_id,
        job.attempt,
    )
    if unchanged is None:
        return None
    status: JobStatus = "canceled" if unchanged["cancel_requested"] else "failed"
    await end(connection, job.job_id, status=status, reason=reason)
    return status
