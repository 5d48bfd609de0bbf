"""Stored children that a whole reading does not show: who is missed, who is asked for, and when one is deleted."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from rows import Contributor, Page, Whole
from store import absences
from store.absences import Answered, Confirmation
from store.database import Database
from tests.support.activities.stored import Stored, begin_sweep
from tests.support.shop import connected
from tests.support.store.rows import NOON, PULL, comment, event, pull, review

APART = timedelta(minutes=10)
OTHER = 200


class Pulls(Stored):
    """Pull requests with children, and readings of them."""

    dsn = ""

    async def write(self, page: Page) -> None:
        page.contributors = {1: Contributor(1, "ann", None, None, is_bot=False)}
        await super().write(page)

    async def reading(self, *wholes: Whole, of_reviews: Sequence[Whole] = (), at: datetime = NOON, **rows: Any) -> None:
        """A page that shows these rows, and wholes of their parents."""
        page = Page(at, "pull_request", whole_threads=list(wholes), whole_reviews=list(of_reviews), **rows)
        await self.write(page)

    async def absent(self) -> dict[str, bool]:
        """Child -> whether it went with many."""
        async with connected(self.dsn) as connection:
            rows = await connection.fetch("select child, many from backfill_absences order by child")
        return {row["child"]: row["many"] for row in rows}

    async def stored(self) -> set[str]:
        async with connected(self.dsn) as connection:
            rows = await connection.fetch(
                "select comment_type || ':' || github_id as child from comments"
                " union select 'review:' || github_id from reviews union select 'event:' || node_id from issue_events"
            )
        return {row["child"] for row in rows}

    async def to_ask(self, account: str, many_since: datetime = NOON - APART) -> dict[str, str]:
        async with self.database.transaction() as connection:
            return await absences.to_ask(connection, self.sweep, account, many_since)

    async def read_by(self, *accounts: str) -> None:
        async with self.database.transaction() as connection:
            for account in accounts:
                await absences.add_reader(connection, self.sweep, account)

    async def told(self, account: str, *answers: Answered) -> None:
        async with self.database.transaction() as connection:
            await absences.confirm(connection, self.sweep, Confirmation(account, list(answers), NOON))

    async def next_job(self) -> None:
        async with connected(self.dsn) as connection:
            await connection.execute("update workspace_backfill_jobs set status = 'completed'")
            self.sweep.job_id = await connection.fetchval(
                "insert into workspace_backfill_jobs (workspace_id, retention_days, cutoff_at, backfill_types)"
                " select workspace_id, retention_days, cutoff_at, backfill_types from workspace_backfill_jobs"
                " limit 1 returning id::text"
            )


@pytest.fixture
async def pulls(database: str) -> AsyncIterator[Pulls]:
    async with Database(database, size=2) as opened:
        begun = await begin_sweep(opened, database, "pull_requests")
        pulls = Pulls(opened, begun.sweep)
        pulls.dsn = database
        yield pulls


async def test_only_what_was_there_when_the_reading_began_is_missed(pulls: Pulls) -> None:
    early, at, late = (comment(n, born=NOON + timedelta(seconds=n)) for n in (-1, 0, 1))
    early = early._replace(github_id=7)
    await pulls.reading(
        pull_requests=[pull(PULL)], comments=[early, at._replace(github_id=8), late._replace(github_id=9)]
    )
    await pulls.reading(Whole(PULL, NOON, []))
    assert await pulls.absent() == {"issue_comment:7": False}


async def test_children_of_each_kind_are_missed_by_their_own_parent(pulls: Pulls) -> None:
    await pulls.reading(
        pull_requests=[pull(PULL), pull(OTHER)],
        reviews=[review(1), review(2), review(3, of=OTHER)],
        comments=[comment(4), comment(5), comment(6, of=OTHER), comment(7, review=1), comment(8, review=1)],
        events=[event("E_1"), event("E_2"), event("E_3", of=OTHER)],
    )
    await pulls.reading(Whole(PULL, NOON, ["c:4", "r:1", "e:E_1"]), of_reviews=[Whole(1, NOON, ["c:7"])])
    assert list(await pulls.absent()) == ["event:E_2", "issue_comment:5", "review:2", "review_comment:8"]


@pytest.mark.parametrize(
    ("stored", "gone", "many"),
    [(1, 1, False), (3, 2, True), (4, 2, False), (12, 5, False), (12, 6, True)],
    ids=["the only one", "most", "half", "a handful", "more than a handful"],
)
async def test_what_goes_with_many_others_is_told_apart(pulls: Pulls, stored: int, gone: int, many: bool) -> None:
    await pulls.reading(pull_requests=[pull(PULL)], comments=[comment(n) for n in range(stored)])
    await pulls.reading(Whole(PULL, NOON, [f"c:{n}" for n in range(gone, stored)]))
    assert await pulls.absent() == {f"issue_comment:{n}": many for n in range(gone)}


async def test_once_with_many_is_with_many_until_it_is_shown(pulls: Pulls) -> None:
    await pulls.reading(pull_requests=[pull(PULL)], comments=[comment(1), comment(2)])
    await pulls.reading(Whole(PULL, NOON, []))
    await pulls.reading(Whole(PULL, NOON, ["c:2"]), comments=[comment(2)])
    assert await pulls.absent() == {"issue_comment:1": True}
    assert await pulls.to_ask("a", NOON - timedelta(seconds=1)) == {}
    assert await pulls.to_ask("a", NOON) == {"issue_comment:1": "C_1"}
    await pulls.reading(comments=[comment(1)])
    assert await pulls.absent() == {}


async def test_each_account_is_asked_once_a_job(pulls: Pulls) -> None:
    await pulls.reading(pull_requests=[pull(PULL)], comments=[comment(1), comment(2), comment(3)])
    await pulls.reading(Whole(PULL, NOON, ["c:2", "c:3"]))
    await pulls.read_by("a", "b")
    child = "issue_comment:1"
    await pulls.told("a", Answered(child, gone=False))
    assert await pulls.to_ask("a") == {}
    assert await pulls.to_ask("b") == {child: "C_1"}
    await pulls.told("b", Answered(child, gone=True))
    assert await pulls.to_ask("b") == {}
    await pulls.next_job()
    assert await pulls.to_ask("a") == {child: "C_1"}
    assert await pulls.to_ask("b") == {}, "it has said for good that it is gone"


async def test_a_child_is_deleted_once_it_is_gone_to_all_who_read_it(pulls: Pulls) -> None:
    await pulls.reading(pull_requests=[pull(PULL)], comments=[comment(1), comment(2), comment(3)])
    await pulls.reading(Whole(PULL, NOON, ["c:2", "c:3"]))
    await pulls.read_by("a", "b")
    child = Answered("issue_comment:1", gone=True)
    await pulls.told("a", child)
    assert child.child in await pulls.stored()
    await pulls.told("b", child)
    assert await pulls.stored() == {"issue_comment:2", "issue_comment:3"}
    assert await pulls.absent() == {}


async def test_who_sees_it_keeps_it_from_being_deleted_in_this_job(pulls: Pulls) -> None:
    await pulls.reading(pull_requests=[pull(PULL)], comments=[comment(1), comment(2), comment(3)])
    await pulls.reading(Whole(PULL, NOON, ["c:2", "c:3"]))
    await pulls.read_by("a", "b")
    gone, seen = Answered("issue_comment:1", gone=True), Answered("issue_comment:1", gone=False, found=True)
    await pulls.told("a", seen)
    await pulls.told("b", gone)
    await pulls.told("a", gone)
    assert gone.child in await pulls.stored()
    await pulls.next_job()
    await pulls.told("a", gone)
    assert gone.child not in await pulls.stored()


async def test_who_takes_a_word_back_keeps_it(pulls: Pulls) -> None:
    await pulls.reading(pull_requests=[pull(PULL)], comments=[comment(1), comment(2), comment(3)])
    await pulls.reading(Whole(PULL, NOON, ["c:2", "c:3"]))
    await pulls.read_by("a", "b")
    await pulls.told("a", Answered("issue_comment:1", gone=True))
    await pulls.told("a", Answered("issue_comment:1", gone=False))
    await pulls.told("b", Answered("issue_comment:1", gone=True))
    assert "issue_comment:1" in await pulls.stored()


async def test_what_has_no_node_id_is_read_again_later_and_missed_twice(pulls: Pulls) -> None:
    without = [comment(n, node_id=False) for n in (1, 2, 3)]
    await pulls.reading(pull_requests=[pull(PULL)], comments=without)
    await pulls.reading(Whole(PULL, NOON, ["c:2", "c:3"]))
    child = "issue_comment:1"
    assert await pulls.to_ask("a", NOON) == {}

    async def again(now: datetime) -> dict[str, tuple[str, int]]:
        async with pulls.database.transaction() as connection:
            return await absences.to_read_again(connection, pulls.sweep, now, APART)

    async def twice() -> list[str]:
        async with pulls.database.transaction() as connection:
            return await absences.missed_twice(connection, pulls.sweep, APART)

    assert await again(NOON + APART - timedelta(seconds=1)) == {}
    assert await again(NOON + APART) == {child: ("PR_100", PULL)}
    assert await twice() == []
    async with pulls.database.transaction() as connection:
        await absences.mark_queued(connection, pulls.sweep, [child])
    assert await again(NOON + APART) == {}, "once a job"
    await pulls.next_job()
    await pulls.reading(Whole(PULL, NOON, ["c:2", "c:3"]), at=NOON + APART)
    assert await again(NOON + 2 * APART) == {}
    assert await twice() == [child]
    await pulls.told("", Answered(child, gone=True), Answered("issue_comment:2", gone=False))
    assert await pulls.stored() == {"issue_comment:2", "issue_comment:3"}


async def test_a_review_that_is_gone_takes_its_comments_and_no_others(pulls: Pulls) -> None:
    of_review = [comment(n, review=1) for n in (4, 5)]
    answer = comment(6, review=2)._replace(in_reply_to=4)
    await pulls.reading(
        pull_requests=[pull(PULL)], reviews=[review(1), review(2), review(3)], comments=[*of_review, answer, comment(7)]
    )
    await pulls.reading(Whole(PULL, NOON, ["c:7", "r:2", "r:3"]))
    await pulls.read_by("a")
    await pulls.told("a", Answered("review:1", gone=True))
    assert await pulls.stored() == {"review:2", "review:3", "review_comment:6", "issue_comment:7"}
    async with connected(pulls.dsn) as connection:
        assert await connection.fetchval("select in_reply_to_id from comments where github_id = 6") is None


async def test_only_the_comment_of_its_kind_is_deleted(pulls: Pulls) -> None:
    """A conversation comment and a review comment may bear one number."""
    await pulls.reading(
        pull_requests=[pull(PULL)],
        reviews=[review(1)],
        comments=[comment(4), comment(5), comment(6), comment(4, review=1)],
    )
    await pulls.reading(Whole(PULL, NOON, ["c:5", "c:6", "r:1"]))
    await pulls.read_by("a")
    await pulls.told("a", Answered("issue_comment:4", gone=True))
    assert await pulls.stored() == {"review:1", "review_comment:4", "issue_comment:5", "issue_comment:6"}


async def test_an_event_that_is_gone_is_deleted_and_no_other(pulls: Pulls) -> None:
    await pulls.reading(pull_requests=[pull(PULL)], events=[event("E_1"), event("E_2"), event("E_3")])
    await pulls.reading(Whole(PULL, NOON, ["e:E_1", "e:E_3"]))
    await pulls.read_by("a")
    await pulls.told("a", Answered("event:E_2", gone=True))
    assert await pulls.stored() == {"event:E_1", "event:E_3"}


async def test_a_thread_is_marked_as_gone_once_all_who_read_are_told_so(pulls: Pulls) -> None:
    await pulls.reading(pull_requests=[pull(PULL), pull(OTHER)])
    await pulls.read_by("a", "b")

    async def told(account: str) -> set[int]:
        async with pulls.database.transaction() as connection:
            await absences.record_gone(connection, pulls.sweep, [f"PR_{PULL}"], account, NOON)
        async with connected(pulls.dsn) as connection:
            rows = await connection.fetch("select github_id from pull_requests where gone_at is not null")
        return {row["github_id"] for row in rows}

    assert await told("a") == set()
    assert await told("b") == {PULL}
    assert await pulls.absent() == {}


async def test_another_type_and_another_repository_are_not_touched(pulls: Pulls) -> None:
    await pulls.reading(pull_requests=[pull(PULL)], comments=[comment(1), comment(2), comment(3)])
    await pulls.reading(Whole(PULL, NOON, ["c:2", "c:3"]))
    async with connected(pulls.dsn) as connection:
        await connection.execute("update backfill_absences set data_type = 'issues'")
    await pulls.read_by("a")
    await pulls.told("a", Answered("issue_comment:1", gone=True))
    await pulls.reading(comments=[comment(1)])
    assert await pulls.absent() == {"issue_comment:1": False}
    assert await pulls.to_ask("a") == {}
