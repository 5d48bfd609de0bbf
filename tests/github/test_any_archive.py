"""Whatever an hour of the archive holds is events that can be stored, malformed lines, or a file that is damaged."""

import gzip
import json
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from github.events import archive
from github.events.archive import Hour, Wanted

REPOSITORY = 77
ALL = Wanted(frozenset({REPOSITORY}), frozenset(archive.EVENT_TYPES))
WORDS = st.sampled_from(
    ["", "\0", "\ud800", "a\0b", "GollumEvent", "77", "²", "9" * 5_000, "1e400", "2026-03-01T09:30:00Z"]
)
WORDS |= st.sampled_from(["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-03-01", "20260301T093000Z"])
ODD: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.sampled_from([10**400, REPOSITORY, float(REPOSITORY)])
    | WORDS
    | st.text(st.characters(exclude_categories=[]), max_size=6),
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text(max_size=4) | WORDS, deeper, max_size=3),
    max_leaves=6,
)
KEYS = ["id", "type", "actor", "repo", "payload", "created_at", "org"]
PAYLOADS = st.dictionaries(
    st.sampled_from(
        ["action", "forkee", "issue", "pull_request", "comment", "release", "member", "pages", "ref", "head"]
    ),
    ODD
    | st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "user", "owner", "title", "number", "html_url"), ODD)),
    max_size=3,
)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Draws a line of a file: an event with other values in some of its fields, or with bytes changed, or any bytes."""
    event: dict[str, Any] = {
        "id": str(draw(st.integers(0, 10**20))),
        "type": draw(st.sampled_from(archive.EVENT_TYPES)),
        "actor": {"id": 1, "login": "mona", "avatar_url": "https://a/1"},
        "repo": {"id": REPOSITORY, "name": "then/called", "url": ""},
        "payload": draw(PAYLOADS),
        "created_at": "2026-03-01T09:30:00Z",
    }
    event |= draw(st.dictionaries(st.sampled_from(KEYS), ODD, max_size=2))
    if draw(st.booleans()):
        event["actor"] = draw(st.fixed_dictionaries({}, optional={"id": ODD, "login": ODD, "avatar_url": ODD}) | ODD)
    line = json.dumps(event, separators=(",", ":")).encode()
    how = draw(st.sampled_from(["as it is", "as it is", "changed", "any"]))
    if how == "changed":
        start = draw(st.integers(0, len(line)))
        line = line[:start] + draw(st.binary(max_size=3)) + line[start + draw(st.integers(0, 3)) :]
    return draw(st.binary(max_size=30)) if how == "any" else line


def scanned(content: bytes, chunk: int) -> Hour:
    scan = archive._Scan(ALL)
    for start in range(0, len(content), chunk):
        scan.feed(content[start : start + chunk])
    scan.end()
    return scan.hour


def check(hour: Hour) -> None:
    """Each of its events is a row that Postgres can hold."""
    for row in (row for rows in hour.events.values() for row in rows):
        assert isinstance(row.actor_login, str)
        assert isinstance(row.event_id, str)
        assert isinstance(row.created_at, datetime)
        assert 1 <= row.created_at.astimezone(UTC).year < 9999
        text = orjson.dumps([row.event_id, row.event_type, row.actor_login, row.payload])
        assert b"\\u0000" not in text.replace(b"\\\\", b"")
    assert hour.malformed <= hour.lines


@given(st.lists(lines(), max_size=4), st.integers(1, 300))
def test_any_lines(content: list[bytes], chunk: int) -> None:
    check(scanned(gzip.compress(b"\n".join(content), 1), chunk))


@given(
    st.lists(lines(), max_size=4), st.integers(0, 10**9), st.binary(max_size=5), st.integers(0, 9), st.integers(1, 300)
)
def test_any_file(content: list[bytes], at: int, more: bytes, fewer: int, chunk: int) -> None:
    """Bytes of it are gone, or others, or too many."""
    whole = gzip.compress(b"\n".join(content), 1)
    start = at % (len(whole) + 1)
    with suppress(zlib.error, EOFError):  # `Archive.read` raises `Damaged` for both
        check(scanned(whole[:start] + more + whole[start + fewer :], chunk))


DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    "changed",
    [
        (b'"id":77', b'"id":' + b"9" * 5_000),
        (b'"login":"mona"', b'"login":7'),
        (b'"login":"mona"', b'"login":"%s"' % (b"m" * 3_000)),
        (b'"id":"5"', b'"id":"%s"' % (b"5" * 3_000)),
        (b'"payload":{}', b'"payload":{"\\ud800":%s}' % (b"9" * 400)),
        (b'"payload":{}', b'"payload":{"a":"\\ud800","b":' + DEEP),
        (b"2026-03-01T09:30:00Z", b"0001-01-01T00:00:00+23:59"),
        (b"2026-03-01T09:30:00Z", b"9999-12-31T00:00:00Z"),
    ],
    ids=["number", "login", "long login", "long id", "surrogate", "deep", "first year", "last year"],
)
def test_what_postgres_could_not_hold_is_malformed_and_costs_no_other(changed: tuple[bytes, bytes]) -> None:
    event = b'{"id":"5","type":"GollumEvent","actor":{"login":"mona"},"repo":{"id":77,"name":"x/y"},"payload":{}'
    line = event + b',"created_at":"2026-03-01T09:30:00Z"}'
    assert changed[0] in line
    hour = scanned(gzip.compress(line.replace(*changed) + b"\n" + line), 100)
    assert [row.event_id for row in hour.events[REPOSITORY]] == ["GollumEvent_5"]
    assert (hour.lines, hour.malformed) == (2, 1)
