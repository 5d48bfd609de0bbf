"""A database with a workspace of two repositories, and a workflow that remembers what it was signaled."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from tests.support import shop
from tests.support.cli.operator import Operator


@pytest.fixture(scope="module")
def database(module_database: str) -> str:
    return module_database


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
