"""One thread that GitHub never answers readably is one note; all others are stored, and so is it once it is right."""

from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from messages import DataType
from sandbox.github.exchange.requests import Reply, Request
from sandbox.github.faults import Edited, Effect
from sandbox.github.generation import Plan
from tests.support.backfill.reading import Read, Reading

PLAN = Plan(
    "acme/odd", pull_requests=8, issues=8, discussions=8, reviews=1, review_comments=1, comments=2, events=2, years=1
)
ATTEMPTS = 20
MOST_REQUESTS = 80
NOTHING_ELSE = "the thread itself"
FIELDS: dict[str, Any] = {
    "id": {"of": "what"},
    "number": "seven",
    "createdAt": 5,
    "updatedAt": "yesterday",
    "databaseId": "many",
    "title": None,
    "state": "ARCHIVED",
    "author": "somebody",
    "comments": 7,
    "timelineItems": "none",
    NOTHING_ELSE: "a thread",
}


@dataclass
class Garbage(Effect):
    """Wherever GitHub shows one thread, a field of it, or the thread, is what no schema allows."""

    node_id: str
    threads: frozenset[str]
    field: str

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        if request.kind == "graphql" and reply.status == 200:
            content = orjson.loads(reply.body)
            self._spoil(content)
            # The check of what GitHub may answer compares a changed body with this one.
            reply.body = reply.genuine = orjson.dumps(content)
        return reply

    def _spoil(self, content: Any) -> None:
        places = content.items() if isinstance(content, dict) else enumerate(content)
        for place, value in list(places):
            node_id = value.get("id") if isinstance(value, dict) else None
            if node_id == self.node_id:
                if self.field == NOTHING_ELSE:
                    content[place] = FIELDS[NOTHING_ELSE]
                elif self.field in value:
                    value[self.field] = FIELDS[self.field]
            elif isinstance(value, dict | list) and node_id not in self.threads:
                self._spoil(value)


def garbage(reading: Reading, data_type: DataType, field: str) -> tuple[int, Garbage]:
    threads: dict[int, Any] = getattr(reading.repository, data_type)
    [_, _, odd, *_] = threads.values()
    ids = frozenset(each.node_id(True) for each in threads.values())
    return odd.number, Garbage(odd.node_id(True), ids, field)


async def numbers(reading: Reading, data_type: DataType) -> set[int]:
    return {row["number"] for row in await reading.rows(f"select number from {data_type} where gone_at is null")}


async def noted(reading: Reading, number: int) -> list[tuple[str, bool, int]]:
    """(what, whether it is of this thread or of one without a number, count) of each note."""
    rows = await reading.rows("select what, number, count from backfill_notes")
    return [(row["what"], row["number"] in (None, number), row["count"]) for row in rows]


async def completed(reading: Reading, data_type: DataType) -> None:
    before = len(reading.github.log)
    result = await reading.sweep(data_type, attempts=ATTEMPTS)
    assert result.outcome == "completed", result.failure
    assert len(reading.github.log) - before < MOST_REQUESTS


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("data_type", ["pull_requests", "issues", "discussions"])
async def test_one_thread_that_cannot_be_read_is_one_note_and_the_rest_is_stored(
    data_type: DataType, field: str, read: Read
) -> None:
    reading = read(PLAN)
    number, odd = garbage(reading, data_type, field)
    fault = reading.github.faults.add(odd, times=None)
    await completed(reading, data_type)
    threads = set(getattr(reading.repository, data_type))
    assert await numbers(reading, data_type) >= threads - {number}
    found = await noted(reading, number)
    assert [each[1] for each in found] in ([True], []), found
    assert found or await numbers(reading, data_type) == threads, "it is neither stored nor noted"
    await completed(reading, data_type)
    assert len(await noted(reading, number)) == len(found)
    reading.github.faults.remove(fault)
    await completed(reading, data_type)
    assert await noted(reading, number) == []
    others: list[DataType] = ["pull_requests", "issues", "discussions"]
    for other in others:
        await completed(reading, other)
    await reading.agrees()


@pytest.mark.parametrize("field", ["id", "number", "updatedAt", "title", NOTHING_ELSE])
async def test_a_stored_thread_that_turns_unreadable_stays_as_it_is(field: str, read: Read) -> None:
    reading = read(PLAN)
    await completed(reading, "issues")
    number, odd = garbage(reading, "issues", field)
    for issue in reading.repository.issues.values():
        issue.edit(title=f"{issue.title}!")
    fault = reading.github.faults.add(odd, times=None)
    await completed(reading, "issues")
    assert await numbers(reading, "issues") == set(reading.repository.issues)
    reading.github.faults.remove(fault)
    await completed(reading, "issues")
    rows = await reading.rows("select title from issues where number = $1", number)
    assert [row["title"] for row in rows] == [reading.repository.issues[number].title]
    assert await noted(reading, number) == []


async def test_a_review_in_a_state_that_nobody_knows_is_noted_and_all_else_is_stored(read: Read) -> None:
    reading = read(PLAN)
    pull = next(each for each in reading.repository.pull_requests.values() if len(each.reviews) and each.comments)
    review = pull.reviews[0]
    fault = reading.github.faults.add(Garbage(review.node_id(True), frozenset(), "state"), times=None)
    await completed(reading, "pull_requests")
    assert await numbers(reading, "pull_requests") == set(reading.repository.pull_requests)
    assert {each[1] for each in await noted(reading, pull.number)} == {True}
    stored = {row["github_id"] for row in await reading.rows("select github_id from reviews")}
    assert review.database_id not in stored
    reading.github.faults.remove(fault)
    await completed(reading, "pull_requests")
    assert await noted(reading, pull.number) == []
    reading.repository.issues.clear()
    reading.repository.discussions.clear()
    await reading.agrees()


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_a_star_at_an_end_of_the_calendar_is_noted_and_all_others_are_stored(moment: str, read: Read) -> None:
    reading = read(Plan("acme/odd", pull_requests=0, issues=0, stars=8, years=1))
    github_id = list(reading.repository.stars)[3]

    def misdate(content: dict[str, Any]) -> None:
        for edge in content["data"]["repository"]["stargazers"].get("edges", ()):
            if edge["node"]["databaseId"] == github_id:
                edge["starredAt"] = moment

    fault = reading.github.faults.add(Edited(misdate), times=None, operation="Stargazers")
    assert (await reading.sweep("events", attempts=ATTEMPTS)).outcome == "completed"
    stars = "select count(*) from github_events_cache where event_type = 'WatchEvent'"
    assert [(row["what"], row["count"]) for row in await reading.rows("select what, count from backfill_notes")] == [
        ("stargazers", 1)
    ]
    assert [row["count"] for row in await reading.rows(stars)] == [7]
    reading.github.faults.remove(fault)
    assert (await reading.sweep("events", attempts=ATTEMPTS)).outcome == "completed"
    assert not await reading.rows("select from backfill_notes")
    assert [row["count"] for row in await reading.rows(stars)] == [8]
