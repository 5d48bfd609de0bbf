"""`GET /api/backfills/{job_id}/events`: sends a job as server-sent events until the job has ended.

The first event is a `snapshot`. Its field `job` is the answer of `GET /api/backfills/{job_id}`.

Batches of changes follow. A batch has a `repository` for each repository that changed, with its types, and a `removed`
with the `repository_id` for each repository that was removed. The batch's last event is the `job` without its
repositories. The id of this event is the job's version.

A client that reconnects sends the version as `Last-Event-ID`. The client then gets the changes since that version, or a
snapshot if the server does not know the version. The event `end` says why no more events follow.
"""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Literal
from uuid import UUID

import orjson
import structlog
from aiohttp import web

from api import access
from api.access import CALLER, Caller
from api.answers import Refusal, not_found
from api.routes import Route
from api.watched_jobs import WatchedJob, WatchedJobs, event
from errors import BadInput, RetryNow
from store import membership
from store.database import Database

HEARTBEAT_SECONDS = 15.0
"""After this long without an event a comment is sent, so that proxies keep the connection and
broken ones are noticed."""
CHECK_SECONDS = 30.0
"""Interval of checks whether the reader of an open stream may still see the job."""
CHECK_AGAIN_SECONDS = 1.0
"""Pause before the next check if Postgres did not answer."""
SLOW_SECONDS = 10.0
"""A reader who does not take `CHUNK` bytes in this time is dropped."""
CHUNK = 32 * 1024
BUFFER = 64 * 1024
"""Bytes buffered for a slow reader: in this process, and again in the kernel."""
MOST_STREAMS = 2_000
MOST_STREAMS_OF_A_USER = 20
FULL_SECONDS = 10
"""Seconds after which a caller may retry if too many streams are open."""
COME_BACK = b"retry: 2000\n\n"
"""Tells a reader to reconnect after this many milliseconds if the connection breaks."""
HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Reason = Literal["job_ended", "job_deleted", "access_ended"]

log = structlog.get_logger(__name__)


@dataclass(eq=False)
class _Stream:
    """One open stream to a client."""

    request: web.Request
    user: UUID | None
    response: web.StreamResponse = field(default_factory=lambda: web.StreamResponse(headers=HEADERS))
    sent_at: float = 0

    @property
    def connected(self) -> bool:
        transport = self.request.transport
        return transport is not None and not transport.is_closing()

    async def open(self) -> None:
        transport = self.request.transport
        if transport is not None:
            transport.set_write_buffer_limits(high=BUFFER)
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        await self.response.prepare(self.request)
        await self.send(COME_BACK)

    async def send(self, data: bytes) -> None:
        """Sends data to the client. Raises `TimeoutError` if the client reads too slowly, and `ConnectionResetError` if
        the client has disconnected.
        """
        for start in range(0, len(data), CHUNK):
            async with asyncio.timeout(SLOW_SECONDS):
                await self.response.write(data[start : start + CHUNK])
        self.sent_at = monotonic()

    def drop(self) -> None:
        """Closes the connection at once, and discards the data that the client has not received yet."""
        if self.request.transport is not None:
            self.request.transport.abort()


