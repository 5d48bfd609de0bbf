"""Updates and the query of a workspace's workflow, with activities that only pretend."""

import asyncio
import uuid

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError

from messages import (
    Cancel,
    CancelRepository,
    JobProgress,
    Pause,
    Resume,
    Retry,
    repository_workflow_id,
)
from tests.support.waiting import PATIENCE, eventually, so
from tests.support.workflows.going import Going
from tests.support.workflows.pretence import replay, repositories, start
from tests.support.workflows.updates import Rows, ask


async def test_updates_write_the_row_and_answer_how_the_job_stands(temporal_client: Client) -> None:
    going, job_id = Going(), str(uuid.uuid4())
    pretence = Rows(repositories(2), going)
    async with pretence.worked(temporal_client) as queue:
        handle = await start(temporal_client, queue, job_id)
        await eventually(so(lambda: going.running == 4))
        progress = await handle.query("progress", result_type=JobProgress)
        assert (progress.job_id, progress.total, progress.completed) == (job_id, 2, 0)
        assert sorted(each.full_name for each in progress.running) == ["o/1", "o/2"]

        assert (await ask(handle, "pause", Pause(job_id=job_id))).is_paused
        await eventually(so(lambda: pretence.freed == [job_id]))

        async def is_aside() -> bool:
            progress: JobProgress = await handle.query("progress", result_type=JobProgress)
            return progress.paused_jobs == [job_id]

        await eventually(is_aside)
        assert not (await ask(handle, "resume", Resume(job_id=job_id))).is_paused
        await eventually(so(lambda: going.running == 4))
        assert (await ask(handle, "cancel", Cancel(job_id=job_id))).cancel_requested
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(temporal_client, handle.id)
    assert [(each.job_id, each.canceled) for each in pretence.finished] == [(job_id, True)]
    assert [(each.action, each.refuses) for each in pretence.signaled] == [
        ("pause", True),
        ("resume", True),
        ("cancel", True),
    ]


async def test_a_repository_that_is_canceled_alone_stops_and_the_others_go_on(temporal_client: Client) -> None:
    going, job_id = Going(), str(uuid.uuid4())
    pretence = Rows(repositories(3), going)
    pretence.pace = pretence.pace.model_copy(update={"repositories_at_once": 2})
    running, _, waiting = pretence.repositories
    async with pretence.worked(temporal_client) as queue:
        handle = await start(temporal_client, queue, job_id)
        await eventually(so(lambda: going.running == 4))
        for each in (running, waiting):
            await ask(handle, "cancel_repository", CancelRepository(job_id=job_id, repository=each.full_name))
        await eventually(so(lambda: going.stopped == 2))
        going.may_end.set()
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(temporal_client, handle.id)
        begun = [each async for each in temporal_client.list_workflows(f"TaskQueue = '{queue}'")]
    assert {each.full_name: pretence.outcome(each.full_name).status for each in pretence.repositories} == {
        "o/1": "canceled",
        "o/2": "completed",
        "o/3": "canceled",
    }
    assert repository_workflow_id(job_id, waiting.repository_id) not in {each.id for each in begun}
    assert [each.canceled for each in pretence.finished] == [False]


async def test_a_repository_that_is_canceled_alone_while_its_job_is_paused_does_not_go_on_with_it(
    temporal_client: Client,
) -> None:
    going, job_id = Going(), str(uuid.uuid4())
    pretence = Rows(repositories(2), going)
    canceled, _ = pretence.repositories
    async with pretence.worked(temporal_client) as queue:
        handle = await start(temporal_client, queue, job_id)
        await eventually(so(lambda: going.running == 4))
        await ask(handle, "pause", Pause(job_id=job_id))
        await eventually(so(lambda: pretence.freed == [job_id]))
        pretence.stopping.append(canceled.repository_id)
        # Our own signal: the row was written before, and this only says that it was.
        await handle.signal("cancel", Cancel(job_id=job_id, attempt=0))
        going.may_end.set()
        await ask(handle, "resume", Resume(job_id=job_id))
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(temporal_client, handle.id)
    ended = {each.full_name: pretence.outcome(each.full_name).status for each in pretence.repositories}
    assert ended == {"o/1": "canceled", "o/2": "completed"}


async def test_an_update_that_cannot_be_carried_out_is_refused_with_words(temporal_client: Client) -> None:
    going, job_id = Going(), str(uuid.uuid4())
    pretence = Rows(repositories(1), going)
    async with pretence.worked(temporal_client) as queue:
        handle = await start(temporal_client, queue, job_id)
        await eventually(so(lambda: going.running == 2))
        length = (await handle.describe()).history_length

        async def refusal(name: str, of: object) -> str:
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await ask(handle, name, of)
            return str(refused.value.cause)

        assert "'job' is not the id of a job" in await refusal("pause", Pause(job_id="job"))
        assert "only our own programs" in await refusal("retry", Retry(job_id=job_id, attempt=1))
        of = CancelRepository(job_id=job_id, repository="rocket")
        assert "'rocket' is not owner/name" in await refusal("cancel_repository", of)
        assert (await handle.describe()).history_length == length, "what validators refuse leaves no trace"
        pretence.refusal = f"{job_id} is completed already"
        assert pretence.refusal in await refusal("cancel", Cancel(job_id=job_id))
        going.may_end.set()
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(temporal_client, handle.id)
    assert [each.canceled for each in pretence.finished] == [False]
