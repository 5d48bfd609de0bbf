"""A job's pause: its beginning and end in the job's row, the places that it frees, and what Temporal has to hear of it.

`metadata.paused_at` says that a job is paused, `paused_by` by whom. `pause_changed_at` stands until the job's workflow
was told to look at its row.
"""

from dataclasses import dataclass
from datetime import datetime

from store.database import Connection


async def begin(connection: Connection, job_id: str, who: str) -> None:
    """The job, whose row is locked, is paused."""
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
    """Ends the pause of a job whose row is locked: it goes on when its turn comes. The paused time is kept, so that the
    job's pace leaves it out."""
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
    await connection.execute(
        """
        update workspace_backfill_progress set metadata = jsonb_set(metadata, '{waiting}', jsonb_build_object(
            'reason', 'turn', 'since', now()
        ))
        where backfill_job_id = $1 and metadata #>> '{waiting,reason}' = 'paused'
        """,
        job_id,
    )


async def free_places(connection: Connection, job_id: str) -> None:
    """Nobody works on a paused job any more: other jobs need not wait for its sweeps, and its repositories say why they
    wait. Changes nothing if it goes on meanwhile."""
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
    await connection.execute(
        """
        update workspace_backfill_progress set
            metadata = metadata - 'waiting_until' || jsonb_build_object('waiting', jsonb_build_object(
                'reason', 'paused', 'since', $2::timestamptz
            ))
        where backfill_job_id = $1 and status in ('pending', 'in_progress')
        """,
        job_id,
        paused_at,
    )


@dataclass(frozen=True)
class PauseChange:
    """A job that was paused, that goes on, or that ended while it was paused, and whose workflow has to hear of it."""

    job_id: str
    workspace_id: str
    attempt: int
    paused: bool
    at: datetime


async def changes(connection: Connection, *, job_id: str | None = None) -> list[PauseChange]:
    """Those that no workflow was told of, oldest first; only `job_id`'s, if given."""
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
    """The workflow was told to look, or there is none. A change that came since is told too."""
    await connection.execute(
        """
        update workspace_backfill_jobs set metadata = metadata - 'pause_changed_at'
        where id = $1 and (metadata ->> 'pause_changed_at')::timestamptz = $2
        """,
        change.job_id,
        change.at,
    )
