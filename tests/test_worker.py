"""The worker as a program: every bad setting is one line and exit 2, an absent server one line and exit 3."""

import asyncio
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from temporalio.client import Client

from messages import reconcile_schedule_id
from sandbox.polar import PolarServer
from sandbox.ports import LOOPBACK, free_port
from tests.conftest import StartWorker
from tests.support import shop
from tests.support.programs import ROOT
from tests.support.waiting import PATIENCE, eventually


async def run_worker(environment: dict[str, str], directory: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, ROOT / "worker.py", env=environment, cwd=directory, stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode is not None
    return process.returncode, stderr.decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "mysql://somewhere"),
        ("GITHUB_TOKENS", ""),
        ("GITHUB_APP_ID", "1234"),  # without a key
        ("GITHUB_APP_PRIVATE_KEY", "-----BEGIN RSA PRIVATE KEY-----"),
        ("GITHUB_API_URL", "api.github.com"),
        ("GITHUB_BUDGET_SHARE", "7"),
        ("GITHUB_BUDGET_SHARE", "most"),
        ("GH_ARCHIVE_URL", "data.gharchive.org"),
        ("POLAR_API_URL", "api.polar.sh"),
        ("SLICE_PAGES", "25abc"),
        ("OPENAI_BASE_URL", "api.openai.com"),
        ("EMBEDDING_DIMENSIONS", "384.5"),
        ("EMBEDDING_DIMENSIONS", "1536"),  # not the column's
        ("EMBEDDING_DIMENSIONS", "3072"),  # more than pgvector's index takes
        ("LOG_FORMAT", "xml"),
        ("WORKER_QUEUES", "workflows,bulk"),
        ("WORKER_QUEUES", " , "),
        ("TEMPORAL_ADDRESS", "http://localhost:7233"),
        ("TEMPORAL_PAYLOAD_KEYS", "k1:dG9vIHNob3J0"),
    ],
)
async def test_a_bad_setting_is_one_line_that_names_it(
    name: str, value: str, environment: dict[str, str], tmp_path: Path
) -> None:
    exit_code, stderr = await run_worker(environment | {name: value}, tmp_path)
    assert exit_code == 2
    assert len(stderr.strip().splitlines()) == 1
    assert name in stderr


@pytest.mark.parametrize("name", ["DATABASE_URL", "TEMPORAL_ADDRESS"])
async def test_a_server_that_does_not_answer_is_one_line_and_another_exit_code(
    name: str, environment: dict[str, str], tmp_path: Path
) -> None:
    nobody = f"{LOOPBACK}:{free_port()}"
    value = f"postgresql://someone:hunter2@{nobody}/x" if name == "DATABASE_URL" else nobody
    exit_code, stderr = await run_worker(environment | {name: value}, tmp_path)
    assert exit_code == 3
    assert len(stderr.strip().splitlines()) == 1
    assert nobody in stderr
    assert "hunter2" not in stderr


@pytest.mark.executed
async def test_a_worker_told_to_stop_ends_well(environment: dict[str, str], start_worker: StartWorker) -> None:
    worker = await start_worker(environment)
    worker.stop(within=PATIENCE)
    assert worker.exit_code == 0


async def test_a_worker_with_a_token_has_polar_asked(
    environment: dict[str, str], start_worker: StartWorker, temporal_client: Client
) -> None:
    async with PolarServer() as polar, shop.connected(environment["DATABASE_URL"]) as host:
        buyer = await shop.buyer(host)
        bought_by = {"user_id": str(buyer.auth_user_id)}
        polar.change(str(uuid.uuid4()), "active", datetime.now(UTC), product_id=shop.YEAR, metadata=bought_by)
        await start_worker(environment | {"POLAR_ACCESS_TOKEN": polar.token, "POLAR_API_URL": polar.url})
        schedule = temporal_client.get_schedule_handle(reconcile_schedule_id(environment["TEMPORAL_TASK_QUEUE"]))
        await schedule.trigger()

        async def active() -> bool:
            return bool(await host.fetchval("select count(*) from subscription_addons where status = 'active'"))

        await eventually(active)
        await schedule.delete()
