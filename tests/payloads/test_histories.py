"""Histories on a real Temporal server while payloads are encrypted: what is in them, and that they go on."""

import asyncio
import base64
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import MarkerRecordedEventAttributes
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Replayer, Worker

import temporal as ours
from activities.failures import as_application_error
from errors import PartOver
from messages import RepositoryRef, SliceResult, SweepSlice, repository_workflow_id
from payloads.encryption import ENCODING, KEY_ID
from sandbox.temporal import Temporal
from tests.support.waiting import PATIENCE, eventually
from tests.support.workflows.histories import read
from tests.support.workflows.pretence import DONE, Pretence, start
from workflows.archive import ArchiveWorkflow
from workflows.repository_backfill import RepositoryBackfillWorkflow
from workflows.workspace_backfill import WorkspaceBackfillWorkflow

OLD, NEW = (f"{name}:{base64.b64encode(os.urandom(32)).decode()}" for name in ("old", "new"))
ROCKET = RepositoryRef(
    repository_id="00000000-0000-4000-8000-000000000001",
    github_id=1,
    full_name="acme/rocket",
    name_at_start="acme/rocket",
)
"""The namespace of these tests does not know `RepositoryFullName`: names are in no id either."""

Connect = Callable[[str], Awaitable[Client]]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, temporal: Temporal) -> Connect:
    """Connects as the programs do, with this `TEMPORAL_PAYLOAD_KEYS`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.address)

    async def connected(keys: str) -> Client:
        monkeypatch.setenv("TEMPORAL_PAYLOAD_KEYS", keys)
        return await ours.connect()

    return connected


def within(message: Message, kind: type[Message]) -> Iterator[Any]:
    """Every message of this kind in `message`, at any depth, but search attributes, which Temporal has to read, and
    the SDK's own notes of which changes of a workflow's shape it knows."""
    if isinstance(message, SearchAttributes):
        return
    if isinstance(message, MarkerRecordedEventAttributes) and message.marker_name == "core_patch":
        return
    if isinstance(message, kind):
        yield message
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        if descriptor.message_type.GetOptions().map_entry:
            values = [each for each in value.values() if isinstance(each, Message)]
        else:
            values = list(value) if descriptor.is_repeated else [value]
        for each in values:
            yield from within(each, kind)


async def backfill(client: Client) -> list[Message]:
    """The events of a job, and of its repository, of which one type fails."""

    async def sweep(slice_: SweepSlice, _call: int) -> SliceResult:
        if slice_.data_type == "issues":
            raise as_application_error(PartOver("gone", f"{slice_.repository.full_name} was deleted"))
        activity.heartbeat(f"at a page of {slice_.repository.full_name}")
        return DONE

    pretence = Pretence([ROCKET], sweep_is=sweep)
    job_id = uuid.uuid4().hex
    async with pretence.worked(client) as queue:
        handle = await start(client, queue, job_id)
        await asyncio.wait_for(handle.result(), PATIENCE)
    assert {each.data_type: each.status for each in pretence.outcome("acme/rocket").types} == {
        "pull_requests": "completed",
        "issues": "failed",
    }
    repository = client.get_workflow_handle(repository_workflow_id(job_id, ROCKET.repository_id))
    described = (await handle.describe()).raw_description
    return [described, *(await events_of(handle)), *(await events_of(repository))]


async def events_of(handle: WorkflowHandle[Any, Any]) -> list[Message]:
    return [event async for event in handle.fetch_history_events()]


async def test_nothing_that_a_backfill_tells_temporal_can_be_read(connect: Connect) -> None:
    plain = await backfill(await connect(""))
    text = b"".join(each.SerializeToString() for each in plain)
    assert text.count(b"acme/rocket") > 10
    assert b"was deleted" in text
    assert b"Traceback" in text or b".py" in text

    encrypted = await backfill(await connect(OLD))
    text = b"".join(each.SerializeToString() for each in encrypted)
    assert b"rocket" not in text
    assert b"was deleted" not in text
    assert b".py" not in text
    payloads = [each for message in encrypted for each in within(message, Payload)]
    assert len(payloads) > 20
    assert {(each.metadata["encoding"], each.metadata[KEY_ID]) for each in payloads} == {(ENCODING, b"old")}
    failures = [each for message in encrypted for each in within(message, Failure)]
    assert failures
    for each in failures:
        assert (each.message, each.stack_trace) == ("Encoded failure", "")


# --- Keys that come and go while a workflow runs ----------------------------------------------------------------------


@activity.defn
async def echo(text: str) -> str:
    return text


@workflow.defn(sandboxed=False)
class Steps:
    """An activity for every signal, until the third."""

    def __init__(self) -> None:
        self._asked: list[str] = []

    @workflow.run
    async def run(self, name: str) -> list[str]:
        done: list[str] = []
        while len(done) < 3:
            await workflow.wait_condition(lambda: len(self._asked) > len(done))
            step = f"{name}: {self._asked[len(done)]}"
            done.append(await workflow.execute_activity(echo, step, start_to_close_timeout=timedelta(seconds=10)))
        return done

    @workflow.signal
    def step(self, text: str) -> None:
        self._asked.append(text)

    @workflow.query
    def asked(self) -> int:
        return len(self._asked)


@asynccontextmanager
async def stepping(client: Client, queue: str) -> AsyncIterator[None]:
    """A worker that forgets a workflow after each of its decisions: every other one begins with the whole history."""
    async with Worker(client, task_queue=queue, workflows=[Steps], activities=[echo], max_cached_workflows=0):
        yield


async def begun(client: Client, workflow_id: str, queue: str) -> WorkflowHandle[Any, Any]:
    """A decision that the server gave to a worker that was just stopped is given to the next one after 3 seconds."""
    timeout = timedelta(seconds=3)
    return await client.start_workflow(Steps.run, "rocket", id=workflow_id, task_queue=queue, task_timeout=timeout)


def ended(events: list[Any], kind: "EventType.ValueType") -> int:
    return sum(each.event_type == kind for each in events)


async def test_a_workflow_goes_on_while_encryption_is_switched_on_and_keys_rotate(connect: Connect) -> None:
    queue = workflow_id = uuid.uuid4().hex
    completed = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
    client = await connect("")
    handle = await begun(client, workflow_id, queue)
    for number, keys in enumerate(["", OLD, f"{NEW},{OLD}"], 1):
        client = await connect(keys)
        handle = client.get_workflow_handle_for(Steps.run, workflow_id)
        async with stepping(client, queue):
            await handle.signal(Steps.step, f"step {number}")

            async def done(number: int = number, handle: WorkflowHandle[Any, Any] = handle) -> bool:
                return ended(await events_of(handle), completed) == number

            await eventually(done)
            if number == 3:
                assert await handle.result() == ["rocket: step 1", "rocket: step 2", "rocket: step 3"]
    history = await handle.fetch_history()
    encodings = [(each.metadata["encoding"], each.metadata[KEY_ID]) for each in within_all(history.events)]
    assert list(dict.fromkeys(encodings)) == [(b"json/plain", b""), (ENCODING, b"old"), (ENCODING, b"new")]
    replayer = Replayer(workflows=[Steps], data_converter=ours.data_converter())
    await replayer.replay_workflow(history)


def within_all(events: Any) -> list[Payload]:
    return [each for event in events for each in within(event, Payload)]


async def test_without_its_key_a_workflow_waits_says_so_and_goes_on_once_the_key_is_back(connect: Connect) -> None:
    queue = workflow_id = uuid.uuid4().hex
    client = await connect(OLD)
    handle = await begun(client, workflow_id, queue)
    for number in range(3):
        await handle.signal(Steps.step, f"step {number}")
    blind = await connect("")
    async with stepping(blind, queue):

        async def failed() -> bool:
            return bool(ended(await events_of(handle), EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED))

        await eventually(failed)
    text = b"".join(each.SerializeToString() for each in await events_of(handle))
    assert b"TEMPORAL_PAYLOAD_KEYS: lacks key 'old'" in text
    assert OLD.partition(":")[2].encode() not in text
    client = await connect(f"{NEW},{OLD}")
    async with stepping(client, queue):
        handle = client.get_workflow_handle_for(Steps.run, workflow_id)
        assert len(await asyncio.wait_for(handle.result(), PATIENCE)) == 3


@pytest.mark.parametrize("name", ["workspace-3", "repository-one-3", "archive"])
async def test_a_history_that_was_recorded_in_plain_replays_with_encryption_on(connect: Connect, name: str) -> None:
    client = await connect(OLD)
    replayer = Replayer(
        workflows=[WorkspaceBackfillWorkflow, RepositoryBackfillWorkflow, ArchiveWorkflow],
        data_converter=client.data_converter,
    )
    await replayer.replay_workflow(read(name))
