"""Starts the project's programs; returns when they are ready."""

import asyncio
import os
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pytest
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from sandbox.ports import LOOPBACK
from sandbox.processes import Process, answers_http
from sandbox.temporal import Temporal
from tests.support.programs import Programs, is_setting
from tests.support.waiting import PATIENCE

PROGRAMS = pytest.StashKey[Programs]()


def program_environment(database: str, temporal: Temporal) -> dict[str, str]:
    """Returns the programs' environment, with a task queue of its own."""
    inherited = {name: value for name, value in os.environ.items() if not is_setting(name)}
    return inherited | {
        "DATABASE_URL": database,
        "TEMPORAL_ADDRESS": temporal.address,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "TEMPORAL_TASK_QUEUE": f"test-{uuid.uuid4().hex[:12]}",
        "GITHUB_API_URL": f"http://{LOOPBACK}:1",
        "GITHUB_TOKENS": "ghp_stand_in",
        "GITHUB_BUDGET_SHARE": "1",
        "POLAR_WEBHOOK_SECRET": "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdHM=",
        "POLAR_RETENTION_PRODUCTS": '{"65248b4b-20d8-4ad0-95c2-c39f80dc4d18": 365}',
        "LOG_FORMAT": "json",
        "HOST": LOOPBACK,
        "HEARTBEAT_TIMEOUT_SECONDS": "12",
        "SHUTDOWN_SECONDS": "5",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


class StartWorker(Protocol):
    """Starts `worker.py` with this environment; returns when it polls its task queue."""

    async def __call__(self, environment: Mapping[str, str]) -> Process: ...


async def run_worker(programs: Programs, client: Client, environment: Mapping[str, str]) -> Process:
    """Starts `worker.py`; returns when it polls its task queues."""
    worker = programs.run(f"worker-{len(programs.started)}", "worker.py", env=environment)
    base = environment["TEMPORAL_TASK_QUEUE"]
    queues = environment.get("WORKER_QUEUES", "workflows,recent,historical").split(",")
    polled = [base if each == "workflows" else f"{base}-{each}" for each in queues]
    await worker.until_ready(lambda: _poll_all(client, polled, worker), within=PATIENCE)
    return worker


async def _poll_all(client: Client, task_queues: Sequence[str], worker: Process) -> bool:
    # Temporal need not be asked before the worker says so: each look at its queues costs all of us a millisecond.
    if not re.search(r"[\" ]polling\b", worker.tail(1_000)):
        return False
    return all(await asyncio.gather(*(_polls(client, each, worker.pid) for each in task_queues)))


async def _polls(client: Client, task_queue: str, pid: int) -> bool:
    sweeps = task_queue.endswith(("-recent", "-historical"))
    kinds = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
    for kind in kinds[1:] if sweeps else kinds:
        queue = TaskQueue(name=task_queue)
        request = DescribeTaskQueueRequest(namespace=client.namespace, task_queue=queue, task_queue_type=kind)
        described = await client.workflow_service.describe_task_queue(request)
        if not any(poller.identity.startswith(f"{pid}@") for poller in described.pollers):
            return False
    return True


class StartWebhook(Protocol):
    """Starts `webhook.py` with this environment; returns its address once it is healthy."""

    async def __call__(self, environment: Mapping[str, str]) -> tuple[Process, str]: ...


async def run_webhook(programs: Programs, environment: Mapping[str, str], port: int) -> tuple[Process, str]:
    """Starts `webhook.py`; returns it and its address once it is healthy."""
    name = f"webhook-{len(programs.started)}"
    webhook = programs.run(name, "webhook.py", env={**environment, "PORT": str(port)})
    url = f"http://{LOOPBACK}:{port}"
    await asyncio.to_thread(webhook.wait_ready, answers_http(f"{url}/healthz"), within=PATIENCE)
    return webhook, url


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    exit_code: int
    stdout: str
    stderr: str


class RunProgram(Protocol):
    """Runs a program, such as `worker.py`, with these arguments until it has ended."""

    async def __call__(self, program: str, environment: Mapping[str, str], *arguments: str) -> Ended: ...


class RunStarter(Protocol):
    """Runs `starter.py` with these arguments until it has ended."""

    async def __call__(self, environment: Mapping[str, str], *arguments: str) -> Ended: ...
