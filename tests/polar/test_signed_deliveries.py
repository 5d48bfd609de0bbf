"""Deliveries of any kind over real HTTP, in any order: the tables are what Polar's own events say, and nothing else."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import aiohttp
import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import webhook
from polar.inbox import Inbox
from sandbox.postgres import Postgres
from store.database import Database
from tests.support import shop
from tests.support.polar.receiver import receiving
from tests.support.polar.story import Told, assert_is, granted, said, told
from tests.support.thoroughness import examples
from tests.support.waiting import PATIENCE

Kind = Literal[
    "event",
    "doubled",
    "another under its id",
    "replayed",
    "forged",
    "tampered",
    "unsigned",
    "of tomorrow",
    "not JSON",
    "oversized",
    "means nothing",
    "of a stranger",
    "while Postgres is away",
]
ANSWERS: dict[Kind, int] = {
    "event": 202,
    "doubled": 202,
    "another under its id": 202,
    "replayed": 403,
    "forged": 403,
    "tampered": 403,
    "unsigned": 403,
    "of tomorrow": 403,
    "not JSON": 400,
    "oversized": 413,
    "means nothing": 202,
    "of a stranger": 202,
    "while Postgres is away": 503,
}
NOTHING = {"type": "benefit_grant.created", "data": {"id": "one", "status": "active"}}


@dataclass
class Served:
    """The application as `webhook.py` has it; Temporal is away all the time."""

    url: str
    http: aiohttp.ClientSession
    inbox: Inbox
    dsn: str
    postgres: Postgres

    async def post(self, body: bytes, headers: dict[str, str]) -> int:
        async with self.http.post(f"{self.url}/webhooks/polar", data=body, headers=headers) as response:
            return response.status

    async def finish(self) -> None:
        while await self.inbox.finish_one():
            pass

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Postgres answers nobody but the tests' own connections."""
        name = self.dsn.rpartition("/")[2]
        async with shop.connected(self.postgres.url()) as administrator:
            await administrator.execute(f'alter database "{name}" allow_connections false')
            await administrator.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name <> $2",
                name,
                shop.OURS,
            )
            try:
                yield
            finally:
                await administrator.execute(f'alter database "{name}" allow_connections true')


@pytest.fixture(scope="module")
async def served(module_database: str, postgres: Postgres) -> AsyncIterator[Served]:
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with (
        Database(module_database) as pool,
        aiohttp.ClientSession(timeout=timeout) as http,
        receiving(pool) as (url, inbox),
    ):
        yield Served(url, http, inbox, module_database, postgres)


@dataclass
class Ledger:
    """What was taken, by delivery: what has to be in the tables is made of it alone."""

    buyer: shop.Buyer
    stranger: shop.Buyer = field(default_factory=shop.Buyer)
    taken: dict[str, Any] = field(default_factory=dict)
    """By id, as it came first."""
    told: dict[str, Told] = field(default_factory=dict)
    """The buyer's events among them."""
    waiting: dict[str, Told] = field(default_factory=dict)
    """Events of the stranger, whom nobody knows yet."""

    def take(self, webhook_id: str, payload: Any) -> None:
        self.taken.setdefault(webhook_id, payload)


def of(payload: Told, buyer: shop.Buyer) -> Told:
    """The event, of this buyer."""
    subscription = payload["data"].get("subscription", payload["data"])
    subscription["metadata"] = {"user_id": str(buyer.auth_user_id)}
    return payload


