"""The backfills of one workspace, one job at a time: a child workflow for each repository, a bounded number at once.

Recent first, without a barrier: where a place is free and every repository's recent leg was begun, a historical leg is.
"""

import asyncio

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ChildWorkflowError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    import temporal
    from activities.jobs import JobActivities
    from messages import (
        LEGS,
        WORKSPACE_BACKFILL,
        BeginJob,
        Cancel,
        Failure,
        FinishJob,
        JobPlace,
        JobPlan,
        Leg,
        NextRepositories,
        RepositoryBackfill,
        RepositoryOutcome,
        RepositoryRef,
        RepositoryTransition,
        Retry,
        Run,
        TypeOutcome,
        WaitingRepositories,
        WorkspaceBackfill,
        repository_workflow_id,
    )
    from workflows import order, retries
    from workflows.repository_backfill import GIVES_WAY, RepositoryBackfillWorkflow, failure_of

PAGE = 100
"""Repositories asked for at once."""
LONG = 3_000
"""Events after which a run gives way: what 200 children still bring until they have ended keeps it under 5,000."""
LOOK_SECONDS = (2, 5, 10, 30)
"""How long between two looks, look after look, at what waits for other jobs."""
LAST_WORD = 1_000_000
"""Sequence of what the parent writes of a child that could not write it itself."""


