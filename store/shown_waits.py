"""Shows waits at a job's repositories, in `metadata.waiting` of their progress rows, until their workflows record
another state.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from messages import PartStatus, Waiting, WaitingReason
from store.database import Connection


def turn() -> Waiting:
    """Returns the wait of a repository that has not begun: since now, it waits for its turn."""
    return Waiting(reason="turn", since=datetime.now(UTC))


async def show(
    connection: Connection,
    job_id: str,
    waiting: Waiting,
    *,
    statuses: Sequence[PartStatus] = ("pending", "in_progress"),
    in_place_of: Sequence[WaitingReason] | None = None,
    repository_ids: Sequence[str] | None = None,
) -> None:
    """Shows this wait at the repositories of a job that have one of these statuses. `in_place_of` limits that to
    repositories that show a wait for one of these reasons, and `repository_ids` to these repositories.
    """
    await connection.execute(
        """
        with shown as (
          select repository_id from workspace_backfill_progress
          where backfill_job_id = $1 and status = any($3::text[])
            and ($4::text[] is null or metadata #>> '{waiting,reason}' = any($4))
            and ($5::uuid[] is null or repository_id = any($5))
          order by repository_id for update)
        update workspace_backfill_progress p
        set metadata = p.metadata - 'waiting_until' || jsonb_build_object('waiting', $2::jsonb)
        from shown where p.backfill_job_id = $1 and p.repository_id = shown.repository_id
        """,
        job_id,
        waiting.as_json(),
        list(statuses),
        None if in_place_of is None else list(in_place_of),
        None if repository_ids is None else list(repository_ids),
    )
