"""The worker as a program: every bad setting is one line and exit 2, an absent server one line and exit 3."""

import subprocess
import uuid
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

import worker
from messages import reconcile_schedule_id
from sandbox.polar import PolarServer
from sandbox.ports import LOOPBACK, free_port
from sandbox.temporal import TEMPORAL, Temporal
from tests.support import shop
from tests.support.programs import Programs
from tests.support.started import RunProgram, StartWorker, run_worker
from tests.support.waiting import PATIENCE, eventually


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
        ("TEMPORAL_DEPLOYMENT_NAME", "backfill"),  # without a build
        ("TEMPORAL_WORKER_BUILD_ID", "7"),
    ],
)
async def test_a_bad_setting_is_one_line_that_names_it(
    name: str, value: str, environment: dict[str, str], run_program: RunProgram
) -> None:
    ended = await run_program("worker.py", environment | {name: value})
    assert ended.exit_code == 2
    assert len(ended.stderr.strip().splitlines()) == 1
    assert name in ended.stderr


async def test_all_bad_settings_are_named_in_the_same_line(
    environment: dict[str, str], run_program: RunProgram
) -> None:
    wrong = {"DATABASE_URL": "", "GITHUB_TOKENS": "", "SLICE_PAGES": "25abc", "TEMPORAL_WORKER_BUILD_ID": "7"}
    ended = await run_program("worker.py", environment | wrong)
    assert (ended.exit_code, len(ended.stderr.strip().splitlines())) == (2, 1)
    assert not [name for name in wrong if name not in ended.stderr]


@pytest.mark.executed
async def test_a_bad_setting_is_the_same_line_to_whoever_executes_the_program(
    environment: dict[str, str], run_program: RunProgram
) -> None:
    ended = await run_program("worker.py", environment | {"GITHUB_TOKENS": ""})
    assert ended.exit_code == 2
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "GITHUB_TOKENS" in ended.stderr


@pytest.mark.parametrize("name", ["DATABASE_URL", "TEMPORAL_ADDRESS"])
async def test_a_server_that_does_not_answer_is_one_line_and_another_exit_code(
    name: str, environment: dict[str, str], run_program: RunProgram
) -> None:
    nobody = f"{LOOPBACK}:{free_port()}"
    value = f"postgresql://someone:hunter2@{nobody}/x" if name == "DATABASE_URL" else nobody
    ended = await run_program("worker.py", environment | {name: value})
    assert ended.exit_code == 3
    assert len(ended.stderr.strip().splitlines()) == 1
    assert nobody in ended.stderr
    assert "hunter2" not in ended.stderr


@pytest.mark.executed
async def test_a_worker_told_to_stop_ends_well(environment: dict[str, str], start_worker: StartWorker) -> None:
    process = await start_worker(environment)
    process.stop(within=PATIENCE)
    assert process.exit_code == 0


async def test_decisions_are_kept_with_a_hash_of_the_code_that_decided(
    environment: dict[str, str], start_worker: StartWorker, temporal_client: Client
) -> None:
    await start_worker(environment)
    for kind in (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY):
        request = DescribeTaskQueueRequest(
            namespace=temporal_client.namespace,
            task_queue=TaskQueue(name=environment["TEMPORAL_TASK_QUEUE"]),
            task_queue_type=kind,
        )
        described = await temporal_client.workflow_service.describe_task_queue(request)
        told = {poller.worker_version_capabilities.build_id for poller in described.pollers}
        assert told == {worker.build_id()}


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


async def test_a_worker_to_which_temporal_speaks_no_more_says_so_once_and_ends_for_its_supervisor(
    environment: dict[str, str], programs: Programs, temporal: Temporal
) -> None:
    """Here its namespace is deleted. The SDK would poll for ever, and nobody would see that nothing gets to it."""
    namespace = f"gone-{uuid.uuid4().hex[:8]}"

    def operate(*arguments: str) -> None:
        command = [str(TEMPORAL), "operator", "namespace", *arguments, "--namespace", namespace]
        subprocess.run([*command, "--address", temporal.address], check=True, capture_output=True)

    operate("create")
    client = await Client.connect(temporal.address, namespace=namespace)

    async def known() -> bool:  # a new namespace takes a moment to be
        with suppress(RPCError):
            await client.count_workflows("")
            return True
        return False

    await eventually(known)
    told = environment | {"TEMPORAL_NAMESPACE": namespace, "TEMPORAL_SILENCE_SECONDS": "5"}
    process = await run_worker(programs, client, told)
    operate("delete", "--yes")

    async def ended() -> bool:
        return process.exit_code is not None

    await eventually(ended)
    assert process.exit_code == 3
    words = process.tail(100)
    assert "worker: no work for 5 s: temporal_unreachable: " in words
    assert words.count("jobs wait for a server") == 1
    assert "jobs are reconciled again" not in words
