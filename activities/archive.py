"""Reads GH Archive hour by hour, in slices.

Each hour is one file. The file is downloaded as a whole and then stored in one transaction. The transaction first
checks the lease (the fence), and also records which hour comes next. After a kill, reading resumes at the first hour
that was not committed.
"""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Literal

import structlog
from temporalio import activity

from activities.attempts import (
    MOST_ATTEMPTS,
    GivenUpError,
    exhausted,
    is_paused,
    pause,
    paused,
    send_heartbeats,
    stopping_at_a_boundary,
    unless,
)
from activities.failures import as_application_error, as_failure
from errors import BackfillError, JobOver, PartOver, RetryLater
from github.events.archive import Archive, Damaged, Hour, Wanted, name_of
from messages import ArchivePlan, ArchiveProgress, ArchiveRead, ArchiveSlice, EndArchive, Failure, Pace
from rows import Page
from store import archive_reads, feed, pages
from store.archive_reads import Read
from store.database import Database
from store.sweeps import LeaseLostError

DAMAGED_ATTEMPTS = 6
"""After this many attempts, over half a minute, that find a file damaged at the same byte, the archive's own file
counts as damaged.
"""

log = structlog.get_logger(__name__)


class ArchiveActivities:
    """The activities that read GH Archive. `archive` is None if `GH_ARCHIVE_URL` is not set. `pace` limits each slice.
    `search_attributes` are the names of the search attributes that the Temporal namespace has.
    """

    def __init__(
        self, database: Database, archive: Archive | None, pace: Pace, search_attributes: Collection[str]
    ) -> None:
        self._database = database
        self._archive = archive
        self._pace = pace
        self._search_attributes = sorted(search_attributes)

    @activity.defn(name="begin_archive")
    async def begin_archive(self, read: ArchiveRead) -> ArchivePlan:
        """Marks the reading as in progress, and returns the plan of the reading."""
        try:
            async with self._database.transaction() as connection:
                plan = await archive_reads.begin(connection, read.read_id, self._pace)
        except BackfillError as error:
            raise as_application_error(error) from error
        return plan.with_search_attributes(self._search_attributes)

    @activity.defn(name="read_archive")
    async def read_archive(self, slice_: ArchiveSlice) -> ArchiveProgress:
        """Reads further hours. Stops when `pace.slice_seconds` have passed, `pace.slice_pages` hours are read, or the
        last hour is read.

        When the worker stops, the slice ends after the current hour. When the activity is canceled or paused, the
        current hour is dropped, unless that hour is already being stored. Raises a retryable ApplicationError for
        passing errors.
        """
        stop, drop = asyncio.Event(), asyncio.Event()
        try:
            return await stopping_at_a_boundary(self._slice(slice_, stop, drop), stop, canceled=drop)
        except BackfillError as error:
            raise as_application_error(error) from error

    async def _slice(self, slice_: ArchiveSlice, stop: asyncio.Event, drop: asyncio.Event) -> ArchiveProgress:
        info = activity.info()
        with structlog.contextvars.bound_contextvars(workflow_id=info.workflow_id):
            read = await archive_reads.take(
                self._database, slice_.read_id, owner=f"{info.workflow_run_id}/{info.activity_id}/{info.attempt}"
            )
            attempt = _Slice(self._database, self._archive, slice_.pace, read, stop, drop)
            progress = await attempt.run()
            if progress.goes_on and await is_paused(attempt.heartbeat):
                raise paused()
            return progress

    @activity.defn(name="end_archive")
    async def end_archive(self, ending: EndArchive) -> None:
        """Ends the reading early, with the status `failed` or `canceled`."""
        try:
            async with self._database.transaction() as connection:
                await archive_reads.end(connection, ending.read_id, ending.status, ending.failure)
        except BackfillError as error:
            raise as_application_error(error) from error


