"""The add-on's end stops a worker at its page, and its return goes on there: from Polar's webhooks to the rows."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from sandbox.github import StandIn, World
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.world.repositories import Repository
from tests.support import shop
from tests.support.backfill.control import (
    DATA,
    assert_nothing_twice,
    checksums,
    in_the_middle,
    repositories,
    slow,
)
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.purchase import add, send
from tests.support.backfill.questions import threads_shown
from tests.support.backfill.whole import Backfill
from tests.support.started import StartWebhook
from tests.support.truth import check
from tests.support.waiting import eventually


async def threads_alone(host: asyncpg.Connection) -> None:
    """Makes every job one of threads alone: the other types would end before the test has looked."""
    await host.execute(
        """
        create function only_threads() returns trigger language plpgsql as $$
        begin new.backfill_types := '{pull_requests,issues}'; return new; end $$;
        create trigger only_threads before insert on workspace_backfill_jobs
          for each row execute function only_threads()
        """
    )


@dataclass
class Purchase:
    """An add-on of 365 days that was bought `at`, and whose first job there is."""

    host: asyncpg.Connection
    url: str
    buyer: shop.Buyer
    workspace_id: str
    at: datetime

    async def jobs(self) -> list[str]:
        return [str(row["id"]) for row in await self.host.fetch("select id from workspace_backfill_jobs order by 1")]

    async def send(self, kind: str, **changes: Any) -> None:
        """Sends one of Polar's events of this buyer."""
        assert await send(self.url, shop.event(kind, buyer=self.buyer, **changes)) == 202


@asynccontextmanager
async def purchase(
    github: StandIn, repository: Repository, backfill: Backfill, start_webhook: StartWebhook
) -> AsyncIterator[Purchase]:
    """Starts the programs, and buys the add-on for a workspace with this repository, from which GitHub answers
    slowly.
    """
    slow(github)
    backfill.at(github)
    backfill.environment["HEARTBEAT_TIMEOUT_SECONDS"] = "8"
    backfill.environment["POLAR_RETENTION_PRODUCTS"] = json.dumps(shop.PRODUCTS)
    (_, url), _ = await asyncio.gather(start_webhook(backfill.environment), backfill.start_worker(backfill.environment))
    async with shop.connected(backfill.dsn) as host:
        buyer = await shop.buyer(host)
        its = Purchase(host, url, buyer, await shop.workspace(host, buyer), datetime.now(UTC))
        await add(host, its.workspace_id, repository)
        await threads_alone(host)
        await its.send("subscription.active", at=its.at)
        await eventually(its.jobs)
        yield its


async def test_what_a_revoked_subscription_stops_goes_on_with_the_next_one_and_no_page_is_paid_twice(
    serve: Callable[..., StandIn], backfill: Backfill, start_webhook: StartWebhook
) -> None:
    world = World()
    [repository] = repositories(world, "long", pages=6)
    github = serve(world)
    async with purchase(github, repository, backfill, start_webhook) as bought:
        host = bought.host
        [job_id] = await bought.jobs()
        await in_the_middle(backfill, job_id, 2)

        await bought.send("subscription.revoked", status="canceled", at=bought.at + timedelta(seconds=1))
        await backfill.until("metadata ? 'cancel_requested_at' or status = 'canceled'", job_id)
        ended = await backfill.ended(job_id)
        assert ended["status"] == "canceled"
        asked, left = len(github.log), await checksums(backfill, *DATA)
        rows = await backfill.rows("select status, position ->> 'cursor' as cursor, pages from backfill_sweeps")
        assert {row["status"] for row in rows} == {"canceled"}
        assert all(row["cursor"] for row in rows), "they stopped in the middle"
        days = await host.fetchval("select data_retention_days from workspaces where id = $1", bought.workspace_id)
        assert days == 30
        assert await host.fetchval("select status from subscription_addons") != "active"
        assert await host.fetchval("select count(*) from pull_requests") > 0, "what is stored is kept"

        github.faults.clear()
        await bought.send("subscription.active", subscription="the-next", at=bought.at + timedelta(seconds=2))
        await backfill.until("status = 'completed'", job_id)
        assert len(github.log) > asked
        assert_nothing_twice(github.log)
        assert await checksums(backfill, *DATA) != left
        assert await host.fetchval("select count(*) from workspace_backfill_jobs") == 1
        await check(backfill.dsn, repository)


