"""Leases fence, commits count, parts stay until they are whole, and coverage is what was swept and is still there."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from errors import JobOver
from messages import DataType, Failure
from rows import Contributor, Page, Part
from store import coverage, parts, sweeps
from store.coverage import BEGINNING, Coverage
from store.database import Database
from store.sweeps import LeaseLostError, Sweep
from tests.support.activities.stored import Stored, begin_sweep
from tests.support.shop import connected
from tests.support.store.rows import comment, event, pull, review

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
FAILURE = Failure(code="odd", message="odd", action="look")


class Held(Stored):
    """A sweep over pull requests, and what stands of it in Postgres."""

    dsn = ""

    async def again(self, *, owner: str = "next") -> Sweep:
        """Another attempt takes it."""
        sweep = self.sweep
        return await sweeps.take(self.database, sweep.job_id, sweep.repository, sweep.data_type, sweep.cutoff_at, owner)

    async def commit(self, counts: dict[str, int] | None = None, **options: Any) -> None:
        async with self.database.transaction() as connection:
            await sweeps.fence(connection, self.sweep)
            counted = Counter(counts or {})
            await sweeps.commit(connection, self.sweep, position={}, counts=counted, **options)
            self.sweep.counts = counted

    async def row(self, table: str) -> dict[str, Any]:
        async with connected(self.dsn) as connection:
            [row] = await connection.fetch(f"select * from {table}")
        return dict(row)


@pytest.fixture
async def held(database: str) -> AsyncIterator[Held]:
    async with Database(database, size=2) as opened:
        begun = await begin_sweep(opened, database, "pull_requests")
        held = Held(opened, begun.sweep)
        held.dsn = database
        yield held


# --- The lease


async def test_whoever_takes_a_sweep_fences_who_held_it(held: Held) -> None:
    later = await held.again()
    with pytest.raises(LeaseLostError):
        await held.commit()
    held.sweep = later
    await held.commit()


async def test_attempts_are_counted_until_a_commit(held: Held) -> None:
    assert [held.sweep.attempts, (await held.again()).attempts] == [1, 2]
    held.sweep = await held.again()
    await held.commit()
    assert (await held.again()).attempts == 1


async def test_an_attempt_that_ends_without_a_failure_is_not_counted(held: Held) -> None:
    for _ in range(2):
        await sweeps.release(held.database, held.sweep)
        held.sweep = await held.again()
        assert held.sweep.attempts == 1
    await sweeps.release(held.database, held.sweep, failure=FAILURE)
    held.sweep = await held.again()
    assert (held.sweep.attempts, held.sweep.error) == (2, FAILURE)


async def test_who_lost_the_lease_releases_nothing(held: Held) -> None:
    await held.again(owner="another")
    await sweeps.release(held.database, held.sweep, failure=FAILURE)
    row = await held.row("backfill_sweeps")
    assert (row["lease_owner"], row["error"], row["attempts"]) == ("another", None, 2)


async def test_a_sweep_that_has_ended_stays_as_it_ended_when_it_is_taken(held: Held) -> None:
    await held.commit(status="failed", failure=FAILURE)
    again = await held.again()
    assert (again.status, again.error) == ("failed", FAILURE)


async def test_a_sweep_of_a_job_that_was_deleted_is_over(held: Held) -> None:
    async with connected(held.dsn) as connection:
        await connection.execute("delete from workspace_backfill_jobs")
    with pytest.raises(JobOver):
        await held.again()


async def test_who_begins_says_that_nobody_is_waited_for(held: Held) -> None:
    for reason, left in (("no_worker", {}), ("paused", {}), ("rate_limited", {"waiting": {"reason": "rate_limited"}})):
        async with connected(held.dsn) as connection:
            await connection.execute(
                "update workspace_backfill_progress set metadata = $1", {"waiting": {"reason": reason}}
            )
        await held.again()
        assert (await held.row("workspace_backfill_progress"))["metadata"] == left


async def test_a_repository_that_left_the_workspace_is_removed(held: Held) -> None:
    async with connected(held.dsn) as connection, held.database.transaction() as ours:
        assert not await sweeps.is_removed(ours, held.sweep)
        await connection.execute("delete from workspace_repositories")
        assert await sweeps.is_removed(ours, held.sweep)


# --- Counts


async def test_progress_gets_what_a_commit_adds_to_the_one_before(held: Held) -> None:
    await held.commit({"pull_requests": 3, "comments": 5, "reviews": 2, "events": 1})
    await held.commit({"pull_requests": 4, "comments": 5, "reviews": 1, "issues": 6, "discussions": 7, "embeddings": 8})
    row = await held.row("workspace_backfill_progress")
    names = ("pull_requests", "issues", "discussions", "comments", "reviews", "events", "embeddings")
    assert [row[f"{name}_count"] for name in names] == [4, 6, 7, 5, 1, 0, 8]


async def test_what_commits_cost_adds_up(held: Held) -> None:
    for _ in range(2):
        await held.commit(pages=1, requests=3, points=5)
    row = await held.row("backfill_sweeps")
    assert (row["pages"], row["requests"], row["points"]) == (2, 6, 10)


@pytest.mark.parametrize(("data_type", "requests"), [("pull_requests", 6), ("embeddings", 0)])
async def test_requests_to_openai_are_no_rest_requests_to_github(
    held: Held, data_type: DataType, requests: int
) -> None:
    held.sweep = replace(held.sweep, data_type=data_type)
    held.sweep = await held.again()
    await held.commit(requests=8, points=2)
    async with held.database.transaction() as connection:
        assert await sweeps.spent(connection, held.sweep.job_id) == (2, requests)


@pytest.mark.parametrize("status", ["completed", "failed", "skipped"])
async def test_a_type_that_ends_is_named_once_with_the_commit_that_ends_it(held: Held, status: str) -> None:
    await held.commit()
    assert (await held.row("backfill_sweeps"))["completed_at"] is None
    for _ in range(2):
        await held.commit(status=status)
    assert (await held.row("backfill_sweeps"))["completed_at"] is not None
    row = await held.row("workspace_backfill_progress")
    ended = {each: row[f"data_types_{each}"] for each in ("completed", "failed", "skipped")}
    assert ended == {"completed": [], "failed": [], "skipped": []} | {status: ["pull_requests"]}


async def test_a_proof_stays_when_a_later_commit_has_none(held: Held) -> None:
    await held.commit(proof={"listed": 3})
    await held.commit()
    assert (await held.row("backfill_sweeps"))["proof"] == {"listed": 3}


async def write_threads(held: Held) -> None:
    """One pull request at the cutoff, one before it, and one that is gone, each with a child of every kind."""
    for number, updated_at in (
        (100, held.sweep.cutoff_at),
        (200, held.sweep.cutoff_at - timedelta(seconds=1)),
        (300, NOON),
    ):
        page = Page(
            NOON,
            "pull_request",
            pull_requests=[pull(number)._replace(updated_at=updated_at)],
            comments=[comment(number + 1, of=number)],
            reviews=[review(number + 2, of=number)],
            events=[event(f"E_{number}", of=number)],
        )
        page.contributors = {1: Contributor(1, "ann", None, None, is_bot=False)}
        await held.write(page)
    async with connected(held.dsn) as connection:
        await connection.execute("update pull_requests set gone_at = now() where github_id = 300")


async def test_what_is_in_scope_and_still_there_is_counted(held: Held) -> None:
    await write_threads(held)
    async with held.database.transaction() as connection:
        counted = await sweeps.count_stored(connection, held.sweep)
        ever = await sweeps.count_stored(connection, held.sweep, since=BEGINNING)
    assert counted == {"pull_requests": 1, "comments": 1, "reviews": 1, "timeline_events": 1}
    assert ever == {"pull_requests": 2, "comments": 2, "reviews": 2, "timeline_events": 2}


ONE_AT_THE_CUTOFF = """
with threads (number, updated_at, gone_at, embedding) as (values
  (1, $2::timestamptz, null::timestamptz, array_fill(1, array[384])::vector),
  (2, $2::timestamptz, null, null),
  (3, $2::timestamptz - interval '1 second', null, array_fill(1, array[384])::vector),
  (4, $2::timestamptz, now(), array_fill(1, array[384])::vector))
