"""What deliveries come to in Postgres: add-ons, retention, jobs, and nothing that a purchase must not touch."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import asyncpg
import pytest

from messages import DATA_TYPES
from polar import purchases
from polar.inbox import LONGEST_PAUSE, Inbox, pause
from sandbox.postgres import Postgres
from store.database import Database
from tests.support import shop
from tests.support.waiting import PATIENCE, eventually

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
async def host(module_database: str) -> AsyncIterator[asyncpg.Connection]:
    async with shop.emptied(module_database) as connection:
        yield connection


@pytest.fixture
async def inbox(module_database: str) -> AsyncIterator[Inbox]:
    async with Database(module_database) as pool:
        yield Inbox(pool, shop.PRODUCTS, created=lambda: None)


async def finish_all(inbox: Inbox) -> None:
    while await inbox.finish_one():
        pass


async def test_a_purchase_makes_an_addon_and_a_job_for_each_workspace(host: asyncpg.Connection, inbox: Inbox) -> None:
    buyer = await shop.buyer(host)
    first = await shop.workspace(host, buyer, "octo/a", "octo/b", keeps=30)
    second = await shop.workspace(host, buyer, keeps=None)
    longer = await shop.workspace(host, buyer, "octo/a", keeps=9999)
    closed = await shop.workspace(host, buyer, "octo/a", active=False)
    elsewhere = await shop.workspace(host, await shop.buyer(host), "octo/a")
    await shop.deliver(host, shop.event(buyer=buyer, at=AT))
    await finish_all(inbox)

    [addon] = await shop.rows(host, "subscription_addons")
    assert (
        addon
        | {
            "user_id": buyer.auth_user_id,
            "subscription_id": buyer.base_subscription_id,
            "addon_type": "extended_data_retention",
            "addon_product_id": shop.YEAR,
            "polar_subscription_id": "polar-subscription",
            "last_event_at": AT,
            "retention_days": 365,
            "status": "active",
            "purchased_at": datetime(2026, 1, 1, tzinfo=UTC),
            "activated_at": datetime(2026, 1, 1, tzinfo=UTC),
            "expires_at": AT + timedelta(days=30),
        }
        == addon
    )
    jobs = {str(job["workspace_id"]): job for job in await shop.rows(host, "workspace_backfill_jobs")}
    assert jobs.keys() == {first, second, longer}
    for job in jobs.values():
        assert (
            job
            | {
                "addon_type": "extended_data_retention",
                "subscription_addon_id": addon["id"],
                "retention_days": 365,
                "cutoff_at": job["created_at"] - timedelta(days=365),
                "backfill_types": list(DATA_TYPES),
                "status": "pending",
                "purchase_key": "polar-subscription:365",
                "requested_by": "purchase",
                "signaled_at": None,
                "attempt": 0,
            }
            == job
        )
    assert [jobs[each]["total_repositories"] for each in (first, second, longer)] == [2, 0, 1]
    keeps = {str(row["id"]): row["data_retention_days"] for row in await shop.rows(host, "workspaces")}
    assert keeps == {first: 365, second: 365, longer: 9999, closed: 30, elsewhere: 30}
    [delivery] = await shop.rows(host, "webhook_deliveries")
    assert delivery["processed_at"]
    assert (delivery["error"], delivery["attempts"]) == (None, 1)


async def test_the_base_subscription_and_every_tier_stay_as_they_were(host: asyncpg.Connection, inbox: Inbox) -> None:
    buyer = await shop.buyer(host)
    await shop.workspace(host, buyer, "octo/a")
    tiers = await shop.checksum(host, ["subscriptions", "(select id, tier, settings, is_active from workspaces)"])
    for number, status in enumerate(["incomplete", "active", "past_due", "active", "canceled", "unpaid"]):
        await shop.deliver(host, shop.event(buyer=buyer, status=status, at=AT + timedelta(minutes=number)))
    await shop.deliver(host, shop.event(buyer=buyer, subscription="base", product="a plan", at=AT))
    await finish_all(inbox)
    assert (
        await shop.checksum(host, ["subscriptions", "(select id, tier, settings, is_active from workspaces)"]) == tiers
    )
    assert [row["processed_at"] is not None for row in await shop.rows(host, "webhook_deliveries")] == [True] * 7


async def test_ten_events_of_one_purchase_at_once_make_one_job_a_workspace(
    module_database: str, host: asyncpg.Connection
) -> None:
    buyer = await shop.buyer(host)
    for _ in range(3):
        await shop.workspace(host, buyer, "octo/a")
    kinds = ["created", "updated", "active", "uncanceled", "updated"] * 2
    events = [
        shop.event(f"subscription.{kind}", buyer=buyer, at=AT + timedelta(milliseconds=number))
        for number, kind in enumerate(kinds)
    ]
    async with Database(module_database, size=len(events)) as pool:
        inbox = Inbox(pool, shop.PRODUCTS, created=lambda: None)
        ready = asyncio.Barrier(len(events))

        async def connect() -> None:
            async with pool.transaction():
                await ready.wait()

        # Opening connections would put the events in a row.
        await asyncio.gather(*(connect() for _ in events))
        await shop.deliver(host, *events)
        assert all(await asyncio.gather(*(inbox.finish_one() for _ in events)))
    deliveries = await shop.rows(host, "webhook_deliveries")
    assert [(each["error"], each["attempts"]) for each in deliveries] == [(None, 1)] * 10
    assert await host.fetchval("select count(*) from subscription_addons") == 1
    assert await host.fetchval("select count(*) from workspace_backfill_jobs") == 3


async def test_a_renewal_moves_the_period_and_starts_nothing(host: asyncpg.Connection, inbox: Inbox) -> None:
    buyer = await shop.buyer(host)
    await shop.workspace(host, buyer, "octo/a")
    month = timedelta(days=30)
    await shop.deliver(host, *(shop.event(buyer=buyer, at=AT + month * number) for number in range(4)))
    await finish_all(inbox)
    [addon] = await shop.rows(host, "subscription_addons")
    assert (addon["expires_at"], addon["last_event_at"]) == (AT + month * 4, AT + month * 3)
    assert addon["activated_at"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert await host.fetchval("select count(*) from workspace_backfill_jobs") == 1


async def test_new_jobs_are_announced(module_database: str, host: asyncpg.Connection) -> None:
    buyer = await shop.buyer(host)
    await shop.workspace(host, buyer, "octo/a")
    announced = []
    async with Database(module_database) as pool:
        inbox = Inbox(pool, shop.PRODUCTS, created=lambda: announced.append(1))
        for _ in range(3):
            await shop.deliver(host, shop.event(buyer=buyer))
            await finish_all(inbox)
    assert len(announced) == 1


async def test_more_days_are_a_job_of_their_own_once(host: asyncpg.Connection, inbox: Inbox) -> None:
    buyer = await shop.buyer(host)
    await shop.workspace(host, buyer, "octo/a")
    for number, product in enumerate([shop.YEAR, shop.DECADE, shop.YEAR, shop.DECADE]):
        await shop.deliver(host, shop.event(buyer=buyer, product=product, at=AT + timedelta(hours=number)))
    await finish_all(inbox)
    jobs = await shop.rows(host, "workspace_backfill_jobs", "created_at")
    assert [(job["retention_days"], job["purchase_key"]) for job in jobs] == [
        (365, "polar-subscription:365"),
        (3650, "polar-subscription:3650"),
    ]
    [addon] = await shop.rows(host, "subscription_addons")
    assert (addon["retention_days"], addon["addon_product_id"]) == (3650, shop.DECADE)
    assert await host.fetchval("select data_retention_days from workspaces") == 3650


async def test_fewer_days_than_before_are_there_already(host: asyncpg.Connection, inbox: Inbox) -> None:
    buyer = await shop.buyer(host)
    await shop.workspace(host, buyer, "octo/a")
    for number, product in enumerate([shop.DECADE, shop.YEAR]):
        await shop.deliver(host, shop.event(buyer=buyer, product=product, at=AT + timedelta(hours=number)))
    await finish_all(inbox)
    [job] = await shop.rows(host, "workspace_backfill_jobs")
    assert job["retention_days"] == 3650
    assert await host.fetchval("select retention_days from subscription_addons") == 365
    assert await host.fetchval("select data_retention_days from workspaces") == 365


@pytest.mark.parametrize("status", ["incomplete", "past_due", "canceled"])
async def test_what_is_not_paid_for_gives_nothing(host: asyncpg.Connection, inbox: Inbox, status: str) -> None:
    buyer = await shop.buyer(host)
    await shop.workspace(host, buyer, "octo/a", keeps=30)
    await shop.deliver(host, shop.event(buyer=buyer, status=status))
    await finish_all(inbox)
    [addon] = await shop.rows(host, "subscription_addons")
    assert (addon["status"] == "active", addon["activated_at"]) == (False, None)
    assert await host.fetchval("select count(*) from workspace_backfill_jobs") == 0
    assert await host.fetchval("select data_retention_days from workspaces") == 30


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
async def test_whatever_the_order_of_arrival_the_newest_event_is_believed(
    host: asyncpg.Connection, inbox: Inbox, order: tuple[int, ...]
) -> None:
    buyer = await shop.buyer(host)
    await shop.workspace(host, buyer, "octo/a")
    story: list[dict[str, Any]] = [
        {"status": "active", "product": shop.YEAR},
        {"status": "active", "product": shop.DECADE},
        {"status": "canceled", "product": shop.DECADE, "ended_at": "2026-12-24T00:00:00Z"},
    ]
    events = [shop.event(buyer=buyer, at=AT + timedelta(hours=at), **what) for at, what in enumerate(story)]
    await shop.deliver(host, *(events[number] for number in order))
    await finish_all(inbox)
    [addon] = await shop.rows(host, "subscription_addons")
    assert (addon["status"], addon["retention_days"], addon["expires_at"], addon["last_event_at"]) == (
        "canceled",
        3650,
        datetime(2026, 12, 24, tzinfo=UTC),
        AT + timedelta(hours=2),
    )
    assert await host.fetchval("select count(*) from webhook_deliveries where processed_at is null") == 0


@pytest.mark.parametrize(
    "product", ["prod_of_somebody_else", "", "65248B4B-20D8-4AD0-95C2-C39F80DC4D18 "], ids=["other", "empty", "similar"]
)
async def test_a_product_that_extends_nothing_means_nothing(
    host: asyncpg.Connection, inbox: Inbox, product: str
) -> None:
    buyer = await shop.buyer(host)
    await shop.workspace(host, buyer, "octo/a")
    await shop.deliver(host, shop.event(buyer=buyer, product=product))
    await finish_all(inbox)
    assert await host.fetchval("select count(*) from subscription_addons") == 0
    assert await host.fetchval("select count(*) from workspace_backfill_jobs") == 0
    assert await host.fetchval("select count(*) from webhook_deliveries where processed_at is null") == 0


async def test_an_addon_whose_subscription_turns_to_another_product_is_inactive(
    host: asyncpg.Connection, inbox: Inbox
) -> None:
    buyer = await shop.buyer(host)
    await shop.deliver(host, shop.event(buyer=buyer, at=AT))
    await shop.deliver(host, shop.event(buyer=buyer, at=AT + timedelta(hours=1), product="a plan"))
    await finish_all(inbox)
    [addon] = await shop.rows(host, "subscription_addons")
    assert (addon["status"], addon["addon_product_id"], addon["retention_days"]) == ("inactive", "a plan", None)


async def test_a_product_missing_from_the_setting_keeps_what_was_bought(
    module_database: str, host: asyncpg.Connection
) -> None:
    buyer = await shop.buyer(host)
    async with Database(module_database) as pool:
        await shop.deliver(host, shop.event(buyer=buyer, at=AT))
        await finish_all(Inbox(pool, shop.PRODUCTS, created=lambda: None))
        await shop.deliver(host, shop.event(buyer=buyer, at=AT + timedelta(days=30)))
        await finish_all(Inbox(pool, {shop.DECADE: 3650}, created=lambda: None))
    [addon] = await shop.rows(host, "subscription_addons")
    assert (addon["status"], addon["retention_days"], addon["expires_at"]) == ("active", 365, AT + timedelta(days=60))


class TestTheBuyer:
    """`metadata.user_id`, else `customer.external_id`, else who has this customer id, else who has the add-on."""

    async def owner_of(self, host: asyncpg.Connection, inbox: Inbox, event: dict[str, Any]) -> uuid.UUID | None:
        await shop.deliver(host, event)
        await finish_all(inbox)
        owner: uuid.UUID | None = await host.fetchval("select user_id from subscription_addons")
        return owner

    async def test_metadata_goes_before_the_customer(self, host: asyncpg.Connection, inbox: Inbox) -> None:
        first, second, third = [await shop.buyer(host) for _ in range(3)]
        customer = {"external_id": str(second.auth_user_id)}
        event = shop.event(buyer=first, customer=customer, customer_id=third.polar_customer_id)
        assert await self.owner_of(host, inbox, event) == first.auth_user_id

    @pytest.mark.parametrize("claim", [None, "not a uuid", "", 7, "a\0b", str(uuid.UUID(int=7))], ids=repr)
    async def test_a_claim_that_names_nobody_leaves_it_to_the_next(
        self, host: asyncpg.Connection, inbox: Inbox, claim: Any
    ) -> None:
        second, third = [await shop.buyer(host) for _ in range(2)]
        event = shop.event(
            metadata={"user_id": claim},
            customer={"external_id": str(second.auth_user_id)},
            customer_id=third.polar_customer_id,
        )
        assert await self.owner_of(host, inbox, event) == second.auth_user_id

    async def test_the_customer_id_is_the_last_to_be_asked(self, host: asyncpg.Connection, inbox: Inbox) -> None:
        third = await shop.buyer(host)
        event = shop.event(metadata={"user_id": "?"}, customer=None, customer_id=third.polar_customer_id)
        assert await self.owner_of(host, inbox, event) == third.auth_user_id

    async def test_an_event_that_names_nobody_is_of_who_has_the_addon(
        self, host: asyncpg.Connection, inbox: Inbox
    ) -> None:
        buyer = await shop.buyer(host)
        await shop.deliver(host, shop.event(buyer=buyer, at=AT))
        later = shop.event(at=AT + timedelta(days=1), status="canceled")
        assert await self.owner_of(host, inbox, later) == buyer.auth_user_id
        assert await host.fetchval("select status from subscription_addons") == "canceled"

    async def test_an_id_of_app_users_is_no_auth_user_id(self, host: asyncpg.Connection, inbox: Inbox) -> None:
        buyer = await shop.buyer(host)
        event = shop.event(metadata={"user_id": str(buyer.app_user_id)})
        assert await self.owner_of(host, inbox, event) is None

    async def test_without_a_base_subscription_the_addon_stands_alone(
        self, host: asyncpg.Connection, inbox: Inbox
    ) -> None:
        buyer = await shop.buyer(host, subscribed=False)
        assert await self.owner_of(host, inbox, shop.event(buyer=buyer)) == buyer.auth_user_id
        assert await host.fetchval("select subscription_id from subscription_addons") is None

    async def test_without_a_workspace_the_addon_is_recorded_and_a_workspace_made_later_is_backfilled(
        self, module_database: str, host: asyncpg.Connection, inbox: Inbox
    ) -> None:
        buyer = await shop.buyer(host)
        assert await self.owner_of(host, inbox, shop.event(buyer=buyer, at=AT)) == buyer.auth_user_id
        assert await host.fetchval("select count(*) from webhook_deliveries where processed_at is null") == 0
        assert await host.fetchval("select count(*) from workspace_backfill_jobs") == 0
        await shop.workspace(host, buyer, "octo/a")
        async with Database(module_database) as pool, pool.transaction() as connection:
            await purchases.follow(connection, AT)
        assert await host.fetchval("select count(*) from workspace_backfill_jobs") == 1

    async def test_an_unknown_one_is_waited_for(self, host: asyncpg.Connection, inbox: Inbox) -> None:
        buyer = shop.Buyer()
        event = shop.event(buyer=buyer, customer={"external_id": "nobody"})
        assert await self.owner_of(host, inbox, event) is None
        [delivery] = await shop.rows(host, "webhook_deliveries")
        assert delivery["processed_at"] is None
        assert delivery["attempts"] == 1
        assert delivery["error"].startswith("unknown_buyer: customer.external_id is not a uuid; ")
        assert delivery["next_attempt_at"] > delivery["received_at"]
        assert not await inbox.finish_one()

        await shop.buyer(host, someone=buyer)
        await shop.workspace(host, buyer, "octo/a")
        await host.execute("update webhook_deliveries set next_attempt_at = now()")
        await finish_all(inbox)
        [delivery] = await shop.rows(host, "webhook_deliveries")
        assert delivery["processed_at"]
        assert (delivery["attempts"], delivery["error"], delivery["next_attempt_at"]) == (2, None, None)
        assert await host.fetchval("select count(*) from workspace_backfill_jobs") == 1

    async def test_who_buys_again_has_two_addons_and_the_active_one_is_linked(
        self, host: asyncpg.Connection, inbox: Inbox
    ) -> None:
        buyer = await shop.buyer(host)
        await shop.workspace(host, buyer, "octo/a")
        for number, (subscription, status) in enumerate(
            [("first", "active"), ("first", "canceled"), ("second", "active"), ("third", "active")]
        ):
            at = AT + timedelta(days=number)
            await shop.deliver(host, shop.event(buyer=buyer, subscription=subscription, status=status, at=at))
        await finish_all(inbox)
        addons = await shop.rows(host, "subscription_addons", "last_event_at")
        assert [(each["polar_subscription_id"], each["status"], each["subscription_id"]) for each in addons] == [
            ("first", "canceled", None),
            ("second", "active", buyer.base_subscription_id),
            ("third", "active", None),
        ]
        jobs = await shop.rows(host, "workspace_backfill_jobs", "created_at")
        assert [(job["status"], job["attempt"]) for job in jobs] == [("pending", 1), ("pending", 0)]
        assert [job["subscription_addon_id"] for job in jobs] == [addons[1]["id"], addons[2]["id"]], "it goes on"

    async def test_an_addon_from_before_is_taken_over(self, host: asyncpg.Connection, inbox: Inbox) -> None:
        buyer = await shop.buyer(host)
        old = await host.fetchval(
            """
            insert into subscription_addons (addon_type, subscription_id)
            values ('extended_data_retention', $1) returning id
            """,
            buyer.base_subscription_id,
        )
        assert await self.owner_of(host, inbox, shop.event(buyer=buyer)) == buyer.auth_user_id
        [addon] = await shop.rows(host, "subscription_addons")
        assert (addon["id"], addon["status"], addon["retention_days"]) == (old, "active", 365)


class TestDeliveries:
    """One that cannot be finished holds up nobody, and is not forgotten."""

    @pytest.mark.parametrize(
        "payload",
        [
            [],
            "a string",
            {"type": "order.paid", "data": 7},
            {"type": "subscription.active", "data": {"id": "x"}},
        ],
        ids=repr,
    )
    async def test_what_means_nothing_is_finished(self, host: asyncpg.Connection, inbox: Inbox, payload: Any) -> None:
        await host.execute(
            "insert into webhook_deliveries (webhook_id, type, payload) values ('1', '', $1)",
            payload,
        )
        await finish_all(inbox)
        assert await host.fetchval("select processed_at from webhook_deliveries")

    async def test_an_unreadable_one_is_told_of_and_the_next_is_finished(
        self, host: asyncpg.Connection, inbox: Inbox
    ) -> None:
        buyer = await shop.buyer(host)
        await host.execute(
            "insert into webhook_deliveries (webhook_id, type, payload, received_at) values ('1', '', '1e5000', now())"
        )
        await host.execute("update webhook_deliveries set received_at = received_at - interval '1 hour'")
        await shop.deliver(host, shop.event(buyer=buyer))
        await finish_all(inbox)
        unreadable, purchase = await host.fetch(
            "select error, processed_at from webhook_deliveries order by received_at"
        )
        assert unreadable["processed_at"] is None
        assert unreadable["error"].startswith("ValueError: Exceeds the limit")
        assert purchase["processed_at"]

    async def test_of_those_of_one_time_the_one_that_comes_last_in_a_life_is_believed(
        self, host: asyncpg.Connection, inbox: Inbox
    ) -> None:
        buyer = await shop.buyer(host)
        for status in ("active", "canceled", "active", "paused"):
            await shop.deliver(host, shop.event(buyer=buyer, status=status, at=AT))
        await finish_all(inbox)
        assert await host.fetchval("select metadata ->> 'polar_status' from subscription_addons") == "canceled"

    async def test_a_delivery_that_another_process_has_taken_is_left_to_it(
        self, module_database: str, host: asyncpg.Connection, inbox: Inbox
    ) -> None:
        await shop.deliver(host, shop.event(), shop.event())
        async with shop.connected(module_database) as other:
            await other.execute("begin; select 1 from webhook_deliveries for update")
            assert not await asyncio.wait_for(inbox.finish_one(), PATIENCE)
        assert await inbox.finish_one()

    async def test_one_that_nobody_announced_is_found(self, host: asyncpg.Connection, inbox: Inbox) -> None:
        stop = asyncio.Event()
        working = asyncio.create_task(inbox.run(stop))
        await asyncio.sleep(0.1)
        await shop.deliver(host, {"type": "order.paid"})
        await eventually(lambda: host.fetchval("select processed_at from webhook_deliveries"))
        stop.set()
        await asyncio.wait_for(working, PATIENCE)

    async def test_an_inbox_outlives_its_postgres(
        self, module_database: str, postgres: Postgres, host: asyncpg.Connection, inbox: Inbox
    ) -> None:
        stop = asyncio.Event()
        working = asyncio.create_task(inbox.run(stop))
        await asyncio.sleep(0.1)
        name = module_database.rpartition("/")[2]
        async with shop.connected(postgres.url()) as administrator:
            await shop.deliver(host, {"type": "order.paid"})
            await administrator.execute(f'alter database "{name}" allow_connections false')
            await administrator.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name
            )
            await asyncio.sleep(1.2)
            assert not working.done()
            await administrator.execute(f'alter database "{name}" allow_connections true')
        async with shop.connected(module_database) as again:
            await eventually(lambda: again.fetchval("select processed_at from webhook_deliveries"))
        stop.set()
        await asyncio.wait_for(working, PATIENCE)

    def test_pauses_grow_and_stay_bearable(self) -> None:
        pauses = [pause(attempts) for attempts in range(12)]
        assert pauses[:4] == [timedelta(seconds=seconds) for seconds in (2, 4, 8, 16)]
        assert pauses[-1] == pause(10_000) == LONGEST_PAUSE
