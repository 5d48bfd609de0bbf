"""Buyers with workspaces in the host's tables, and Polar's events about them, signed by `standardwebhooks`."""

import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from standardwebhooks import Webhook

from sandbox.postgres import Postgres
from store.job_requests import Actor

SECRET = "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdHM="
"""As in `conftest.environment`, and so is the product."""
YEAR = "65248b4b-20d8-4ad0-95c2-c39f80dc4d18"
OURS = "tests"
"""The application name of the tests' own connections."""
DECADE = "d1f2b9c4-52f2-4b77-9b8e-3d3a4b5f7c11"
PRODUCTS = {YEAR: 365, DECADE: 3650}
OPERATOR = Actor("operator:somebody", "cli")


# What `truncate ... cascade` would do, at a fifth of the price: that makes new files of 150 tables and indexes.
EMPTY = """
do $$
declare
    emptied regclass;
begin
    set local session_replication_role = replica;
    for emptied in
        with recursive reached(oid) as (
            select name::regclass::oid
            from unnest('{app_users,repositories,subscriptions,notifications,webhook_deliveries}'::text[]) as name
            union
            select conrelid from pg_constraint join reached on confrelid = reached.oid where contype = 'f'
        )
        select oid from reached join pg_class using (oid) where relkind = 'r' and pg_relation_size(oid) > 0
    loop
        execute format('delete from only %s', emptied);
    end loop;
end
$$
"""


@dataclass(frozen=True)
class Buyer:
    auth_user_id: uuid.UUID = field(default_factory=uuid.uuid4)
    app_user_id: uuid.UUID = field(default_factory=uuid.uuid4)
    base_subscription_id: uuid.UUID = field(default_factory=uuid.uuid4)
    polar_customer_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@asynccontextmanager
async def database(postgres: Postgres, template: str) -> AsyncIterator[str]:
    """Yields the DSN of a new database, a copy of `template`; drops it at the end. A module whose tests can share one
    takes the fixture `module_database`.
    """
    name = f"test_{uuid.uuid4().hex[:12]}"
    dsn = await postgres.create_database(name, template)
    try:
        yield dsn
    finally:
        await postgres.drop_database(name)


@asynccontextmanager
async def emptied(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Yields a connection to the database, after everything that was bought is deleted."""
    async with connected(dsn) as connection:
        await connection.execute(EMPTY)
        yield connection


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn, server_settings={"application_name": OURS})
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    try:
        yield connection
    finally:
        await connection.close()


async def buyer(connection: asyncpg.Connection, *, someone: Buyer | None = None, subscribed: bool = True) -> Buyer:
    """Creates a person with an account and, if `subscribed`, a base subscription of tier `pro`."""
    someone = someone or Buyer()
    await connection.execute(
        "insert into app_users (id, auth_user_id) values ($1, $2)", someone.app_user_id, someone.auth_user_id
    )
    if subscribed:
        await connection.execute(
            """
            insert into subscriptions (id, user_id, tier, status, polar_customer_id, polar_subscription_id)
            values ($1, $2, 'pro', 'active', $3, 'base')
            """,
            someone.base_subscription_id,
            someone.auth_user_id,
            someone.polar_customer_id,
        )
    return someone


async def workspace(
    connection: asyncpg.Connection,
    owner: Buyer,
    *repositories: str,
    slug: str | None = None,
    active: bool = True,
    keeps: int | None = 30,
) -> str:
    """Creates a workspace of `owner` with these repositories (owner/name); returns its id."""
    workspace_id = await connection.fetchval(
        """
        insert into workspaces (name, slug, owner_id, is_active, data_retention_days)
        values ($1, $1, $2, $3, $4) returning id
        """,
        slug or f"workspace-{uuid.uuid4().hex[:8]}",
        owner.app_user_id,
        active,
        keeps,
    )
    for full_name in repositories:
        repository_id = await connection.fetchval(
            """
            insert into repositories (github_id, owner, name, full_name)
            values ((select coalesce(max(github_id), 0) + 1 from repositories), $1, $2, $3)
            on conflict (full_name) do update set name = excluded.name returning id
            """,
            *full_name.split("/"),
            full_name,
        )
        await connection.execute(
            "insert into workspace_repositories (workspace_id, repository_id, added_by) values ($1, $2, $3)",
            workspace_id,
            repository_id,
            owner.app_user_id,
        )
    return str(workspace_id)


def event(
    kind: str = "subscription.active",
    *,
    buyer: Buyer | None = None,
    subscription: str = "polar-subscription",
    product: str = YEAR,
    status: str = "active",
    at: datetime | None = None,
    **data: Any,
) -> dict[str, Any]:
    """Returns an event as Polar sends it, with more fields than we read. `data` replaces fields of the subscription."""
    at = at or datetime.now(UTC)
    return {
        "type": kind,
        "timestamp": at.isoformat().replace("+00:00", "Z"),
        "api_version": "2027-01",
        "data": {
            "id": subscription,
            "status": status,
            "product_id": product,
            "customer_id": str(uuid.uuid4()),
            "customer": {"external_id": None, "email": "buyer@example.com", "name": "Ünïcödé 🦖"},
            "metadata": {"user_id": str(buyer.auth_user_id), "note": 1} if buyer else {},
            "amount": 10**20,
            "started_at": "2026-01-01T00:00:00Z",
            "current_period_start": at.isoformat(),
            "current_period_end": (at + timedelta(days=30)).isoformat(),
            "cancel_at_period_end": False,
            "ends_at": None,
            "ended_at": None,
            "trial_end": None,
            "prices": [{"of": ["a", "shape", {"that": "is new"}]}],
            **data,
        },
    }


def signed(
    payload: Any,
    *,
    webhook_id: str | None = None,
    secret: str | bytes = SECRET,
    at: datetime | None = None,
) -> tuple[bytes, dict[str, str]]:
    """Returns body and headers of a signed delivery. `payload` may be the body itself."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    webhook_id, at = webhook_id or f"msg_{uuid.uuid4().hex}", at or datetime.now(UTC)
    return body, {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, at.replace(microsecond=0), body.decode()),
    }


async def deliver(connection: asyncpg.Connection, *payloads: Any) -> list[str]:
    """Stores deliveries as the server does, in this order; returns their ids."""
    webhook_ids = [f"msg_{uuid.uuid4().hex}" for _ in payloads]
    for webhook_id, payload in zip(webhook_ids, payloads, strict=True):
        await connection.execute(
            """
            insert into webhook_deliveries (webhook_id, type, payload, received_at)
            values ($1, $2, $3, clock_timestamp())
            """,
            webhook_id,
            payload["type"] if isinstance(payload, dict) else "",
            text if "\\u0000" in (text := json.dumps(payload)) else payload,
        )
    return webhook_ids


async def rows(connection: asyncpg.Connection, table: str, order: str = "1") -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch(f"select * from {table} order by {order}")]


async def checksum(connection: asyncpg.Connection, tables: Sequence[str]) -> list[str]:
    """Returns a checksum of each table; it differs if anything in the table has changed."""
    return [
        await connection.fetchval(
            f"select md5(coalesce(string_agg(t::text, e'\\n' order by t::text), '')) from {table} t"
        )
        for table in tables
    ]
