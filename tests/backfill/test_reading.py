"""One sweep after another by the real activity, in this process: sizes of pages, and the lists of comments.

Without Temporal and worker processes a sweep costs hundredths of a second, and one may look at every request.
"""

import asyncio
from time import monotonic
from typing import Any

import pytest

from activities.sweep import _Slice
from activities.threads.reader import ThreadReader
from activities.turn import Turn
from sandbox.github.exchange.requests import Reply, Request
from sandbox.github.faults import (
    BadGateway,
    Edited,
    Effect,
    GatewayTimeout,
    ResourceLimits,
    SomethingWentWrong,
    Touch,
)
from sandbox.github.generation import Plan
from sandbox.github.world.pull_requests import ReviewComment
from tests.support.backfill.reading import Read, Reading
from tests.support.backfill.reviewed import REVIEWED
from tests.support.waiting import PATIENCE

# --- Sizes of pages

ISSUES = Plan("acme/wide", pull_requests=0, issues=240, comments=1, events=1, years=2)


def lose_the_last(content: dict[str, Any]) -> None:
    content["data"]["repository"]["threads"]["nodes"][-1] = None


TOO_LARGE: dict[str, Effect] = {
    "504": GatewayTimeout(),
    "Something went wrong, inside 200": SomethingWentWrong(),
    "resource limits, with what came": ResourceLimits(served=3),
    "a thread that is null, without a word": Edited(lose_the_last),
}


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_a_page_is_halved_at_its_cursor_and_grows_back(name: str, read: Read) -> None:
    reading = read(ISSUES)
    second = lambda request: bool(request.variables["after"])  # noqa: E731
    reading.github.faults.add(TOO_LARGE[name], times=2, operation="Issues", when=second)
    result = await reading.sweep("issues")
    assert result.outcome == "completed"
    firsts = reading.firsts("Issues")
    assert [first for first, _ in firsts[:6]] == [37, 37, 18, 9, 18, 36]
    assert firsts[1][1] == firsts[2][1] == firsts[3][1]
    assert 37 in [first for first, _ in firsts[6:]], "as large as it was"
    await reading.agrees()


async def test_a_slice_that_is_over_brings_one_more_page_at_most_whatever_its_reader_holds_ready(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ThreadReader, "is_ahead", True)
    reading = read(ISSUES)
    assert (await reading.sweep("issues", slice_pages=2)).outcome == "more"
    assert len(reading.firsts("Issues")) <= 3


