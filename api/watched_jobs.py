"""Follows the jobs that people watch. Each process polls Postgres once for all of these jobs.

A poll finds out, in one statement, which watched jobs changed. Then it reads each changed job as of one moment. Events
for a client are built only when the client is ready. So nothing is queued for a slow client: it gets each changed row
once, in the latest state.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from time import monotonic

import structlog

from api.answers import tag_of
from api.jobs import MOVING
from api.models import Backfill, RepositoryProgress
from errors import BadInput
from messages import TERMINAL_JOB_STATUSES
from progress.views import JobView, RepositoryView
from rounds import Rounds
from store import job_changes, job_views
from store.database import Database

INTERVAL_SECONDS = 0.25
"""Seconds between two polls."""
READS_AT_ONCE = 3
"""Jobs read at the same time. More would keep deliveries, which share the pool, waiting for a connection."""
VERSIONS_KEPT = 1_000
"""Versions kept of a watched job. A reader who returns with one of them gets what changed since."""

JOB = ""
"""The key of the job's own row; the keys of repositories are their ids."""

log = structlog.get_logger(__name__)


class WatchedJob:
    """One watched job, as of the last poll. The object remembers for each row the number of the batch in which the row
    last changed.

    A batch holds the changes that one poll found. The server-sent events of a batch are built once, as bytes, and sent
    to all clients. The last event carries the job's version. A client that loses the connection before that event gets
    the whole batch again.
    """

    def __init__(self, view: JobView, fingerprint: str | None) -> None:
        self.batch = 0
        self.deleted = False
        self._rows: dict[str, bytes] = {}
        self._changed: dict[str, int] = {}
        self._removed: dict[str, int] = {}
        self._batches: dict[str, int] = {}
        self._made: dict[int | None, bytes] = {}
        self._seen: dict[str, RepositoryView] = {}
        self._news = asyncio.Event()
        self.update(view, fingerprint)

    @property
    def ended(self) -> bool:
        return self.view.status in TERMINAL_JOB_STATUSES

    def batch_of(self, version: str | None) -> int | None:
        """Returns the number of the batch that led to this version, or None if the version is unknown or too old."""
        return self._batches.get(version or "")

    def update(self, view: JobView, fingerprint: str | None) -> None:
        """Applies the result of a poll, and wakes the clients if the view changed. A repository counts as unchanged if
        the view holds the same object as the view before.
        """
        self.view = Backfill.model_validate(view.without_repositories())
        self.fingerprint = fingerprint
        rows = {
            each.repository_id: self._rows[each.repository_id]
            if self._seen.get(each.repository_id) is each
            else RepositoryProgress.model_validate(each).model_dump_json().encode()
            for each in view.repositories
        }
        self._seen = {each.repository_id: each for each in view.repositories}
        removed = [key for key in self._rows if key not in rows and key != JOB]
        changed = [key for key, row in rows.items() if self._rows.get(key) != row]
        job = self.view.model_dump_json(exclude={"repositories", *MOVING}).encode()
        if not changed and not removed and self._rows.get(JOB) == job:
            return
        self.batch += 1
        self._rows = {**rows, JOB: job}
        self._changed = {key: batch for key, batch in self._changed.items() if key in rows}
        self._changed.update(dict.fromkeys([*changed, JOB], self.batch))
        self._removed = {key: batch for key, batch in self._removed.items() if key not in rows}
        self._removed.update(dict.fromkeys(removed, self.batch))
        # The ETag of what `GET /api/backfills/{job_id}` answers at this moment.
        self.version = tag_of(_with_repositories(job, rows))
        self._batches.pop(self.version, None)
        self._batches[self.version] = self.batch
        while len(self._batches) > VERSIONS_KEPT:
            del self._batches[next(iter(self._batches))]
        self._made = {}
        self._wake()

    def mark_deleted(self) -> None:
        """Records that the job was deleted, and wakes the clients."""
        self.deleted = True
        self._wake()

    def events_since(self, batch: int | None) -> bytes:
        """Returns the events after `batch`, the number of the last batch that the client received. If `batch` is None,
        the client has received nothing, and the only event is a snapshot.
        """
        if batch not in self._made:
            self._made[batch] = self._snapshot() if batch is None else self._changes(batch)
        return self._made[batch]

    async def news(self, batch: int | None, within: float) -> None:
        """Waits until there is a batch after number `batch` or the job is deleted, but at most `within` seconds.
        Returns at once if either has already happened, or if `batch` is None because the client has received nothing.
        """
        if self.batch == batch and not self.deleted:
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._news.wait()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _snapshot(self) -> bytes:
        fields = self.view.model_dump_json(exclude={"repositories"}).encode()
        whole = _with_repositories(fields, {key: row for key, row in self._rows.items() if key != JOB})
        return event("snapshot", b'{"version":"%s","job":%s}' % (self.version.encode(), whole), self.version)

    def _changes(self, batch: int) -> bytes:
        parts = [event("repository", self._rows[key]) for key, at in self._changed.items() if at > batch and key != JOB]
        parts += [
            event("removed", b'{"repository_id":"%s"}' % key.encode())
            for key, at in self._removed.items()
            if at > batch
        ]
        job = self.view.model_dump_json(exclude={"repositories"}).encode()
        return b"".join([*parts, event("job", job, self.version)])