async def deliver(served: Served, ledger: Ledger, kind: Kind, payload: Told, before: int) -> None:
    """Sends one delivery of this kind, whose answer has to be the right one, and enters it into the ledger.

    `before` chooses which of the earlier ones is sent again, if there are any.
    """
    now, webhook_id = datetime.now(UTC), f"msg_{len(ledger.taken)}"
    earlier = sorted(ledger.told)[before % len(ledger.told)] if ledger.told else webhook_id
    event = of(payload, ledger.stranger if kind == "of a stranger" else ledger.buyer)
    again = ledger.told.get(earlier, event)
    body, headers = shop.signed(event, webhook_id=webhook_id)
    match kind:
        case "doubled":
            webhook_id, event = earlier, again
            body, headers = shop.signed(again, webhook_id=earlier)
        case "another under its id":
            webhook_id = earlier
            body, headers = shop.signed(event, webhook_id=earlier)
        case "replayed":
            body, headers = shop.signed(again, webhook_id=earlier, at=now - timedelta(minutes=6))
        case "forged":
            body, headers = shop.signed(event, webhook_id=webhook_id, secret=b"another")
        case "tampered":
            body = body.replace(b'"type"', b'"type" ')
        case "unsigned":
            del headers["webhook-signature"]
        case "of tomorrow":
            body, headers = shop.signed(event, webhook_id=webhook_id, at=now + timedelta(days=1))
        case "not JSON":
            body, headers = shop.signed(body[:-1], webhook_id=webhook_id)
        case "oversized":
            body, headers = shop.signed(body[:-1] + b" " * webhook.LARGEST_BODY + b"}", webhook_id=webhook_id)
        case "means nothing":
            body, headers = shop.signed(NOTHING, webhook_id=webhook_id)
            ledger.take(webhook_id, NOTHING)
        case "while Postgres is away":
            async with served.away():
                assert await served.post(body, headers) == 503
            assert await served.post(body, headers) == 202  # Polar sends it again
        case "event" | "of a stranger":
            pass
    if kind != "while Postgres is away":
        assert await served.post(body, headers) == ANSWERS[kind]
    if kind in ("event", "doubled", "another under its id", "while Postgres is away"):
        ledger.take(webhook_id, event)
        ledger.told.setdefault(webhook_id, event)
    elif kind == "of a stranger":
        ledger.take(webhook_id, event)
        ledger.waiting[webhook_id] = event


KINDS: st.SearchStrategy[Kind] = st.sampled_from(["event", "event", "event", *ANSWERS])
STEPS = st.lists(st.tuples(KINDS, told(), st.integers(0, 9)), min_size=1, max_size=10)


@settings(max_examples=examples(5, 100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_whatever_is_sent_the_tables_are_what_polars_own_events_say(
    module_database: str, served: Served, steps: list[tuple[Kind, Told, int]]
) -> None:
    async with shop.emptied(module_database) as host:
        buyer = await shop.buyer(host)
        workspaces = [await shop.workspace(host, buyer, f"octo/{keeps}", keeps=keeps) for keeps in (30, 400)]
        ledger, base = Ledger(buyer), await shop.checksum(host, ["subscriptions", "app_users"])
        for kind, payload, before in steps:
            event = Told(json.loads(json.dumps(payload)))
            if kind == "of a stranger":
                event["data"].get("subscription", event["data"])["id"] = "a stranger's"
            await deliver(served, ledger, kind, event, before)
            await served.finish()
            await tables_are_right(host, ledger, workspaces)
            assert await shop.checksum(host, ["subscriptions", "app_users"]) == base
        # The stranger signs up, and what he bought before is his.
        await shop.buyer(host, someone=ledger.stranger)
        await host.execute("update webhook_deliveries set next_attempt_at = null")
        await served.finish()
        waiting = said(ledger.waiting.values())
        rows = {row["polar_subscription_id"]: row for row in await shop.rows(host, "subscription_addons")}
        for one, known in waiting.items():
            assert_is(rows[one], known, ledger.stranger.auth_user_id)
        assert rows.keys() == said(ledger.told.values()).keys() | waiting.keys()
        assert await host.fetchval("select count(*) from webhook_deliveries where processed_at is null") == 0


async def tables_are_right(host: asyncpg.Connection, ledger: Ledger, workspaces: list[str]) -> None:
    deliveries = await shop.rows(host, "webhook_deliveries")
    assert {row["webhook_id"]: row["payload"] for row in deliveries} == ledger.taken
    unfinished = {row["webhook_id"] for row in deliveries if row["processed_at"] is None}
    ours = {each for each, event in ledger.waiting.items() if product(event) in shop.PRODUCTS}
    assert unfinished == ours, "waits for its buyer"
    known = said(ledger.told.values())
    rows = {row["polar_subscription_id"]: row for row in await shop.rows(host, "subscription_addons")}
    assert rows.keys() == known.keys()
    for one, it in known.items():
        assert_is(rows[one], it, ledger.buyer.auth_user_id)
    days = granted(known)
    kept = {str(row["id"]): row["data_retention_days"] for row in await shop.rows(host, "workspaces")}
    assert [kept[each] for each in workspaces] == [max(30, days), max(400, days)]
    jobs = await shop.rows(host, "workspace_backfill_jobs")
    assert all(job["signaled_at"] is None and job["status"] in ("pending", "canceled") for job in jobs)
    for workspace_id in workspaces:
        going = [
            job["retention_days"]
            for job in jobs
            if str(job["workspace_id"]) == workspace_id and job["status"] == "pending"
        ]
        assert max(going, default=0) == 0 if not days else max(going, default=0) >= days


def product(event: Told) -> str:
    data = event["data"].get("subscription", event["data"])
    return str(data["product_id"])