async def test_what_takes_four_seconds_is_not_asked_for_in_larger_pages(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.threads.page_sizes.FAST_SECONDS", 0.0)
    reading = read(ISSUES)
    reading.github.faults.add(BadGateway(), times=1, operation="Issues")
    assert (await reading.sweep("issues")).outcome == "completed"
    assert {first for first, _ in reading.firsts("Issues")[1:-1]} == {18}
    await reading.agrees()


async def test_the_next_job_begins_with_the_size_that_the_repository_can_bear(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.threads.page_sizes.FAST_SECONDS", 0.0)
    reading = read(ISSUES)
    reading.github.faults.add(
        GatewayTimeout(), times=None, operation="Issues", when=lambda it: it.variables["first"] > 10
    )
    assert (await reading.sweep("issues", days=200)).outcome == "completed"
    before = len(reading.asked("Issues"))
    assert (await reading.sweep("issues")).outcome == "completed"
    later = reading.asked("Issues")[before:]
    assert len(later) > 10
    assert {entry.status for entry in later} == {200}, "no page is too large any more"
    await reading.agrees()


async def test_a_list_of_threads_that_fails_is_halved_and_grows_back(read: Read) -> None:
    reading = read(ISSUES)
    await reading.sweep("issues")
    for issue in reading.repository.issues.values():
        issue.edit(body="all of them, a moment ago")
    reading.github.faults.add(BadGateway(), times=2, operation="IssueListing")
    assert (await reading.sweep("issues")).outcome == "completed"
    assert [first for first, _ in reading.firsts("IssueListing")[:5]] == [100, 50, 25, 50, 100]
    await reading.agrees()


async def test_the_next_page_is_asked_for_while_the_last_is_written(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No page is committed before the one behind it has come."""
    reading = read(ISSUES)
    commit, pages = _Slice._commit, 0

    async def late(self: _Slice, turn: Turn[Any]) -> None:
        nonlocal pages
        if turn.page is not None and turn.position.cursor is not None:
            pages += 1
            deadline = monotonic() + PATIENCE
            while len(reading.asked("Issues")) <= pages:
                assert monotonic() < deadline, f"page {pages + 1} waits for the commit of page {pages}"
                await asyncio.sleep(0.01)
        await commit(self, turn)

    monkeypatch.setattr(_Slice, "_commit", late)
    assert (await reading.sweep("issues")).outcome == "completed"
    assert pages == 6
    await reading.agrees()


def listed_at(reading: Reading, place: int) -> ReviewComment:
    """The one at this place of the list, oldest change first."""
    return sorted(reading.repository.review_comments.values(), key=lambda each: (each.updated_at, each.database_id))[
        place
    ]


async def test_the_list_is_read_beyond_the_last_page_that_has_a_number(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub answers 422 beyond page 100, here beyond page 2."""
    monkeypatch.setattr("sandbox.github.rest.routes.PAGES_LIMIT", 2)
    reading = read(REVIEWED)
    assert (await reading.sweep("pull_requests")).outcome == "completed"
    assert len(reading.listed()) == 4 + 1, "and once more for what changed meanwhile"
    assert {entry.status for entry in reading.github.log} == {200}
    assert not reading.asked("ReviewComments")
    await reading.agrees()


@pytest.mark.parametrize(("what", "place"), [("edit", 10), ("delete", 10), ("delete", 310)])
async def test_a_review_comment_that_changes_while_the_list_is_read(what: str, place: int, read: Read) -> None:
    """On the page before the one that is being asked for, and on one that is still to come. The next job agrees."""
    reading = read(REVIEWED)

    def change(_: Request) -> None:
        reading.repository.world.clock.advance(2)
        comment = listed_at(reading, place)
        if what == "edit":
            comment.edit("while it was read")
        else:
            comment.delete()
            comment.pull_request.edit(body="a review comment less")

    second = lambda request: "per_page=100" in request.path and len(reading.listed()) == 1  # noqa: E731
    fault = reading.github.faults.add(Touch(change), path="*/pulls/comments?*", when=second)
    assert (await reading.sweep("pull_requests")).outcome == "completed"
    assert fault.hits == 1
    by_ids = [entry for entry in reading.asked("ReviewComments") if len(entry.variables["ids"]) == 100]
    assert bool(by_ids) is (place == 310), "one was counted and never shown"
    assert (await reading.sweep("pull_requests")).outcome == "completed"
    await reading.agrees()


async def test_a_page_of_the_list_that_fails_is_halved_and_grows_back(read: Read) -> None:
    reading = read(REVIEWED)
    second = lambda _: len(reading.listed()) >= 1  # noqa: E731
    fault = reading.github.faults.add(BadGateway(), times=2, path="*/pulls/comments?*per_page=*0", when=second)
    assert (await reading.sweep("pull_requests")).outcome == "completed"
    assert fault.hits == 2
    sizes = [int(entry.path.partition("per_page=")[2].partition("&")[0]) for entry in reading.listed()]
    assert sizes[:6] == [100, 100, 50, 25, 50, 100]
    assert not reading.asked("ReviewComments")
    await reading.agrees()


async def test_review_comments_that_the_list_leaves_out_are_asked_for_by_their_reviews(read: Read) -> None:
    reading = read(REVIEWED)

    class LeavesOut(Edited):
        def afterwards(self, request: Request, reply: Reply) -> Reply:
            if "per_page=100" not in request.path:
                return reply
            return super().afterwards(request, reply)

    def leave_out(content: Any) -> None:
        del content[7]

    reading.github.faults.add(LeavesOut(leave_out), times=2, path="*/pulls/comments?*")
    assert (await reading.sweep("pull_requests")).outcome == "completed"
    assert len(reading.asked("ReviewComments")) == 2, "200 reviews"
    await reading.agrees()


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_second_with_more_review_comments_than_a_page(deleted: bool, read: Read) -> None:
    """Within it only numbers tell the pages apart, and a deletion moves one to the page before."""
    reading = read(REVIEWED)
    repository = reading.repository
    crowd = [
        review.comment(None, f"{number} of many in a second", bump=False)
        for number, review in enumerate(
            (each for pull in repository.pull_requests.values() for each in pull.reviews if each.state != "PENDING"), 1
        )
    ]
    assert len(crowd) > 150

    def delete(_: Request) -> None:
        crowd[3].delete()
        crowd[3].pull_request.edit(body="a review comment less")

    if deleted:
        numbered = lambda request: "&page=2" in request.path  # noqa: E731
        reading.github.faults.add(Touch(delete), path="*/pulls/comments?*", when=numbered)
    assert (await reading.sweep("pull_requests")).outcome == "completed"
    assert [entry for entry in reading.listed() if "&page=2" in entry.path]
    assert bool(reading.asked("ReviewComments")) is deleted
    if deleted:
        # The next job: the deletion is of after this one's `as_of`.
        assert (await reading.sweep("pull_requests")).outcome == "completed"
    await reading.agrees()


# --- Nobody: deleted accounts


async def test_deleted_accounts_are_nobody_wherever_they_were(read: Read) -> None:
    reading = read(Plan("acme/ghosts", 20, 0, reviews=4, review_comments=6, comments=3, ghosts=1.0, years=1))
    repository = reading.repository
    pull = max(repository.pull_requests.values(), key=lambda each: len(each.reviews))
    mona = repository.world.account("mona")
    pull.request_review(mona)
    pull.assign(mona)
    pull.label("by mona", mona)
    pull.merge(mona)
    for account in list(repository.world.accounts.values()):
        if account.typename == "User" and account.login not in ("viewer", "acme"):
            account.delete()
    assert (await reading.sweep("pull_requests")).outcome == "completed"
    await reading.agrees()
