"""The archive's files as they come: in pieces, of several parts, cut, with lines that are none, and of any size."""

import asyncio
import gzip
import subprocess
import sys
import textwrap
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from errors import PartOver, RetryLater, RetryNow
from github.events import archive
from github.events.archive import Archive, Hour, Size, Wanted
from rows import FeedEvent
from tests.support.programs import ROOT
from tests.support.serving import serving

AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
OURS = Wanted(frozenset({77}), None)


def line(number: int, repository: int = 77, event_type: str = "GollumEvent", **more: Any) -> bytes:
    actor = {"id": 1, "login": "mona", "gravatar_id": "", "url": "", "avatar_url": "https://a/1"}
    event = {
        "id": str(number),
        "type": event_type,
        "actor": actor,
        "repo": {"id": repository, "name": "then/called", "url": ""},
        "payload": {"pages": []},
        "public": True,
        "created_at": "2026-03-01T09:30:00Z",
    }
    return orjson.dumps(event | more)


def scanned(content: bytes, wanted: Wanted = OURS, chunk: int = 2**18) -> Hour:
    scan = archive._Scan(wanted)
    for start in range(0, len(content), chunk):
        scan.feed(content[start : start + chunk])
    scan.end()
    return scan.hour


def ids(hour: Hour) -> list[str]:
    return [row.event_id for rows in hour.events.values() for row in rows]


def test_an_event() -> None:
    hour = scanned(gzip.compress(line(5) + b"\n"))
    moment = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    assert hour.events == {77: [FeedEvent("GollumEvent_5", "GollumEvent", "mona", moment, {"pages": []}, "archive")]}


def test_whose_it_is_and_what_type_it_has_decides() -> None:
    lines = [
        line(1),
        line(2, 78),
        line(3, 777),
        line(4, event_type="WatchEvent"),
        line(5, event_type="IssueCommentEvent"),
        line(6, event_type="CommitCommentEvent"),
        line(7, event_type="WhoKnowsEvent"),
        # The payload's repository is not the event's.
        line(8, 78, payload={"repo": {"id": 77, "name": "x/y"}, "forkee": {"id": 77}}),
        line(9, 77, payload={"repo": {"id": 78, "name": "x/y"}}),
    ]
    content = gzip.compress(b"\n".join(lines))
    assert ids(scanned(content)) == [
        "GollumEvent_1",
        "CommitCommentEvent_6",
        "WhoKnowsEvent_7",
        "GollumEvent_9",
    ]
    stars = Wanted(frozenset({77, 78}), frozenset({"WatchEvent"}))
    assert ids(scanned(content, stars)) == ["WatchEvent_4"]
    assert scanned(content).lines == len(lines)


def test_payloads_have_the_shapes_of_the_hosts_screens() -> None:
    wanted = Wanted(frozenset({77}), frozenset({"WatchEvent", "ForkEvent"}))
    forkee = {"id": 9, "name": "f", "full_name": "mona/f", "owner": {"login": "mona", "id": 1}}
    fork = line(2, event_type="ForkEvent", payload={"forkee": forkee | {"stargazers_count": 0}})
    hour = scanned(
        gzip.compress(line(1, event_type="WatchEvent", payload={"action": "started"}) + b"\n" + fork), wanted
    )
    who = {"login": "mona", "avatar_url": "https://a/1"}
    assert [row.payload for row in hour.events[77]] == [
        {"action": "started", "actor": who},
        {"forkee": forkee, "actor": who},
    ]


@pytest.mark.parametrize("actor", [None, {}, {"id": 1, "login": ""}, {"login": None}])
def test_an_actor_that_is_gone_is_ghost(actor: Any) -> None:
    [row] = scanned(gzip.compress(line(1, actor=actor))).events[77]
    assert row.actor_login == "ghost"


def test_another_order_of_the_fields_is_read_too() -> None:
    event = orjson.loads(line(5))
    for order in (sorted(event), sorted(event, reverse=True)):
        turned = {name: event[name] for name in order}
        assert ids(scanned(gzip.compress(orjson.dumps(turned, option=orjson.OPT_INDENT_2).replace(b"\n", b" ")))) == [
            "GollumEvent_5"
        ]
    nested = orjson.loads(line(6, 78)) | {"actor": {"login": "x", "of": {"repo": {"id": 77}}}}
    assert ids(scanned(gzip.compress(orjson.dumps(nested)))) == []


def test_lines_end_as_they_like() -> None:
    content = b"\r\n" + line(1) + b"\r\n\r\n\n  \n" + line(2) + b"\n" + line(3)
    hour = scanned(gzip.compress(content))
    assert ids(hour) == ["GollumEvent_1", "GollumEvent_2", "GollumEvent_3"]
    assert (hour.lines, hour.malformed) == (3, 0)


