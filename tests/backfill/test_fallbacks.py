"""A list that fails for good is left for another way, and the proof says so."""

from typing import Any

import pytest

from messages import DataType
from sandbox.github.faults import (
    BadGateway,
    BlankList,
    BrokenTimeline,
    CircularLinks,
    Effect,
    Forbidden,
    Refused,
    Reset,
    ServerError,
)
from sandbox.github.generation import Plan
from sandbox.github.world.threads import Thread
from tests.support.backfill.reading import Read, Reading
from tests.support.backfill.reviewed import REVIEWED
from tests.support.shop import connected

FOR_GOOD: dict[str, Effect] = {"500": ServerError(), "502": BadGateway(), "422": ServerError(422)}


async def fell_back(reading: Reading) -> list[str]:
    """What the proof of the latest sweep says."""
    async with connected(reading.dsn) as connection:
        proof: dict[str, Any] = await connection.fetchval(
            "select proof from backfill_sweeps order by completed_at desc limit 1"
        )
    words: list[str] = proof.get("fell_back", [])
    return words


@pytest.mark.parametrize("status", FOR_GOOD)
async def test_without_the_list_of_review_comments_reviews_are_asked_for_one_by_one(status: str, read: Read) -> None:
    reading = read(REVIEWED)
    reading.github.faults.add(FOR_GOOD[status], times=None, path="*/pulls/comments?*")
    result = await reading.sweep("pull_requests", attempts=10)
    assert result.outcome == "completed", result.failure
    assert any("review by review" in words for words in await fell_back(reading))
    assert len(reading.github.log) < 80
    await reading.agrees()


@pytest.mark.parametrize("status", FOR_GOOD)
async def test_without_the_list_of_comments_the_numbers_of_comments_tell(status: str, read: Read) -> None:
    reading = read(Plan("acme/talk", pull_requests=0, issues=120, comments=2, events=1, years=1))
    assert (await reading.sweep("issues")).outcome == "completed"
    assert not await fell_back(reading)
    silent = [issue for issue in reading.repository.issues.values() if issue.comments][3]
    silent.comment(None, "without a bump", bump=False)
    reading.github.faults.add(FOR_GOOD[status], times=None, path="*/issues/comments?*")
    result = await reading.sweep("issues", attempts=10)
    assert result.outcome == "completed", result.failure
    assert any("by their numbers" in words for words in await fell_back(reading))
    await reading.agrees()


async def test_a_500_that_repeats_is_taken_for_too_large(read: Read) -> None:
    reading = read(Plan("acme/wide", pull_requests=0, issues=60, comments=1, events=1, years=1))
    reading.github.faults.add(
        ServerError(), times=None, operation="Issues", when=lambda request: request.variables["first"] > 10
    )
    result = await reading.sweep("issues", attempts=3)
    assert result.outcome == "completed", result.failure
    await reading.agrees()


# A timeline that fails at every size (cli/cli#11027)

PULLS = Plan("acme/broken", pull_requests=8, issues=0, reviews=2, review_comments=1, comments=2, events=2, years=1)
ISSUES = Plan("acme/broken", pull_requests=0, issues=8, comments=2, events=2, years=1)


def odd(reading: Reading) -> Thread:
    """A thread in the middle with one event of many kinds, that REST tells of by halves, or wholly."""
    repository = reading.repository
    threads: list[Thread] = [*repository.pull_requests.values(), *repository.issues.values()]
    thread, other = threads[5], threads[6]
    someone = next(iter(repository.world.accounts.values()))
    thread.label("one")
    thread.label("two")
    thread.assign(someone)
    thread.edit(title="another title")
    thread.lock("TOO_HEATED")
    thread.unlock()
    thread.event("CrossReferencedEvent", someone, source=other)
    thread.event("CrossReferencedEvent", None, source=other)
    return thread


async def notes(reading: Reading) -> list[tuple[Any, ...]]:
    """(kind, what, number, count, item types that the words name)."""
    rows = await reading.rows("select kind, what, number, count, words from backfill_notes order by what, number")
    return [(*list(row.values())[:4], row["words"].partition(": ")[0]) for row in rows]


async def completed(reading: Reading, data_type: DataType, *, attempts: int = 10) -> int:
    """Sweeps to the end, which has to be completed; how many requests that took."""
    before = len(reading.github.log)
    result = await reading.sweep(data_type, attempts=attempts)
    assert result.outcome == "completed", result.failure
    return len(reading.github.log) - before


@pytest.mark.parametrize("plan", [PULLS, ISSUES])
async def test_of_a_timeline_that_fails_what_rest_tells_wholly_is_stored(plan: Plan, read: Read) -> None:
    reading = read(plan)
    data_type: DataType = "pull_requests" if plan is PULLS else "issues"
    thread = odd(reading)
    broken = frozenset({"LABELED_EVENT", "ASSIGNED_EVENT", "LOCKED_EVENT"})
    reading.github.faults.add(BrokenTimeline(number=thread.number, item_types=broken), times=None)
    await completed(reading, data_type)
    assert await notes(reading) == []
    await reading.agrees()