async def test_of_a_repository_in_two_workspaces_no_page_is_paid_twice_after_a_revocation(
    serve: Callable[..., StandIn], backfill: Backfill, start_webhook: StartWebhook
) -> None:
    """Both jobs go on at once, and the one that had waited may be the quicker one."""
    world = World()
    [repository] = repositories(world, "long", pages=6)
    slow(github := serve(world))
    backfill.at(github)
    backfill.environment["HEARTBEAT_TIMEOUT_SECONDS"] = "8"
    (_, url), _ = await asyncio.gather(start_webhook(backfill.environment), backfill.start_worker(backfill.environment))
    bought = datetime.now(UTC)
    async with shop.connected(backfill.dsn) as host:
        buyer = await shop.buyer(host)
        workspaces = [await shop.workspace(host, buyer) for _ in range(2)]
        for each in workspaces:
            await add(host, each, repository)
        await threads_alone(host)
        assert await send(url, shop.event("subscription.active", buyer=buyer, at=bought)) == 202

        async def one_reads_and_one_waits() -> bool:
            rows = await backfill.rows("select data_type, status, position ? 'cursor' as begun from backfill_sweeps")
            assert not {row["status"] for row in rows} & {"completed", "failed"}, "it was too quick for the test"
            return len(rows) == 4 and sum(row["begun"] for row in rows) == 2

        await eventually(one_reads_and_one_waits)
        revoked = shop.event("subscription.revoked", buyer=buyer, status="canceled", at=bought + timedelta(seconds=1))
        assert await send(url, revoked) == 202
        job_ids = [str(row["id"]) for row in await host.fetch("select id from workspace_backfill_jobs")]
        for job_id in job_ids:
            assert (await backfill.ended(job_id))["status"] == "canceled"
        github.faults.clear()
        again = shop.event(
            "subscription.active", buyer=buyer, subscription="the-next", at=bought + timedelta(seconds=2)
        )
        assert await send(url, again) == 202
        for job_id in job_ids:
            await backfill.until("status = 'completed'", job_id)
        assert set(threads_shown(github.log).values()) == {1}
        await check(backfill.dsn, repository)


@pytest.mark.parametrize("revoked_before", [False, True])
async def test_more_days_that_are_bought_in_the_middle_of_a_job_are_fetched_and_no_page_is_paid_twice(
    serve: Callable[..., StandIn], backfill: Backfill, start_webhook: StartWebhook, revoked_before: bool
) -> None:
    """By an upgrade, or by another subscription right after the end of the first one."""
    world = World()
    repository = generate(world, Plan("acme/long", 150, 240, years=1.5, **LITTLE))
    github = serve(world)
    async with purchase(github, repository, backfill, start_webhook) as bought:
        host = bought.host
        [_first] = await bought.jobs()

        async def both_begun() -> bool:
            rows = await backfill.rows("select status, position ? 'cursor' as begun from backfill_sweeps")
            assert not {row["status"] for row in rows} & {"completed", "failed"}, "it was too quick for the test"
            return [row["begun"] for row in rows] == [True, True]

        await eventually(both_begun)
        later = bought.at + timedelta(seconds=1)
        if revoked_before:
            await bought.send("subscription.revoked", status="canceled", at=later)
            await bought.send("subscription.active", subscription="the-next", product=shop.DECADE, at=later)
        else:
            await bought.send("subscription.updated", product=shop.DECADE, at=later)

        async def two() -> bool:
            return len(await bought.jobs()) == 2

        await eventually(two)
        github.faults.clear()
        for job_id in await bought.jobs():
            await backfill.until("status = 'completed'", job_id)
        days = await host.fetchval("select data_retention_days from workspaces where id = $1", bought.workspace_id)
        assert days == 3_650
        assert set(threads_shown(github.log).values()) == {1}
        await check(backfill.dsn, repository)
        told = await host.fetch("select status from notifications order by 1")
        assert [row["status"] for row in told] == ["completed", "completed", "started", "started"]
