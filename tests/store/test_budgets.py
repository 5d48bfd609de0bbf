"""The pool of budgets: shared through Postgres, whichever worker asks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from budget.account import Ask, Told
from budget.prices import Prices
from errors import RetryLater
from messages import RepositoryRef
from store import budgets, sweeps
from store.budgets import Budgets
from store.database import Database
from store.sweeps import LeaseLostError
from tests.support import shop
from tests.support.shop import connected

ASK = Ask("graphql", "PullRequests", points=1, seconds=0.01, repository="octo/a")
A, B = "user:1", "user:2"


@pytest.fixture
async def opened(database: str) -> AsyncIterator[Database]:
    async with Database(database, size=10) as opened:
        yield opened


def pool(database: Database, share: float = 1) -> Budgets:
    """As another worker has it."""
    return Budgets(database, share, Prices())


def told(limit: int, used: int, wait: float = 3_000, points: int = 1) -> Told:
    return Told("answered", 0.01, points, ((limit, used, wait),))


async def test_two_workers_never_spend_more_than_there_is(opened: Database) -> None:
    """Ten askers in two workers, a budget of 20 of which 16 are theirs: 16 go, each other hears when to come again."""
    began = datetime.now(UTC)
    first, second = pool(opened, 0.8), pool(opened, 0.8)
    await first.hear(A, told(20, 0, points=0), "Viewer")
    used = 0
    refused: list[RetryLater] = []

    async def ask(mine: Budgets) -> None:
        nonlocal used
        for _ in range(3):
            try:
                reservation = await mine.reserve(ASK, [A])
            except RetryLater as error:
                refused.append(error)
                return
            used += 1
            await mine.settle(reservation, told(20, used))

    await asyncio.gather(*(ask(mine) for mine in (first, second) for _ in range(5)))
    assert used == 16
    assert refused
    reset = timedelta(seconds=3_000)
    assert all(began + reset < error.at < datetime.now(UTC) + reset + timedelta(seconds=2) for error in refused)


async def test_the_account_with_most_left_is_asked_and_a_limited_one_is_left_alone(opened: Database) -> None:
    mine = pool(opened)
    await mine.hear(A, told(100, 90), "Viewer")
    await mine.hear(B, told(100, 10), "Viewer")
    began = datetime.now(UTC)
    reservation = await mine.reserve(ASK, [A, B])
    assert reservation.account == B
    await pool(opened).settle(reservation, Told("limited", 0.01, 0, wait=600))
    assert (await pool(opened).reserve(ASK, [A, B])).account == A
    with pytest.raises(RetryLater) as limited:
        await mine.reserve(ASK, [B])
    assert began + timedelta(seconds=600) < limited.value.at < datetime.now(UTC) + timedelta(seconds=601)


async def test_rest_and_graphql_have_budgets_of_their_own(opened: Database) -> None:
    mine = pool(opened)
    await mine.hear(A, told(100, 100), "Viewer")
    with pytest.raises(RetryLater):
        await mine.reserve(ASK, [A])
    assert (await mine.reserve(replace(ASK, resource="core"), [A])).account == A


async def test_what_a_killed_worker_had_reserved_is_spent_until_the_reset(opened: Database) -> None:
    mine = pool(opened)
    await mine.hear(A, told(10, 8), "Viewer")
    await pool(opened).reserve(replace(ASK, points=2), [A])  # and it is never heard of again
    with pytest.raises(RetryLater):
        await mine.reserve(ASK, [A])
    async with opened.transaction() as connection:
        assert await connection.fetchval(
            "select counts_until - now() between '2000 s' and '3001 s' from github_reservations"
        )
        await connection.execute(
            "update github_reservations set counts_until = now(), reserved_at = now() - '1 h'::interval"
        )
    assert await budgets.forget(opened, timedelta(days=7)) == 1
    assert await mine.reserve(ASK, [A])


async def test_a_short_wait_is_waited_for_here(opened: Database) -> None:
    mine = pool(opened)
    await mine.hear(A, told(10, 10, wait=0.5), "Viewer")
    assert (await mine.reserve(ASK, [A])).account == A


async def test_who_has_lost_the_lease_spends_nothing(database: str, opened: Database) -> None:
    async with connected(database) as host:
        workspace_id = await shop.workspace(host, await shop.buyer(host), "octo/a")
        repository_id = str(await host.fetchval("select id from repositories"))
        job_id = str(
            await host.fetchval(
                "insert into workspace_backfill_jobs (workspace_id, retention_days, cutoff_at, backfill_types)"
                " values ($1, 365, now(), '{issues}') returning id",
                workspace_id,
            )
        )
    repository = RepositoryRef(repository_id=repository_id, github_id=1, full_name="octo/a")
    zombie = await sweeps.take(opened, job_id, repository, "issues", datetime.now(UTC), "first")
    holder = await sweeps.take(opened, job_id, repository, "issues", datetime.now(UTC), "second")
    mine = pool(opened)
    with pytest.raises(LeaseLostError):
        await mine.reserve(replace(ASK, fence=zombie), [A])
    assert await mine.reserve(replace(ASK, fence=holder), [A])


async def test_every_request_is_recorded_with_what_it_was_taken_to_cost(opened: Database) -> None:
    mine = pool(opened)
    await mine.settle(await mine.reserve(replace(ASK, points=2), [A]), told(100, 10, points=3))
    await mine.settle(await mine.reserve(ASK, [A]), Told("failed", 10.0))
    async with opened.transaction() as connection:
        rows = await connection.fetch("select * from github_requests order by at")
    assert [(row["operation"], row["outcome"], row["estimated_points"], row["points"]) for row in rows] == [
        ("PullRequests", "answered", 2, 3),
        ("PullRequests", "failed", 1, None),
    ]
    assert await budgets.forget(opened, timedelta(0)) == 2


async def test_what_one_worker_learns_of_a_price_the_next_one_knows(opened: Database) -> None:
    prices = Prices()
    assert prices.observe("Issues", 149, 2)
    await Budgets(opened, 1, prices).learn("Issues")
    others = Prices()
    await Budgets(opened, 1, others).load_prices()
    assert others.estimate("Issues", 149) == 2
