"""A purchase on the database that the host's production has, constraints and all, once `migrate` has been there."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from messages import Failure
from polar.inbox import Inbox
from sandbox.postgres import Postgres
from schema.migrate import migrate
from store import job_attempts, job_views
from store.database import Database
from tests.support import shop
from tests.support.schema.databases import HOST_ROWS, HOST_SCHEMA

OWNER = "00000000-0000-4000-8000-0000000000a1"


@pytest.fixture
async def database(postgres: Postgres) -> AsyncIterator[str]:
    if not HOST_SCHEMA.is_file():
        pytest.skip("the host's schema is not beside the checkout")
    async with shop.database(postgres, "template0") as dsn:
        async with shop.connected(dsn) as connection:
            await connection.execute(HOST_SCHEMA.read_text("utf-8") + HOST_ROWS)
        await migrate(dsn, report=lambda _line: None)
        yield dsn


async def test_a_purchase_there_is_a_purchase(database: str) -> None:
    async with shop.connected(database) as host, Database(database) as pool:
        before = await shop.checksum(host, ["subscriptions", "app_users", "(select id, tier from workspaces)"])
        event = shop.event(metadata={"user_id": OWNER})
        await shop.deliver(host, event)
        assert await Inbox(pool, shop.PRODUCTS, created=lambda: None).finish_one()
        [delivery] = await shop.rows(host, "webhook_deliveries")
        assert (delivery["error"], delivery["processed_at"] is not None) == (None, True)
        addon = await host.fetchrow("select * from subscription_addons where polar_subscription_id is not null")
        assert addon is not None
        assert (addon["status"], addon["retention_days"], str(addon["user_id"])) == ("active", 365, OWNER)
        [job] = await shop.rows(host, "workspace_backfill_jobs")
        assert (job["total_repositories"], job["status"]) == (1, "pending")
        assert await host.fetchval("select data_retention_days from workspaces") == 365
        assert await shop.checksum(host, ["subscriptions", "app_users", "(select id, tier from workspaces)"]) == before
        await ends_as_failed(host, pool, str(job["id"]))


async def ends_as_failed(host: asyncpg.Connection, pool: Database, job_id: str) -> None:
    reason = Failure(code="workflow_terminated", message="it was terminated", action="retry")
    async with pool.transaction() as connection:
        await job_attempts.end(connection, job_id, status="failed", reason=reason)
    told = await host.fetchrow("select * from notifications where operation_type = 'backfill'")
    assert told is not None
    assert (told["operation_id"], told["status"], str(told["user_id"])) == (job_id, "failed", OWNER)
    async with pool.transaction() as connection:
        job = await job_views.look(connection, job_id)
    assert (job.status, job.error_message, len(job.repositories)) == ("failed", "it was terminated (retry)", 1)
