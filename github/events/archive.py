"""A client for GH Archive, a public archive of GitHub's public events, with one file for each hour.

A file holds gzipped JSON lines, and may be larger than a hundred MB. It is read as a stream and unpacked in pieces. A
line is not parsed if its beginning shows that the event is not wanted. GH Archive does not belong to GitHub, so
requests carry no token and use no budget. https://www.gharchive.org describes the format and the file names.
"""

import asyncio
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import MAXYEAR, UTC, datetime, timedelta
from types import TracebackType
from typing import Any, NamedTuple

import aiohttp
import orjson

from budget.breaker import Availability
from errors import BackfillError, PartOver, RetryLater, RetryNow
from github.answers.headers import number
from github.answers.reading import decode
from github.answers.refusals import of_http
from github.clock import time
from github.events.payloads import GHOST, payload_of
from github.transport.connection import USER_AGENT, broken
from github.transport.guard import Guard
from rows import FeedEvent

FIRST_HOUR = datetime(2015, 1, 1, tzinfo=UTC)
"""Files before this hour have another format, whose events have no ids."""
EVENT_TYPES = (
    *("CommitCommentEvent", "CreateEvent", "DeleteEvent", "DiscussionCommentEvent", "DiscussionEvent", "ForkEvent"),
    *("GollumEvent", "IssueCommentEvent", "IssuesEvent", "MemberEvent", "PublicEvent", "PullRequestEvent"),
    *("PullRequestReviewCommentEvent", "PullRequestReviewEvent", "PullRequestReviewThreadEvent", "PushEvent"),
    *("ReleaseEvent", "SponsorshipEvent", "TeamAddEvent", "WatchEvent"),
)
"""Event types that belong to a repository."""
TOLD_ELSEWHERE = frozenset(
    {
        *("WatchEvent", "ForkEvent", "PushEvent", "ReleaseEvent", "CreateEvent", "DeleteEvent"),
        *("PullRequestEvent", "IssuesEvent"),
        # Threads already hold what these events are about. No thread holds a comment on a commit.
        *("IssueCommentEvent", "PullRequestReviewEvent", "PullRequestReviewCommentEvent"),
        *("PullRequestReviewThreadEvent", "DiscussionCommentEvent"),
    }
)
"""Event types whose past events GitHub's own lists still show."""

HEAD_SECONDS = 15
SILENCE_SECONDS = 60
HOUR_SECONDS = 15 * 60
"""Time limit for one file: 150 MB at 170 kB/s."""
CHUNK = 2**18
PIECE = 2**20
"""Most bytes that are unpacked at once, however large a chunk becomes."""
LONGEST_LINE = 2**24
"""Longest line that is read as an event. GitHub takes no payload above 25 MB, and its events leave out most of it."""
LONGEST_NAME = 255
"""Most characters of an event's id or of a login. Postgres' indexes refuse texts of some thousands."""

# The beginning of a line, as the archive writes it. An actor has no nested object, so the repository that follows is
# the event's own, and not one in its payload.
_BEGINNING = re.compile(rb'\{"id":"\d+","type":"([A-Za-z]+)","actor":\{[^{}]*\},"repo":\{"id":(\d{1,19}),')
# No JSON value contains this. It shows that a line holds two events.
_SEAM = b'}{"id":'


class Wanted(NamedTuple):
    """Which events to keep, by the GitHub id of their repository and by their type. If `event_types` is None, all types
    are kept except those in `TOLD_ELSEWHERE`.
    """

    github_ids: frozenset[int]
    event_types: frozenset[str] | None

    def takes(self, event_type: str) -> bool:
        return event_type not in TOLD_ELSEWHERE if self.event_types is None else event_type in self.event_types


class Size(NamedTuple):
    """Whether the archive has a file, and the file's length. Both are known without reading the file."""

    there: bool
    length: int | None
    """In bytes; None if the server does not say."""


@dataclass(slots=True)
class Hour:
    """The wanted events of one file, by the GitHub id of their repository."""

    events: dict[int, list[FeedEvent]] = field(default_factory=dict)
    lines: int = 0
    malformed: int = 0
    """Lines that could not be read as events. Lines skipped by their beginning are not checked."""
    length: int = 0
    """Bytes downloaded."""


