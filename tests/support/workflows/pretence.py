"""Workflows on a real server, with activities that only pretend to work."""

import asyncio
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

from messages import (
    LEGS,
    BeginJob,
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
    Run,
    SignalRequest,
    SliceResult,
    SurveyRepositories,
    SweepSlice,
    WaitingRepositories,
    WorkspaceBackfill,
    workspace_workflow_id,
)
from sandbox.temporal import TEMPORAL
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


@asynccontextmanager
async def hasty_server() -> AsyncIterator[Client]:
    """Yields a client of a dev server that suggests early to continue as new."""
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
    """The activities. `sweep` returns the result of each call of the sweep; calls are counted by data type, from 1."""

    repositories: Sequence[RepositoryRef] = ()
    sweep_is: Sweep = done
    still_waits: Callable[[str], bool] = field(default=lambda _repository_id: False)
    """Whether a repository that waits for another job has to go on waiting, whenever that is asked."""
    inspect_limited: timedelta | None = None
    next_is_held: asyncio.Event | None = None
    survey_is_held: asyncio.Event | None = None
    pace: Pace = field(default_factory=lambda: Pace(repositories_at_once=AT_ONCE, heartbeat_timeout_seconds=30))
    begun: list[str] = field(default_factory=list)
    finished: list[FinishJob] = field(default_factory=list)
    recorded: list[RepositoryTransition] = field(default_factory=list)
    sweeps: list[tuple[str, str, int, datetime]] = field(default_factory=list)
    """(repository, data type, attempt, when) of each call."""
    looks: list[list[str]] = field(default_factory=list)
    """Repositories of which it was asked whether they may go on."""
    surveyed: list[list[str]] = field(default_factory=list)
    """Repositories of which it was asked what they have, before they began."""
    long: frozenset[str] = frozenset()
    """Ids of repositories that a survey counts as long."""
    listing: asyncio.Event = field(default_factory=asyncio.Event)
    canceled: set[str] = field(default_factory=set)
    """Jobs whose rows say that they are to stop."""
    paused: set[str] = field(default_factory=set)
    """Jobs whose rows say that they are paused."""
    stopping: list[str] = field(default_factory=list)
    """Repositories that the row of every job says are to stop alone."""
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
            stopping=self.stopping,
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

    @activity.defn(name="survey_repositories")
    async def survey_repositories(self, those: SurveyRepositories) -> int:
        self.surveyed.append(those.repository_ids)
        return 0

    @activity.defn(name="survey_page")
    async def survey_page(self, those: SurveyRepositories) -> list[str]:
        self.surveyed.append(those.repository_ids)
        while self.survey_is_held and not self.survey_is_held.is_set():
            activity.heartbeat()
            await asyncio.sleep(0.05)
        return [each for each in those.repository_ids if each in self.long]

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
        """Runs workers with these activities; yields the task queue of workflows.

        The SDK's sandbox is off, because it is more than half of a decision's cost here. Every test of a worker as a
        program shows that workflows run in it, and so do tests that replay histories.
        """
        queue = f"pretence-{uuid.uuid4().hex[:8]}"
        every: list[Callable[..., Any]] = [self.begin_job, self.next_repositories, self.inspect_repository]
        every += [self.survey_repositories, self.survey_page, self.repositories_that_may_go_on]
        every += [self.record_repository, self.finish_job, self.carry_out_signal, self.free_places]
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
                workflow_runner=UnsandboxedWorkflowRunner(),
            )
            await workers.enter_async_context(decisions)
            yield queue

    def outcome(self, name: str) -> RepositoryOutcome:
        """Returns the outcome that was last recorded of a repository."""
        return [each.outcome for each in self.recorded if each.outcome.repository.full_name == name][-1]


def repositories(number: int) -> list[RepositoryRef]:
    return [
        RepositoryRef(repository_id=f"00000000-0000-4000-8000-{each:012}", github_id=each, full_name=f"o/{each}")
        for each in range(1, number + 1)
    ]


async def start(client: Client, queue: str, job_id: str) -> WorkflowHandle[Any, Any]:
    """Signals a job, as the reconciler does; returns its workflow."""
    workspace_id = uuid.uuid4().hex
    return await client.start_workflow(
        WorkspaceBackfillWorkflow.run,
        WorkspaceBackfill(workspace_id=workspace_id),
        id=workspace_workflow_id(workspace_id),
        task_queue=queue,
        start_signal="run",
        start_signal_args=[Run(job_id=job_id)],
    )


@dataclass
class Slow:
    """Repositories of which the first is limited for an hour at once, and the second has a slice that never ends."""

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


async def replay(client: Client, workflow_id: str) -> None:
    """Replays every run of the chain, as a worker does that does not have it in memory."""
    replayer = Replayer(
        workflows=[WorkspaceBackfillWorkflow, RepositoryBackfillWorkflow], data_converter=pydantic_data_converter
    )
    run_id: str | None = (await client.get_workflow_handle(workflow_id).describe()).raw_info.first_run_id
    while run_id:
        history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        await replayer.replay_workflow(history)
        last = history.events[-1]
        run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
