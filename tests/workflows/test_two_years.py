"""Two years of an add-on, from the trial to the purchase after the end, with Postgres and the real workflows."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from messages import (
    BeginJob,
    FinishJob,
    JobOutcome,
    JobPlan,
    JobStanding,
    NextRepositories,
    Pace,
    RepositoryRef,
    RepositoryTransition,
    SignalRequest,
    SliceResult,
    SweepSlice,
)
from polar.purchases import Recorded
from reconciler import telling
from sandbox.postgres import Postgres
from store import job_end, job_signals, job_start, signal_requests, transitions
from store.database import Database
from tests.support import shop
from tests.support.polar.purchases import Shop, opened
from tests.support.waiting import PATIENCE, eventually
from tests.support.workflows.pretence import TEST_SERVER, Pretence

MONTH = timedelta(days=30)


class Mirror(Pretence):
    """Activities that write to Postgres what the workflows decide. A sweep waits two hours for GitHub, then ends."""

    def __init__(self, pool: Database) -> None:
        super().__init__(sweep_is=self._sweep)
        self._pool = pool
        self.held = False
        """Sweeps go on and on."""
        self.swept = asyncio.Event()
        self._limited = set[tuple[str, str]]()

    async def _sweep(self, slice_: SweepSlice, _call: int) -> SliceResult:
        self.swept.set()
        while self.held:
            activity.heartbeat()
            await asyncio.sleep(0.05)
        it = (slice_.job_id, slice_.repository.full_name)
        if it not in self._limited:
            self._limited.add(it)
            until = activity.info().started_time + timedelta(hours=2)
            return SliceResult(outcome="limited", limited_until=until, waiting_reason="github_limit")
        return SliceResult(outcome="completed")

    @activity.defn(name="begin_job")
    async def begin_job(self, job: BeginJob) -> JobPlan:
        async with self._pool.transaction() as connection:
            return await job_start.begin(connection, job.job_id, Pace(heartbeat_timeout_seconds=30))

    @activity.defn(name="next_repositories")
    async def next_repositories(self, page: NextRepositories) -> list[RepositoryRef]:
        async with self._pool.transaction() as connection:
            return await transitions.next_repositories(
                connection, page.job_id, page.after, page.limit, page.repository_ids
            )

    @activity.defn(name="record_repository")
    async def record_repository(self, change: RepositoryTransition) -> None:
        await super().record_repository(change)
        async with self._pool.transaction() as connection:
            await transitions.record(connection, change)

    @activity.defn(name="carry_out_signal")
    async def carry_out_signal(self, request: SignalRequest) -> JobStanding | None:
        async with self._pool.transaction() as connection:
            return await signal_requests.carry_out(connection, request)

    @activity.defn(name="finish_job")
    async def finish_job(self, job: FinishJob) -> JobOutcome:
        async with self._pool.transaction() as connection:
            return await job_end.finish(connection, job.job_id, job.attempt, canceled=job.canceled)


class Story:
    """The buyer's two years: what Polar says, and the hours that pass meanwhile."""

    def __init__(self, buys: Shop, mirror: Mirror, temporal: WorkflowEnvironment, queue: str) -> None:
        self.buys, self.mirror, self._temporal, self._queue = buys, mirror, temporal, queue
        self.began: datetime | None = None
        self.renewals = 0

    async def now(self) -> datetime:
        return await self._temporal.get_current_time()

    async def sleep(self, time: timedelta) -> None:
        await self._temporal.sleep(time)

    async def polar(self, kind: str, subscription: str = "first", **data: Any) -> None:
        now = await self.now()
        ends = {"started_at": now.isoformat(), "current_period_end": (now + MONTH).isoformat()}
        event = shop.event(kind, buyer=self.buys.buyer, subscription=subscription, at=now, **{**ends, **data})
        if kind == "order.paid":
            event["data"] = {"id": "order", "subscription": event["data"]}
        await self.buys.tell(event)

    async def hear(self) -> None:
        """What the reconciler does every second."""
        await self.buys.follow(await self.now())
        async with self.buys.pool.transaction() as connection:
            stopping, waiting = await job_signals.stopping(connection), await job_signals.unheard(connection)
        for each in stopping:
            await telling.stop(self._temporal.client, self.buys.pool, each)
        for job in waiting:
            await telling.signal(self._temporal.client, self.buys.pool, job, usable=frozenset(), task_queue=self._queue)

    async def work(self) -> None:
        """All jobs run to their ends."""
        await self.hear()

        async def over() -> bool:
            await self.sleep(timedelta(hours=1))
            still_open = "select count(*) from workspace_backfill_jobs where status in ('pending', 'in_progress')"
            return not await self.buys.host.fetchval(still_open)

        await eventually(over)

    async def months(self, number: int) -> None:
        """Renewals, paid for: nothing else happens."""
        before = await shop.checksum(self.buys.host, ["workspace_backfill_jobs", "workspaces"])
        for _ in range(number):
            await self.sleep(MONTH)
            await self.polar("subscription.cycled", product=self.product)
            await self.polar("order.paid", product=self.product)
            assert await self.buys.follow(await self.now()) == Recorded()
        assert await shop.checksum(self.buys.host, ["workspace_backfill_jobs", "workspaces"]) == before

    product = shop.YEAR

    async def ended(self) -> list[tuple[str, int, int, int]]:
        """Of the first workspace's jobs: status, days, attempt, repositories."""
        return [
            (job["status"], job["retention_days"], job["attempt"], job["total_repositories"])
            for job in await self.buys.jobs()
        ]


