"""What missed webhooks left is repaired: the tables are as if nothing had been lost, and nobody is ended by mistake."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from errors import BadInput, Unreachable
from polar import purchases
from polar.api import PolarApi
from polar.inbox import Inbox
from polar.reconciliation import Report, reconcile
from sandbox.polar import Event, PolarServer
from store.database import Database
from tests.support import shop

NOW = datetime.now(UTC).replace(microsecond=0)
WEEK = NOW - timedelta(days=7)
"""From then on webhooks are lost."""
BEFORE = NOW - timedelta(days=20)
ENDED = {"status": "canceled", "ended_at": WEEK.isoformat(), "ends_at": WEEK.isoformat()}


@dataclass
class Merchant:
    """Polar with its subscribers, and our tables."""

    polar: PolarServer
    api: PolarApi
    pool: Database
    host: asyncpg.Connection

    async def heard(self, *events: Event) -> None:
        """Webhooks that arrive."""
        await shop.deliver(self.host, *(each.payload for each in events))
        inbox = Inbox(self.pool, shop.PRODUCTS, created=lambda: None)
        while await inbox.finish_one():
            pass
        assert await self.host.fetchval("select count(*) from webhook_deliveries where processed_at is null") == 0

    async def subscriber(self, slug: str | None = None, *, product: str = shop.YEAR, heard: bool = True) -> str:
        """Somebody with a workspace who bought the add-on; answers the subscription's id."""
        buyer = await shop.buyer(self.host)
        await shop.workspace(self.host, buyer, "octo/a", slug=slug)
        return await self.buys(buyer, product, heard=heard)

    async def owner(self, slug: str) -> shop.Buyer:
        query = "select id, auth_user_id from app_users where id = (select owner_id from workspaces where slug = $1)"
        [row] = await self.host.fetch(query, slug)
        return shop.Buyer(auth_user_id=row["auth_user_id"], app_user_id=row["id"])

    async def buys(self, buyer: shop.Buyer, product: str = shop.YEAR, *, heard: bool = True) -> str:
        subscription = str(uuid.uuid4())
        bought = self.polar.change(
            subscription, "active", BEFORE, product_id=product, metadata={"user_id": str(buyer.auth_user_id)}
        )
        if heard:
            await self.heard(bought)
        return subscription

    async def subscribers(self, count: int) -> list[str]:
        return [await self.subscriber() for _ in range(count)]

    def revoke(self, *subscriptions: str) -> None:
        for each in subscriptions:
            self.polar.change(each, "revoked", WEEK, **ENDED)

    async def reconcile(self, *, dry_run: bool = False, force: bool = False) -> Report:
        return await reconcile(self.api, self.pool, shop.PRODUCTS, dry_run=dry_run, force=force)

    async def status(self, subscription: str) -> str | None:
        status: str | None = await self.host.fetchval(
            "select status from subscription_addons where polar_subscription_id = $1", subscription
        )
        return status

    async def active(self) -> int:
        count: int = await self.host.fetchval("select count(*) from subscription_addons where status = 'active'")
        return count

    async def tables(self) -> list[Any]:
        """What a purchase shapes, without what tells who said so."""
        queries = [
            """
            select slug, data_retention_days from workspaces order by 1
            """,
            """
            select slug, addon.status, addon_product_id, retention_days, purchased_at, activated_at, expires_at,
                   metadata - '{polar_event,polar_customer_id,paid_at,unpaid_at}'::text[] as metadata
            from subscription_addons addon
            join app_users on app_users.auth_user_id = addon.user_id
            join workspaces on workspaces.owner_id = app_users.id
            order by 1, 2, purchased_at
            """,
            """
            select slug, job.retention_days, job.status, metadata ? 'addon_ended_at' as stopped
            from workspace_backfill_jobs job join workspaces on workspaces.id = workspace_id order by 1, 2, 3
            """,
        ]
        return [[dict(row) for row in await self.host.fetch(query)] for query in queries]


@pytest.fixture
async def merchant(module_database: str) -> AsyncIterator[Merchant]:
    async with (
        Database(module_database) as pool,
        shop.emptied(module_database) as host,
        PolarServer() as polar,
        PolarApi(polar.url, polar.token) as api,
    ):
        yield Merchant(polar, api, pool, host)


