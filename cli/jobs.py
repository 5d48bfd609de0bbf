"""Jobs as commands read them: once, or again and again until they end."""

import asyncio
import time
from collections.abc import AsyncIterator

from errors import RetryNow, Unreachable
from progress.views import JobSummary, JobView
from store import job_views
from store.database import Database

LOOK_SECONDS = 0.5
"""Between two readings of a job that is followed."""
PATIENCE_SECONDS = 30.0
"""How long a job is followed while Postgres does not answer."""


async def find_job(database: Database, reference: str) -> str:
    """The id of the job of this id, or of the latest of the workspace of this id or slug."""
    async with database.transaction() as connection:
        return await job_views.find(connection, reference)


async def read_job(database: Database, job_id: str) -> JobView:
    """The job as it stands, all of it at one moment."""
    async with database.transaction() as connection:
        return await job_views.look(connection, job_id)


async def follow_job(database: Database, job_id: str) -> AsyncIterator[JobView]:
    """The job again and again, the last time when it has ended. Raises `Unreachable` if Postgres stays away."""
    answered = time.monotonic()
    while True:
        try:
            job = await read_job(database, job_id)
        except RetryNow as error:
            if time.monotonic() - answered > PATIENCE_SECONDS:
                raise Unreachable("database", error.message) from error
        else:
            answered = time.monotonic()
            yield job
            if job.ended:
                return
        await asyncio.sleep(LOOK_SECONDS)


def exit_code(job: JobSummary) -> int:
    """1 for a job that was canceled, failed or ended with failures."""
    return 1 if job.ended and not job.ended_well else 0