@workflow.defn(name=WORKSPACE_BACKFILL)
class WorkspaceBackfillWorkflow:
    """Signals bring jobs into its inbox; it ends when the inbox is empty, and is started anew by the next signal."""

    @workflow.init
    def __init__(self, backfill: WorkspaceBackfill) -> None:
        self._inbox: list[Run | Retry] = list(backfill.inbox)
        self._canceled: set[str] = set(backfill.canceled)
        self._plan: JobPlan | None = None
        self._running: dict[str, asyncio.Task[RepositoryOutcome]] = {}
        self._children: dict[str, workflow.ChildWorkflowHandle[RepositoryBackfillWorkflow, RepositoryOutcome]] = {}
        """Those that run and were not asked to give way."""
        self._legs: dict[str, Leg] = {}
        """Of those that run."""
        self._draining = False
        """The run's history is long: it begins nothing more."""
        self._gives_way = False
        self._making_room: set[str] = set()
        """Historical legs that were asked to give way to a recent one that waited for another job."""
        self._told = ""
        """The search attribute of the job's status."""
        self._ended = {"completed": 0, "failed": 0}

    @workflow.run
    async def run(self, backfill: WorkspaceBackfill) -> None:
        place = backfill.resume
        while True:
            if place is not None:
                await self._job(place)
                place = None
            if not self._inbox:
                # Handlers are synchronous and nothing is awaited from here on: no signal can fall between.
                return
            plan = await self._begin(self._inbox.pop(0))
            place = JobPlace(plan=plan) if plan is not None else None

    @workflow.signal(name="run")
    def run_job(self, job: Run) -> None:
        """Do this job behind those that wait."""
        if job not in self._inbox and not (self._plan and self._plan.job_id == job.job_id):
            self._inbox.append(job)

    @workflow.signal
    def retry(self, retry: Retry) -> None:
        """Do again what failed or was canceled of a job that has ended."""
        if retry not in self._inbox:
            self._inbox.append(retry)

    @workflow.signal
    def cancel(self, cancel: Cancel) -> None:
        """Stop this job if it runs. One that waits is canceled in Postgres, which its beginning respects."""
        self._canceled.add(cancel.job_id)

    async def _begin(self, work: Run | Retry) -> JobPlan | None:
        """The job's plan; None if it is not to be done: ended or canceled meanwhile, or deleted."""
        # A cancel that was meant for an earlier attempt of this job is not meant for this one.
        self._canceled.discard(work.job_id)
        try:
            plan = await workflow.execute_activity_method(
                JobActivities.begin_job,
                BeginJob(job_id=work.job_id),
                start_to_close_timeout=retries.MIRROR_TIMEOUT,
                retry_policy=retries.MIRROR,
                summary=work.job_id,
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("job %s cannot begin: %s", work.job_id, failure_of(error).message)
            return None
        return plan if plan.status == "in_progress" else None

    async def _job(self, place: JobPlace) -> None:
        """Runs a job to its end. Continues as new in the middle once the history is long: without children."""
        self._plan = plan = place.plan
        self._ended = {"completed": place.completed, "failed": place.failed}
        self._upsert("in_progress")
        try:
            left = await self._fan_out(place)
        except (asyncio.CancelledError, ActivityError) as error:
            if not is_cancelled_exception(error):
                raise
            # The workflow itself is being canceled, from Temporal: so is its job.
            self._canceled.add(plan.job_id)
            await self._stop_children()
            await self._finish(canceled=True)
            raise
        if left is not None:
            workflow.continue_as_new(
                WorkspaceBackfill(
                    workspace_id=plan.workspace_id,
                    inbox=self._inbox,
                    resume=left,
                    canceled=sorted(self._canceled),
                )
            )
        await self._finish(canceled=plan.job_id in self._canceled)
        self._plan = None

    async def _fan_out(self, place: JobPlace) -> JobPlace | None:
        """Starts and awaits the children. Answers where to go on in the next run, or None when all have ended."""
        line = _Line(place.plan.job_id, place)
        looking = asyncio.create_task(self._look_after_waiting(line))
        try:
            return await self._run_children(place.plan, line, looking)
        finally:
            looking.cancel()

    async def _run_children(self, plan: JobPlan, line: "_Line", looking: asyncio.Task[None]) -> JobPlace | None:
        begun, self._draining = 0, False
        while True:
            self._draining = self._draining or (begun > 0 and self._is_long())
            line.was_looked_at = False
            while not self._draining and len(self._running) < plan.pace.repositories_at_once:
                following = await line.following()
                if following is None:
                    break
                leg, repository = following
                begun += 1
                self._legs[repository.repository_id] = leg
                self._running[repository.repository_id] = asyncio.create_task(self._child(plan, repository, leg))
            self._show(line)
            self._tell(line)
            if not self._running and (self._draining or not line.waiting):
                return line.place(plan, self._ended) if line else None
            if self._draining and workflow.patched(GIVES_WAY):
                self._gives_way = True
                await self._ask_to_give_way(list(self._children))
            await self._make_room(line)
            await workflow.wait_condition(
                lambda: (
                    plan.job_id in self._canceled
                    or any(task.done() for task in self._running.values())
                    or (self._gives_way and bool(self._children))
                    or line.was_looked_at
                    or bool(self._in_the_way(line))
                    or looking.done()
                )
            )
            if looking.done():
                looking.result()  # it never ends by itself: this raises what ended it
            if plan.job_id in self._canceled:
                await self._stop_children()
                return None
            for repository_id in [key for key, task in self._running.items() if task.done()]:
                outcome = self._running.pop(repository_id).result()
                self._making_room.discard(repository_id)
                if outcome.next_leg is None:
                    self._ended["failed" if outcome.status == "failed" else "completed"] += 1
                elif outcome.waits_for_another:
                    line.wait(repository_id, outcome.next_leg)
                else:
                    line.join(repository_id, outcome.next_leg)

    async def _look_after_waiting(self, line: "_Line") -> None:
        """Looks, while repositories wait for other jobs, which of them may go on, and puts those back into the line."""
        while True:
            await workflow.wait_condition(lambda: bool(line.waiting))
            looks = 0
            while line.waiting:
                pause = LOOK_SECONDS[min(looks, len(LOOK_SECONDS) - 1)]
                await workflow.sleep(pause, summary=f"{len(line.waiting)} repositories wait for other jobs")
                line.go_on(await self._may_go_on(line))
                line.was_looked_at = True
                looks += 1

    async def _may_go_on(self, line: "_Line") -> list[str]:
        waiting = list(line.waiting)
        try:
            return await workflow.execute_activity_method(
                JobActivities.repositories_that_may_go_on,
                WaitingRepositories(job_id=line.job_id, repository_ids=waiting),
                start_to_close_timeout=retries.MIRROR_TIMEOUT,
                retry_policy=retries.MIRROR,
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            # It cannot be told any more: each of them finds out by itself.
            return waiting

    async def _make_room(self, line: "_Line") -> None:
        """Asks historical legs to end where recent ones came back from waiting and find every place taken."""
        if historical := self._in_the_way(line):
            self._making_room.update(historical)
            await self._ask_to_give_way(historical)

    def _in_the_way(self, line: "_Line") -> list[str]:
        """As many historical legs as there are recent ones in want of a place. A run that gives way begins no more."""
        wanted = 0 if self._draining else max(line.returned - len(self._making_room), 0)
        return [each for each in self._children if self._legs[each] == "historical"][:wanted]

    def _is_long(self) -> bool:
        info = workflow.info()
        return info.is_continue_as_new_suggested() or (
            info.get_current_history_length() > LONG and workflow.patched(GIVES_WAY)
        )

    async def _ask_to_give_way(self, repository_ids: list[str]) -> None:
        """One that has ended in this moment does not hear it, and need not."""
        children = [self._children.pop(each) for each in repository_ids]
        signals = (child.signal(RepositoryBackfillWorkflow.give_way) for child in children)
        await asyncio.gather(*signals, return_exceptions=True)

    async def _child(self, plan: JobPlan, repository: RepositoryRef, leg: Leg) -> RepositoryOutcome:
        down_to = plan.recent_since if leg == "recent" else None
        since = f"{plan.cutoff_at:%Y-%m-%d %H:%M} UTC"
        try:
            child = await workflow.start_child_workflow(
                RepositoryBackfillWorkflow.run,
                RepositoryBackfill(
                    job_id=plan.job_id,
                    workspace_id=plan.workspace_id,
                    attempt=plan.attempt,
                    repository=repository,
                    cutoff_at=plan.cutoff_at,
                    retention_days=plan.retention_days,
                    data_types=plan.data_types,
                    pace=plan.pace,
                    search_attributes=plan.search_attributes,
                    leg=leg,
                    down_to=down_to,
                    tier=plan.tier,
                ),
                id=repository_workflow_id(plan.job_id, repository.repository_id),
                cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
                static_summary=repository.full_name,
                static_details=f"{plan.retention_days} days, since {since}"
                + (f"; this is the recent leg, since {down_to:%Y-%m-%d %H:%M} UTC" if down_to else ""),
                priority=order.priority(plan.workspace_id, plan.tier, leg, retry=plan.attempt > 0),
                search_attributes=temporal.attributes(
                    plan.search_attributes,
                    workspace_id=plan.workspace_id,
                    repository=repository.full_name,
                    status="in_progress",
                    retention_days=plan.retention_days,
                ),
            )
            self._children[repository.repository_id] = child
            return await child
        except FailureError as error:
            if plan.job_id in self._canceled or not isinstance(error, ChildWorkflowError | WorkflowAlreadyStartedError):
                raise
            # It was terminated, or canceled alone, or has a bug: it could not say so itself. Or an earlier attempt's
            # has not ended yet.
            return await self._record_lost(plan, repository, error)
        finally:
            self._children.pop(repository.repository_id, None)

    async def _record_lost(self, plan: JobPlan, repository: RepositoryRef, error: FailureError) -> RepositoryOutcome:
        failure = Failure(
            code="canceled" if is_cancelled_exception(error) else "workflow_ended",
            message=f"the repository's workflow did not end by itself: {failure_of(error).message}"[:2_000],
            action="retry the job: it goes on at the committed cursors",
            error_class="bug",
        )
        outcome = RepositoryOutcome(
            repository=repository,
            status="failed",
            types=[TypeOutcome(data_type=each, status="failed") for each in plan.data_types],
            failure=failure,
        )
        await workflow.execute_activity_method(
            JobActivities.record_repository,
            RepositoryTransition(job_id=plan.job_id, attempt=plan.attempt, sequence=LAST_WORD, outcome=outcome),
            start_to_close_timeout=retries.MIRROR_TIMEOUT,
            retry_policy=retries.MIRROR,
            summary="failed",
        )
        return outcome

    async def _stop_children(self) -> None:
        """Cancels all children and waits until they have stopped."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        self._running.clear()

    async def _finish(self, *, canceled: bool) -> None:
        assert self._plan is not None, "a job that ends has a plan"
        outcome = await workflow.execute_activity_method(
            JobActivities.finish_job,
            FinishJob(job_id=self._plan.job_id, attempt=self._plan.attempt, canceled=canceled),
            start_to_close_timeout=retries.MIRROR_TIMEOUT,
            retry_policy=retries.MIRROR,
            summary="canceled" if canceled else "ended",
        )
        self._upsert(outcome.status)
        workflow.set_current_details(
            f"Job {outcome.job_id}: **{outcome.status}**, {outcome.completed_repositories} of"
            f" {outcome.total_repositories} repositories complete"
            + (f", {outcome.unshown}" if outcome.unshown else "")
            + f". {outcome.error_message or ''}"
        )

    def _show(self, line: "_Line") -> None:
        plan = self._plan
        if plan is not None:
            workflow.set_current_details(
                f"Job {plan.job_id} of {plan.workspace_name}: {plan.retention_days} days.\n\n"
                f"{self._ended['completed']} repositories complete, {self._ended['failed']} failed,"
                f" {len(self._running)} running, {line.historical} wait for their historical leg,"
                f" {len(line.waiting)} wait for other jobs, of {plan.total_repositories}."
                f" {len(self._inbox)} jobs waiting."
            )

    def _tell(self, line: "_Line") -> None:
        """The search attribute, where all that is left of the job waits for other jobs, or no longer does."""
        status = "waiting" if line.waiting and not self._running else "in_progress"
        if status != self._told:
            self._upsert(status)

    def _upsert(self, status: str) -> None:
        self._told = status
        if self._plan and (updates := temporal.updates(self._plan.search_attributes, status=status)):
            workflow.upsert_search_attributes(updates)


class _Line:
    """Who is next: every recent leg before every historical one. It holds ids, and a page of what they stand for."""

    def __init__(self, job_id: str, place: JobPlace) -> None:
        self.job_id = job_id
        self.waiting: dict[str, Leg] = {}
        """Those that wait for another job's sweep of the same."""
        self.was_looked_at = False
        """It was asked which of them may go on, and they, and the history's length, were not looked at since."""
        self._listed = place.listed or place.after
        self._more = True
        """There may be repositories that were not listed yet."""
        self._ids: dict[Leg, list[str]] = {"recent": list(place.recent), "historical": list(place.historical)}
        self._page: dict[Leg, list[RepositoryRef]] = {"recent": [], "historical": []}
        self._back: dict[Leg, list[str]] = {"recent": [], "historical": []}
        """Those that waited, and may go on: they had their turn before."""

    def __bool__(self) -> bool:
        lists = (*self._ids.values(), *self._page.values(), *self._back.values(), self.waiting)
        return self._more or any(lists)

    @property
    def historical(self) -> int:
        return len(self._ids["historical"]) + len(self._page["historical"])

    def join(self, repository_id: str, leg: Leg) -> None:
        """At the end of those who wait for this leg."""
        self._ids[leg].append(repository_id)

    def wait(self, repository_id: str, leg: Leg) -> None:
        """Outside of the line, until another job lets it go on."""
        self.waiting[repository_id] = leg

    def go_on(self, repository_ids: list[str]) -> None:
        """At the front of those who wait for this leg."""
        for each in repository_ids:
            self._back[self.waiting.pop(each)].append(each)

    @property
    def returned(self) -> int:
        """Recent legs that waited and may go on."""
        return len(self._back["recent"])

    async def following(self) -> tuple[Leg, RepositoryRef] | None:
        for leg in LEGS:
            while self._back[leg]:
                for repository in await self._repositories(repository_ids=[self._back[leg].pop(0)]):
                    return leg, repository
            while not self._page[leg] and self._ids[leg]:
                ids = self._ids[leg][:PAGE]
                # One that is not among them any more has ended otherwise.
                self._page[leg] = await self._repositories(repository_ids=ids)
                del self._ids[leg][: len(ids)]
            if leg == "recent" and not self._page[leg] and self._more:
                page = self._page[leg] = await self._repositories(after=self._listed)
                self._more = len(page) == PAGE
                self._listed = page[-1].repository_id if page else self._listed
            if self._page[leg]:
                return leg, self._page[leg].pop(0)
        return None

    def place(self, plan: JobPlan, ended: dict[str, int]) -> JobPlace:
        """For the next run. What waits for other jobs stands in line there, and finds out by itself that it waits."""
        ids = {
            leg: [
                *self._back[leg],
                *(each.repository_id for each in self._page[leg]),
                *self._ids[leg],
                *(each for each, its in self.waiting.items() if its == leg),
            ]
            for leg in LEGS
        }
        return JobPlace(
            plan=plan,
            listed=self._listed,
            recent=ids["recent"],
            historical=ids["historical"],
            completed=ended["completed"],
            failed=ended["failed"],
        )

    async def _repositories(
        self, *, after: str | None = None, repository_ids: list[str] | None = None
    ) -> list[RepositoryRef]:
        return await workflow.execute_activity_method(
            JobActivities.next_repositories,
            NextRepositories(job_id=self.job_id, after=after, limit=PAGE, repository_ids=repository_ids),
            start_to_close_timeout=retries.MIRROR_TIMEOUT,
            retry_policy=retries.MIRROR,
        )
