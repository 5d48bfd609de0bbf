"""A database with a workspace of two repositories, and a workflow that remembers what it was signaled."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from sandbox.postgres import Postgres
from tests.support import shop
from tests.support.cli.operator import Operator


@pytest.fixture(scope="module")
async def database(postgres: Postgres, migrated_template: str) -> AsyncIterator[str]:
    async with shop.database(postgres, migrated_template) as dsn:
        yield dsn


@pytest.fixture
async def operator(
    environment: dict[str, str],
    temporal_client: Client,
    listened_queue: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Operator]:
    environment |= {"TEMPORAL_TASK_QUEUE": listened_queue}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with shop.emptied(environment["DATABASE_URL"]) as host:
        buyer = await shop.buyer(host)
        workspace_id = await shop.workspace(host, buyer, "octo/a", "Octo/B", slug="acme", keeps=30)
        yield Operator(capsys, host, temporal_client, buyer, workspace_id, listened_queue, environment)
