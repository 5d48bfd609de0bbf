"""What only this database refuses, such as a text that is too long for a column of the host's, is noted with its
thread; all else is stored, and so is it once the database accepts it.
"""

from typing import Any

import pytest

from sandbox.github.generation import Plan
from tests.support.backfill.reading import Read, Reading

PLAN = Plan(
    "acme/narrow", pull_requests=6, issues=6, discussions=4, reviews=2, review_comments=1, comments=2, events=2, years=1
)
TYPES = ("pull_requests", "issues", "discussions")


async def completes(reading: Reading, data_type: Any) -> int:
    """Sweeps in one attempt. Returns the number of requests."""
    before = len(reading.github.log)
    result = await reading.sweep(data_type)
    assert result.outcome == "completed", result.failure
    return len(reading.github.log) - before


async def noted(reading: Reading) -> list[tuple[str, str, int | None, int]]:
    rows = await reading.rows("select kind, what, number, count from backfill_notes order by what")
    return [tuple(row.values()) for row in rows]


async def numbers(reading: Reading, table: str) -> set[int]:
    return {row["number"] for row in await reading.rows(f"select number from {table}")}


@pytest.mark.parametrize("data_type", TYPES)
async def test_a_thread_that_the_database_refuses_is_noted_and_all_others_are_stored(
    data_type: str, read: Read
) -> None:
    reading = read(PLAN)
    threads: dict[int, Any] = getattr(reading.repository, data_type)
    odd = threads[sorted(threads)[2]]
    await reading.rows(f"alter table {data_type} add constraint narrow check (number <> {odd.number})")
    assert await completes(reading, data_type) < 12
    assert await numbers(reading, data_type) == set(threads) - {odd.number}
    assert await noted(reading) == [("unavailable", "thread", odd.number, 1)]
    [note] = await reading.rows("select words from backfill_notes")
    assert "narrow" in note["words"]
    await completes(reading, data_type)
    assert await noted(reading) == [("unavailable", "thread", odd.number, 1)]
    await reading.rows(f"alter table {data_type} drop constraint narrow")
    for each in TYPES:
        await completes(reading, each)
    assert await noted(reading) == []
    await reading.agrees()


async def test_a_comment_that_the_database_refuses_is_noted_and_all_else_is_stored(read: Read) -> None:
    reading = read(PLAN)
    odd = next(each for each in reading.repository.issues.values() if len(each.comments) > 1)
    github_id = odd.comments[0].database_id
    await reading.rows(f"alter table comments add constraint narrow check (github_id <> {github_id})")
    await completes(reading, "issues")
    stored = {row["github_id"] for row in await reading.rows("select github_id from comments")}
    there = {comment.database_id for issue in reading.repository.issues.values() for comment in issue.comments}
    assert stored == there - {github_id}
    assert await noted(reading) == [("unavailable", "timeline", odd.number, 1)]
    await reading.rows("alter table comments drop constraint narrow")
    for each in TYPES:
        await completes(reading, each)
    assert await noted(reading) == []
    await reading.agrees()


async def test_what_names_a_person_whom_the_database_refuses_is_noted(read: Read) -> None:
    reading = read(PLAN)
    pulls = reading.repository.pull_requests.values()
    odd, account = next((each, each.account) for each in pulls if each.account is not None)
    login = account.rest_login
    await reading.rows(f"alter table contributors add constraint narrow check (username <> '{login}')")
    await completes(reading, "pull_requests")
    assert odd.number not in await numbers(reading, "pull_requests")
    assert ("unavailable", "thread", odd.number, 1) in await noted(reading)
    await reading.rows("alter table contributors drop constraint narrow")
    for each in TYPES:
        await completes(reading, each)
    assert await noted(reading) == []
    await reading.agrees()


async def test_an_event_that_the_database_refuses_ends_the_type_at_once_and_says_why(read: Read) -> None:
    reading = read(Plan("acme/narrow", pull_requests=0, issues=0, stars=6, years=1))
    await reading.rows(
        "alter table github_events_cache add constraint narrow check (event_type <> 'WatchEvent' or actor_login = '')"
    )
    result = await reading.sweep("events")
    assert result.outcome == "failed"
    assert result.failure is not None
    assert (result.failure.code, result.failure.error_class) == ("unstorable", "part_over")
    assert "narrow" in result.failure.message
    await reading.rows("alter table github_events_cache drop constraint narrow")
    await completes(reading, "events")
    [row] = await reading.rows("select count(*) from github_events_cache where event_type = 'WatchEvent'")
    assert row["count"] == 6