def test_two_events_in_a_line_are_two() -> None:
    hour = scanned(gzip.compress(line(1, 78) + line(2) + line(3, 78) + b"\n" + line(4)))
    assert ids(hour) == ["GollumEvent_2", "GollumEvent_4"]
    braces = line(5, payload={"pages": ['}{"id":', "}{"], "}{": 1})
    assert scanned(gzip.compress(braces)).events[77][0].payload["pages"] == ['}{"id":', "}{"]


MALFORMED = {
    "words": b"<html>not found</html>",
    "half": line(9)[:-20],
    "no id": orjson.dumps(
        {"type": "GollumEvent", "repo": {"id": 77}, "payload": {}, "created_at": "2026-03-01T09:00:00Z"}
    ),
    "no time": line(9, created_at=None),
    "no time's zone": line(9, created_at="2026-03-01T09:30:00"),
    "no day": line(9, created_at="2026-02-30T09:30:00Z"),
    "no payload": line(9, payload=None),
    "a repository without an id": line(9, repo={"name": "x/y"}),
    "a list": b"[]",
    "a number": b"7",
    "bytes": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_line_is_counted_and_costs_no_other(name: str) -> None:
    hour = scanned(gzip.compress(line(1) + b"\n" + MALFORMED[name] + b"\n" + line(2) + b"\n"))
    assert ids(hour) == ["GollumEvent_1", "GollumEvent_2"]
    assert (hour.lines, hour.malformed) == (3, 1)


def test_what_postgres_cannot_hold_is_left_out() -> None:
    raw = line(1, payload={"text": "MARK"}).replace(b"MARK", rb"a\u0000b\ud800c")
    [row] = scanned(gzip.compress(raw)).events[77]
    assert row.payload["text"] == "ab?c"


@given(
    st.lists(st.integers(0, 3), max_size=12),
    st.integers(1, 400),
    st.integers(1, 5),
)
def test_however_it_is_cut_into_chunks_and_members(kinds: list[int], chunk: int, members: int) -> None:
    texts = {0: b"\n", 1: b"\r\n", 2: line(1, 78) + b"\n", 3: b"nonsense\n"}
    lines = [line(100 + place) + b"\n" + texts[kind] for place, kind in enumerate(kinds)]
    content = b"".join(lines)
    size = len(content) // members + 1
    parts = [content[start : start + size] for start in range(0, len(content), size)] or [b""]
    hour = scanned(b"\0\0".join(gzip.compress(part) for part in parts) + b"\0" * (chunk % 3), chunk=chunk)
    assert ids(hour) == [f"GollumEvent_{100 + place}" for place in range(len(kinds))]
    assert hour.malformed == kinds.count(3)


def test_what_comes_out_of_a_full_buffer_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "PIECE", 7)
    content = gzip.compress(b"\n".join(line(number) for number in range(50)))
    assert len(ids(scanned(content))) == 50
    assert len(ids(scanned(content, chunk=1))) == 50


@pytest.mark.parametrize("cut", [0, 1, 9, 100, -1, -8])
def test_a_file_that_is_cut_is_not_read_as_whole(cut: int) -> None:
    content = gzip.compress(b"\n".join(line(number) for number in range(50)))
    with pytest.raises(EOFError):
        scanned(content[:cut])


@pytest.mark.parametrize("content", [b"<html>login</html>", gzip.compress(line(1)) + b"garbage"])
def test_what_is_no_gzip_is_said(content: bytes) -> None:
    with pytest.raises(zlib.error):
        scanned(content)


def test_a_line_that_is_too_long_is_dropped_without_being_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LONGEST_LINE", 3_000_000)
    monkeypatch.setattr(archive, "PIECE", 2**16)
    huge, large = b"x" * 9_000_000, line(3, payload={"text": "y" * 2_900_000})
    hour = scanned(gzip.compress(line(1) + b"\n" + huge + b"\n" + line(2) + b"\n" + large + b"\n" + huge, 1))
    assert ids(hour) == ["GollumEvent_1", "GollumEvent_2", "GollumEvent_3"]
    assert (hour.lines, hour.malformed) == (5, 2)


