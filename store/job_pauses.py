"""Pauses of jobs: begins and ends a pause, frees the places of a paused job, and lists the pauses of which workflows
have to be told.

In the row of a paused job, `metadata.paused_at` says since when the job is paused, and `paused_by` who paused the job.
`pause_changed_at` is set until the job's workflow was told to read the row.
"""

from dataclasses import dataclass
from datetime import datetime

from messages import Waiting
from store import shown_waits
from store.database import Connection


async def begin(connection: Connection, job_id: str, who: str) -> None:
    """Records that `who` paused the job. The caller must have locked the job's row."""
    await connection.execute(
        """
        update workspace_backfill_jobs set updated_at = now(), estimated_completion_at = null,
            metadata = metadata
                || jsonb_build_object('paused_at', now(), 'paused_by', $2::text, 'pause_changed_at', now())
        where id = $1
        """,
        job_id,
        who,
    )


async def end(connection: Connection, job_id: str) -> None:
    """Records that the job is no longer paused. Adds the length of the pause to `paused_seconds`, because the job's
    pace leaves out the time of pauses. The caller must have locked the job's row.
    """
    await connection.execute(
        """
        update workspace_backfill_jobs set updated_at = now(),
            metadata = metadata - '{paused_at,paused_by}'::text[] || jsonb_build_object(
                'pause_changed_at', now(),
                'paused_seconds', coalesce((metadata ->> 'paused_seconds')::numeric, 0) + case
                    when status = 'in_progress'
                    then extract(epoch from now() - (metadata ->> 'paused_at')::timestamptz) else 0 end
            )
        where id = $1
        """,
        job_id,
    )
    await shown_waits.show(connection, job_id, shown_waits.turn(), in_place_of=("paused",))


async def free_places(connection: Connection, job_id: str) -> None:
    """Frees the places of a paused job. All activities of the job must have ended before. Other jobs then do not wait
    for the sweeps of this job, and its repositories show that they wait because of the pause. Nothing changes if the
    job is no longer paused.
    """
    paused_at = await connection.fetchval(
        """
        select (metadata ->> 'paused_at')::timestamptz from workspace_backfill_jobs
        where id = $1 and status = 'in_progress' for update
        """,
        job_id,
    )
    if paused_at is None:
        return
    # Sweeps first, progress after: the order in which a page's transaction locks them.
    await connection.execute(
        """
        update backfill_sweeps set status = 'pending', lease_owner = null
        where backfill_job_id = $1 and status = 'in_progress'
        """,
        job_id,
    )
    await shown_waits.show(connection, job_id, Waiting(reason="paused", since=paused_at))


@dataclass(frozen=True)
class PauseChange:
    """A change of which a job's workflow has to be told: the job was paused, was resumed, or ended while it
    was paused.
    """

    job_id: str
    workspace_id: str
    attempt: int
    paused: bool
    at: datetime


async def changes(connection: Connection, *, job_id: str | None = None) -> list[PauseChange]:
    """Returns the changes that workflows have not been told of, oldest first. `job_id` limits the result to one job."""
    rows = await connection.fetch(
        """
        select id::text as job_id, workspace_id::text, attempt, metadata ? 'paused_at' as paused,
               (metadata ->> 'pause_changed_at')::timestamptz as at
        from workspace_backfill_jobs where metadata ? 'pause_changed_at' and ($1::uuid is null or id = $1)
        order by metadata ->> 'pause_changed_at', id limit 100
        """,
        job_id,
    )
    return [PauseChange(**dict(row)) for row in rows]


async def heard_of(connection: Connection, change: PauseChange) -> None:
    """Records that the workflow was told of the change, or that there is no workflow. If the job has changed again
    since, the workflow still has to be told of the later change.
    """
    await connection.execute(
        """
        update workspace_backfill_jobs set metadata = metadata - 'pause_changed_at'
        where id = $1 and (metadata ->> 'pause_changed_at')::timestamptz = $2
        """,
        change.job_id,
        change.at,
    )