def _with_repositories(job: bytes, rows: Mapping[str, bytes]) -> bytes:
    """Returns a job with its repositories, as `GET /api/backfills/{job_id}` answers it. `rows` are the repositories as
    JSON.
    """
    return job[:-1] + b',"repositories":[' + b",".join(rows.values()) + b"]}"


def event(name: str, data: bytes, version: str | None = None) -> bytes:
    """Returns one server-sent event. `data` is JSON without line ends. `version` becomes the event's id."""
    last = b"id: %s\n" % version.encode() if version else b""
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), last, data)


class _Watch:
    """A watched job, and the number of clients that watch it."""

    def __init__(self) -> None:
        self.readers = 0
        self.reading = asyncio.Lock()
        self.read_at = float("-inf")
        self.job: WatchedJob | None = None
        self.known = job_views.Known()


class WatchedJobs:
    """All watched jobs of this process. `run` polls Postgres while any client watches a job."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watches: dict[str, _Watch] = {}
        self._reads = asyncio.Semaphore(READS_AT_ONCE)

    @asynccontextmanager
    async def watch(self, job_id: str) -> AsyncIterator[WatchedJob]:
        """Watches a job while the context is open. Yields the job, read at or after the moment of this call.

        Raises `BadInput` if there is no such job, and `RetryNow` if Postgres does not answer.
        """
        now = monotonic()
        watch = self._watches.setdefault(job_id, _Watch())
        watch.readers += 1
        try:
            async with watch.reading:
                # Whoever has just asked for a retry must not be shown the end before it: what is known may be older.
                job = watch.job
                if job is None or watch.read_at < now:
                    job = await self._read(job_id, watch)
            yield job
        finally:
            watch.readers -= 1
            if not watch.readers and self._watches.get(job_id) is watch:
                del self._watches[job_id]

    async def run(self, stop: asyncio.Event) -> None:
        """Polls until `stop` is set. Skips a poll while no client watches a job."""
        rounds = Rounds(log, waiting="watched jobs wait for Postgres", broken="watched jobs cannot be read")
        while not stop.is_set():
            if self._watches:
                # Streams stay open over an outage; what changed meanwhile is in the next poll.
                with rounds.round():
                    await self.poll()
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_SECONDS):
                    await stop.wait()

    async def poll(self) -> None:
        """Reads the watched jobs that have changed. Raises `RetryNow` if Postgres does not answer."""
        async with self._database.transaction() as connection:
            fingerprints = await job_changes.fingerprints(connection, list(self._watches))
        changed = [
            self._read_again(job_id, watch, fingerprints.get(job_id))
            for job_id, watch in list(self._watches.items())
            if watch.job is not None and fingerprints.get(job_id) != watch.job.fingerprint
        ]
        # One that cannot be read does not keep the others back.
        for outcome in await asyncio.gather(*changed, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _read_again(self, job_id: str, watch: _Watch, fingerprint: str | None) -> None:
        """Reads a job that changed. `fingerprint` was taken before this reading. So a change that happened in between
        is read a second time at the next poll, and is not missed.
        """
        async with watch.reading:
            with suppress(BadInput):  # it was deleted, and its readers are told
                await self._read(job_id, watch, fingerprint)

    async def _read(self, job_id: str, watch: _Watch, fingerprint: str | None = None) -> WatchedJob:
        """Reads the job and updates what its clients see. Raises `BadInput` if there is no such job."""
        at = monotonic()
        try:
            async with self._reads, self._database.transaction() as connection:
                view = await job_views.look(connection, job_id, watch.known)
                if fingerprint is None:
                    fingerprint = (await job_changes.fingerprints(connection, [job_id])).get(job_id)
        except BadInput:
            if watch.job is not None:
                watch.job.mark_deleted()
            raise
        watch.read_at = at
        if watch.job is None:
            watch.job = WatchedJob(view, fingerprint)
        else:
            watch.job.update(view, fingerprint)
        return watch.job
