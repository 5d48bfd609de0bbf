"""What the workflows decide, with activities that only pretend, and hours that pass in no time."""

import asyncio
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, Worker

from activities.failures import as_application_error
from errors import PartOver, RetryNow
from messages import (
    LEGS,
    REPOSITORY_BACKFILL,
    BeginJob,
    Cancel,
    FinishJob,
    FreePlaces,
    JobOutcome,
    JobPlan,
    JobStanding,
    Leg,
    NextRepositories,
    Pace,
    RepositoryBackfill,
    RepositoryOutcome,
    RepositoryRef,
    RepositoryScope,
    RepositoryTransition,
    Retry,
    Run,
    SignalRequest,
    SliceResult,
    SweepSlice,
    WaitingRepositories,
    WorkspaceBackfill,
    repository_workflow_id,
    workspace_workflow_id,
)
from sandbox.temporal import TEMPORAL
from tests.support.shop import eventually
from tests.support.waiting import PATIENCE
from workflows.order import sweep_queue
from workflows.repository_backfill import RepositoryBackfillWorkflow
from workflows.workspace_backfill import WorkspaceBackfillWorkflow

TEST_SERVER = Path(sys.prefix) / "bin" / "temporal-test-server"
AT_ONCE = 10
EARLY = 100
"""Events of history after which the server suggests to continue as new; in production thousands."""
HEARTBEATS_EVERY = timedelta(seconds=0.2)
"""At most: a cancel comes with the answer to one. The SDK's own bound is 80 % of the heartbeat timeout, which is long
enough here that no living activity misses it."""
PAUSED_AT = datetime(2026, 2, 1, tzinfo=UTC)
DONE = SliceResult(outcome="completed")
MORE = SliceResult(outcome="more")


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


@asynccontextmanager
async def hasty_server() -> AsyncIterator[Client]:
    """A dev server that suggests to continue as new early."""
    early = ["--dynamic-config-value", f"limit.historyCount.suggestContinueAsNew={EARLY}"]
    environment = await WorkflowEnvironment.start_local(
        data_converter=pydantic_data_converter, dev_server_existing_path=str(TEMPORAL), dev_server_extra_args=early
    )
    async with environment:
        yield environment.client


Sweep = Callable[[SweepSlice, int], Awaitable[SliceResult]]


async def done(_slice: SweepSlice, _call: int) -> SliceResult:
    return DONE


