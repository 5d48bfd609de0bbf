"""The add-on's end stops a worker at its page, and its return goes on there: from Polar's webhooks to the rows."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from sandbox.github import StandIn, World
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
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


async def test_what_a_revoked_subscription_stops_goes_on_with_the_next_one_and_no_page_is_paid_twice(
    serve: Callable[..., StandIn], backfill: Backfill, start_webhook: StartWebhook
) -> None:
    world = World()
    [repository] = repositories(world, "long", pages=6)
    slow(github := serve(world))
    backfill.at(github)
    backfill.environment["HEARTBEAT_TIMEOUT_SECONDS"] = "8"
    (_, url), _ = await asyncio.gather(start_webhook(backfill.environment), backfill.start_worker(backfill.environment))
    bought = datetime.now(UTC)
    async with shop.connected(backfill.dsn) as host:
        buyer = await shop.buyer(host)
        workspace_id = await shop.workspace(host, buyer)
        await add(host, workspace_id, repository)

        async def jobs() -> list[str]:
            return [str(row["id"]) for row in await host.fetch("select id from workspace_backfill_jobs")]

        await threads_alone(host)
        assert await send(url, shop.event("subscription.active", buyer=buyer, at=bought)) == 202
        await eventually(jobs)
        [job_id] = await jobs()
        await in_the_middle(backfill, job_id, 2)

        revoked = shop.event("subscription.revoked", buyer=buyer, status="canceled", at=bought + timedelta(seconds=1))
        assert await send(url, revoked) == 202
        await backfill.until("metadata ? 'cancel_requested_at' or status = 'canceled'", job_id)
        ended = await backfill.ended(job_id)
        assert ended["status"] == "canceled"
        asked, left = len(github.log), await checksums(backfill, *DATA)
        rows = await backfill.rows("select status, position ->> 'cursor' as cursor, pages from backfill_sweeps")
        assert {row["status"] for row in rows} == {"canceled"}
        assert all(row["cursor"] for row in rows), "they stopped in the middle"
        assert await host.fetchval("select data_retention_days from workspaces where id = $1", workspace_id) == 30
        assert await host.fetchval("select status from subscription_addons") != "active"
        assert await host.fetchval("select count(*) from pull_requests") > 0, "what is stored is kept"

        github.faults.clear()
        again = shop.event(
            "subscription.active", buyer=buyer, subscription="the-next", at=bought + timedelta(seconds=2)
        )
        assert await send(url, again) == 202
        await backfill.until("status = 'completed'", job_id)
        assert len(github.log) > asked
        assert_nothing_twice(github.log)
        assert await checksums(backfill, *DATA) != left
        assert await host.fetchval("select count(*) from workspace_backfill_jobs") == 1
        await check(backfill.dsn, repository)


@pytest.mark.parametrize("revoked_before", [False, True])
async def test_more_days_that_are_bought_in_the_middle_of_a_job_are_fetched_and_no_page_is_paid_twice(
    serve: Callable[..., StandIn], backfill: Backfill, start_webhook: StartWebhook, revoked_before: bool
) -> None:
    """By an upgrade, or by another subscription right after the end of the first one."""
    world = World()
    repository = generate(world, Plan("acme/long", 150, 240, years=1.5, **LITTLE))
    slow(github := serve(world))
    backfill.at(github)
    backfill.environment["HEARTBEAT_TIMEOUT_SECONDS"] = "8"
    backfill.environment["POLAR_RETENTION_PRODUCTS"] = json.dumps(shop.PRODUCTS)
    (_, url), _ = await asyncio.gather(start_webhook(backfill.environment), backfill.start_worker(backfill.environment))
    bought = datetime.now(UTC)
    async with shop.connected(backfill.dsn) as host:
        buyer = await shop.buyer(host)
        workspace_id = await shop.workspace(host, buyer)
        await add(host, workspace_id, repository)
        await threads_alone(host)

        async def jobs() -> list[str]:
            return [str(row["id"]) for row in await host.fetch("select id from workspace_backfill_jobs order by 1")]

        assert await send(url, shop.event("subscription.active", buyer=buyer, at=bought)) == 202
        await eventually(jobs)
        [_first] = await jobs()

        async def both_begun() -> bool:
            rows = await backfill.rows("select status, position ? 'cursor' as begun from backfill_sweeps")
            assert not {row["status"] for row in rows} & {"completed", "failed"}, "it was too quick for the test"
            return [row["begun"] for row in rows] == [True, True]

        await eventually(both_begun)
        later = bought + timedelta(seconds=1)
        if revoked_before:
            revoked = shop.event("subscription.revoked", buyer=buyer, status="canceled", at=later)
            more = shop.event(
                "subscription.active", buyer=buyer, subscription="the-next", product=shop.DECADE, at=later
            )
            assert await send(url, revoked) == 202
        else:
            more = shop.event("subscription.updated", buyer=buyer, product=shop.DECADE, at=later)
        assert await send(url, more) == 202

        async def two() -> bool:
            return len(await jobs()) == 2

        await eventually(two)
        github.faults.clear()
        for job_id in await jobs():
            await backfill.until("status = 'completed'", job_id)
        assert await host.fetchval("select data_retention_days from workspaces where id = $1", workspace_id) == 3_650
        assert set(threads_shown(github.log).values()) == {1}
        await check(backfill.dsn, repository)
        told = await host.fetch("select status from notifications order by 1")
        assert [row["status"] for row in told] == ["completed", "completed", "started", "started"]
