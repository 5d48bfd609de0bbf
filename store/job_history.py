"""All jobs of a workspace, newest first, in pages. Each job has its request and, if it has ended, its outcome."""

from typing import Any
from uuid import UUID

from messages import TERMINAL_JOB_STATUSES
from progress import headline
from progress.sentences import Sentence
from progress.views import JobSummary
from store import job_views
from store.database import Connection
from store.places import Place


class PastJob(JobSummary):
    """One job in the history of a workspace."""

    headline: Sentence
    rows_stored: int
    """Stored rows of its repositories, whichever job fetched them."""

    @property
    def place(self) -> Place:
        return Place.of(self.created_at, UUID(self.id))


# A job's end has counted its rows. The sum is the same that its chart shows.
_ROWS = """
select id::text, coalesce((metadata ->> 'rows_stored')::bigint, (
  select sum(number::bigint) from backfill_sweeps, jsonb_each_text(counts) as counted(noun, number)
  where backfill_job_id = job.id
), 0) as stored
from workspace_backfill_jobs job where id = any($1::uuid[])
"""


async def read(connection: Connection, workspace_id: UUID, *, before: Place | None, limit: int) -> list[PastJob]:
    """Returns at most `limit` jobs of the workspace, newest first. If `before` is given, returns only older jobs."""
    rows = await job_views.of_workspace(
        connection, workspace_id, before=(before.at, before.id) if before else None, limit=limit
    )
    stored = {row["id"]: row["stored"] for row in await connection.fetch(_ROWS, [row["id"] for row in rows])}
    return [
        PastJob.model_validate(
            {**row, "headline": await _headline(connection, row), "rows_stored": stored.get(row["id"], 0)}
        )
        for row in rows
    ]


async def _headline(connection: Connection, row: Any) -> Sentence:
    """Returns the headline of a job. Uses only the job's row if the job has ended, and its whole view otherwise."""
    if row["status"] not in TERMINAL_JOB_STATUSES:
        return (await job_views.read(connection, row["id"])).headline
    return headline.of_ended(
        JobSummary.model_validate(dict(row)), as_of=job_views.recorded_as_of(row), unshown=row["things_unshown"] or 0
    )