class _Slice:
    """One attempt at a slice of a reading."""

    def __init__(
        self,
        database: Database,
        archive: Archive | None,
        pace: Pace,
        read: Read,
        stop: asyncio.Event,
        drop: asyncio.Event,
    ) -> None:
        self._database = database
        self._archive = archive
        self._pace = pace
        self._read = read
        self._stop = stop
        self._drop = drop
        self._hours = 0
        self._downloaded = 0
        """Bytes downloaded of the present hour."""
        self._moved_at = monotonic()

    async def run(self) -> ArchiveProgress:
        """Runs the slice to its end, and returns the result. If the reading fails or has to wait, the result says so.

        Passing errors (`RetryNow`) and bugs are recorded and raised. A lost lease is raised without a record.
        """
        if self._read.status not in ("pending", "in_progress"):
            return self._ended()
        if self._archive is None:
            return await self._fail(_off())
        if self._read.attempts > MOST_ATTEMPTS:
            return await self._fail(self._exhausted())
        until = monotonic() + self._pace.slice_seconds
        heartbeat = asyncio.create_task(
            send_heartbeats(lambda: self.heartbeat, lambda: self._moved_at, self._pace.heartbeat_timeout_seconds)
        )
        try:
            while True:
                started = monotonic()
                damage = None
                try:
                    hour = await self._download(self._archive)
                except Damaged as error:
                    if not self._is_damaged_in_archive(error):
                        raise
                    hour, damage = error.hour, error
                await self._commit(hour, started, damage)
                if self._read.is_read:
                    return self._ended()
                if self._stop.is_set() or monotonic() >= until or self._hours >= self._pace.slice_pages:
                    await archive_reads.release(self._database, self._read)
                    return self._result("more")
        except GivenUpError:
            await archive_reads.release(self._database, self._read)
            return self._result("more")
        except RetryLater as error:
            await archive_reads.release(self._database, self._read)
            log.info("limited", until=error.at.isoformat(), why=error.message)
            return self._result("limited", until=error.at)
        except LeaseLostError:
            raise
        except (PartOver, JobOver) as error:
            return await self._fail(self._failure(error))
        except Exception as error:
            failure = self._failure(error)
            log.warning("attempt failed", attempts=self._read.attempts, code=failure.code, why=failure.message)
            await archive_reads.release(self._database, self._read, failure=failure)
            raise as_application_error(error, pause(self._read.attempts)) from error
        finally:
            heartbeat.cancel()

    async def _download(self, archive: Archive) -> Hour | None:
        """Downloads the next hour. Returns None if the archive has no file for that hour.

        Raises `GivenUpError` if the activity is canceled or paused meanwhile. Raises `PartOver` if no repository of the
        reading belongs to the workspace any more.
        """
        async with self._database.transaction() as connection:
            known = await archive_reads.repositories(connection, self._read)
        if not known:
            raise PartOver(
                "removed", "none of its repositories belongs to the workspace any more", "nothing is left to do"
            )
        types = self._read.event_types
        wanted = Wanted(frozenset(each.github_id for each in known), frozenset(types) if types is not None else None)
        return await unless(self._drop, archive.read(self._read.next_hour, wanted, self._moved))

    def _moved(self, downloaded: int) -> None:
        self._downloaded = downloaded
        self._moved_at = monotonic()

    def _is_damaged_in_archive(self, damage: Damaged) -> bool:
        """Returns whether the archive's own file is damaged, and not only this download. The file counts as damaged if
        the previous attempt found the same damage, and if this is at least attempt number `DAMAGED_ATTEMPTS` in a row.

        Returns False if this reading has not read any file yet, because `GH_ARCHIVE_URL` may then be a wrong address.
        """
        last = self._read.error
        same = last is not None and last.message == damage.message
        return same and self._read.attempts >= DAMAGED_ATTEMPTS and self._read.bytes_read > 0

    async def _commit(self, hour: Hour | None, started: float, damage: Damaged | None) -> None:
        """Stores the hour's rows, and moves to the next hour, in one transaction. `hour` is None if the archive has no
        file for that hour. If the file is damaged, `damage` is the error, and `hour` has only the events before the
        damage.
        """
        read, name = self._read, name_of(self._read.next_hour)
        events = hour.events if hour is not None else {}
        await feed.ensure_months(self._database, (row for rows in events.values() for row in rows))
        async with self._database.transaction() as connection:
            await archive_reads.fence(connection, read)
            stored = 0
            for repository in await archive_reads.repositories(connection, read, events.keys()):
                page = Page(datetime.now(UTC), feed=events[repository.github_id])
                stored += (await pages.write(connection, repository, page))["events"]
            self._read = await archive_reads.commit(
                connection,
                read,
                missing=hour is None,
                damaged=damage is not None,
                malformed=hour.malformed if hour is not None else 0,
                stored=stored,
                length=hour.length if hour is not None else 0,
                seconds=monotonic() - started,
            )
        self._hours += 1
        self._moved(0)
        if damage is not None:
            log.warning("a file of the archive is damaged, and was read as far as it goes", why=damage.message)
        if hour is None:
            log.warning("the archive lacks an hour", hour=name)
        elif hour.malformed:
            log.warning("the archive has lines that are no events", hour=name, lines=hour.malformed, of=hour.lines)

    @property
    def heartbeat(self) -> dict[str, Any]:
        """The details that a heartbeat sends: the next hour, the downloaded bytes of that hour, and the number of
        stored events.
        """
        return {
            "next_hour": self._read.next_hour.isoformat(),
            "downloaded": self._downloaded,
            "events_stored": self._read.events_stored,
        }

    async def _fail(self, failure: Failure) -> ArchiveProgress:
        async with self._database.transaction() as connection:
            await archive_reads.fence(connection, self._read)
            await archive_reads.end(connection, self._read.id, "failed", failure)
        self._read.status, self._read.error = "failed", failure
        log.error("the reading failed", code=failure.code, why=failure.message)
        return self._ended()

    def _exhausted(self) -> Failure:
        return exhausted(
            self._read.attempts - 1,
            self._read.error,
            action=self._again(),
            cursor=self._read.next_hour.isoformat(),
            at=datetime.now(UTC),
        )

    def _failure(self, error: BaseException) -> Failure:
        failure = as_failure(error, cursor=self._read.next_hour.isoformat())
        return failure if failure.action else failure.with_action(self._again())

    def _again(self) -> str:
        return f"what is stored stays: read again with --since {self._read.next_hour.astimezone(UTC):%Y-%m-%dT%H}"

    def _ended(self) -> ArchiveProgress:
        ends: dict[str, Literal["completed", "failed", "canceled"]] = {
            "completed": "completed",
            "canceled": "canceled",
        }
        return self._result(ends.get(self._read.status, "failed"))

    def _result(
        self, outcome: Literal["more", "limited", "completed", "failed", "canceled"], *, until: datetime | None = None
    ) -> ArchiveProgress:
        return ArchiveProgress(
            outcome=outcome,
            limited_until=until,
            next_hour=self._read.next_hour,
            hours_missing=self._read.hours_missing,
            hours_damaged=self._read.hours_damaged,
            lines_malformed=self._read.lines_malformed,
            events_stored=self._read.events_stored,
            bytes_read=self._read.bytes_read,
            failure=self._read.error if outcome == "failed" else None,
        )


def _off() -> Failure:
    return Failure(
        code="no_archive",
        message="GH_ARCHIVE_URL: missing: this worker reads no archive",
        action="set GH_ARCHIVE_URL for every worker, then ask for the reading again",
        at=datetime.now(UTC),
    )