@pytest.fixture
async def story(postgres: Postgres, migrated_template: str) -> AsyncIterator[Story]:
    async with (
        shop.database(postgres, migrated_template) as dsn,
        Database(dsn) as pool,
        shop.connected(dsn) as host,
        await WorkflowEnvironment.start_time_skipping(
            data_converter=pydantic_data_converter, test_server_existing_path=str(TEST_SERVER)
        ) as temporal,
    ):
        mirror = Mirror(pool)
        async with mirror.worked(temporal.client) as queue:
            yield Story(await opened(pool, host), mirror, temporal, queue)


async def test_two_years_from_the_trial_to_the_purchase_after_the_end(story: Story) -> None:
    buys = story.buys
    base = await shop.checksum(buys.host, ["subscriptions", "app_users", "(select id, tier from workspaces)"])
    began = await story.now()

    await story.polar("subscription.created", status="trialing")
    await story.work()
    assert await story.ended() == [("completed", 365, 0, 1)]
    await story.sleep(timedelta(days=14))
    await story.polar("subscription.active")
    await story.polar("order.paid")
    await story.months(5)

    story.product = shop.DECADE
    await story.polar("subscription.updated", product=shop.DECADE)
    assert await buys.keeps() == [3650, 3650]
    await story.work()
    assert await story.ended() == [("completed", 365, 0, 1), ("completed", 3650, 0, 1)]

    await add(buys, "octo/added")
    await story.work()
    assert (await story.ended())[2:] == [("completed", 3650, 0, 1)]
    await story.months(4)

    await story.polar("subscription.past_due", product=shop.DECADE, status="past_due")
    assert (await buys.status(), await buys.keeps()) == ("active", [3650, 3650])
    await story.sleep(timedelta(days=7))
    await story.polar("subscription.active", product=shop.DECADE)
    assert (await story.ended())[3:] == []

    # The pause begins while another repository is read, and the work goes on when it is over.
    story.mirror.held = True
    story.mirror.swept.clear()
    await add(buys, "octo/late")
    await story.hear()
    await asyncio.wait_for(story.mirror.swept.wait(), PATIENCE)
    await story.polar("subscription.paused", product=shop.DECADE, status="paused")
    assert (await buys.status(), await buys.keeps()) == ("inactive", [30, 400])
    await story.work()
    assert (await story.ended())[3:] == [("canceled", 3650, 0, 1)]
    story.mirror.held = False
    await story.sleep(2 * MONTH)
    await story.polar("subscription.resumed", product=shop.DECADE)
    assert await buys.keeps() == [3650, 3650]
    await story.work()
    assert (await story.ended())[3:] == [("completed", 3650, 1, 1)]
    await story.months(9)

    ends = await story.now() + MONTH
    canceled: dict[str, Any] = {"cancel_at_period_end": True, "ends_at": ends.isoformat()}
    await story.polar("subscription.canceled", product=shop.DECADE, **canceled)
    await story.sleep(MONTH - timedelta(hours=1))
    await story.hear()
    assert (await buys.status(), await buys.keeps()) == ("active", [3650, 3650])
    await story.sleep(timedelta(hours=2))
    await story.hear()
    assert (await buys.status(), await buys.keeps()) == ("expired", [30, 400])
    await story.polar("subscription.revoked", product=shop.DECADE, status="canceled", ended_at=ends.isoformat())
    assert (await buys.status(), await buys.keeps()) == ("canceled", [30, 400])

    await story.sleep(3 * MONTH)
    await story.polar("subscription.active", "second")
    assert await buys.keeps() == [365, 400]
    await story.work()
    assert (await story.ended())[4:] == [("completed", 365, 0, 3)]
    # A late word on the old one ends nothing.
    await story.polar("subscription.revoked", product=shop.DECADE, status="canceled", ended_at=ends.isoformat())
    await story.hear()
    assert await buys.keeps() == [365, 400]

    assert await story.now() - began > timedelta(days=730)
    assert await shop.checksum(buys.host, ["subscriptions", "app_users", "(select id, tier from workspaces)"]) == base
    told = await buys.host.fetch("select status, count(*) from notifications group by 1 order by 1")
    jobs_begun = await buys.host.fetchval("select count(*) from workspace_backfill_jobs")
    assert [tuple(row) for row in told] == [("completed", jobs_begun), ("started", jobs_begun)]


async def add(buys: Shop, full_name: str) -> None:
    """A repository of the first workspace."""
    await buys.host.execute(
        """
        with added as (
            insert into repositories (github_id, owner, name, full_name)
            select max(github_id) + 1, 'octo', split_part($2, '/', 2), $2 from repositories returning id
        )
        insert into workspace_repositories (workspace_id, repository_id) select $1, id from added
        """,
        buys.workspaces[0],
        full_name,
    )
