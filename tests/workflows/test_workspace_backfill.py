"""What the workflows decide, with activities that only pretend, and hours that pass in no time."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NoReturn

import pytest
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.failures import as_application_error
from errors import PartOver, RetryNow
from messages import (
    REPOSITORY_BACKFILL,
    Cancel,
    RepositoryBackfill,
    RepositoryOutcome,
    Retry,
    Run,
    SliceResult,
    SweepSlice,
    repository_workflow_id,
)
from tests.support.waiting import PATIENCE, eventually, so
from tests.support.workflows.pretence import (
    AT_ONCE,
    DONE,
    EARLY,
    MORE,
    TEST_SERVER,
    Pretence,
    Slow,
    hasty_server,
    replay,
    repositories,
    start,
)
from workflows import retries


@pytest.fixture
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A server on which time passes as soon as nothing but a timer is waited for.

    One for each test: on a shared one time stands still while anything is under way that another test left behind.
    """
    environment = await WorkflowEnvironment.start_time_skipping(
        data_converter=pydantic_data_converter, test_server_existing_path=str(TEST_SERVER)
    )
    async with environment:
        yield environment


@pytest.fixture(scope="module")
async def hasty() -> AsyncIterator[Client]:
    async with hasty_server() as client:
        yield client


# --- Many repositories, long histories --------------------------------------------------------------------------------


@workflow.defn(name=REPOSITORY_BACKFILL, sandboxed=False)
class Instant:
    """A repository in which there is nothing to do."""

    @workflow.run
    async def run(self, backfill: RepositoryBackfill) -> RepositoryOutcome:
        return RepositoryOutcome(repository=backfill.repository, status="completed")


