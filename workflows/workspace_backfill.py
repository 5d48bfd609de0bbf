"""The backfills of one workspace, one job at a time: a child workflow for each repository, a bounded number at once."""

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
        WORKSPACE_BACKFILL,
        BeginJob,
        Cancel,
        Failure,
        FinishJob,
        JobPlace,
        JobPlan,
        NextRepositories,
        RepositoryBackfill,
        RepositoryOutcome,
        RepositoryRef,
        RepositoryTransition,
        Retry,
        Run,
        TypeOutcome,
        WorkspaceBackfill,
        repository_workflow_id,
    )
    from workflows import retries
    from workflows.repository_backfill import RepositoryBackfillWorkflow, failure_of

PAGE = 100
"""Repositories asked for at once."""
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
        """Runs a job to its end. Continues as new in the middle once the history is long: drained, with its place."""
        self._plan = plan = place.plan
        self._ended = {"completed": 0, "failed": 0}
        self._upsert("in_progress")
        try:
            after = await self._fan_out(plan, place.after)
        except (asyncio.CancelledError, ActivityError) as error:
            if not is_cancelled_exception(error):
                raise
            # The workflow itself is being canceled, from Temporal: so is its job.
            self._canceled.add(plan.job_id)
            await self._stop_children()
            await self._finish(canceled=True)
            raise
        if after is not None:
            workflow.continue_as_new(
                WorkspaceBackfill(
                    workspace_id=plan.workspace_id,
                    inbox=self._inbox,
                    resume=JobPlace(plan=plan, after=after),
                    canceled=sorted(self._canceled),
                )
            )
        await self._finish(canceled=plan.job_id in self._canceled)
        self._plan = None

    async def _fan_out(self, plan: JobPlan, after: str | None) -> str | None:
        """Starts and awaits the children. Answers where to go on in the next run, or None when all have ended."""
        waiting: list[RepositoryRef] = []
        more = True
        while True:
            draining = after is not None and workflow.info().is_continue_as_new_suggested()
            while not draining and len(self._running) < plan.pace.repositories_at_once and (waiting or more):
                if not waiting:
                    waiting = await self._repositories(plan.job_id, after)
                    more = len(waiting) == PAGE
                    continue
                repository = waiting.pop(0)
                after = repository.repository_id
                self._running[after] = asyncio.create_task(self._child(plan, repository))
            self._show()
            if not self._running:
                return after if (waiting or more) else None
            await workflow.wait_condition(
                lambda: plan.job_id in self._canceled or any(task.done() for task in self._running.values())
            )
            if plan.job_id in self._canceled:
                await self._stop_children()
                return None
            for repository_id in [key for key, task in self._running.items() if task.done()]:
                outcome = self._running.pop(repository_id).result()
                self._ended["failed" if outcome.status == "failed" else "completed"] += 1

    async def _child(self, plan: JobPlan, repository: RepositoryRef) -> RepositoryOutcome:
        try:
            return await workflow.execute_child_workflow(
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
                ),
                id=repository_workflow_id(plan.job_id, repository.repository_id),
                cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
                static_summary=repository.full_name,
                static_details=f"{plan.retention_days} days, since {plan.cutoff_at:%Y-%m-%d %H:%M} UTC",
                search_attributes=temporal.attributes(
                    plan.search_attributes,
                    workspace_id=plan.workspace_id,
                    repository=repository.full_name,
                    status="in_progress",
                    retention_days=plan.retention_days,
                ),
            )
        except FailureError as error:
            if plan.job_id in self._canceled or not isinstance(error, ChildWorkflowError | WorkflowAlreadyStartedError):
                raise
            # It was terminated, or canceled alone, or has a bug: it could not say so itself. Or an earlier attempt's
            # has not ended yet.
            return await self._record_lost(plan, repository, error)

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

    async def _repositories(self, job_id: str, after: str | None) -> list[RepositoryRef]:
        return await workflow.execute_activity_method(
            JobActivities.next_repositories,
            NextRepositories(job_id=job_id, after=after, limit=PAGE),
            start_to_close_timeout=retries.MIRROR_TIMEOUT,
            retry_policy=retries.MIRROR,
        )

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
            f" {outcome.total_repositories} repositories complete. {outcome.error_message or ''}"
        )

    def _show(self) -> None:
        plan = self._plan
        if plan is not None:
            workflow.set_current_details(
                f"Job {plan.job_id} of {plan.workspace_name}: {plan.retention_days} days.\n\n"
                f"{self._ended['completed']} repositories complete, {self._ended['failed']} failed,"
                f" {len(self._running)} running, of {plan.total_repositories}."
                f" {len(self._inbox)} jobs waiting."
            )

    def _upsert(self, status: str) -> None:
        if self._plan and (updates := temporal.updates(self._plan.search_attributes, status=status)):
            workflow.upsert_search_attributes(updates)
