"""From a signed webhook to the rows: one purchase, one job for each workspace, every record, two notifications each."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.github import StandIn, World
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from tests.support import shop
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.purchase import add, send
from tests.support.backfill.whole import Backfill
from tests.support.started import StartWebhook
from tests.support.truth import check
from tests.support.waiting import eventually

KINDS = ("created", "active", "updated", "cycled", "uncanceled")


async def test_a_purchase_backfills_every_workspace_of_the_buyer_once(
    serve: Callable[..., StandIn], backfill: Backfill, start_webhook: StartWebhook
) -> None:
    world = World()
    shared, other = (generate(world, Plan(f"acme/{name}", 40, 30, years=0.9, **LITTLE)) for name in ("shared", "other"))
    backfill.at(serve(world))
    (_, url), _ = await asyncio.gather(start_webhook(backfill.environment), backfill.start_worker(backfill.environment))
    async with shop.connected(backfill.dsn) as host:
        buyer = await shop.buyer(host)
        first, second = [await shop.workspace(host, buyer) for _ in range(2)]
        of_another = await shop.workspace(host, await shop.buyer(host), "acme/elsewhere")
        for workspace_id, repository in ((first, shared), (second, shared), (second, other)):
            await add(host, workspace_id, repository)
        untouched = ["subscriptions", "app_users", "(select id, tier from workspaces)"]
        before = await shop.checksum(host, untouched)

        bought = datetime.now(UTC)
        event = shop.event("subscription.active", buyer=buyer, at=bought)
        assert await send(url, event, "msg_the_first") == 202

        async def created() -> list[Any]:
            return await host.fetch("select * from workspace_backfill_jobs order by created_at, id")

        await eventually(created)
        jobs = await created()
        assert {str(job["workspace_id"]) for job in jobs} == {first, second}

        # While they run: the same delivery again, and all the other events that Polar makes of one purchase.
        assert await send(url, event, "msg_the_first") == 202
        for number in range(10):
            kind = f"subscription.{KINDS[number % len(KINDS)]}"
            later = bought + timedelta(milliseconds=number + 1)
            assert await send(url, shop.event(kind, buyer=buyer, at=later)) == 202
        for job in jobs:
            await backfill.completed(str(job["id"]))

        async def all_processed() -> bool:
            return not await host.fetchval("select count(*) from webhook_deliveries where processed_at is null")

        await eventually(all_processed)
        assert await host.fetchval("select count(*) from webhook_deliveries") == 11
        assert len(await created()) == 2
        [addon] = await shop.rows(host, "subscription_addons")
        assert (addon["user_id"], addon["subscription_id"]) == (buyer.auth_user_id, buyer.base_subscription_id)
        assert (addon["addon_type"], addon["addon_product_id"]) == ("extended_data_retention", shop.YEAR)
        assert (addon["status"], addon["retention_days"]) == ("active", 365)
        kept = {str(row["id"]): row["data_retention_days"] for row in await shop.rows(host, "workspaces")}
        assert kept == {first: 365, second: 365, of_another: 30}
        assert await shop.checksum(host, untouched) == before

        for job in await created():
            assert (job["retention_days"], job["subscription_addon_id"]) == (365, addon["id"])
            assert job["cutoff_at"] == job["created_at"] - timedelta(days=365)
            assert (job["addon_type"], job["requested_by"]) == ("extended_data_retention", "purchase")
            assert job["total_repositories"] == job["completed_repositories"] > 0
            assert job["started_at"] <= job["completed_at"]
        for repository in (shared, other):
            await check(backfill.dsn, repository)
        await two_notifications_each(host, buyer)


async def two_notifications_each(host: Any, buyer: shop.Buyer) -> None:
    told = await shop.rows(host, "notifications", "created_at, status desc")
    jobs = await host.fetch(
        "select j.*, w.name from workspace_backfill_jobs j join workspaces w on w.id = j.workspace_id"
    )
    assert len(told) == 2 * len(jobs)
    for job in jobs:
        started, completed = [each for each in told if each["operation_id"] == str(job["id"])]
        assert (started["status"], completed["status"]) == ("started", "completed")
        assert job["started_at"] == started["created_at"] < completed["created_at"] == job["completed_at"]
        for each in (started, completed):
            assert (each["user_id"], each["operation_type"]) == (buyer.auth_user_id, "backfill")
            assert (each["repository"], each["read"]) == (None, False)
            assert each["metadata"] == {"workspace_id": str(job["workspace_id"])}
            assert job["name"] in each["title"]
            assert each["message"]
        assert "failures" not in completed["title"]