async def a_week(merchant: Merchant, *, lost: bool) -> None:
    """Everything that can happen to an add-on, each to somebody else; the last week of it unheard, if `lost`."""
    polar = merchant.polar
    later = {"cancel_at_period_end": True, "ends_at": (NOW + timedelta(days=9)).isoformat()}
    paused = {"status": "paused"}
    renewed = {"current_period_end": (NOW + timedelta(days=40)).isoformat()}
    before: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "uncanceled": [("canceled", later)],
        "resumed": [("paused", paused)],
        "paused, then revoked": [("paused", paused)],
        "past due, then paid": [("past_due", {"status": "past_due"})],
        "past due, then revoked": [("past_due", {"status": "past_due"})],
    }
    week: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "renewed": [("cycled", renewed)],
        "upgraded": [("updated", {"product_id": shop.DECADE})],
        "canceled": [("canceled", later)],
        "revoked": [("canceled", later), ("revoked", ENDED)],
        "past due": [("past_due", {"status": "past_due"})],
        "paused": [("updated", {}), ("paused", paused)],
        "uncanceled": [("uncanceled", {"cancel_at_period_end": False, "ends_at": None})],
        "resumed": [("resumed", {"status": "active", **renewed})],
        "paused, then revoked": [("revoked", ENDED)],
        "past due, then paid": [("cycled", renewed), ("active", {"status": "active"})],
        "past due, then revoked": [("revoked", ENDED)],
        "changes next period": [("updated", {"pending_update": {"product_id": shop.DECADE, "applies_at": None}})],
        "turned to a plan": [("updated", {"product_id": "a plan"})],
        "bought again": [("revoked", ENDED)],
    }
    ids = {each: await merchant.subscriber(each) for each in week}
    for number in range(40):
        await merchant.subscriber(f"content {number}")
    for hour in range(3):
        for each, story in before.items():
            for kind, fields in story[hour : hour + 1]:
                await merchant.heard(polar.change(ids[each], kind, BEFORE + timedelta(days=1, hours=hour), **fields))
    for hour in range(3):
        for each, story in week.items():
            for kind, fields in story[hour : hour + 1]:
                event = polar.change(ids[each], kind, WEEK + timedelta(hours=hour), **fields)
                await polar.deliver(event)
                if not lost:
                    await merchant.heard(event)
    newcomer = await shop.buyer(merchant.host)
    await shop.workspace(merchant.host, newcomer, "octo/a", slug="new")
    for buyer in (await merchant.owner("bought again"), newcomer):
        event = polar.change(
            str(uuid.uuid4()),
            "active",
            WEEK + timedelta(days=2),
            product_id=shop.YEAR,
            metadata={"user_id": str(buyer.auth_user_id)},
        )
        if not lost:
            await merchant.heard(event)
    async with merchant.pool.transaction() as connection:
        await purchases.follow(connection, datetime.now(UTC))


async def test_after_a_week_of_lost_webhooks_everything_is_as_it_would_have_been(
    merchant: Merchant, module_database: str
) -> None:
    await a_week(merchant, lost=False)
    expected = await merchant.tables()
    assert not (await merchant.reconcile()).differences
    merchant.polar.subscriptions.clear()
    async with shop.emptied(module_database):
        await a_week(merchant, lost=True)
        lost = await merchant.tables()
        assert lost != expected

        report = await merchant.reconcile()
        assert not report.refused
        assert await merchant.tables() == expected
        again = await merchant.reconcile()
        assert (again.differences, again.repaired, await merchant.tables()) == ([], 0, expected)


async def test_events_that_come_late_after_all_change_nothing_more(merchant: Merchant) -> None:
    await a_week(merchant, lost=True)
    await merchant.reconcile()
    reconciled = await merchant.tables()
    await merchant.heard(*(each for each in reversed(merchant.polar.events) if each.created_at >= WEEK))
    assert await merchant.tables() == reconciled


