"""A value that cannot be stored, or that has another type than GitHub promises, in one field of one thing: the type
completes, nothing is deleted, the thing is noted, and it is stored once the value is right.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from messages import DataType
from sandbox.github.exchange.requests import Reply, Request
from sandbox.github.faults import Effect
from sandbox.github.generation import Plan
from sandbox.github.world.repositories import Repository
from tests.support.backfill.reading import Read, Reading
from tests.support.thoroughness import examples

Key = tuple[str, str]
"""The id of the nearest thing around a value, and the names of the fields from there to the value."""
LONG = "".join(Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789-_", k=5_000))
"""Random, so that Postgres cannot compress it to what fits into an index."""
VALUES: dict[str, Any] = {
    "empty": "",
    "long": LONG,
    "minus text": "-7",
    "minus": -7,
    "32 bits": 2**31,
    "63 bits": 2**63,
    "70 bits": str(2**70),
    "null": None,
    "list": [],
    "object": {},
    "number": 7,
    "truth": True,
    "fraction": 1.5,
    "year 0": "0000-01-01T00:00:00Z",
    "year 10000": "10000-01-01T00:00:00Z",
    "NUL": "\x00",
    "half a character": "\ud800",
}
PLANS: dict[DataType, Plan] = {
    "pull_requests": Plan(
        "acme/odd", pull_requests=4, issues=0, reviews=1, review_comments=1, comments=2, events=4, years=1, people=8
    ),
    "issues": Plan("acme/odd", pull_requests=0, issues=4, comments=2, events=4, years=1, people=8),
    "discussions": Plan("acme/odd", pull_requests=0, issues=0, discussions=4, years=1, people=8),
    "events": Plan(
        "acme/odd", pull_requests=1, issues=1, stars=6, forks=4, releases=3, pushes=6, years=0.5, people=8, events=1
    ),
}
MOST_REQUESTS = 120
SKIPPED = re.compile(r"nodes|node|edges|n?\d+")
"""Steps of a path that say nothing of what a value is."""


def values(content: Any, thing: str = "", path: str = "") -> Iterator[tuple[Any, Any, Key]]:
    """The place of each value of an answer that is neither a list nor an object, and what it is."""
    if isinstance(content, dict):
        node = content["node"] if isinstance(content.get("node"), dict) else content
        node_id = node.get("node_id") or node.get("id")
        if node_id is not None:
            thing, path = str(node_id), ""
    for name, value in list(content.items() if isinstance(content, dict) else enumerate(content)):
        if isinstance(value, dict | list):
            yield from values(value, thing, path if SKIPPED.fullmatch(str(name)) else f"{path}{name}.")
        else:
            yield content, name, (thing, f"{path}{name}")


@dataclass
class OddValue(Effect):
    """Wherever GitHub tells the value `key`, it tells `value` in its place."""

    key: Key | None = None
    value: Any = None
    told: set[Key] = field(default_factory=set)
    """All values that GitHub told."""

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        if reply.status == 200 and request.operation != "Viewer":
            content = json.loads(reply.body)
            for container, name, key in values(content):
                self.told.add(key)
                if key == self.key:
                    container[name] = self.value
            # What checks that GitHub could answer so compares with this one.
            reply.body = reply.genuine = json.dumps(content).encode()
        return reply


STORED = """
select 'pull_requests ' || number from pull_requests where gone_at is null
union all select 'issues ' || number from issues where gone_at is null
union all select 'discussions ' || number from discussions where gone_at is null
union all select 'reviews ' || github_id from reviews
union all select comment_type || ' ' || github_id from comments
union all select 'discussion_comments ' || github_id from discussion_comments
union all select 'issue_events ' || node_id from issue_events
union all select event_id from github_events_cache
"""


async def stored(reading: Reading) -> set[str]:
    return {row[0] for row in await reading.rows(STORED)}


async def notes(reading: Reading) -> list[tuple[str, str, int]]:
    """(kind, what, count) of each note."""
    rows = await reading.rows("select kind, what, count from backfill_notes order by what")
    return [(row["kind"], row["what"], row["count"]) for row in rows]


async def completes(reading: Reading, data_type: DataType) -> None:
    result = await reading.sweep_within(MOST_REQUESTS, data_type)
    assert result.outcome == "completed", result.failure


async def completes_with(reading: Reading, data_type: DataType, key: Key, value: Any) -> None:
    """Sweeps while GitHub tells `value`. Nothing that is stored goes."""
    before = await stored(reading)
    fault = reading.github.faults.add(OddValue(key, value), times=None)
    await completes(reading, data_type)
    reading.github.faults.remove(fault)
    assert not before - await stored(reading)


def touch(reading: Reading) -> None:
    repository = reading.repository
    repository.world.clock.advance(3_600)
    threads: list[Any] = [*repository.pull_requests.values(), *repository.issues.values()]
    for thread in [*threads, *repository.discussions.values()]:
        thread.edit(body=f"{thread.body} edited")


THREADS: list[tuple[DataType, str, str]] = [
    ("pull_requests", "fullDatabaseId", "minus text"),
    ("pull_requests", "additions", "32 bits"),
    ("issues", "number", "32 bits"),
    ("issues", "id", "long"),
    ("discussions", "id", "empty"),
    ("discussions", "upvoteCount", "32 bits"),
]


@pytest.mark.parametrize(("data_type", "name", "value"), THREADS)
async def test_a_thread_with_a_value_that_cannot_be_stored_is_noted_and_all_others_are_stored(
    data_type: DataType, name: str, value: str, read: Read
) -> None:
    reading = read(PLANS[data_type])
    threads: dict[int, Any] = getattr(reading.repository, data_type)
    odd = threads[sorted(threads)[1]]
    await completes_with(reading, data_type, (odd.node_id(True), name), VALUES[value])
    numbers = {row["number"] for row in await reading.rows(f"select number from {data_type}")}
    assert numbers == set(threads) - {odd.number}
    assert [(what, count) for _, what, count in await notes(reading)] == [("thread", 1)]
    await completes(reading, data_type)
    assert await notes(reading) == []
    await reading.agrees()


@pytest.mark.parametrize(("name", "value"), [("body", "null"), ("fullDatabaseId", "minus text"), ("id", "long")])
async def test_a_comment_that_cannot_be_stored_is_noted_and_all_else_of_its_thread_is_stored(
    name: str, value: str, read: Read
) -> None:
    reading = read(PLANS["issues"])
    odd = next(each for each in reading.repository.issues.values() if len(each.comments) > 1).comments[0]
    await completes_with(reading, "issues", (odd.node_id(True), name), VALUES[value])
    there = {comment.database_id for issue in reading.repository.issues.values() for comment in issue.comments}
    found = {row["github_id"] for row in await reading.rows("select github_id from comments")}
    assert found == there - {odd.database_id}
    assert await notes(reading) == [("unavailable", "timeline", 1)]
    [row] = await reading.rows("select words from backfill_notes")
    assert value != "long" or len(row["words"]) < 200
    await completes(reading, "issues")
    assert await notes(reading) == []
    await reading.agrees()


LISTED = {
    "stargazers": "select count(*) from github_events_cache where event_type = 'WatchEvent'",
    "forks": "select count(*) from github_events_cache where event_type = 'ForkEvent'",
    "releases": "select count(*) from github_events_cache where event_type = 'ReleaseEvent'",
}
ITEMS: list[tuple[str, str, str]] = [
    ("stargazers", "starredAt", "year 10000"),
    ("stargazers", "starredAt", "object"),
    ("forks", "createdAt", "null"),
    ("releases", "id", "63 bits"),
]


@pytest.mark.parametrize(("source", "name", "value"), ITEMS)
async def test_an_item_of_a_list_that_cannot_be_stored_is_noted_and_all_others_are_stored(
    source: str, name: str, value: str, read: Read
) -> None:
    reading = read(PLANS["events"])
    await completes(reading, "events")
    [whole] = await reading.rows(LISTED[source])
    for table in ("github_events_cache", "backfill_coverage"):
        await reading.rows(f"delete from {table}")
    await completes_with(reading, "events", (oldest(reading.repository, source), name), VALUES[value])
    assert await notes(reading) == [("unavailable", source, 1)]
    [found] = await reading.rows(LISTED[source])
    # The events API may tell of it, too.
    assert found["count"] >= whole["count"] - 1
    await completes(reading, "events")
    assert await notes(reading) == []
    assert await reading.rows(LISTED[source]) == [whole]


def oldest(repository: Repository, source: str) -> str:
    """The node id of the oldest item of a list."""
    things: dict[str, Any] = {
        "stargazers": min(repository.stars.values(), key=lambda star: star.starred_at).account,
        "forks": min(repository.forks.values(), key=lambda fork: fork.created_at),
        "releases": min(repository.releases.values(), key=lambda release: release.created_at),
    }
    node_id: str = things[source].node_id(True)
    return node_id


async def told(reading: Reading, data_type: DataType) -> set[Key]:
    """All values that GitHub tells in a sweep."""
    recording = OddValue()
    fault = reading.github.faults.add(recording, times=None)
    await reading.rows("delete from backfill_coverage")
    await completes(reading, data_type)
    reading.github.faults.remove(fault)
    return {key for key in recording.told if not key[1].startswith(("data.rateLimit", "rateLimit"))}


SAID: list[tuple[str, str]] = [
    ("totalCount", "63 bits"),
    ("totalCount", "object"),
    ("pageInfo.endCursor", "fraction"),
    ("pageInfo.hasNextPage", "null"),
]


@pytest.mark.parametrize(("name", "value"), SAID)
async def test_a_list_of_threads_is_read_whatever_it_says_of_itself(name: str, value: str, read: Read) -> None:
    reading = read(PLANS["issues"])

    def spoil(content: dict[str, Any]) -> None:
        for threads in ((content.get("data") or {}).get("repository") or {}).values():
            if isinstance(threads, dict) and "totalCount" in threads and "pageInfo" in threads:
                holder, _, last = name.rpartition(".")
                (threads[holder] if holder else threads)[last] = VALUES[value]

    fault = reading.github.faults.add(Spoiled(spoil), times=None, kind="graphql")
    await completes(reading, "issues")
    reading.github.faults.remove(fault)
    await completes(reading, "issues")
    assert await notes(reading) == []
    await reading.agrees()


@pytest.mark.parametrize("value", ["minus", "long", "fraction"])
async def test_a_repository_whose_id_is_no_id_is_asked_again_and_not_taken_for_another(value: str, read: Read) -> None:
    reading = read(PLANS["issues"])

    def spoil(content: dict[str, Any]) -> None:
        content["data"]["repository"]["databaseId"] = VALUES[value]

    reading.github.faults.add(Spoiled(spoil), times=2, operation="Issues")
    assert (await reading.sweep("issues", attempts=4)).outcome == "completed"
    await reading.agrees()


@dataclass
class Spoiled(Effect):
    """Answers what no schema allows."""

    edit: Callable[[dict[str, Any]], None]

    def afterwards(self, request: Request, reply: Reply) -> Reply:  # noqa: ARG002 (every effect has this signature)
        content = json.loads(reply.body)
        self.edit(content)
        reply.body = reply.genuine = json.dumps(content).encode()
        return reply


@pytest.mark.parametrize("seed", range(examples(1, 100)))
@pytest.mark.parametrize("data_type", PLANS)
async def test_any_odd_value_of_any_thing_ends_no_type_and_deletes_nothing(
    data_type: DataType, seed: int, read: Read
) -> None:
    reading, dice = read(PLANS[data_type]), Random(f"{data_type} {seed}")
    names: dict[str, list[Key]] = {}
    for key in sorted(await told(reading, data_type)):
        names.setdefault(key[1], []).append(key)
    key, value = dice.choice(names[dice.choice(sorted(names))]), dice.choice(sorted(VALUES))
    print(f"{key[1]} of {key[0]} is {value}")
    if dice.random() < 0.5:
        touch(reading)
    else:
        for table in ("github_events_cache", "backfill_coverage"):
            await reading.rows(f"delete from {table}")
    await completes_with(reading, data_type, key, VALUES[value])
    await completes(reading, data_type)
    assert await notes(reading) == []
    if data_type != "events":
        # A wrong value that can be stored stays until its thread changes.
        touch(reading)
        await completes(reading, data_type)
        is_another_id = key[1].rpartition(".")[2] in ("id", "databaseId", "fullDatabaseId", "node_id", "number")
        if not is_another_id:
            await reading.agrees()
