"""One sweep after another by the real activity, in this process: sizes of pages, and the lists of comments.

Without Temporal and worker processes a sweep costs hundredths of a second, and one may look at every request.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.sweep import SweepActivity, _Slice
from activities.threads.reader import ThreadReader
from activities.turn import Sources, Turn
from budget.prices import Prices
from github.client import GitHub
from github.credentials import Credentials
from messages import DataType, Pace, RepositoryRef, SliceResult, SweepSlice
from sandbox.github.clock import Clock
from sandbox.github.faults import (
    BadGateway,
    Edited,
    Effect,
    GatewayTimeout,
    ResourceLimits,
    SomethingWentWrong,
    Touch,
)
from sandbox.github.generate import Plan
from sandbox.github.generate import repository as generate
from sandbox.github.repositories import Repository
from sandbox.github.requests import Entry, Reply, Request
from sandbox.github.server import StandIn
from sandbox.github.threads import ReviewComment
from sandbox.github.world import World
from sandbox.purchase import Repository as Listed
from sandbox.purchase import create_workspace
from store import jobs, transitions
from store.budgets import Budgets
from store.database import Database
from tests.truth import check
from tests.waiting import PATIENCE

TOKEN = "ghp_stand_in"
BEGIN = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


class Reading:
    """Sweeps one repository of a stand-in whose clock stands still."""

    def __init__(self, repository: Repository, github: StandIn, database: Database, dsn: str) -> None:
        self.repository, self.github, self.dsn = repository, github, dsn
        self._database = database
        self._workspace_id = ""

    async def sweep(
        self, data_type: DataType, *, days: int = 10_000, attempts: int = 1, slice_pages: int = 1_000
    ) -> SliceResult:
        """A job of this one type: to the sweep's end, or its first slice of so many pages.

        In so many attempts, where each but the last may fail.
        """
        repo, url = self.repository, self.github.url
        repo.world.clock.advance(7_200)
        if not self._workspace_id:
            listed = Listed(
                repo.database_id,
                repo.owner.login,
                repo.name,
                is_private=False,
                is_archived=False,
                has_issues=True,
                has_discussions=False,
            )
            self._workspace_id = (await create_workspace(self.dsn, [listed])).workspace_id
        cutoff_at = repo.world.clock.now() - timedelta(days=days)
        async with self._database.transaction() as connection:
            repository_id = await connection.fetchval("select id::text from repositories")
            job_id = await jobs.ask_for(
                connection, workspace=self._workspace_id, retention_days=days, data_types=(data_type,)
            )
            plan = await transitions.begin(connection, job_id, Pace(slice_pages=slice_pages))
        slice_ = SweepSlice(
            job_id=job_id,
            repository=RepositoryRef(
                repository_id=repository_id, github_id=repo.database_id, full_name=repo.name_with_owner
            ),
            data_type=data_type,
            cutoff_at=cutoff_at,
            pace=plan.pace,
        )
        credentials, prices = Credentials((TOKEN,)), Prices()
        for each in await credentials.of(None):
            each.account = "user:1"
        async with GitHub(url, f"{url}/graphql", credentials, Budgets(self._database, 1, prices), prices) as github:
            sweep = SweepActivity(Sources(self._database, github)).sweep
            for _ in range(attempts - 1):
                with suppress(ApplicationError):
                    result = await ActivityEnvironment().run(sweep, slice_)
                    break
            else:
                result = await ActivityEnvironment().run(sweep, slice_)
        async with self._database.transaction() as connection:
            await connection.execute("update workspace_backfill_jobs set status = 'completed' where id = $1", job_id)
        return result

    async def agrees(self) -> None:
        await check(self.dsn, self.repository)

    def asked(self, operation: str) -> list[Entry]:
        return [entry for entry in self.github.log if entry.operation == operation]

    def listed(self, route: str = "pulls/comments") -> list[Entry]:
        """Pages of a list of comments, without the request that counts them."""
        return [
            entry for entry in self.github.log if f"/{route}?" in entry.path and "per_page=1&" not in entry.path + "&"
        ]

    def firsts(self, operation: str) -> list[tuple[int, str | None]]:
        return [(entry.variables["first"], entry.after) for entry in self.asked(operation)]


Read = Callable[..., Reading]


@pytest.fixture
async def read(database: str) -> AsyncIterator[Read]:
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(Database(database, size=4))

        def begin(plan: Plan) -> Reading:
            world = World(Clock(BEGIN, stopped=True))
            repository = generate(world, plan)
            github = stack.enter_context(StandIn(world, tokens={TOKEN: "viewer"}))
            return Reading(repository, github, opened, database)

        yield begin


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


# --- The list of all review comments

REVIEWED = Plan(
    "acme/reviewed",
    pull_requests=40,
    issues=0,
    reviews=5,
    review_comments=8,
    comments=0,
    events=1,
    ghosts=0.2,
    years=1,
)
"""320 review comments: four pages of the list, for 200 reviews."""


def listed_at(reading: Reading, place: int) -> ReviewComment:
    """The one at this place of the list, oldest change first."""
    return sorted(reading.repository.review_comments.values(), key=lambda each: (each.updated_at, each.database_id))[
        place
    ]


async def test_the_list_is_read_beyond_the_last_page_that_has_a_number(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub answers 422 beyond page 100, here beyond page 2."""
    monkeypatch.setattr("sandbox.github.rest.PAGES_LIMIT", 2)
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