async def test_a_tenth_may_end_at_once_and_one_more_ends_nobody_without_force(merchant: Merchant) -> None:
    first, second, *_ = await merchant.subscribers(10)
    merchant.revoke(first)
    report = await merchant.reconcile()
    assert (report.refused, await merchant.status(first), await merchant.active()) == ([], "canceled", 9)

    merchant.revoke(second)
    new = await merchant.subscriber(heard=False)
    report = await merchant.reconcile()
    assert [each.polar_subscription_id for each in report.refused] == [second]
    assert await merchant.status(second) == "active"
    assert await merchant.status(new) == "active"  # the brake is for ends alone
    assert any("--force" in each for each in report.trouble)

    # With the new one there are ten again.
    assert not (await merchant.reconcile()).refused
    assert await merchant.status(second) == "canceled"


async def test_addons_that_lapse_do_not_hold_the_brake(merchant: Merchant) -> None:
    """Nobody was there to end them when their time was over."""
    lapsing, _ = await merchant.subscribers(2)
    ends = {"cancel_at_period_end": True, "ends_at": (NOW - timedelta(days=1)).isoformat()}
    canceled = merchant.polar.change(lapsing, "canceled", WEEK, **ends)
    await merchant.heard(canceled)
    await merchant.host.execute("update subscription_addons set status = 'active'")
    merchant.polar.change(lapsing, "revoked", NOW - timedelta(hours=23), **ENDED)
    report = await merchant.reconcile()
    assert (report.active, [each.repair for each in report.differences], report.trouble) == (1, ["change"], [])
    assert await merchant.status(lapsing) == "canceled"


async def test_an_empty_answer_ends_nobody(merchant: Merchant) -> None:
    everybody = await merchant.subscribers(12)
    merchant.polar.subscriptions.clear()
    report = await merchant.reconcile()
    assert await merchant.active() == 12
    assert report.refused
    assert len(merchant.polar.requests) < 8  # and nobody asks a dozen times more
    forced = await merchant.reconcile(force=True)
    assert (forced.repaired, await merchant.active()) == (12, 0)
    assert {await merchant.status(each) for each in everybody} == {"canceled"}


async def test_who_was_ended_because_polar_did_not_show_him_is_back_when_it_does(merchant: Merchant) -> None:
    owes, *_ = await merchant.subscribers(3)
    shown, before = dict(merchant.polar.subscriptions), await merchant.tables()
    merchant.polar.subscriptions.clear()
    await merchant.reconcile(force=True)
    assert await merchant.active() == 0
    assert [each["data_retention_days"] for each in (await merchant.tables())[0]] == [30] * 3
    merchant.polar.subscriptions.update(shown)
    report = await merchant.reconcile()
    assert (len(report.differences), await merchant.active()) == (3, 3)
    assert await merchant.tables() == before

    merchant.polar.subscriptions.clear()
    await merchant.reconcile(force=True)
    merchant.polar.subscriptions.update(shown)
    merchant.polar.change(owes, "past_due", WEEK, status="past_due")  # and so is in no list
    await merchant.reconcile()
    assert (await merchant.active(), await merchant.status(owes)) == (3, "active")


@pytest.mark.parametrize("fault", ["wrong token", "no scope", "away", "half"])
async def test_a_polar_that_does_not_answer_ends_nobody(merchant: Merchant, fault: str) -> None:
    merchant.revoke(*await merchant.subscribers(2))
    before = await merchant.tables()
    token = "polar_oat_wrong" if fault == "wrong token" else merchant.polar.token
    if fault == "no scope":
        merchant.polar.scopes = frozenset({"webhooks:read"})
    if fault == "away":
        merchant.polar.closed_for(4_000)
    if fault == "half":
        merchant.polar.faults = ['{"items": [], "pagination": {"max_page": 0}}', "oops"]
    async with PolarApi(merchant.polar.url, token) as api:
        with pytest.raises((BadInput, Unreachable)):
            await reconcile(api, merchant.pool, shop.PRODUCTS, force=True)
    assert await merchant.tables() == before


async def test_who_owes_is_kept_though_polar_does_not_list_him(merchant: Merchant) -> None:
    first, second, *_ = await merchant.subscribers(3)
    merchant.polar.change(first, "past_due", WEEK, status="past_due")  # unheard
    await merchant.heard(merchant.polar.change(second, "past_due", WEEK, status="past_due"))
    del merchant.polar.subscriptions[second]  # this Polar does not even show him
    report = await merchant.reconcile(force=True)
    assert (await merchant.active(), report.refused) == (3, [])
    status = "select metadata ->> 'polar_status' from subscription_addons where polar_subscription_id = $1"
    assert await merchant.host.fetchval(status, first) == "past_due"


