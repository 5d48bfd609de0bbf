"""What GitHub will not give for good is noted, the type completes, and the next sweep looks at it again."""

from typing import Any

import pytest

from sandbox.github.faults import BrokenField, EndlessPages, Miscounted, Refused, refused_commits, refused_teams
from sandbox.github.generation import Plan
from tests.support.backfill.reading import Read, Reading
from tests.support.shop import connected

ISSUES = Plan("acme/odd", pull_requests=0, issues=12, comments=2, events=2, years=1)
PULLS = Plan("acme/odd", pull_requests=10, issues=0, reviews=2, review_comments=2, comments=2, events=2, years=1)


async def notes(reading: Reading) -> list[tuple[Any, ...]]:
    """(kind, what, number, count) of what is noted."""
    async with connected(reading.dsn) as connection:
        rows = await connection.fetch("select kind, what, number, count from backfill_notes order by what, number")
    return [tuple(row) for row in rows]


async def completed(reading: Reading, data_type: Any, *, attempts: int = 1) -> int:
    """Sweeps to the end, which has to be completed; how many requests that took."""
    before = len(reading.github.log)
    result = await reading.sweep(data_type, attempts=attempts)
    assert result.outcome == "completed", result.failure
    return len(reading.github.log) - before


async def test_a_timeline_item_that_is_refused_is_noted_and_stored_once_it_is_shown(read: Read) -> None:
    reading = read(ISSUES)
    [one, other, *_] = reading.repository.issues.values()
    one.event("CrossReferencedEvent", None, source=other)
    reading.github.faults.add(Refused("CrossReferencedEvent", "source"), times=None)
    await completed(reading, "issues")
    assert await notes(reading) == [("hidden", "timeline", one.number, 1)]
    plain = await completed(reading, "issues")
    assert await notes(reading) == [("hidden", "timeline", one.number, 1)]
    assert plain <= 4, "one request more than a sweep without notes"
    reading.github.faults.clear()
    await completed(reading, "issues")
    assert await notes(reading) == []
    await reading.agrees()


@pytest.mark.parametrize("what", ["Issue.timelineItems", "PullRequest.timelineItems"])
async def test_children_that_are_counted_and_never_shown_are_noted_after_two_equal_readings(
    what: str,
    read: Read,
) -> None:
    data_type = "issues" if what.startswith("Issue") else "pull_requests"
    reading = read(ISSUES if data_type == "issues" else PULLS)
    reading.github.faults.add(Miscounted(what, by=2), times=None)
    await completed(reading, data_type)
    threads = reading.repository.issues or reading.repository.pull_requests
    assert sorted(await notes(reading)) == sorted(("hidden", "timeline", number, 2) for number in threads)
    await reading.agrees()
    await completed(reading, data_type)
    await reading.agrees()
    reading.github.faults.clear()
    await completed(reading, data_type)
    assert await notes(reading) == []
    await reading.agrees()


async def test_what_a_flagged_account_wrote_is_noted_and_what_is_stored_of_it_stays(read: Read) -> None:
    reading = read(ISSUES)
    await completed(reading, "issues")
    issues = reading.repository.issues.values()
    authors = {comment.author for issue in issues for comment in issue.comments} - {issue.author for issue in issues}
    author = next(author for author in authors if author is not None)
    author.flag()
    async with connected(reading.dsn) as connection:
        before = await connection.fetchval("select count(*) from comments")
    for issue in reading.repository.issues.values():
        issue.edit(title=f"{issue.title}!")
    await completed(reading, "issues")
    async with connected(reading.dsn) as connection:
        assert await connection.fetchval("select count(*) from comments") == before
    author.unflag()
    await completed(reading, "issues")
    await completed(reading, "issues")
    await reading.agrees()
    assert await notes(reading) == []


async def test_threads_that_are_counted_and_never_listed_are_noted_with_the_difference(read: Read) -> None:
    reading = read(ISSUES)
    reading.github.faults.add(Miscounted("Repository.issues", by=3), times=None)
    await completed(reading, "issues")
    assert await notes(reading) == [("hidden", "thread", None, 3)]
    reading.github.faults.clear()
    await completed(reading, "issues")
    assert await notes(reading) == []
    await reading.agrees()


