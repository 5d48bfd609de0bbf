"""Waiting takes no place, is written down with its reason, and ends when what was waited for is there."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from messages import Cancel, Pace, RepositoryTransition, SliceResult, SweepSlice, Waiting, repository_workflow_id
from tests.support.thoroughness import THOROUGH
from tests.support.waiting import PATIENCE, eventually, so
from tests.support.workflows.legs import Jobs, begin, in_two_legs
from tests.support.workflows.pretence import AT_ONCE, DONE, MORE, TEST_SERVER, Pretence, replay, repositories, start
from workflows import job_run, workspace_backfill
from workflows.job_run import LONG
from workflows.order import sweep_queue

OTHER_JOB = "11111111-1111-4111-8111-111111111111"
BUSY = SliceResult(outcome="busy", waiting_reason="another_job", waiting_job_id=OTHER_JOB)


@pytest.fixture(scope="module")
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    environment = await WorkflowEnvironment.start_time_skipping(
        data_converter=pydantic_data_converter, test_server_existing_path=str(TEST_SERVER)
    )
    async with environment:
        yield environment


def of(recorded: list[RepositoryTransition], name: str) -> list[RepositoryTransition]:
    """What was recorded of a repository, in the order in which it counts."""
    return sorted((it for it in recorded if it.outcome.repository.full_name == name), key=lambda it: it.sequence)


def completed(recorded: list[RepositoryTransition]) -> set[str]:
    return {each.outcome.repository.full_name for each in recorded if each.outcome.status == "completed"}


def waits(recorded: list[RepositoryTransition], name: str) -> list[Waiting | None]:
    """What a repository waited for, change by change."""
    return [each.waiting for each in of(recorded, name)]


def reasons(recorded: list[RepositoryTransition], name: str) -> list[str | None]:
    return [each.reason if each else None for each in waits(recorded, name)]


# --- Another job ------------------------------------------------------------------------------------------------------


@pytest.mark.long
async def test_repositories_behind_another_job_take_no_place_and_say_whom_they_wait_for(
    temporal_client: Client,
) -> None:
    other_is_done = asyncio.Event()
    held = {each.full_name for each in repositories(AT_ONCE)}

    async def first_ten_are_busy(slice_: SweepSlice, _call: int) -> SliceResult:
        return BUSY if slice_.repository.full_name in held and not other_is_done.is_set() else DONE

    pretence = Pretence(
        repositories(AT_ONCE + 5), first_ten_are_busy, still_waits=lambda _id: not other_is_done.is_set()
    )
    async with pretence.worked(temporal_client) as queue:
        handle = await start(temporal_client, queue, "job")
        behind = {each.full_name for each in pretence.repositories} - held
        await eventually(so(lambda: completed(pretence.recorded) == behind))

        def all_of_it_waits(name: str) -> bool:
            wait = waits(pretence.recorded, name)[-1]
            return wait is not None and (wait.reason, wait.job_id, wait.until, wait.data_types) == (
                "another_job",
                OTHER_JOB,
                None,
                [],
            )

        await eventually(so(lambda: all(all_of_it_waits(name) for name in held)))
        child = temporal_client.get_workflow_handle(
            repository_workflow_id("job", pretence.repositories[0].repository_id)
        )
        await eventually(so(lambda: len(pretence.looks[-1:]) == 1 and len(pretence.looks[-1]) == len(held)))
        swept, looks = len(pretence.sweeps), len(pretence.looks)
        await eventually(so(lambda: len(pretence.looks) >= looks + 2))
        assert len(pretence.sweeps) == swept, "no slice is spent on asking"
        other_is_done.set()
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(temporal_client, handle.id)
        await replay(temporal_client, child.id)
    assert {pretence.outcome(each.full_name).status for each in pretence.repositories} == {"completed"}
    for each in pretence.repositories:
        assert waits(pretence.recorded, each.full_name)[-1] is None


async def test_a_wait_of_hours_is_asked_about_at_growing_pauses_and_keeps_histories_short(
    skipping: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours, bound = (8, LONG) if THOROUGH else (2, LONG // 4)
    for module in (job_run, workspace_backfill):
        monkeypatch.setattr(module, "LONG", bound)
    client, until = skipping.client, await skipping.get_current_time() + timedelta(hours=hours)

    async def busy(_slice: SweepSlice, _call: int) -> SliceResult:
        return BUSY if activity.info().started_time < until else DONE

    pretence = Pretence(repositories(3), busy, still_waits=lambda _id: activity.info().started_time < until)
    async with pretence.worked(client) as queue:
        handle = await start(client, queue, "job")
        await asyncio.wait_for(handle.result(), PATIENCE)
        run_id: str | None = (await handle.describe()).raw_info.first_run_id
        lengths = []
        while run_id:
            history = await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
            lengths.append(len(history.events))
            run_id = history.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    assert {pretence.outcome(each.full_name).status for each in pretence.repositories} == {"completed"}
    assert len(pretence.looks) < hours * 60 * 2 + 100
    assert len(lengths) > 1
    assert max(lengths) < bound + 200
    assert len(pretence.sweeps) < len(pretence.looks) / 5


async def test_a_type_behind_another_job_is_shown_while_its_siblings_go_on(temporal_client: Client) -> None:
    calls: Counter[str] = Counter()
    shown = asyncio.Event()

    async def issues_wait(slice_: SweepSlice, _call: int) -> SliceResult:
        calls[slice_.data_type] += 1
        if slice_.data_type == "issues":
            return BUSY if calls["issues"] == 1 else DONE
        await asyncio.wait_for(shown.wait(), PATIENCE)
        return DONE

    pretence = Pretence(repositories(1), issues_wait)
    async with pretence.worked(temporal_client) as queue:
        handle = await start(temporal_client, queue, "job")
        await eventually(so(lambda: waits(pretence.recorded, "o/1")[-1:] not in ([], [None])))
        wait = waits(pretence.recorded, "o/1")[-1]
        assert wait is not None
        assert (wait.reason, wait.job_id, wait.data_types) == ("another_job", OTHER_JOB, ["issues"])
        shown.set()
        await asyncio.wait_for(handle.result(), PATIENCE)
    assert waits(pretence.recorded, "o/1")[-1] is None
    assert pretence.outcome("o/1").status == "completed"


async def test_a_recent_leg_that_waited_gets_the_place_of_a_historical_one(temporal_client: Client) -> None:
    other_is_done, stopped = asyncio.Event(), []

    async def history_takes_for_ever(slice_: SweepSlice, _call: int) -> SliceResult:
        if slice_.repository.full_name == "o/1":
            return (await in_two_legs(slice_, 0)) if other_is_done.is_set() else BUSY
        if slice_.down_to or slice_.repository.full_name in stopped:
            return await in_two_legs(slice_, 0)
        try:
            while True:
                activity.heartbeat()
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            stopped.append(slice_.repository.full_name)
            raise

    jobs = Jobs(
        sweep_is=history_takes_for_ever,
        of={"crowded": repositories(3)},
        at_once=2,
        still_waits=lambda _id: not other_is_done.is_set(),
    )
    async with jobs.worked(temporal_client) as queue:
        handle = await begin(temporal_client, queue, "crowded")
        bulk = so(lambda: {name for _, leg, name in jobs.swept if leg == "historical"} == {"o/2", "o/3"})
        await eventually(bulk)
        assert reasons(jobs.recorded, "o/1")[-1] == "another_job"
        other_is_done.set()
        await eventually(so(lambda: ("crowded", "historical", "o/1") in jobs.swept))
        await handle.signal("cancel", Cancel(job_id="crowded"))
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(temporal_client, handle.id)
    assert len(set(stopped)) >= 1


async def test_a_job_of_which_all_waits_for_another_is_canceled_at_once(temporal_client: Client) -> None:
    async def busy(_slice: SweepSlice, _call: int) -> SliceResult:
        return BUSY

    pretence = Pretence(repositories(2), busy, still_waits=lambda _id: True)
    async with pretence.worked(temporal_client) as queue:
        handle = await start(temporal_client, queue, "job")
        await eventually(so(lambda: len(pretence.looks) > 0))
        await handle.signal("cancel", Cancel(job_id="job"))
        await asyncio.wait_for(handle.result(), PATIENCE)
    assert [each.canceled for each in pretence.finished] == [True]


# --- Its turn, a worker -----------------------------------------------------------------------------------------------


async def test_between_its_legs_a_repository_waits_for_its_turn(temporal_client: Client) -> None:
    jobs = Jobs(sweep_is=in_two_legs, of={"job": repositories(3)}, at_once=1)
    async with jobs.worked(temporal_client) as queue:
        handle = await begin(temporal_client, queue, "job")
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(temporal_client, repository_workflow_id("job", jobs.of["job"][0].repository_id))
    for each in jobs.of["job"]:
        assert reasons(jobs.recorded, each.full_name) == [None, "turn", None, None]
        assert of(jobs.recorded, each.full_name)[-1].outcome.status == "completed"


@asynccontextmanager
async def sweeping(pretence: Pretence, client: Client, queue: str) -> AsyncIterator[None]:
    """A worker for the queue of recent legs."""
    async with Worker(client, task_queue=sweep_queue(queue, "recent"), activities=[pretence.sweep]):
        yield


async def test_a_queue_that_nobody_polls_is_named_until_a_worker_comes(temporal_client: Client) -> None:
    several = Counter[str]()

    async def two_slices(slice_: SweepSlice, _call: int) -> SliceResult:
        several[slice_.data_type] += 1
        return MORE if several[slice_.data_type] == 1 else DONE

    pretence = Pretence(repositories(1), two_slices, pace=Pace(heartbeat_timeout_seconds=1, worker_patience_seconds=1))
    async with pretence.worked(temporal_client, legs=()) as queue:
        handle = await start(temporal_client, queue, "job")
        whole = so(
            lambda: (
                [it and (it.reason, it.data_types) for it in waits(pretence.recorded, "o/1")][-1:]
                == [("no_worker", [])]
            )
        )
        await eventually(whole)
        wait = waits(pretence.recorded, "o/1")[-1]
        assert wait is not None
        assert wait.detail == sweep_queue(queue, "recent")
        child = temporal_client.get_workflow_handle(
            repository_workflow_id("job", pretence.repositories[0].repository_id)
        )
        async with sweeping(pretence, temporal_client, queue):
            await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(temporal_client, child.id)
    assert waits(pretence.recorded, "o/1")[-1] is None
    assert pretence.outcome("o/1").status == "completed"
