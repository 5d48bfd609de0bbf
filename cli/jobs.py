"""Reads jobs for commands: once, or repeatedly until they end."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from errors import RetryNow, Unreachable
from progress.views import JobSummary, JobView
from store import job_changes, job_views
from store.database import Database

LOOK_SECONDS = 0.5
"""Seconds between two readings of a job that is followed."""
READ_SECONDS = 5.0
"""Longest time between two complete readings: the remaining time changes although no row does."""
PAUSE_SHARE = 10.0
"""The pause after a reading, as a multiple of the reading's duration: that of a job with many repositories is slow."""
PATIENCE_SECONDS = 900.0
"""How long a job is followed while Postgres does not answer."""


@dataclass(frozen=True)
class Look:
    """A job as `watch` shows it: the view that Postgres returned last, and whether Postgres still answers."""

    job: JobView
    away_since: datetime | None = None
    """Since when Postgres has not answered."""


async def find_job(database: Database, reference: str) -> str:
    """Returns the job's id. `reference` is that id, or the id or slug of a workspace. For a workspace, the id of its
    latest job is returned.
    """
    async with database.transaction() as connection:
        return await job_views.find(connection, reference)


async def read_job(database: Database, job_id: str) -> JobView:
    """Returns the job's view. All its parts are as of the same moment."""
    async with database.transaction() as connection:
        return await job_views.look(connection, job_id)


async def follow_job(database: Database, job_id: str) -> AsyncIterator[Look]:
    """Yields the job each time its view may have changed. The last view shows the job as ended. While Postgres does not
    answer, yields the previous view again and again, with `away_since`.

    Raises `Unreachable` if Postgres does not answer at the start, or later for `PATIENCE_SECONDS`.
    """
    look: Look | None = None
    fingerprint, read_at, answered = None, 0.0, time.monotonic()
    while look is None or not look.job.ended:
        began = time.monotonic()
        try:
            async with database.transaction() as connection:
                found = (await job_changes.fingerprints(connection, [job_id])).get(job_id)
            answered = time.monotonic()
            if look is None or look.away_since or found != fingerprint or answered - read_at >= READ_SECONDS:
                # The fingerprint is from before: what has changed since is read twice, and not missed.
                look, fingerprint, read_at = Look(await read_job(database, job_id)), found, answered
                yield look
        except RetryNow as error:
            if look is None or time.monotonic() - answered > PATIENCE_SECONDS:
                raise Unreachable("database", error.message) from error
            if look.away_since is None:
                look = replace(look, away_since=datetime.now(UTC))
            yield look
        if not look.job.ended:
            await asyncio.sleep(min(max(LOOK_SECONDS, PAUSE_SHARE * (time.monotonic() - began)), READ_SECONDS))


def exit_code(job: JobSummary) -> int:
    """Returns the exit code for a job: 1 if the job was canceled, failed or ended with failures, else 0."""
    return 1 if job.ended and not job.ended_well else 0