, in_pull_requests as (
  insert into pull_requests (github_id, repository_id, repository_full_name, number, title, state, head_branch,
    html_url, created_at, updated_at, gone_at, embedding)
  select number, $1, 'acme/wide', number, 'T', 'open', 'b', 'u', updated_at, updated_at, gone_at, embedding
  from threads)
, in_issues as (
  insert into issues (github_id, repository_id, number, title, state, created_at, updated_at, gone_at, embedding)
  select number, $1, number, 'T', 'open', updated_at, updated_at, gone_at, embedding from threads)
insert into discussions (id, github_id, repository_id, number, title, url, created_at, updated_at, gone_at, embedding)
select 'D_' || number, number, $1, number, 'T', 'u', updated_at, updated_at, gone_at, embedding from threads
"""
"""Of each kind four threads: one with a vector at the cutoff, one without, one before the cutoff, one that is gone."""


@pytest.mark.parametrize(("data_type", "thread"), [("embeddings", 3), ("issues", 2), ("discussions", 2)])
async def test_only_what_is_in_scope_and_still_there_is_counted_of_every_type(
    database: str, data_type: DataType, thread: int
) -> None:
    async with Database(database, size=2) as opened, connected(database) as connection:
        begun = await begin_sweep(opened, database, data_type)
        at = begun.sweep.cutoff_at
        await connection.execute(ONE_AT_THE_CUTOFF, begun.sweep.repository.repository_id, at)
        async with opened.transaction() as transaction:
            counted = await sweeps.count_stored(transaction, begun.sweep)
            ever = await sweeps.count_stored(transaction, begun.sweep, since=BEGINNING)
    assert counted[data_type] == thread
    assert ever[data_type] == thread + (3 if data_type == "embeddings" else 1)


# --- Coverage


async def covered(held: Held) -> Coverage | None:
    async with held.database.transaction() as connection:
        return await coverage.read(connection, held.sweep)


async def cover(held: Held, low: datetime, as_of: datetime = NOON, left_out: tuple[str, ...] = ()) -> None:
    async with held.database.transaction() as connection:
        await coverage.write(connection, held.sweep, Coverage(low, as_of, {"low": str(low)}), left_out)


async def test_what_was_covered_is_read_as_it_was_written(held: Held) -> None:
    assert await covered(held) is None
    await cover(held, NOON - timedelta(days=9), left_out=("b", "a"))
    low = NOON - timedelta(days=9)
    assert await covered(held) == Coverage(low, NOON, {"low": str(low)}, ("a", "b"))
    await cover(held, BEGINNING, left_out=("b", "a"))
    assert await covered(held) == Coverage(BEGINNING, NOON, {"low": str(BEGINNING)}, ("a", "b"))


async def test_what_covers_less_replaces_nothing_unless_it_was_asked_for_more(held: Held) -> None:
    long, short = NOON - timedelta(days=9), NOON - timedelta(days=3)
    later = NOON + timedelta(days=1)
    await cover(held, long, left_out=("a",))
    await cover(held, short, later, left_out=("a", "b"))
    kept = await covered(held)
    assert kept is not None and (kept.low, kept.as_of) == (long, NOON)
    await cover(held, long, later, left_out=("a",))
    as_far = await covered(held)
    assert as_far is not None and (as_far.low, as_far.as_of) == (long, later)
    await cover(held, short, NOON)
    richer = await covered(held)
    assert richer is not None and (richer.low, richer.left_out) == (short, ())


async def test_an_older_plan_covers_nothing_and_is_replaced(held: Held) -> None:
    await cover(held, NOON - timedelta(days=9))
    async with connected(held.dsn) as connection:
        await connection.execute("update backfill_coverage set plan_version = plan_version - 1")
    assert await covered(held) is None
    await cover(held, NOON - timedelta(days=3))
    replaced = await covered(held)
    assert replaced is not None and replaced.low == NOON - timedelta(days=3)


async def test_a_job_that_begins_afresh_inherits_nothing(held: Held) -> None:
    await cover(held, NOON)
    async with connected(held.dsn) as connection:
        await connection.execute("""update workspace_backfill_jobs set metadata = metadata || '{"fresh": true}'""")
    assert await covered(held) is None


async def test_rows_that_somebody_deleted_are_not_covered_any_more(held: Held) -> None:
    await write_threads(held)
    await cover(held, BEGINNING)
    async with connected(held.dsn) as connection:
        assert await covered(held) is not None
        await connection.execute("delete from comments where github_id = 101")
        assert await covered(held) is None
        assert await connection.fetchval("select count(*) from backfill_coverage") == 0


async def test_the_coverage_of_another_type_stands_for_itself(held: Held) -> None:
    await cover(held, NOON)
    async with connected(held.dsn) as connection:
        await connection.execute("update backfill_coverage set data_type = 'issues'")
        assert await covered(held) is None
        assert await connection.fetchval("select count(*) from backfill_coverage") == 1


# --- Parts


def part(node_id: str, number: int, **others: Any) -> Part:
    return Part("timeline", node_id, number, NOON, **others)


async def test_a_part_that_failed_is_taken_no_more_until_it_is_forgiven(held: Held) -> None:
    first, second = part("PR_1", 1, attempts=3, reading="a"), part("PR_2", 2)
    await held.put([first, second])
    async with held.database.transaction() as connection:
        await parts.fail(connection, held.sweep, first, "x" * 600)
        assert await parts.take(connection, held.sweep, "timeline", False, 10) == [second]
        assert await parts.count(connection, held.sweep, "timeline") == 1
        assert await parts.pending(connection, held.sweep) == {("timeline", False): 1}
        assert await parts.failures(connection, held.sweep) == [(1, "x" * 500)]
        await parts.forgive(connection, held.sweep.job_id, [held.sweep.repository.repository_id])
        assert await parts.failures(connection, held.sweep) == []
        forgiven = replace(first, attempts=0, reading=None)
        assert await parts.take(connection, held.sweep, "timeline", False, 10) == [second, forgiven]


async def test_what_did_not_fail_keeps_its_attempts_when_others_are_forgiven(held: Held) -> None:
    going_on = part("PR_1", 1, attempts=3, reading="a")
    await held.put([going_on])
    async with held.database.transaction() as connection:
        await parts.forgive(connection, held.sweep.job_id, [held.sweep.repository.repository_id])
        assert await parts.take(connection, held.sweep, "timeline", False, 10) == [going_on]


async def test_a_part_of_one_kind_is_removed_and_no_other_of_its_thread(held: Held) -> None:
    timeline, reviews = part("PR_1", 1), replace(part("PR_1", 1), kind="reviews")
    await held.put([timeline, reviews, part("PR_2", 2)])
    await held.remove([timeline])
    assert await held.parts() == [reviews, part("PR_2", 2)]


async def test_parts_inside_a_connection_are_taken_by_themselves_the_newest_first(held: Held) -> None:
    inside = [part(f"PR_{n}", n, cursor="c", seen=["c:1"], expected=4) for n in (1, 3)]
    await held.put([*inside, part("PR_2", 2)])
    async with held.database.transaction() as connection:
        assert await parts.pending(connection, held.sweep) == {("timeline", False): 1, ("timeline", True): 2}
        assert await parts.take(connection, held.sweep, "timeline", True, 10) == inside[::-1]
        assert await parts.take(connection, held.sweep, "timeline", True, 1) == inside[1:]


async def test_parts_of_reviews_are_those_that_have_not_begun(held: Held) -> None:
    def of(review: int, **others: Any) -> Part:
        return Part("review_comments", f"R_{review}", 1, NOON, parent=review, **others)

    begun, failed = of(3, cursor="c"), of(4)
    await held.put([of(1), of(2), begun, failed, replace(of(1), kind="comments")])
    async with held.database.transaction() as connection:
        await parts.fail(connection, held.sweep, failed, "no")
        assert await parts.of_reviews(connection, held.sweep, [1, 3, 4]) == [of(1)]


async def test_a_list_since_a_moment_covers_the_reviews_of_pull_requests_that_are_no_older(held: Held) -> None:
    await write_threads(held)
    await held.put([Part("review_comments", f"R_{n}", 1, NOON, parent=n) for n in (102, 202, 302)])
    async with connected(held.dsn) as connection:
        for number, born in ((100, NOON), (200, NOON - timedelta(seconds=1)), (300, NOON + timedelta(seconds=1))):
            await connection.execute("update pull_requests set created_at = $2 where github_id = $1", number, born)
    async with held.database.transaction() as ours:
        covered_parts = await parts.covered_by_list(ours, held.sweep, NOON, limit=10)
    assert [each.parent for each in covered_parts] == [102, 302]


# --- What people see of it


async def shown(held: Held) -> dict[str, int | None]:
    row = await held.row("backfill_sweeps")
    return {name: row[name] for name in ("most_stored", "least_left", "least_expected")}


async def test_a_commit_lowers_what_is_left_and_never_raises_it(held: Held) -> None:
    await held.commit()
    assert await shown(held) == {"most_stored": 0, "least_left": None, "least_expected": None}
    for stored, expected, left, least in ((10, 950, 940, 950), (10, 633, 623, 633), (9, 950, 623, 632)):
        await held.commit({"pull_requests": stored}, expected=expected)
        assert await shown(held) == {"most_stored": 10, "least_left": left, "least_expected": least}
    await held.commit({"pull_requests": 20}, expected=None)
    assert await shown(held) == {"most_stored": 20, "least_left": 623, "least_expected": 632}


async def test_as_many_embeddings_are_left_as_there_will_be_threads(held: Held) -> None:
    await held.commit({"pull_requests": 10}, expected=50)
    async with connected(held.dsn) as connection:
        await connection.execute("update workspace_backfill_jobs set backfill_types = '{pull_requests,embeddings}'")
    first = held.sweep
    held.sweep = await sweeps.take(
        held.database, first.job_id, first.repository, "embeddings", first.cutoff_at, "embedder"
    )
    await held.commit({"embeddings": 4}, expected=10)
    async with connected(held.dsn) as connection:
        left = await connection.fetchval("select least_left from backfill_sweeps where data_type = 'embeddings'")
    assert left == 46
