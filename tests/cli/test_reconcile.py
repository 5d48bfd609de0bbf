"""`starter.py reconcile`: what it says, how it exits, and that Temporal hears of what it began."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from temporalio.client import Client

from cli import program
from messages import workspace_workflow_id
from sandbox.polar import PolarServer
from sandbox.ports import LOOPBACK
from tests.support import shop
from tests.support.listener import heard, listening

BOUGHT = datetime.now(UTC) - timedelta(days=3)


@dataclass
class Operator:
    """Runs the command in this process, beside a Polar with subscribers."""

    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    host: asyncpg.Connection
    client: Client
    polar: PolarServer

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        exit_code = await program.run(("reconcile", *arguments))
        said = self.capsys.readouterr()
        return exit_code, said.out, said.err

    async def subscriber(self) -> tuple[str, str]:
        """Somebody who bought, and of whom nothing was heard; answers his workspace and the subscription."""
        buyer, subscription = await shop.buyer(self.host), str(uuid.uuid4())
        workspace_id = await shop.workspace(self.host, buyer, "octo/a")
        bought_by = {"user_id": str(buyer.auth_user_id)}
        self.polar.change(subscription, "active", BOUGHT, product_id=shop.YEAR, metadata=bought_by)
        return workspace_id, subscription

    async def active(self) -> int:
        count: int = await self.host.fetchval("select count(*) from subscription_addons where status = 'active'")
        return count


@pytest.fixture(scope="module")
def database(module_database: str) -> str:
    return module_database


@pytest.fixture
async def operator(
    environment: dict[str, str],
    temporal_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Operator]:
    async with PolarServer() as polar, shop.emptied(environment["DATABASE_URL"]) as host:
        environment |= {"POLAR_ACCESS_TOKEN": polar.token, "POLAR_API_URL": polar.url}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("POLAR_WEBHOOK_SECRET")  # it takes no webhooks
        async with listening(temporal_client, environment["TEMPORAL_TASK_QUEUE"]):
            yield Operator(capsys, monkeypatch, host, temporal_client, polar)


async def test_it_says_every_difference_repairs_it_and_temporal_hears_of_it(operator: Operator) -> None:
    workspace_id, subscription = await operator.subscriber()
    exit_code, out, err = await operator("--dry-run")
    assert (exit_code, err, await operator.active()) == (0, "", 0)
    assert out.splitlines()[0].startswith(f"begin: {subscription}: here unknown; at Polar active, 365 days")
    assert "nothing was changed" in out

    exit_code, out, err = await operator()
    assert (exit_code, err, await operator.active()) == (0, "", 1)
    assert subscription in out
    assert "1 differences; 1 repaired" in out
    [job] = await heard(operator.client, workspace_id)
    assert job["signal"] == "run"

    exit_code, out, err = await operator()
    assert (exit_code, out.splitlines(), err) == (
        0,
        [
            "1 active subscriptions at Polar, 1 active add-ons here; 0 differences; 0 repaired; "
            "0 of 0 deliveries asked for again"
        ],
        "",
    )


async def test_the_brake_is_an_exit_code_and_one_line_until_it_is_forced(operator: Operator) -> None:
    await operator.subscriber()
    await operator()
    operator.polar.subscriptions.clear()
    for arguments in (["--dry-run"], []):
        exit_code, out, err = await operator(*arguments)
        assert (exit_code, await operator.active()) == (1, 1)
        assert "end: " in out
        [line] = err.splitlines()
        assert "--force" in line
    exit_code, out, err = await operator("--force")
    assert (exit_code, err, await operator.active()) == (0, "", 0)


@pytest.mark.parametrize(
    ("name", "value", "exit_code", "said"),
    [
        ("POLAR_ACCESS_TOKEN", "", 2, "POLAR_ACCESS_TOKEN: missing"),
        ("POLAR_ACCESS_TOKEN", "polar_oat_hunter2", 2, "POLAR_ACCESS_TOKEN: Polar does not accept it"),
        ("POLAR_API_URL", "api.polar.sh", 2, "POLAR_API_URL"),
        ("POLAR_RETENTION_PRODUCTS", "", 2, "POLAR_RETENTION_PRODUCTS: missing"),
        ("POLAR_RETENTION_PRODUCTS", "365", 2, "POLAR_RETENTION_PRODUCTS"),
        ("DATABASE_URL", "", 2, "DATABASE_URL: missing"),
        ("TEMPORAL_ADDRESS", f"{LOOPBACK}:1", 3, "Temporal"),
    ],
)
async def test_what_is_wrong_is_one_line(operator: Operator, name: str, value: str, exit_code: int, said: str) -> None:
    operator.monkeypatch.setenv(name, value)
    code, _, err = await operator()
    [line] = err.splitlines()
    assert (code, said in line, "hunter2" in line) == (exit_code, True, False)


async def test_jobs_whose_workflow_is_gone_are_said_too(operator: Operator) -> None:
    workspace_id, _ = await operator.subscriber()
    await operator()
    await operator.host.execute("update workspace_backfill_jobs set status = 'in_progress'")
    await operator.client.get_workflow_handle(workspace_workflow_id(workspace_id)).terminate()
    job = "select status from workspace_backfill_jobs"
    for arguments, then in ((["--dry-run"], "in_progress"), ([], "failed")):
        exit_code, out, _ = await operator(*arguments)
        assert (exit_code, await operator.host.fetchval(job)) == (0, then)
        assert "in progress, and its workflow was terminated in Temporal" in out


async def test_addons_are_repaired_while_temporal_is_away(operator: Operator) -> None:
    await operator.subscriber()
    operator.monkeypatch.setenv("TEMPORAL_ADDRESS", f"{LOOPBACK}:1")
    exit_code, _, _ = await operator()
    assert (exit_code, await operator.active()) == (3, 1)