def test_memory_is_flat_at_any_size() -> None:
    """In a process of its own, whose peak is asked for."""
    program = textwrap.dedent(
        """
        import resource, sys, zlib
        from github.events.archive import CHUNK, _Scan, Wanted
        from tests.github.test_archive import line
        block = b"".join(line(n, 78, payload={"text": "z" * 2_000}) + b"\\n" for n in range(2_000))
        deflate, scan, size, waiting = zlib.compressobj(6, wbits=31), _Scan(Wanted(frozenset({77}), None)), 0, b""
        for turn in range(int(sys.argv[1])):
            size += len(block)
            waiting += deflate.compress(block)
            if len(waiting) >= CHUNK:
                scan.feed(waiting[:CHUNK])
                waiting = waiting[CHUNK:]
        scan.feed(waiting + deflate.flush())
        scan.end()
        assert scan.hour.lines == 2_000 * int(sys.argv[1])
        print(size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        """
    )

    def peak(turns: int) -> tuple[int, int]:
        output = subprocess.run(
            [sys.executable, "-c", program, str(turns)], cwd=ROOT, capture_output=True, check=True, text=True
        ).stdout
        size, kilobytes = map(int, output.split())
        return size, kilobytes * 1024

    (_, at_small), (large, at_large) = peak(2), peak(80)
    assert large > 300_000_000
    assert at_large - at_small < 20_000_000


# --- over HTTP


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[Archive]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    async with (
        serving(application, shutdown_timeout=0.1, handler_cancellation=True) as url,
        Archive(f"{url}/files") as client,
    ):
        yield client


def answering(status: int, body: bytes = b"", **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        assert request.path == "/files/2026-03-01-9.json.gz"
        assert "Authorization" not in request.headers
        return web.Response(
            status=status, body=body, headers={key.replace("_", "-"): it for key, it in headers.items()}
        )

    return handler


def test_the_names_of_hours() -> None:
    assert archive.name_of(AT) == "2026-03-01-9.json.gz"
    elsewhere = AT.astimezone(tz=datetime.fromisoformat("2026-03-01T00:00:00+05:30").tzinfo)
    assert archive.name_of(elsewhere) == "2026-03-01-9.json.gz"
    assert archive.name_of(AT + timedelta(hours=15)) == "2026-03-02-0.json.gz"


async def test_an_hour_is_read_and_its_progress_told() -> None:
    content = gzip.compress(b"\n".join(line(number) for number in range(20_000)))
    heard: list[int] = []
    # However the server keeps it: named as a file, or as an encoding of one.
    for headers in (
        {"Content_Type": "application/gzip"},
        {"Content_Type": "application/json", "Content_Encoding": "gzip"},
    ):
        async with served(answering(200, content, **headers)) as client:
            hour = await client.read(AT, OURS, heard.append)
            assert hour is not None
            assert (len(ids(hour)), hour.length) == (20_000, len(content))
            assert await client.size(AT) == Size(there=True, length=len(content))
    assert heard[-1] == len(content)


@pytest.mark.parametrize("status", [404, 410])
async def test_a_file_that_is_not_there_is_no_error(status: int) -> None:
    async with served(answering(status, b"NoSuchKey")) as client:
        assert await client.read(AT, OURS) is None
        assert await client.size(AT) == Size(there=False, length=None)


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (500, RetryNow, "http_500"),
        (503, RetryNow, "http_503"),
        (408, RetryNow, "http_408"),
        (429, RetryLater, "limited"),
        (403, PartOver, "http_403"),
        (401, PartOver, "http_401"),
    ],
)
async def test_refusals(status: int, kind: type[RetryNow], code: str) -> None:
    async with served(answering(status, Retry_After="7")) as client:
        for asked in (client.read(AT, OURS), client.size(AT)):
            with pytest.raises(kind) as refused:
                await asked
            assert refused.value.code == code
            assert "2026-03-01-9.json.gz" in refused.value.message


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"<html>", "bad_gzip"), (b"", "cut_short"), (gzip.compress(line(1))[:-5], "cut_short")],
)
async def test_a_file_that_is_not_whole_is_asked_for_again(body: bytes, code: str) -> None:
    async with served(answering(200, body)) as client:
        with pytest.raises(RetryNow) as passing:
            await client.read(AT, OURS)
        assert passing.value.code == code


async def test_a_connection_that_breaks_and_a_server_that_is_away() -> None:
    content = gzip.compress(b"".join(line(number) for number in range(1_000)))

    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = len(content)
        await response.prepare(request)
        await response.write(content[:-1])
        assert request.transport is not None
        request.transport.abort()
        return response

    async with served(broken) as client:
        with pytest.raises(RetryNow, match="connection"):
            await client.read(AT, OURS)
    for asked in (client.read(AT, OURS), client.size(AT)):
        with pytest.raises(RuntimeError):
            await asked
    async with Archive("http://127.0.0.1:1") as nobody:
        for asked in (nobody.read(AT, OURS), nobody.size(AT)):
            with pytest.raises(RetryNow, match="unreachable"):
                await asked


async def test_silence_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "SILENCE_SECONDS", 0.2)

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(gzip.compress(line(1))[:20])
        await asyncio.Event().wait()
        return response

    async with served(silent) as client:
        with pytest.raises(RetryNow, match="timeout"):
            await client.read(AT, OURS)