async def test_one_failing_type_of_a_timeline_is_found_by_halves_and_all_others_are_stored(read: Read) -> None:
    reading = read(PULLS)
    thread = odd(reading)
    broken = frozenset({"CROSS_REFERENCED_EVENT"})
    fault = BrokenTimeline(number=thread.number, item_types=broken, whole=False)
    reading.github.faults.add(fault, times=None)
    assert await completed(reading, "pull_requests") < 60
    lost = [event for event in thread.events if event.typename == "CrossReferencedEvent"]
    assert await notes(reading) == [
        ("unavailable", "timeline", thread.number, len(lost), "CROSS_REFERENCED_EVENT"),
    ]
    stored = await reading.rows("select count(*) from issue_events where event_type = 'labeled'")
    assert stored[0][0]
    again = await completed(reading, "pull_requests")
    assert again <= 6
    assert len(await notes(reading)) == 1
    reading.github.faults.clear()
    assert await completed(reading, "pull_requests") <= 7
    assert await notes(reading) == []
    await reading.agrees()


REST_FAILS: dict[str, Effect] = {
    "502": BadGateway(),
    "403": Forbidden(),
    "circle": CircularLinks("itself"),
    "blank": BlankList(),
}


@pytest.mark.parametrize("rest", REST_FAILS)
async def test_without_rest_the_failing_types_of_a_timeline_are_noted_by_their_names(rest: str, read: Read) -> None:
    reading = read(ISSUES)
    thread = odd(reading)
    broken = frozenset({"LABELED_EVENT", "ISSUE_COMMENT"})
    reading.github.faults.add(BrokenTimeline(number=thread.number, item_types=broken), times=None)
    reading.github.faults.add(REST_FAILS[rest], times=None, path=f"*/issues/{thread.number}/timeline*")
    await completed(reading, "issues")
    assert await notes(reading) == [("unavailable", "timeline", thread.number, 1, "LABELED_EVENT")]
    stored = await reading.rows(
        "select count(*) from comments c join issues i on i.id = c.issue_id where number = $1", thread.number
    )
    assert stored[0][0] == len(thread.comments), "they have a connection of their own"
    assert await completed(reading, "issues") <= 6
    reading.github.faults.clear()
    await completed(reading, "issues")
    assert await notes(reading) == []
    await reading.agrees()


async def test_what_is_hidden_of_a_timeline_is_looked_at_again_though_another_type_of_it_failed(read: Read) -> None:
    reading = read(ISSUES)
    thread = odd(reading)
    lost = [event for event in thread.events if event.typename == "CrossReferencedEvent"]
    titles = [event for event in thread.events if event.typename == "RenamedTitleEvent"]
    hidden = Refused("RenamedTitleEvent", "currentTitle", when=lambda event, _: event.thread is thread)
    broken = frozenset({"CROSS_REFERENCED_EVENT"})
    fault = reading.github.faults.add(BrokenTimeline(number=thread.number, item_types=broken), times=None)
    reading.github.faults.add(hidden, times=None)
    await completed(reading, "issues")
    [note] = await notes(reading)
    assert note[:4] == ("unavailable", "timeline", thread.number, len(lost) + len(titles))
    reading.github.faults.remove(fault)
    await completed(reading, "issues")
    [note] = await notes(reading)
    assert note[:4] == ("hidden", "timeline", thread.number, len(titles))
    reading.github.faults.clear()
    await completed(reading, "issues")
    assert await notes(reading) == []
    await reading.agrees()


async def test_a_timeline_that_fails_whatever_is_asked_of_it_costs_a_bounded_number_of_requests(read: Read) -> None:
    reading = read(ISSUES)
    thread = odd(reading)
    reading.github.faults.add(BrokenTimeline(number=thread.number, rest=True), times=None)
    assert await completed(reading, "issues") < 60
    [(kind, what, number, _, words)] = await notes(reading)
    assert (kind, what, number) == ("unavailable", "timeline", thread.number)
    assert "more" in words
    assert await completed(reading, "issues") <= 6
    reading.github.faults.clear()
    await completed(reading, "issues")
    assert await notes(reading) == []
    await reading.agrees()


async def test_one_timeline_that_stays_broken_keeps_no_other_from_being_stored_again(read: Read) -> None:
    reading = read(ISSUES)
    numbers = list(reading.repository.issues)[:2]
    faults = [reading.github.faults.add(BrokenTimeline(number=number, rest=True), times=None) for number in numbers]
    await completed(reading, "issues", attempts=20)
    assert [note[2] for note in await notes(reading)] == sorted(numbers)
    for fault in faults[1:]:
        reading.github.faults.remove(fault)
    for _ in range(3):
        await completed(reading, "issues")
    assert [note[2] for note in await notes(reading)] == numbers[:1]


async def test_a_stop_between_the_types_of_a_timeline_asks_for_none_again(read: Read) -> None:
    reading = read(PULLS)
    thread = odd(reading)
    broken = frozenset({"LABELED_EVENT"})
    reading.github.faults.add(BrokenTimeline(number=thread.number, item_types=broken), times=None)
    by_type = "PullRequestTimelines"
    resets = [
        reading.github.faults.add(
            Reset(), operation=by_type, when=lambda request, size=size: len(request.variables["pullItems"]) == size
        )
        for size in (31, 15, 3)
    ]
    await completed(reading, "pull_requests")
    await reading.agrees()
    types = [(tuple(entry.variables["pullItems"]), entry.variables["first"]) for entry in reading.asked(by_type)]
    some = [each for each in types if len(each[0]) < 50]
    assert [reset.hits for reset in resets] == [1, 1, 1]
    assert len(some) - len(set(some)) == len(resets), "only what was reset is asked for again"