class LiveJobs:
    """The open streams of this process. `run` has to be running while any stream is open."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watched = WatchedJobs(database)
        self._streams: dict[_Stream, asyncio.Task[Any]] = {}

    @property
    def routes(self) -> tuple[Route, ...]:
        summary = "One job as it changes: server-sent events `snapshot`, `repository`, `removed`, `job`, `end`"
        answers = {200: None, 204: None}
        return (
            Route(
                "GET", "/backfills/{job_id}/events", self.get, summary, answers, errors=frozenset({503}), streams=True
            ),
        )

    @property
    def streams(self) -> int:
        """The number of open streams."""
        return sum(stream.connected for stream in self._streams)

    async def run(self, stop: asyncio.Event) -> None:
        """Checks for changes of the watched jobs, again and again, until `stop` is set."""
        await self._watched.run(stop)

    async def poll(self) -> None:
        """Checks the watched jobs for changes once. Raises `RetryNow` if Postgres does not answer."""
        await self._watched.poll()

    async def get(self, request: web.Request) -> web.StreamResponse:
        reader = await self._admit(request)
        job_id, version = reader.job_id, request.headers.get("Last-Event-ID")
        try:
            async with self._place(request, reader) as stream, self._watched.watch(job_id) as job:
                if job.ended and version == job.version:
                    # The one answer after which a browser's EventSource does not come back.
                    return web.Response(status=204)
                await stream.open()
                try:
                    await _follow(stream, job, job.batch_of(version), reader)
                except TimeoutError:
                    log.warning("slow reader dropped", job=job_id, remote=request.remote)
                    stream.drop()
                except ConnectionResetError:
                    pass  # he left
                return stream.response
        except BadInput:
            raise not_found() from None

    async def _admit(self, request: web.Request) -> "_Reader":
        caller = request[CALLER]
        async with self._database.transaction() as connection:
            seen = await access.job(connection, request)

        return _Reader(self._database, str(seen.job_id), caller)

    @asynccontextmanager
    async def _place(self, request: web.Request, reader: "_Reader") -> AsyncIterator[_Stream]:
        open_now = [stream for stream in self._streams if stream.connected]
        user = reader.caller.user_id
        later = {"Retry-After": str(FULL_SECONDS)}
        if len(open_now) >= MOST_STREAMS:
            raise Refusal(503, "too_many_streams", "this server has as many streams as it can hold", later)
        if user and sum(stream.user == user for stream in open_now) >= MOST_STREAMS_OF_A_USER:
            raise Refusal(429, "too_many_streams", f"you have {MOST_STREAMS_OF_A_USER} streams open", later)
        stream = _Stream(request, user)
        self._streams[stream] = request.task
        try:
            yield stream
        finally:
            del self._streams[stream]

    async def close(self, _app: web.Application) -> None:
        """Ends all streams without an event `end`, so that their clients reconnect to another process."""
        for task in list(self._streams.values()):
            task.cancel()


async def _follow(stream: _Stream, job: WatchedJob, batch: int | None, reader: "_Reader") -> None:
    """Sends the client every change that it has not received. When the job has ended or was deleted, or when the reader
    has lost access, sends an `end` with that reason.

    `batch` is the number of the last batch that the client received. It is None if the client has received nothing.
    """
    reason: Reason | None = None
    while reason is None:
        if await reader.is_out():
            reason = "access_ended"
        elif job.batch != batch:
            latest, data = job.batch, job.events_since(batch)
            await stream.send(data)
            batch = latest
        elif job.deleted:
            reason = "job_deleted"
        elif job.ended:
            reason = "job_ended"
        elif monotonic() >= stream.sent_at + HEARTBEAT_SECONDS:
            await stream.send(b":\n\n")
        else:
            until = min(reader.due_at, stream.sent_at + HEARTBEAT_SECONDS)
            await job.news(batch, within=max(0, until - monotonic()))
    end: dict[str, Any] = {"reason": reason}
    if reason == "job_ended":
        end |= {"status": job.view.status, "attempt": job.view.attempt}
    await stream.send(event("end", orjson.dumps(end)))


class _Reader:
    """The person who reads a stream. At intervals the person's right to see the job is checked again."""

    def __init__(self, database: Database, job_id: str, caller: Caller) -> None:
        self.job_id = job_id
        self.caller = caller
        self._database = database
        # Readers who came all at once are not checked all at once.
        self._check_at = monotonic() + CHECK_SECONDS * random.uniform(0.5, 1)  # nosec B311 # a pause, no secret
        left = (caller.expires_at - datetime.now(UTC)).total_seconds() if caller.expires_at else float("inf")
        self._expires_at = monotonic() + left

    @property
    def due_at(self) -> float:
        return min(self._check_at, self._expires_at)

    async def is_out(self) -> bool:
        """Returns whether the person's token has expired, or the person's right to see the job has ended."""
        now = monotonic()
        if now < self._check_at or now >= self._expires_at:
            return now >= self._expires_at
        self._check_at = now + CHECK_SECONDS
        try:
            async with self._database.transaction() as connection:
                return await membership.of_job(connection, UUID(self.job_id), self.caller.user_id) is None
        except RetryNow:
            # Nothing new is read of the job either while Postgres does not answer.
            self._check_at = now + CHECK_AGAIN_SECONDS
            return False