class Damaged(RetryNow):
    """Raised when a file is not gzip, or is cut off. The cause may be the transfer, or the archive itself
    (gharchive.org#225).

    `hour` holds the events before the damage.
    """

    def __init__(self, code: str, message: str, hour: Hour) -> None:
        super().__init__(code, message)
        self.hour = hour


class Archive:
    """A client for GH Archive, or for another archive of the same format, at one base address. Use as an async context
    manager.
    """

    def __init__(self, base_url: str, availability: Availability | None = None) -> None:
        self.base_url = base_url
        self._guard = Guard(availability, self._probe) if availability else None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Archive":
        self._session = aiohttp.ClientSession(
            # Without this header, a server that stores the files with Content-Encoding would unpack them.
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"},
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=HOUR_SECONDS, sock_connect=HEAD_SECONDS, sock_read=SILENCE_SECONDS),
            read_bufsize=CHUNK,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def size(self, at: datetime) -> Size:
        """Returns whether the file of the hour that begins at `at` exists, and the file's length. The file is not read.
        The request is sent even while the archive is down.

        Raises `RetryNow` for passing failures, `RetryLater` for a limit, and `PartOver` if the address is not an
        archive's.
        """
        try:
            async with self._open().head(
                self._url(at), allow_redirects=True, timeout=aiohttp.ClientTimeout(total=HEAD_SECONDS)
            ) as response:
                if not self._is_there(response, at):
                    return Size(there=False, length=None)
                return Size(there=True, length=number(response.headers, "Content-Length"))
        except (TimeoutError, aiohttp.ClientError) as error:
            raise self._broken(error) from error

    async def read(self, at: datetime, wanted: Wanted, progress: Callable[[int], None] | None = None) -> Hour | None:
        """Returns the wanted events of the hour that begins at `at`. Returns None if the archive has no file for the
        hour.

        `progress` is called with the number of bytes downloaded so far. Raises `RetryNow` for passing failures (5xx,
        timeouts), and `Damaged` for a damaged file. Raises `RetryLater` for a limit or while the archive is down, and
        `PartOver` if the address is not an archive's.
        """
        if self._guard is None:
            return await self._read(at, wanted, progress)
        return await self._guard.run("archive", lambda: self._read(at, wanted, progress))

    async def _read(self, at: datetime, wanted: Wanted, progress: Callable[[int], None] | None) -> Hour | None:
        scan = _Scan(wanted)
        try:
            async with self._open().get(self._url(at)) as response:
                if not self._is_there(response, at):
                    return None
                async for chunk in response.content.iter_chunked(CHUNK):
                    # In a thread, because 100 MB take seconds, and the event loop has other work.
                    await asyncio.to_thread(scan.feed, chunk)
                    if progress is not None:
                        progress(scan.hour.length)
            await asyncio.to_thread(scan.end)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise self._broken(error) from error
        except zlib.error as error:
            why = f"GH Archive's {name_of(at)} is damaged within {scan.hour.length} bytes: {error}"
            raise Damaged("bad_gzip", why, scan.hour) from error
        except EOFError as error:
            why = f"GH Archive's {name_of(at)} ends in its middle, after {scan.hour.length} bytes"
            raise Damaged("cut_short", why, scan.hour) from error
        return scan.hour

    async def _probe(self, _api: str) -> None:
        """Checks that the archive answers, by requesting the length of GH Archive's oldest file. If the archive answers
        that it lacks this file, the check has succeeded, too.
        """
        await self.size(FIRST_HOUR)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is not open: use `async with Archive(...)`")
        return self._session

    def _url(self, at: datetime) -> str:
        return f"{self.base_url}/{name_of(at)}"

    def _is_there(self, response: aiohttp.ClientResponse, at: datetime) -> bool:
        status = response.status
        if status == 200:
            return True
        if status in (404, 410):
            return False
        raise _refusal(response, f"GH Archive's {name_of(at)} ({status})")

    def _broken(self, error: Exception) -> RetryNow:
        if isinstance(error, TimeoutError):
            return RetryNow("timeout", f"GH Archive at {self.base_url} was silent for too long")
        return broken(error, "GH Archive", f" at {self.base_url}")


def _refusal(response: aiohttp.ClientResponse, what: str) -> BackfillError:
    refusal = of_http(response.status, response.headers, b"")
    if refusal.kind == "limited" and response.status != 403:  # a 403 for a file means a wrong address
        until = datetime.now(UTC) + timedelta(seconds=60 if refusal.wait is None else refusal.wait)
        return RetryLater("limited", f"asked too often for {what}", until)
    if refusal.kind in ("failed", "too_large"):
        return RetryNow(refusal.code, f"the server failed at {what}")
    return PartOver(f"http_{response.status}", f"the server refuses {what}", "check GH_ARCHIVE_URL")


