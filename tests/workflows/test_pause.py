"""What the workspace's workflow does with jobs that are paused, with activities that only pretend."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError

from activities.failures import as_application_error
from errors import RetryNow
from messages import (
    Cancel,
    FreePlaces,
    Pace,
    Pause,
    PausedSlice,
    PausedSlices,
    Resume,
    Run,
    SliceResult,
    SweepSlice,
    Waiting,
    repository_workflow_id,
)
from tests.support.waiting import PATIENCE, eventually, so
from tests.support.workflows.going import Going
from tests.support.workflows.pretence import DONE, EARLY, PAUSED_AT, Pretence, hasty_server, replay, repositories, start


@pytest.fixture(scope="module")
async def hasty() -> AsyncIterator[Client]:
    async with hasty_server() as client:
        yield client


@dataclass
class Held(Pretence):
    """`free_places` takes until it is released."""

    frees: asyncio.Event = field(default_factory=asyncio.Event)

    @activity.defn(name="free_places")
    async def free_places(self, job: FreePlaces) -> None:
        await super().free_places(job)
        await self.frees.wait()


async def test_a_job_that_is_resumed_while_it_stops_goes_on_in_its_place(temporal_client: Client) -> None:
    going = Going()
    pretence = Held(repositories(2), going)
    async with pretence.worked(temporal_client) as queue:
        handle = await start(temporal_client, queue, "job")
        await eventually(so(lambda: going.running == 4))
        await handle.signal("pause", Pause(job_id="job"))
        await eventually(so(lambda: pretence.freed == ["job"]))
        assert (going.running, going.stopped) == (0, 4)
        await handle.signal("resume", Resume(job_id="job"))
        await eventually(so(lambda: len(pretence.signaled) == 2))
        pretence.frees.set()
        await eventually(so(lambda: going.running == 4))
        going.may_end.set()
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(temporal_client, handle.id)
    assert pretence.begun == ["job"], "it had not left its place"
    assert [(each.job_id, each.canceled) for each in pretence.finished] == [("job", False)]
    assert {pretence.outcome(each.full_name).status for each in pretence.repositories} == {"completed"}


async def test_a_job_behind_a_paused_one_has_its_turn_and_the_resumed_one_goes_on_behind_it(
    temporal_client: Client,
) -> None:
    going = Going()
    pretence = Pretence(repositories(1), going)
    async with pretence.worked(temporal_client) as queue:
        handle = await start(temporal_client, queue, "job")
        await eventually(so(lambda: going.running == 2))
        # The row was written before: these only say that it was.
        pretence.paused.add("job")
        await handle.signal("pause", Pause(job_id="job", attempt=0))
        await eventually(so(lambda: pretence.freed == ["job"]))
        await handle.signal("run", Run(job_id="another"))
        await eventually(so(lambda: [each.job_id for each in pretence.finished] == ["another"]))
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        assert {each.action for each in pretence.signaled} == {None}
        pretence.paused.clear()
        going.may_end.set()
        await handle.signal("resume", Resume(job_id="job", attempt=0))
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(temporal_client, handle.id)
    assert pretence.begun == ["job", "another", "job"]
    assert [each.job_id for each in pretence.finished] == ["another", "job"]


@dataclass
class Dead(Going):
    """Slices of which nothing more is heard, as of a worker that was killed, until another worker is there."""

    revived: bool = False

    async def __call__(self, slice_: SweepSlice, call: int) -> SliceResult:
        if self.revived:
            return await super().__call__(slice_, call)
        self.running += 1
        await asyncio.Event().wait()
        return DONE


DYING = Pace(heartbeat_timeout_seconds=2)


async def test_slices_whose_worker_dies_while_they_stop_have_not_failed(temporal_client: Client) -> None:
    going = Dead()
    pretence = Pretence(repositories(1), going, pace=DYING)
    async with pretence.worked(temporal_client) as queue:
        handle = await start(temporal_client, queue, "job")
        await eventually(so(lambda: going.running == 2))
        await handle.signal("pause", Pause(job_id="job"))
        await eventually(so(lambda: pretence.freed == ["job"]))
        going.revived = True
        going.may_end.set()
        await handle.signal("resume", Resume(job_id="job"))
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(temporal_client, handle.id)
    assert {pretence.outcome(each.full_name).status for each in pretence.repositories} == {"completed"}


@dataclass
class Failing(Dead):
    """Slices that meet a passing error before they hear that they are to stop."""

    fails: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, slice_: SweepSlice, call: int) -> SliceResult:
        if not self.revived:
            self.running += 1
            await self.fails.wait()
            raise as_application_error(RetryNow("database", "Postgres restarts"))
        return await super().__call__(slice_, call)


async def test_slices_that_meet_a_passing_error_while_they_stop_have_not_failed(temporal_client: Client) -> None:
    going = Failing()
    pretence = Pretence(repositories(1), going)
    [repository] = pretence.repositories
    child = temporal_client.get_workflow_handle(repository_workflow_id("job", repository.repository_id))

    async def are_canceled() -> bool:
        pending = (await child.describe()).raw_description.pending_activities
        return [each.state for each in pending] == [PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED] * 2

    async with pretence.worked(temporal_client) as queue:
        handle = await start(temporal_client, queue, "job")
        await eventually(so(lambda: going.running == 2))
        await handle.signal("pause", Pause(job_id="job"))
        await eventually(are_canceled)
        going.fails.set()
        await eventually(so(lambda: bool(pretence.freed or pretence.finished)))
        assert not [each for each in pretence.recorded if each.outcome.status == "failed"]
        going.revived = True
        going.may_end.set()
        await handle.signal("resume", Resume(job_id="job"))
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(temporal_client, handle.id)
    assert pretence.outcome(repository.full_name).status == "completed"


async def test_slices_whose_worker_dies_while_they_are_canceled_have_not_failed(temporal_client: Client) -> None:
    going = Dead()
    pretence = Pretence(repositories(1), going, pace=DYING)
    async with pretence.worked(temporal_client) as queue:
        handle = await start(temporal_client, queue, "job")
        await eventually(so(lambda: going.running == 2))
        await handle.signal("cancel", Cancel(job_id="job"))
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(temporal_client, handle.id)
    assert [(each.job_id, each.canceled) for each in pretence.finished] == [("job", True)]
    assert not [each for each in pretence.recorded if each.outcome.status == "failed"]


@pytest.mark.parametrize("how", ["signal", "workflow"])
async def test_a_paused_job_that_is_canceled_ends(temporal_client: Client, how: str) -> None:
    going = Going()
    pretence = Pretence(repositories(1), going)
    async with pretence.worked(temporal_client) as queue:
        handle = await start(temporal_client, queue, "job")
        await eventually(so(lambda: going.running == 2))
        await handle.signal("pause", Pause(job_id="job"))
        await eventually(so(lambda: pretence.freed == ["job"]))
        if how == "signal":
            await handle.signal("cancel", Cancel(job_id="job"))
            await asyncio.wait_for(handle.result(), PATIENCE)
        else:
            await handle.cancel()
            with pytest.raises(WorkflowFailureError):
                await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(temporal_client, handle.id)
    assert [(each.job_id, each.canceled) for each in pretence.finished] == [("job", True)]


async def test_a_job_that_is_paused_before_it_begins_is_begun_once_it_is_resumed(temporal_client: Client) -> None:
    pretence = Pretence(repositories(1), paused={"job"})
    async with pretence.worked(temporal_client) as queue:
        handle = await start(temporal_client, queue, "job")
        await eventually(so(lambda: pretence.begun == ["job"]))
        await handle.signal("resume", Resume(job_id="job"))
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(temporal_client, handle.id)
    assert pretence.begun == ["job", "job"]
    assert [each.canceled for each in pretence.finished] == [False]


async def test_a_pause_outlives_the_run_in_which_it_began(hasty: Client) -> None:
    going = Going()
    pretence = Pretence(repositories(1), going)
    async with pretence.worked(hasty) as queue:
        handle = await start(hasty, queue, "job")
        await eventually(so(lambda: going.running == 2))
        await handle.signal("pause", Pause(job_id="job"))
        await eventually(so(lambda: pretence.freed == ["job"]))
        first = (await handle.describe()).run_id

        # Whoever asks again for what is so fills the history and changes nothing.
        asked = 1
        while (await handle.describe()).run_id == first:
            assert asked < EARLY, "the history is long enough for a new run"
            await handle.signal("pause", Pause(job_id="job"))
            asked += 1
            await eventually(partial(_heard, pretence, asked))
        assert not pretence.finished
        going.may_end.set()
        await handle.signal("resume", Resume(job_id="job"))
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(hasty, handle.id)
    assert [(each.job_id, each.canceled) for each in pretence.finished] == [("job", False)]


async def _heard(pretence: Pretence, signals: int) -> bool:
    return len(pretence.signaled) == signals


async def test_slices_that_are_paused_in_temporal_are_shown_until_they_go_on(temporal_client: Client) -> None:
    going = Going()
    pretence = Pretence(repositories(1), going)
    [repository] = pretence.repositories
    issues, pulls = (
        PausedSlice(data_type=each, since=PAUSED_AT, who="ann", why="too much load")
        for each in ("issues", "pull_requests")
    )
    async with pretence.worked(temporal_client) as queue:
        handle = await start(temporal_client, queue, job_id := uuid.uuid4().hex)
        await eventually(so(lambda: going.running == 2))
        child = temporal_client.get_workflow_handle(repository_workflow_id(job_id, repository.repository_id))
        described = (await child.describe()).raw_description
        assert {each.activity_id for each in described.pending_activities} == {"issues", "pull_requests"}

        async def shown(*slices: PausedSlice) -> Waiting | None:
            before = len(pretence.recorded)
            await child.signal("paused_in_temporal", PausedSlices(slices=list(slices)))
            await eventually(so(lambda: len(pretence.recorded) > before))
            return pretence.recorded[-1].waiting

        paused = Waiting(reason="paused", since=PAUSED_AT, detail="in Temporal by ann: too much load")
        assert await shown(issues) == paused.of_types(["issues"])
        assert await shown(issues, pulls) == paused, "nothing of it goes on"
        assert await shown(pulls) == paused.of_types(["pull_requests"])
        assert await shown() is None
        going.may_end.set()
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(temporal_client, child.id)
    assert pretence.outcome(repository.full_name).status == "completed"
