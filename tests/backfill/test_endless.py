"""Lists that never end: each costs a bounded number of requests, and what GitHub has is stored all the same."""

from typing import Literal

import pytest

from activities.progress import MOST_IDLE
from sandbox.github.faults import CircularLinks, EndlessPages
from sandbox.github.generation import Plan
from tests.support.backfill.reading import Read

Cursor = Literal["null", "same", "alternating"]
CURSORS: tuple[Cursor, ...] = ("null", "same", "alternating")


@pytest.mark.parametrize("cursor", CURSORS)
async def test_a_history_whose_pages_never_end_is_completed_by_the_counts(cursor: Cursor, read: Read) -> None:
    """The list by birth has pages of another length: one of it holds all threads."""
    reading = read(Plan("acme/endless", pull_requests=0, issues=90, comments=1, events=1, years=2))
    endless = EndlessPages("Repository.issues", cursor)
    reading.github.faults.add(endless, times=None, operation="Issues")
    result = await reading.sweep("issues")
    assert result.outcome == "completed", result.failure
    await reading.agrees()
    assert len(reading.github.log) < 60


@pytest.mark.parametrize("cursor", CURSORS)
async def test_a_list_of_threads_that_never_ends_is_no_reason_to_go_on_for_ever(cursor: Cursor, read: Read) -> None:
    reading = read(Plan("acme/endless", pull_requests=0, issues=240, comments=1, events=1, years=2))
    reading.github.faults.add(EndlessPages("Repository.issues", cursor), times=None)
    result = await reading.sweep("issues")
    assert result.outcome == "failed"
    assert result.failure is not None
    assert result.failure.code == "no_progress"
    assert len(reading.github.log) < 10 * MOST_IDLE
    reading.github.faults.clear()
    assert (await reading.sweep("issues")).outcome == "completed"
    await reading.agrees()


@pytest.mark.parametrize("cursor", ["same", "alternating"])
async def test_a_timeline_whose_pages_never_end_is_whole_by_its_count(cursor: Cursor, read: Read) -> None:
    reading = read(Plan("acme/endless", pull_requests=2, issues=0, comments=150, events=20, years=2))
    reading.github.faults.add(EndlessPages("PullRequest.timelineItems", cursor), times=None)
    result = await reading.sweep("pull_requests")
    assert result.outcome == "completed", result.failure
    assert len(reading.github.log) < 60


@pytest.mark.parametrize("to", ["itself", "first"])
async def test_lists_of_comments_that_lead_in_a_circle_end(to: Literal["itself", "first"], read: Read) -> None:
    plan = Plan("acme/reviewed", pull_requests=60, issues=0, years=1, reviews=3, review_comments=4)
    reading = read(plan)
    reading.github.faults.add(CircularLinks(to), times=None)
    result = await reading.sweep("pull_requests")
    assert result.outcome in ("completed", "failed")
    assert len(reading.github.log) < 10 * MOST_IDLE
