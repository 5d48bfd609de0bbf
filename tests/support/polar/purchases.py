"""A buyer with workspaces, and purchases."""

from datetime import datetime, timedelta
from typing import Any

import asyncpg

from messages import JobPlan, Pace
from polar import purchases
from polar.inbox import Inbox
from polar.purchases import Recorded
from progress.views import JobView
from store import job_end, job_signals, job_start, job_views
from store.database import Database
from tests.support import shop
from tests.support.polar.story import AT


class Shop:
    """A buyer with two workspaces, and Polar's events about what the buyer does."""

    def __init__(self, pool: Database, host: asyncpg.Connection, buyer: shop.Buyer, workspaces: list[str]) -> None:
        self.pool, self.host, self.buyer, self.workspaces = pool, host, buyer, workspaces
        self._inbox = Inbox(pool, shop.PRODUCTS, created=lambda: None)
        self._hours = 0

    async def tell(self, *payloads: dict[str, Any]) -> None:
        await shop.deliver(self.host, *payloads)
        while await self._inbox.finish_one():
            pass
        assert await self.host.fetchval("select count(*) from webhook_deliveries where processed_at is null") == 0

    async def say(self, kind: str = "updated", **data: Any) -> None:
        """Delivers an event that is an hour later than the one before."""
        self._hours += 1
        at = AT + timedelta(hours=self._hours)
        await self.tell(shop.event(f"subscription.{kind}", buyer=self.buyer, at=at, **data))

    async def follow(self, now: datetime = AT) -> Recorded:
        async with self.pool.transaction() as connection:
            followed = await purchases.follow(connection, now)
        assert followed is not None
        return followed

    async def keeps(self) -> list[int | None]:
        """Returns the retention of the buyer's workspaces, in days."""
        rows = await self.host.fetch("select id::text, data_retention_days from workspaces")
        return [dict(map(tuple, rows))[each] for each in self.workspaces]

    async def jobs(self, workspace_id: str | None = None) -> list[Any]:
        """Returns the jobs of a workspace (None: the first one), oldest first."""
        return await self.host.fetch(
            "select * from workspace_backfill_jobs where workspace_id = $1 order by created_at, retention_days",
            workspace_id or self.workspaces[0],
        )

    async def begin(self) -> None:
        """Signals every waiting job, and begins them in this order, the oldest first."""
        await self.hear()
        for row in await self.host.fetch(
            "select id::text from workspace_backfill_jobs where status = 'pending' order by created_at, id"
        ):
            await self.begin_one(row["id"])

    async def begin_one(self, job_id: str) -> JobPlan:
        async with self.pool.transaction() as connection:
            return await job_start.begin(connection, job_id, Pace())

    async def hear(self) -> None:
        """Records that Temporal has heard of every waiting job."""
        async with self.pool.transaction() as connection:
            for each in await job_signals.unheard(connection):
                await job_signals.heard(connection, each, first_run_id=None)

    async def stop(self) -> None:
        """Ends the jobs that workflows were told to stop."""
        async with self.pool.transaction() as connection:
            for each in await job_signals.stopping(connection):
                await job_end.finish(connection, each.job_id, each.attempt, canceled=True)

    async def addons(self) -> dict[str, Any]:
        rows = await self.host.fetch("select * from subscription_addons")
        return {row["polar_subscription_id"]: row for row in rows}

    async def status(self) -> str:
        [addon] = (await self.addons()).values()
        status: str = addon["status"]
        return status

    async def look(self) -> JobView:
        async with self.pool.transaction() as connection:
            return await job_views.look(connection, await _latest(self.host))


async def _latest(host: asyncpg.Connection) -> str:
    job_id: str = await host.fetchval(
        "select id::text from workspace_backfill_jobs order by created_at desc, id limit 1"
    )
    return job_id


async def opened(pool: Database, host: asyncpg.Connection) -> Shop:
    buyer = await shop.buyer(host)
    first = await shop.workspace(host, buyer, "octo/a", keeps=30)
    second = await shop.workspace(host, buyer, "octo/b", keeps=400)
    return Shop(pool, host, buyer, [first, second])