def name_of(at: datetime) -> str:
    """Returns the name of the file for the hour that begins at `at`, such as `2026-03-01-9.json.gz`. The hour in the
    name has no leading zero.
    """
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%d}-{utc.hour}.json.gz"


class _Scan:
    """Reads a file in chunks. It holds one piece of the file, one line, and the wanted events in memory."""

    def __init__(self, wanted: Wanted) -> None:
        self.hour = Hour()
        self._wanted = wanted
        self._inflate = zlib.decompressobj(wbits=31)
        self._rest = b""
        """The beginning of a line whose end has not arrived yet."""
        self._skipping = False
        """Whether the current position is inside a line longer than `LONGEST_LINE`."""

    def feed(self, chunk: bytes) -> None:
        """Reads the file's next bytes. Raises `zlib.error` if the bytes are not gzip."""
        self.hour.length += len(chunk)
        for piece in self._unpacked(chunk):
            self._lines(piece)

    def end(self) -> None:
        """Reads the file's last line, after all bytes have been read. Raises `EOFError` if the file is cut off."""
        if not self._inflate.eof:
            raise EOFError
        if self._rest and not self._skipping:
            self._line(self._rest)

    def _unpacked(self, chunk: bytes) -> Iterator[bytes]:
        """Yields the unpacked content of a chunk, in pieces. A file may consist of several gzip files, with zero bytes
        between two gzip files.
        """
        while chunk:
            if self._inflate.eof:
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    return
                self._inflate = zlib.decompressobj(wbits=31)
            piece = self._inflate.decompress(chunk, PIECE)
            chunk = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            if piece:
                yield piece

    def _lines(self, piece: bytes) -> None:
        *lines, last = piece.split(b"\n")
        if lines:
            if self._skipping:
                self._skipping = False
            else:
                lines[0] = self._rest + lines[0]
                self._line(lines[0])
            for line in lines[1:]:
                self._line(line)
            self._rest = b""
        if self._skipping:
            return
        self._rest += last
        if len(self._rest) > LONGEST_LINE:
            self._rest, self._skipping = b"", True
            self.hour.lines += 1
            self.hour.malformed += 1

    def _line(self, line: bytes) -> None:
        if _SEAM in line:
            for part in line.replace(_SEAM, b"}\n" + _SEAM[1:]).split(b"\n"):
                self._event(part)
        elif line and not line.isspace():
            self._event(line)

    def _event(self, line: bytes) -> None:
        self.hour.lines += 1
        wanted = self._wanted
        beginning = _BEGINNING.match(line)
        if beginning and not (int(beginning[2]) in wanted.github_ids and wanted.takes(beginning[1].decode())):
            return
        content = decode(line)
        try:
            github_id = _repository_of(content)
            if github_id in wanted.github_ids and wanted.takes(content["type"]):
                self.hour.events.setdefault(github_id, []).append(_feed_event(content))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            self.hour.malformed += 1


def _repository_of(content: Any) -> int:
    """Returns the GitHub id of the event's repository. Returns 0 if the event has no repository."""
    if not isinstance(content, dict):
        raise TypeError
    repository = content.get("repo")
    return int(repository["id"]) if repository else 0


def _feed_event(content: dict[str, Any]) -> FeedEvent:
    """Returns the event of a line. Raises `ValueError`, `TypeError` or `OverflowError` for an event that Postgres could
    not hold, because such an event would keep the whole hour from being stored.
    """
    event_type, actor = content["type"], content.get("actor") or {}
    event_id, login = f"{event_type}_{content['id']}", actor.get("login") or GHOST
    if not isinstance(content["payload"], dict) or not isinstance(event_type, str) or not isinstance(login, str):
        raise TypeError
    at = time(content["created_at"])
    if at.tzinfo is None or at.astimezone(UTC).year == MAXYEAR or max(len(event_id), len(login)) > LONGEST_NAME:
        raise ValueError
    payload = payload_of(content | {"actor": actor or None})
    orjson.dumps(payload)  # a TypeError for a number that `decode` takes and no writer does
    return FeedEvent(event_id, event_type, login, at, payload, "archive")