async def test_a_dry_run_says_everything_and_changes_nothing(merchant: Merchant) -> None:
    old, *_ = await merchant.subscribers(10)
    new = await merchant.subscriber(heard=False)
    merchant.revoke(old)
    await merchant.polar.deliver(merchant.polar.events[-1])
    await merchant.host.execute("update webhook_deliveries set received_at = now() - interval '91 days'")
    tables: list[str] = ["subscription_addons", "webhook_deliveries", "workspaces", "workspace_backfill_jobs"]
    before = await shop.checksum(merchant.host, tables)
    report = await merchant.reconcile(dry_run=True)
    assert await shop.checksum(merchant.host, tables) == before
    assert {(each.polar_subscription_id, each.repair) for each in report.differences} == {(old, "end"), (new, "begin")}
    assert (report.repaired, report.redelivered, report.failed_events) == (0, 0, 1)
    assert all(method.startswith("GET") for method, _ in merchant.polar.requests)
    lines = "\n".join(report.lines())
    assert f"begin: {new}: here unknown; at Polar active, 365 days, paid until" in lines
    assert f"end: {old}: here active, 365 days, paid until" in lines


async def test_a_buyer_whom_nobody_knows_holds_up_nobody(merchant: Merchant) -> None:
    stranger = await merchant.buys(shop.Buyer(), heard=False)
    known = await merchant.subscriber(heard=False)
    report = await merchant.reconcile()
    assert await merchant.status(known) == "active"
    assert await merchant.status(stranger) is None
    [trouble] = report.trouble
    assert stranger in trouble


async def test_a_product_that_left_the_setting_keeps_what_was_bought(merchant: Merchant) -> None:
    kept = await merchant.subscriber(product=shop.DECADE)
    async with PolarApi(merchant.polar.url, merchant.polar.token) as api:
        report = await reconcile(api, merchant.pool, {shop.YEAR: 365}, force=True)
    assert (report.differences, await merchant.status(kept)) == ([], "active")
    assert report.listed == 1


async def test_what_polar_could_not_deliver_is_asked_for_again_and_comes(merchant: Merchant) -> None:
    [one] = await merchant.subscribers(1)
    missed = merchant.polar.change(one, "updated", NOW - timedelta(hours=1))
    here = merchant.polar.change(one, "updated", NOW - timedelta(hours=1))
    for event in (missed, here):
        await merchant.polar.deliver(event)
    await merchant.host.execute(
        "insert into webhook_deliveries (webhook_id, type, payload) values ($1, 'subscription.updated', $2)",
        here.id,
        here.payload,
    )
    came = []

    async def endpoint(event: Event) -> bool:
        came.append(event.id)
        return True

    merchant.polar.endpoint = endpoint
    report = await merchant.reconcile()
    assert (came, report.redelivered) == ([missed.id], 1)


@pytest.mark.parametrize("scope", ["webhooks:read", "webhooks:write"])
async def test_a_token_that_may_not_see_deliveries_repairs_all_the_same(merchant: Merchant, scope: str) -> None:
    new = await merchant.subscriber(heard=False)
    await merchant.polar.deliver(merchant.polar.events[-1], NOW)
    granted = {"subscriptions:read"} if scope == "webhooks:read" else {"subscriptions:read", "webhooks:read"}
    merchant.polar.scopes = frozenset(granted)
    report = await merchant.reconcile()
    assert await merchant.status(new) == "active"
    [trouble] = report.trouble
    assert scope in trouble


async def test_deliveries_of_more_than_ninety_days_ago_are_forgotten(merchant: Merchant) -> None:
    await merchant.subscribers(3)
    ages = "update webhook_deliveries set received_at = now() - make_interval(days => 88 + 2 * place) from ("
    ages += "select webhook_id as id, row_number() over (order by webhook_id)::int as place from webhook_deliveries"
    ages += ") it where webhook_id = id"
    await merchant.host.execute(ages)  # 90, 92 and 94 days
    await merchant.host.execute("update webhook_deliveries set received_at = received_at + interval '1 hour'")
    report = await merchant.reconcile()
    assert report.forgotten == 2
    assert await merchant.host.fetchval("select count(*) from webhook_deliveries") == 1
    assert await merchant.active() == 3