@dataclass
class Pretence:
    """The activities: `sweep` says what each call of the sweep comes to, counted by data type from 1."""

    repositories: Sequence[RepositoryRef] = ()
    sweep_is: Sweep = done
    still_waits: Callable[[str], bool] = field(default=lambda _repository_id: False)
    """Whether a repository that waits for another job has to go on waiting, whenever that is asked."""
    inspect_limited: timedelta | None = None
    next_is_held: asyncio.Event | None = None
    pace: Pace = field(default_factory=lambda: Pace(repositories_at_once=AT_ONCE, heartbeat_timeout_seconds=30))
    begun: list[str] = field(default_factory=list)
    finished: list[FinishJob] = field(default_factory=list)
    recorded: list[RepositoryTransition] = field(default_factory=list)
    sweeps: list[tuple[str, str, int, datetime]] = field(default_factory=list)
    """(repository, data type, attempt, when) of each call."""
    looks: list[list[str]] = field(default_factory=list)
    """Repositories of which it was asked whether they may go on."""
    listing: asyncio.Event = field(default_factory=asyncio.Event)
    canceled: set[str] = field(default_factory=set)
    """Jobs whose rows say that they are to stop."""
    paused: set[str] = field(default_factory=set)
    """Jobs whose rows say that they are paused."""
    signaled: list[SignalRequest] = field(default_factory=list)
    freed: list[str] = field(default_factory=list)
    """Jobs whose places were freed."""

    @activity.defn(name="begin_job")
    async def begin_job(self, job: BeginJob) -> JobPlan:
        self.begun.append(job.job_id)
        return JobPlan(
            job_id=job.job_id,
            workspace_id="w",
            workspace_name="Work",
            status="in_progress",
            retention_days=30,
            cutoff_at=datetime(2026, 1, 1, tzinfo=UTC),
            data_types=["pull_requests", "issues"],
            total_repositories=len(self.repositories),
            attempt=self.begun.count(job.job_id) - 1,
            pace=self.pace,
            cancel_requested=job.job_id in self.canceled,
            paused_at=PAUSED_AT if job.job_id in self.paused else None,
        )

    @activity.defn(name="carry_out_signal")
    async def carry_out_signal(self, request: SignalRequest) -> JobStanding | None:
        self.signaled.append(request)
        match request.action:
            case "cancel":
                self.canceled.add(request.job_id)
            case "pause":
                self.paused.add(request.job_id)
            case "resume":
                self.paused.discard(request.job_id)
        return JobStanding(
            job_id=request.job_id,
            status="in_progress",
            attempt=self.begun.count(request.job_id) - 1,
            cancel_requested=request.job_id in self.canceled,
            paused_at=PAUSED_AT if request.job_id in self.paused else None,
            paused_by="somebody",
        )

    @activity.defn(name="free_places")
    async def free_places(self, job: FreePlaces) -> None:
        self.freed.append(job.job_id)

    @activity.defn(name="next_repositories")
    async def next_repositories(self, page: NextRepositories) -> list[RepositoryRef]:
        self.listing.set()
        if self.next_is_held:
            await self.next_is_held.wait()
        rest = [each for each in self.repositories if page.after is None or each.repository_id > page.after]
        if page.repository_ids is not None:
            rest = [each for each in rest if each.repository_id in page.repository_ids]
        # Further jobs are there to be heard of: they have nothing to do.
        return rest[: page.limit] if page.job_id == self.begun[0] else []

    @activity.defn(name="repositories_that_may_go_on")
    async def repositories_that_may_go_on(self, those: WaitingRepositories) -> list[str]:
        self.looks.append(those.repository_ids)
        return [each for each in those.repository_ids if not self.still_waits(each)]

    @activity.defn(name="inspect_repository")
    async def inspect_repository(self, backfill: RepositoryBackfill) -> RepositoryScope:
        if self.inspect_limited:
            until, self.inspect_limited = activity.info().started_time + self.inspect_limited, None
            return RepositoryScope(repository=backfill.repository, limited_until=until)
        of_it = [each for each in self.recorded if each.outcome.repository == backfill.repository]
        last = max(of_it, key=lambda each: each.sequence, default=None)
        return RepositoryScope(
            repository=backfill.repository,
            data_types=backfill.data_types,
            sequence=last.sequence if last else 0,
            waiting=last.waiting if last else None,
        )

    @activity.defn(name="record_repository")
    async def record_repository(self, change: RepositoryTransition) -> None:
        self.recorded.append(change)

    @activity.defn(name="finish_job")
    async def finish_job(self, job: FinishJob) -> JobOutcome:
        self.finished.append(job)
        self.canceled.discard(job.job_id)
        status: Any = "canceled" if job.canceled else "completed"
        return JobOutcome(
            job_id=job.job_id, status=status, total_repositories=0, completed_repositories=0, failed_repositories=0
        )

    @activity.defn(name="sweep")
    async def sweep(self, slice_: SweepSlice) -> SliceResult:
        info = activity.info()
        self.sweeps.append((slice_.repository.full_name, slice_.data_type, info.attempt, info.started_time))
        calls = sum(data_type == slice_.data_type for _, data_type, _, _ in self.sweeps)
        return await self.sweep_is(slice_, calls)

    @asynccontextmanager
    async def worked(
        self,
        client: Client,
        repository: type = RepositoryBackfillWorkflow,
        *,
        legs: Sequence[Leg] = LEGS,
        sweeps_at_once: int | None = None,
    ) -> AsyncIterator[str]:
        """Workers with these activities; the task queue of workflows."""
        queue = f"pretence-{uuid.uuid4().hex[:8]}"
        every: list[Callable[..., Any]] = [self.begin_job, self.next_repositories, self.inspect_repository]
        every += [self.repositories_that_may_go_on, self.record_repository, self.finish_job]
        every += [self.carry_out_signal, self.free_places]
        async with AsyncExitStack() as workers:
            for leg in legs:
                sweeps = Worker(
                    client,
                    task_queue=sweep_queue(queue, leg),
                    activities=[self.sweep],
                    max_concurrent_activities=sweeps_at_once,
                    max_heartbeat_throttle_interval=HEARTBEATS_EVERY,
                )
                await workers.enter_async_context(sweeps)
            decisions = Worker(
                client,
                task_queue=queue,
                workflows=[WorkspaceBackfillWorkflow, repository],
                activities=every,
            )
            await workers.enter_async_context(decisions)
            yield queue

    def outcome(self, name: str) -> RepositoryOutcome:
        """What was recorded last of a repository."""
        return [each.outcome for each in self.recorded if each.outcome.repository.full_name == name][-1]


def repositories(number: int) -> list[RepositoryRef]:
    return [
        RepositoryRef(repository_id=f"00000000-0000-4000-8000-{each:012}", github_id=each, full_name=f"o/{each}")
        for each in range(1, number + 1)
    ]


async def start(client: Client, queue: str, job_id: str) -> WorkflowHandle[Any, Any]:
    """As the reconciler tells of a job."""
    workspace_id = uuid.uuid4().hex
    return await client.start_workflow(
        WorkspaceBackfillWorkflow.run,
        WorkspaceBackfill(workspace_id=workspace_id),
        id=workspace_workflow_id(workspace_id),
        task_queue=queue,
        start_signal="run",
        start_signal_args=[Run(job_id=job_id)],
    )


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


@dataclass
class Slow:
    """Repositories of which the first is limited for an hour at once, and a slice of the second takes for ever."""

    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    stopped: list[str] = field(default_factory=list)

    async def __call__(self, slice_: SweepSlice, _call: int) -> SliceResult:
        name = slice_.repository.full_name
        self.asked[name, slice_.data_type] += 1
        if self.asked[name, slice_.data_type] > 1:
            return DONE
        if name == "o/1":
            return SliceResult(outcome="limited", limited_until=activity.info().started_time + timedelta(hours=1))
        if name == "o/2":
            try:
                while True:
                    activity.heartbeat()
                    await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                self.stopped.append(slice_.data_type)
                raise
        return DONE


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


async def replay(client: Client, workflow_id: str) -> None:
    """Every run of the chain, as a worker does that has it no more in its memory."""
    replayer = Replayer(
        workflows=[WorkspaceBackfillWorkflow, RepositoryBackfillWorkflow], data_converter=pydantic_data_converter
    )
    run_id: str | None = (await client.get_workflow_handle(workflow_id).describe()).raw_info.first_run_id
    while run_id:
        history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        await replayer.replay_workflow(history)
        last = history.events[-1]
        run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id


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


async def test_a_retry_is_not_stopped_by_the_cancel_of_the_attempt_before(skipping: WorkflowEnvironment) -> None:
    pretence = Pretence(repositories(1), next_is_held=asyncio.Event())
    assert pretence.next_is_held
    async with pretence.worked(skipping.client) as queue:
        handle = await start(skipping.client, queue, "job")
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