async def test_a_thread_of_a_flagged_account_that_comes_back_unchanged_is_stored_again(read: Read) -> None:
    reading = read(ISSUES)
    thread = next(issue for issue in reading.repository.issues.values() if issue.author is not None)
    author = thread.author
    assert author is not None
    await completed(reading, "issues")
    author.flag()
    # Else GitHub counts it on, and nobody asks for it.
    reading.github.faults.add(Miscounted("Repository.issues", by=-1), times=None)
    await completed(reading, "issues")
    reading.github.faults.clear()
    async with connected(reading.dsn) as connection:
        gone = "select gone_at is not null from issues where number = $1"
        assert await connection.fetchval(gone, thread.number)
        author.unflag()
        await completed(reading, "issues")
        assert not await connection.fetchval(gone, thread.number)
    await completed(reading, "issues")
    assert await notes(reading) == []
    await reading.agrees()


@pytest.mark.parametrize("whole", [True, False])
async def test_a_timeline_that_never_comes_is_noted_and_its_comments_and_reviews_are_stored(
    whole: bool,
    read: Read,
) -> None:
    reading = read(PULLS)
    number = next(pull.number for pull in reading.repository.pull_requests.values() if pull.reviews and pull.comments)
    reading.github.faults.add(BrokenField("PullRequest.timelineItems", number=number, whole=whole), times=None)
    await completed(reading, "pull_requests", attempts=10)
    [(kind, what, noted, _)] = await notes(reading)
    assert (kind, what, noted) == ("unavailable", "timeline", number)
    async with connected(reading.dsn) as connection:
        stored = "select count(*) from {} c join pull_requests p on p.id = c.pull_request_id where p.number = $1"
        pull = reading.repository.pull_requests[number]
        assert await connection.fetchval(stored.format("reviews"), number) == len(pull.reviews)
        assert await connection.fetchval(stored.format("comments"), number) >= len(pull.comments)
    again = await completed(reading, "pull_requests")
    assert again <= 8
    assert [note[:3] for note in await notes(reading)] == [("unavailable", "timeline", number)]
    reading.github.faults.clear()
    await completed(reading, "pull_requests")
    assert await notes(reading) == []
    await reading.agrees()


async def test_a_thread_that_cannot_be_had_in_any_way_is_noted_and_the_type_completes(read: Read) -> None:
    reading = read(ISSUES)
    [_, lost, *_] = reading.repository.issues
    reading.github.faults.add(BrokenField("Issue.labels", number=lost), times=None)
    await completed(reading, "issues", attempts=10)
    assert await notes(reading) == [("unavailable", "thread", lost, 1)]
    reading.github.faults.clear()
    await completed(reading, "issues")
    assert await notes(reading) == []
    await reading.agrees()


async def test_a_timeline_that_leads_nowhere_is_noted_with_what_is_missing(read: Read) -> None:
    reading = read(Plan("acme/endless", pull_requests=0, issues=1, comments=150, events=20, years=2))
    reading.github.faults.add(EndlessPages("Issue.timelineItems", "null"), times=None)
    await completed(reading, "issues")
    [(kind, what, _, count)] = await notes(reading)
    assert (kind, what) == ("hidden", "timeline")
    assert count > 0
    reading.github.faults.clear()
    await completed(reading, "issues")
    assert await notes(reading) == []
    await reading.agrees()


@pytest.mark.parametrize("what", ["commits", "requested_reviewers"])
async def test_what_a_permission_hid_of_all_threads_is_read_again_once_it_is_granted(what: str, read: Read) -> None:
    reading = read(PULLS)
    team = reading.repository.world.team("acme", "crew")
    for pull in list(reading.repository.pull_requests.values())[::4]:
        pull.request_review(team)
    faults = reading.github.faults
    faults.add(refused_commits() if what == "commits" else refused_teams(), times=None)
    await completed(reading, "pull_requests")
    assert await notes(reading) == [("refused", what, None, 1)]
    assert await completed(reading, "pull_requests") <= 6
    assert await notes(reading) == [("refused", what, None, 1)]
    faults.clear()
    assert await completed(reading, "pull_requests") <= 6
    assert await notes(reading) == []
    await reading.agrees()
    assert await completed(reading, "pull_requests") <= 3, "nothing is left to look at"


async def test_labels_that_were_hidden_are_read_again_once_they_are_shown(read: Read) -> None:
    reading = read(ISSUES)
    thread = next(issue for issue in reading.repository.issues.values() if issue.labels)
    hidden = thread.labels[0]
    others = [each for each in reading.repository.issues.values() if hidden in each.labels]
    reading.github.faults.add(Refused("Label", "name", when=lambda label, _: label is hidden), times=None)
    await completed(reading, "issues")
    assert ("hidden", "labels", thread.number, 1) in await notes(reading)
    await completed(reading, "issues")
    assert len([note for note in await notes(reading) if note[1] == "labels"]) == len(others)
    reading.github.faults.clear()
    await completed(reading, "issues")
    assert await notes(reading) == []
    await reading.agrees()
