"""An attempt stops at its boundary, and gives up once the worker's time is over, whatever it was told before."""

import asyncio
import uuid
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from time import monotonic
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import PauseActivityRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities import attempts
from tests.support.backfill.attempts import environment
from tests.support.waiting import PATIENCE

SHUTDOWN_SECONDS = 0.5
began, stopped = asyncio.Event(), asyncio.Event()
"""Whether the attempt runs, and whether the attempt was told to stop."""


@dataclass
class Result:
    goes_on: bool = True


@activity.defn
async def held() -> Result:
    """Waits at no boundary, as for an answer of GitHub's that does not come, until its time is over."""
    stop, out_of_time = asyncio.Event(), asyncio.Event()

    async def slice_() -> Result:
        began.set()
        while not stop.is_set():
            activity.heartbeat()
            await asyncio.wait([asyncio.ensure_future(stop.wait())], timeout=0.1)
        stopped.set()
        await out_of_time.wait()
        return Result()

    return await attempts.stopping_at_a_boundary(
        slice_(), stop, out_of_time=out_of_time, shutdown_seconds=SHUTDOWN_SECONDS
    )


@workflow.defn
class Holding:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            held,
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=timedelta(seconds=PATIENCE),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


async def pause(handle: WorkflowHandle[Any, Any], client: Client) -> None:
    """Pauses the activity in Temporal, as an operator does."""
    await client.workflow_service.pause_activity(
        PauseActivityRequest(
            namespace=client.namespace, execution=WorkflowExecution(workflow_id=handle.id), identity="ann", type="held"
        )
    )


@pytest.mark.parametrize("before", [None, "canceled", "paused"])
async def test_a_worker_that_stops_does_not_wait_for_what_does_not_come(
    temporal_client: Client, before: str | None
) -> None:
    began.clear()
    stopped.clear()
    queue = f"test-{uuid.uuid4().hex[:12]}"
    worker = Worker(
        temporal_client,
        task_queue=queue,
        workflows=[Holding],
        activities=[held],
        workflow_runner=UnsandboxedWorkflowRunner(),
        graceful_shutdown_timeout=timedelta(seconds=SHUTDOWN_SECONDS),
        max_heartbeat_throttle_interval=timedelta(seconds=0.2),  # a cancel is heard of by a heartbeat
    )
    running = asyncio.create_task(worker.run())
    handle = await temporal_client.start_workflow(Holding.run, id=queue, task_queue=queue)
    async with asyncio.timeout(PATIENCE):
        await began.wait()
        if before is not None:
            await (handle.cancel() if before == "canceled" else pause(handle, temporal_client))
            await stopped.wait()
        await worker.shutdown()
        await running
    assert stopped.is_set()


async def test_heartbeats_stop_once_an_attempt_makes_no_progress() -> None:
    """So that Temporal ends an attempt that hangs, and starts another."""
    heard: list[str] = []
    progress = iter((inf, inf, monotonic() - attempts.HANG.total_seconds()))
    it = environment()
    it.on_heartbeat = heard.append
    async with asyncio.timeout(PATIENCE):
        await it.run(attempts.send_heartbeats, lambda: "position", lambda: next(progress), 0)
    assert heard == ["position", "position"]
