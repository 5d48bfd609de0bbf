"""What the workflow of a reading decides, with activities that only pretend."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.failures import as_application_error
from errors import JobOver, RetryNow
from messages import ArchivePlan, ArchiveProgress, ArchiveRead, ArchiveSlice, EndArchive, Pace, archive_workflow_id
from tests.support.waiting import PATIENCE
from tests.support.workflows.pretence import HEARTBEATS_EVERY, TEST_SERVER
from workflows.archive import ArchiveWorkflow
from workflows.order import sweep_queue

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = 40
EARLY = 100


@pytest.fixture(scope="module")
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    environment = await WorkflowEnvironment.start_time_skipping(
        data_converter=pydantic_data_converter, test_server_existing_path=str(TEST_SERVER)
    )
    async with environment:
        yield environment


def after(hours: int, **more: Any) -> ArchiveProgress:
    outcome = "completed" if hours == HOURS else "more"
    return ArchiveProgress.model_validate({"outcome": outcome, "next_hour": FIRST + timedelta(hours=hours)} | more)


Slice = Callable[[int], Awaitable[ArchiveProgress]]


@dataclass
class Pretence:
    """`slice_is` says what each call of the activity comes to, counted from 1."""

    slice_is: Slice
    status: Any = "in_progress"
    begun: int = 0
    calls: list[datetime] = field(default_factory=list)
    ended: list[EndArchive] = field(default_factory=list)

    @activity.defn(name="begin_archive")
    async def begin_archive(self, read: ArchiveRead) -> ArchivePlan:
        self.begun += 1
        return ArchivePlan(
            read_id=read.read_id,
            workspace_id="w",
            workspace_name="Work",
            status=self.status,
            repositories=1,
            first_hour=FIRST,
            last_hour=FIRST + timedelta(hours=HOURS - 1),
            pace=Pace(heartbeat_timeout_seconds=30),
        )

    @activity.defn(name="read_archive")
    async def read_archive(self, _slice: ArchiveSlice) -> ArchiveProgress:
        self.calls.append(activity.info().started_time)
        return await self.slice_is(len(self.calls))

    @activity.defn(name="end_archive")
    async def end_archive(self, ending: EndArchive) -> None:
        self.ended.append(ending)

    @asynccontextmanager
    async def started(self, client: Client) -> AsyncIterator[WorkflowHandle[Any, Any]]:
        queue, read_id = f"pretence-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
        decisions: list[Callable[..., Any]] = [self.begin_archive, self.end_archive]
        async with (
            Worker(client, task_queue=queue, workflows=[ArchiveWorkflow], activities=decisions),
            Worker(
                client,
                task_queue=sweep_queue(queue, "historical"),
                activities=[self.read_archive],
                max_heartbeat_throttle_interval=HEARTBEATS_EVERY,
            ),
        ):
            yield await client.start_workflow(
                ArchiveWorkflow.run,
                ArchiveRead(read_id=read_id),
                id=archive_workflow_id(read_id),
                task_queue=queue,
            )


async def test_a_long_reading_goes_on_in_new_runs(
    skipping: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def long(info: workflow.Info) -> bool:
        return info.get_current_history_length() > EARLY

    monkeypatch.setattr(workflow.Info, "is_continue_as_new_suggested", long)

    async def an_hour(call: int) -> ArchiveProgress:
        return after(call)

    pretence = Pretence(an_hour)
    async with pretence.started(skipping.client) as handle:
        result = await asyncio.wait_for(handle.result(), PATIENCE)
        last = skipping.client.get_workflow_handle(handle.id)
        described = await last.describe()
        assert described.raw_info.first_run_id != described.run_id
    assert (result.outcome, len(pretence.calls), pretence.begun, pretence.ended) == ("completed", HOURS, 1, [])


async def test_a_limit_is_slept_through_without_an_attempt(skipping: WorkflowEnvironment) -> None:
    async def limited_once(call: int) -> ArchiveProgress:
        if call > 1:
            return after(HOURS)
        until = activity.info().started_time + timedelta(hours=1)
        return after(3, outcome="limited", limited_until=until)

    pretence = Pretence(limited_once)
    async with pretence.started(skipping.client) as handle:
        await asyncio.wait_for(handle.result(), PATIENCE)
    first, second = pretence.calls
    assert timedelta(hours=1) <= second - first < timedelta(hours=1, seconds=30)


async def test_what_passes_is_tried_again(skipping: WorkflowEnvironment) -> None:
    async def failing(call: int) -> ArchiveProgress:
        if call < 30:
            raise as_application_error(RetryNow("http_502", "the server failed"), timedelta(minutes=2))
        return after(HOURS)

    pretence = Pretence(failing)
    async with pretence.started(skipping.client) as handle:
        assert (await asyncio.wait_for(handle.result(), PATIENCE)).outcome == "completed"
    assert len(pretence.calls) == 30, "only the activity says when it is enough"


async def test_what_is_over_is_written_down(skipping: WorkflowEnvironment) -> None:
    async def over(call: int) -> ArchiveProgress:
        if call == 1:
            return after(7)
        raise as_application_error(JobOver("deleted", "it was deleted", "nothing is left to do"))

    pretence = Pretence(over)
    async with pretence.started(skipping.client) as handle:
        result = await asyncio.wait_for(handle.result(), PATIENCE)
    assert (result.outcome, result.failure.code, result.next_hour) == ("failed", "deleted", FIRST + timedelta(hours=7))
    assert [(each.status, each.failure and each.failure.code) for each in pretence.ended] == [("failed", "deleted")]


@pytest.mark.parametrize("swallowed", [False, True], ids=["canceled", "ends by itself"])
async def test_a_cancel_is_written_down_after_the_slice_has_stopped(
    skipping: WorkflowEnvironment, swallowed: bool
) -> None:
    reading, stopped = asyncio.Event(), asyncio.Event()

    async def until_canceled(_call: int) -> ArchiveProgress:
        reading.set()
        try:
            while True:
                activity.heartbeat()
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            stopped.set()
            if swallowed:
                return after(5)
            raise

    pretence = Pretence(until_canceled)
    async with pretence.started(skipping.client) as handle:
        await asyncio.wait_for(reading.wait(), PATIENCE)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), PATIENCE)
        assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
    assert stopped.is_set()
    assert [each.status for each in pretence.ended] == ["canceled"]
    assert len(pretence.calls) == 1


async def test_a_reading_that_has_ended_is_not_read(skipping: WorkflowEnvironment) -> None:
    async def never(_call: int) -> ArchiveProgress:
        raise AssertionError

    pretence = Pretence(never, status="canceled")
    async with pretence.started(skipping.client) as handle:
        assert await asyncio.wait_for(handle.result(), PATIENCE) is None
    assert (pretence.calls, pretence.ended) == ([], [])