async def test_a_long_job_goes_on_in_new_runs_and_loses_neither_a_repository_nor_a_signal(
    skipping: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def long(info: workflow.Info) -> bool:
        return info.get_current_history_length() > EARLY

    # The time-skipping server never suggests it.
    monkeypatch.setattr(workflow.Info, "is_continue_as_new_suggested", long)
    assert await goes_on_in_new_runs(skipping.client, Pretence(repositories(250)), monkeypatch) > 5


async def test_a_server_that_finds_a_history_long_gets_new_runs(hasty: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await goes_on_in_new_runs(hasty, Pretence(repositories(60)), monkeypatch) > 2


async def test_long_repositories_begin_behind_all_others(hasty: Client) -> None:
    them = repositories(130)
    long = [them[0].repository_id, them[5].repository_id, them[110].repository_id]
    pretence = Pretence(them, long=frozenset(long))
    async with pretence.worked(hasty, Instant) as queue:
        workflow_id = (await start(hasty, queue, "the job")).id
        handle = hasty.get_workflow_handle(workflow_id)
        await asyncio.wait_for(handle.result(), PATIENCE)
        runs = await runs_of(hasty, workflow_id, handle)
        await replay(hasty, workflow_id)
    initiated = [each for run in runs for each in run.initiated]
    assert len(runs) > 1
    assert sorted(initiated) == sorted(repository_workflow_id("the job", each.repository_id) for each in them)
    assert sorted(initiated[-3:]) == sorted(repository_workflow_id("the job", each) for each in long)


async def test_a_job_that_is_canceled_waits_for_no_survey(hasty: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "SURVEY_TIMEOUT", timedelta(hours=1))
    pretence = Pretence(repositories(3), survey_is_held=asyncio.Event())
    async with pretence.worked(hasty, Instant) as queue:
        handle = await start(hasty, queue, "the job")
        await eventually(so(lambda: bool(pretence.surveyed)))
        await handle.signal("cancel", Cancel(job_id="the job"))
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(hasty, handle.id)
    assert [each.canceled for each in pretence.finished] == [True]
    assert len(pretence.surveyed) == 1


async def goes_on_in_new_runs(client: Client, pretence: Pretence, monkeypatch: pytest.MonkeyPatch) -> int:
    """Answers in how many."""
    asked_for: dict[str, str] = {}
    loop, give_way = asyncio.get_running_loop(), workflow.continue_as_new

    def overtaken(*arguments: Any, **keywords: Any) -> NoReturn:
        """Somebody asks for another job at the very moment in which a run gives way to the next."""
        info = workflow.info()
        if info.run_id not in asked_for:
            asked_for[info.run_id] = f"job {len(asked_for)}"
            job = Run(job_id=asked_for[info.run_id])
            signal = client.get_workflow_handle(info.workflow_id).signal("run", job)
            asyncio.run_coroutine_threadsafe(signal, loop).result(timeout=PATIENCE)
        give_way(*arguments, **keywords)

    monkeypatch.setattr(workflow, "continue_as_new", overtaken)
    async with pretence.worked(client, Instant) as queue:
        workflow_id = (await start(client, queue, "the job")).id
        handle = client.get_workflow_handle(workflow_id)
        await asyncio.wait_for(handle.result(), PATIENCE)
        runs = await runs_of(client, workflow_id, handle)
    initiated = [each for run in runs for each in run.initiated]
    assert initiated == [repository_workflow_id("the job", each.repository_id) for each in pretence.repositories]
    assert max(run.most_open for run in runs) == AT_ONCE
    assert [run.left_open for run in runs] == [0] * len(runs), "a run that gives way has awaited its children"
    assert len(asked_for) == len(runs) - 1
    assert [run.overtaken for run in runs] == [1] * len(asked_for) + [0], "each decision had to be made again"
    assert pretence.begun == ["the job", *asked_for.values()]
    assert [each.job_id for each in pretence.finished] == pretence.begun
    return len(runs)


@dataclass
class OneRun:
    """One run's history: the children that it began, how many were open at most, and when it ended."""

    initiated: list[str] = field(default_factory=list)
    most_open: int = 0
    left_open: int = 0
    overtaken: int = 0
    """Decisions that a signal overtook, so that they had to be made again."""


async def runs_of(client: Client, workflow_id: str, handle: WorkflowHandle[Any, Any]) -> list[OneRun]:
    """All runs of the chain, the first one first."""
    run_id: str | None = (await handle.describe()).raw_info.first_run_id
    runs = []
    while run_id:
        run, next_run_id = OneRun(), None
        async for event in client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history_events():
            if event.event_type is EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
                run.initiated.append(event.start_child_workflow_execution_initiated_event_attributes.workflow_id)
                run.left_open += 1
                run.most_open = max(run.most_open, run.left_open)
            elif event.event_type is EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED:
                run.left_open -= 1
            elif event.event_type is EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                cause = event.workflow_task_failed_event_attributes.cause
                run.overtaken += cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
            elif event.event_type is EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
                next_run_id = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        runs.append(run)
        run_id = next_run_id
    return runs


async def test_a_repository_with_a_long_history_goes_on_in_a_new_run_and_awaits_no_limits_end(hasty: Client) -> None:
    async def one_in_many_slices_one_limited(slice_: SweepSlice, call: int) -> SliceResult:
        if slice_.data_type == "issues" and call == 1:
            return SliceResult(outcome="limited", limited_until=activity.info().started_time + timedelta(hours=1))
        return MORE if slice_.data_type == "pull_requests" and call < 25 else DONE

    pretence = Pretence(repositories(1), one_in_many_slices_one_limited)
    async with pretence.worked(hasty) as queue:
        await asyncio.wait_for((await start(hasty, queue, "job")).result(), PATIENCE)
        child = hasty.get_workflow_handle(repository_workflow_id("job", pretence.repositories[0].repository_id))
        assert (await child.describe()).raw_info.first_run_id != (await child.describe()).run_id
        await replay(hasty, child.id)
    assert pretence.outcome("o/1").status == "completed"
    sequences = [each.sequence for each in pretence.recorded]
    assert sequences == sorted(set(sequences)), "a new run's records outdo those of the one before"


async def test_a_run_that_gives_way_awaits_neither_limits_nor_slices(hasty: Client) -> None:
    slow = Slow()
    pretence = Pretence(repositories(24), slow)
    async with pretence.worked(hasty) as queue:
        handle = await start(hasty, queue, "job")
        await asyncio.wait_for(handle.result(), PATIENCE)
        runs = await runs_of(hasty, handle.id, handle)
        await replay(hasty, handle.id)
        for each in pretence.repositories[:2]:
            await replay(hasty, repository_workflow_id("job", each.repository_id))
    assert len(runs) > 1
    assert [run.left_open for run in runs] == [0] * len(runs)
    assert sorted(slow.stopped) == ["issues", "pull_requests"]
    initiated = Counter(each for run in runs for each in run.initiated)
    again = {each for each, times in initiated.items() if times > 1}
    assert again >= {repository_workflow_id("job", each.repository_id) for each in pretence.repositories[:2]}
    # Limited, and told so; then gone on with, in the order of one attempt.
    of_the_first = [each for each in pretence.recorded if each.outcome.repository.full_name == "o/1"]
    assert any(each.waiting_until for each in of_the_first)
    assert {pretence.outcome(each.full_name).status for each in pretence.repositories} == {"completed"}
    assert of_the_first[-1].sequence == max(each.sequence for each in of_the_first)


# --- Waiting ----------------------------------------------------------------------------------------------------------


async def test_an_hours_limit_is_slept_through_without_an_attempt_and_shown(skipping: WorkflowEnvironment) -> None:
    limits: dict[str, datetime] = {}

    async def limited_once(slice_: SweepSlice, call: int) -> SliceResult:
        if call > 1:
            return DONE
        # The second type runs into it a little later than the first.
        minutes = 60 if slice_.data_type == "pull_requests" else 70
        limits[slice_.data_type] = activity.info().started_time + timedelta(minutes=minutes)
        return SliceResult(outcome="limited", limited_until=limits[slice_.data_type])

    pretence = Pretence(repositories(1), limited_once, inspect_limited=timedelta(minutes=30))
    async with pretence.worked(skipping.client) as queue:
        await asyncio.wait_for((await start(skipping.client, queue, "job")).result(), PATIENCE)
    assert pretence.outcome("o/1").status == "completed"
    assert sorted((name, attempt) for _, name, attempt, _ in pretence.sweeps) == [
        ("issues", 1),
        ("issues", 1),
        ("pull_requests", 1),
        ("pull_requests", 1),
    ]
    for name, until in limits.items():
        again = [when for _, data_type, _, when in pretence.sweeps if data_type == name][1]
        assert timedelta(0) <= again - until < timedelta(seconds=30)
    shown = [each.waiting_until for each in pretence.recorded]
    assert shown[:1] + shown[-1:] == [None, None], "before and after it does not wait"
    inspected = next(each for each in shown if each)
    assert inspected < limits["pull_requests"] - timedelta(minutes=50)
    # Both types wait until the first may go on; then one of them works, and the repository does not wait.
    assert shown[shown.index(limits["pull_requests"]) + 1] is None
    assert {each.outcome.status for each in pretence.recorded} == {"in_progress", "completed"}


# --- Failing ----------------------------------------------------------------------------------------------------------


async def test_what_passes_is_tried_again_and_what_is_over_is_not(skipping: WorkflowEnvironment) -> None:
    async def one_of_each(slice_: SweepSlice, call: int) -> SliceResult:
        if slice_.data_type == "issues":
            raise as_application_error(PartOver("forbidden", "GitHub forbids it", "give the token access"))
        if call < 4:
            raise as_application_error(RetryNow("http_500", "GitHub failed"), timedelta(minutes=10))
        return DONE

    pretence = Pretence(repositories(2), one_of_each)
    async with pretence.worked(skipping.client) as queue:
        await asyncio.wait_for((await start(skipping.client, queue, "job")).result(), PATIENCE)
    for repository in pretence.repositories:
        name = repository.full_name
        attempts = [(of, attempt) for it, of, attempt, _ in pretence.sweeps if it == name]
        assert [attempt for of, attempt in attempts if of == "issues"] == [1]
        outcome = pretence.outcome(name)
        assert {each.data_type: each.status for each in outcome.types} == {
            "pull_requests": "completed",
            "issues": "failed",
        }
        [failure] = [each.failure for each in outcome.types if each.failure]
        assert (failure.code, failure.error_class, failure.data_type) == ("forbidden", "part_over", "issues")
        assert outcome.status == "failed"
    retried = [when for _, of, _, when in pretence.sweeps if of == "pull_requests"]
    assert len(retried) == 2 + 3
    assert max(retried) - min(retried) > timedelta(minutes=10), "the pause was not kept"


@workflow.defn(sandboxed=False)
class Deaf:
    """Has a repository's workflow id, and does not give way."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


async def test_a_repository_whose_former_workflow_does_not_give_way_fails_alone(skipping: WorkflowEnvironment) -> None:
    pretence = Pretence(repositories(2))
    lost, other = pretence.repositories
    deaf = Worker(skipping.client, task_queue=f"deaf-{uuid.uuid4().hex[:8]}", workflows=[Deaf])
    async with pretence.worked(skipping.client) as queue, deaf:
        await skipping.client.start_workflow(
            Deaf.run, id=repository_workflow_id("job", lost.repository_id), task_queue=deaf.task_queue
        )
        handle = await start(skipping.client, queue, "job")
        await asyncio.wait_for(handle.result(), PATIENCE)
        await replay(skipping.client, handle.id)
    of_the_job = [each.outcome for each in pretence.recorded if each.job_id == "job"]
    assert {each.repository.full_name: each.status for each in of_the_job} == {
        lost.full_name: "failed",
        other.full_name: "completed",
    }
    [failure] = [each.failure for each in of_the_job if each.failure]
    assert "already" in failure.message.lower()


# --- Stopping ---------------------------------------------------------------------------------------------------------


async def test_a_slice_that_ends_by_itself_while_it_is_canceled_is_the_last(skipping: WorkflowEnvironment) -> None:
    """A cancellation that found its activity ended already must not get lost with it."""
    running: set[str] = set()

    async def ends_by_itself(slice_: SweepSlice, _call: int) -> SliceResult:
        running.add(slice_.data_type)
        try:
            while True:
                activity.heartbeat()
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            return MORE

    pretence = Pretence(repositories(1), ends_by_itself)
    async with pretence.worked(skipping.client) as queue:
        handle = await start(skipping.client, queue, "job")
        await eventually(lambda: _is(len(running) == 2))
        await handle.signal("cancel", Cancel(job_id="job"))
        await asyncio.wait_for(handle.result(), PATIENCE)
        child = skipping.client.get_workflow_handle(
            repository_workflow_id("job", pretence.repositories[0].repository_id)
        )
        assert (await child.describe()).status is WorkflowExecutionStatus.CANCELED
    assert len(pretence.sweeps) == 2
    assert [each.canceled for each in pretence.finished] == [True]


async def test_a_workflow_canceled_while_it_lists_its_repositories_ends_its_job(skipping: WorkflowEnvironment) -> None:
    pretence = Pretence(repositories(1), next_is_held=asyncio.Event())
    assert pretence.next_is_held
    async with pretence.worked(skipping.client) as queue:
        handle = await start(skipping.client, queue, "job")
        await asyncio.wait_for(pretence.listing.wait(), PATIENCE)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), PATIENCE)
        pretence.next_is_held.set()
        assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
    assert [(each.job_id, each.canceled) for each in pretence.finished] == [("job", True)]


async def test_a_retry_is_not_stopped_by_the_cancel_of_the_attempt_before(temporal_client: Client) -> None:
    """On the real server: the one that skips time forgets a decision to cancel what has ended in that moment."""
    pretence = Pretence(repositories(1), next_is_held=asyncio.Event())
    assert pretence.next_is_held
    async with pretence.worked(temporal_client) as queue:
        handle = await start(temporal_client, queue, "job")
        await asyncio.wait_for(pretence.listing.wait(), PATIENCE)
        # In one and the same run of the workflow.
        pretence.canceled.add("job")
        await handle.signal("cancel", Cancel(job_id="job", attempt=0))
        await handle.signal("retry", Retry(job_id="job", attempt=1))
        pretence.next_is_held.set()
        await asyncio.wait_for(handle.result(), PATIENCE)
    assert [(each.attempt, each.canceled) for each in pretence.finished] == [(0, True), (1, False)]
    assert pretence.outcome("o/1").status == "completed"


async def _is(fact: bool) -> bool:
    return fact
