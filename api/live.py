"""`GET /api/backfills/{job_id}/events`: a job as server-sent events, until it has ended.

A `snapshot` first, whose `job` is what `GET /api/backfills/{job_id}` answers; then whole rows as they change: a
`repository` with its types, `removed` with a `repository_id`, and last of a batch the `job` without its repositories,
with the version as the event's id. A reader who comes back with it as `Last-Event-ID` gets what has changed since, or,
where that is not known any more, a snapshot. `end` says why nothing follows.
"""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Literal

import orjson
import structlog
from aiohttp import web

from api.watched_jobs import WatchedJob, WatchedJobs, event
from errors import RetryNow

HEARTBEAT_SECONDS = 15.0
"""After so long without an event a comment is sent: proxies keep the connection, and a broken one is noticed."""
CHECK_SECONDS = 30.0
"""How often it is checked that the reader of an open stream may still see the job."""
CHECK_AGAIN_SECONDS = 1.0
"""When, if Postgres did not answer."""
SLOW_SECONDS = 10.0
"""A reader who does not take `CHUNK` bytes in so long is dropped."""
CHUNK = 32 * 1024
BUFFER = 64 * 1024
"""Bytes that are kept for a reader who does not take them: here, and again in the kernel."""
MOST_STREAMS = 2_000
MOST_STREAMS_OF_A_USER = 20
FULL_SECONDS = 10
"""When to come back, if there are as many streams as that."""
COME_BACK = b"retry: 2000\n\n"
"""Milliseconds after which a reader whose connection broke connects again."""
HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Reason = Literal["job_ended", "job_deleted", "access_ended"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Reader:
    """Who reads a stream. `user` is None for the service token; `may_read` is asked again while the stream is open."""

    user: str | None
    expires_at: datetime | None
    may_read: Callable[[], Awaitable[bool]]


@dataclass(eq=False)
class _Stream:
    """One open connection."""

    request: web.Request
    user: str | None
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
        """Raises `TimeoutError` if the reader is too slow, `ConnectionResetError` if he is gone."""
        for start in range(0, len(data), CHUNK):
            async with asyncio.timeout(SLOW_SECONDS):
                await self.response.write(data[start : start + CHUNK])
        self.sent_at = monotonic()

    def drop(self) -> None:
        """What was not taken is thrown away."""
        if self.request.transport is not None:
            self.request.transport.abort()


class LiveJobs:
    """The streams of this process. `admit` says who reads, or raises what is answered instead."""

    def __init__(self, watched: WatchedJobs, admit: Callable[[web.Request, str], Awaitable[Reader]]) -> None:
        self._watched = watched
        self._admit = admit
        self._streams: dict[_Stream, asyncio.Task[Any]] = {}

    @property
    def streams(self) -> int:
        """How many are open."""
        return sum(stream.connected for stream in self._streams)

    async def get(self, request: web.Request) -> web.StreamResponse:
        job_id = request.match_info["job_id"]
        reader = await self._admit(request, job_id)
        version = request.headers.get("Last-Event-ID")
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

    @asynccontextmanager
    async def _place(self, request: web.Request, reader: Reader) -> AsyncIterator[_Stream]:
        open_now = [stream for stream in self._streams if stream.connected]
        retry = {"Retry-After": str(FULL_SECONDS)}
        if len(open_now) >= MOST_STREAMS:
            raise web.HTTPServiceUnavailable(headers=retry)
        if reader.user and sum(stream.user == reader.user for stream in open_now) >= MOST_STREAMS_OF_A_USER:
            raise web.HTTPTooManyRequests(headers=retry)
        stream = _Stream(request, reader.user)
        self._streams[stream] = request.task
        try:
            yield stream
        finally:
            del self._streams[stream]

    async def close(self) -> None:
        """Cuts all streams off, without an `end`: their readers come back, to another process."""
        for task in list(self._streams.values()):
            task.cancel()


async def _follow(stream: _Stream, job: WatchedJob, batch: int | None, reader: Reader) -> None:
    """Sends what the reader has not seen, as it comes, and at last why nothing follows."""
    access = _Access(reader)
    while (reason := await access.ended()) is None:
        if job.batch != batch:
            latest, data = job.batch, job.events_since(batch)
            await stream.send(data)
            batch = latest
        elif job.gone:
            reason = "job_deleted"
            break
        elif job.ended:
            reason = "job_ended"
            break
        elif monotonic() >= stream.sent_at + HEARTBEAT_SECONDS:
            await stream.send(b":\n\n")
        else:
            until = min(access.due_at, stream.sent_at + HEARTBEAT_SECONDS)
            await job.news(batch, within=max(0, until - monotonic()))
    end = {"reason": reason, "status": job.view.status, "attempt": job.view.attempt}
    await stream.send(event("end", orjson.dumps(end)))


class _Access:
    """Whether the reader of an open stream may still see the job, asked when it is due."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        # Readers who came all at once are not checked all at once.
        self._check_at = monotonic() + CHECK_SECONDS * random.uniform(0.5, 1)
        left = (reader.expires_at - datetime.now(UTC)).total_seconds() if reader.expires_at else float("inf")
        self._expires_at = monotonic() + left

    @property
    def due_at(self) -> float:
        return min(self._check_at, self._expires_at)

    async def ended(self) -> Reason | None:
        now = monotonic()
        if now >= self._expires_at:
            return "access_ended"
        if now >= self._check_at:
            self._check_at = now + CHECK_SECONDS
            try:
                if not await self._reader.may_read():
                    return "access_ended"
            except RetryNow:
                # Nothing new is read of the job either, while Postgres does not answer.
                self._check_at = now + CHECK_AGAIN_SECONDS
        return None
