"""The workflow of a workspace. It runs the workspace's jobs, one at a time, and carries out requests about jobs."""

import asyncio
from typing import Literal, NoReturn

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    import temporal
    from activities.jobs import JobActivities
    from messages import (
        WORKSPACE_BACKFILL,
        BeginJob,
        Cancel,
        CancelRepository,
        FailedRepository,
        FinishJob,
        FreePlaces,
        JobOutcome,
        JobPlace,
        JobProgress,
        JobStanding,
        Pause,
        Resume,
        Retry,
        Run,
        SignalAction,
        SignalRequest,
        WorkspaceBackfill,
    )
    from workflows import job_details, requests, retries
    from workflows.failures import failure_of
    from workflows.job_run import LONG, JobRun, place_of
    from workflows.shape_changes import SIGNALS_ASK


@workflow.defn(name=WORKSPACE_BACKFILL)
class WorkspaceBackfillWorkflow:
    """Runs a workspace's jobs, one at a time. Signals add jobs to the inbox. The workflow ends when the inbox is empty
    and no job is paused. The next signal starts the workflow again.

    While a job is paused, the jobs after it run. A resumed job joins the end of the inbox.
    """

    @workflow.init
    def __init__(self, backfill: WorkspaceBackfill) -> None:
        self._inbox: list[Run | Retry] = list(backfill.inbox)
        self._canceled: set[str] = set(backfill.canceled)
        self._workspace_id = backfill.workspace_id
        self._job: JobRun | None = None
        """The running job."""
        self._pausing: JobStanding | None = backfill.pausing
        """Set if the job that continues first is to stop until it is resumed."""
        self._paused: dict[str, JobStanding] = {each.job_id: each for each in backfill.paused}
        """Jobs that are stopped, or have not begun, until they are resumed."""
        self._places: dict[str, JobPlace] = {}
        """Where jobs resume that were paused in this run; others begin at the top of their list."""
        self._row = asyncio.Lock()
        """Held while a job's row is read, so that rows are applied in the order in which they are read."""
        self._search_attributes = backfill.search_attributes
        self._making_room: set[str] = set()
        """Historical legs that were asked to give way to a recent leg that had waited for another job."""
        self._latest_failed: list[FailedRepository] = []
        """Failed repositories of the latest job."""
        self._told = ""
        """The job's status in the search attribute."""

    @workflow.run
    async def run(self, backfill: WorkspaceBackfill) -> None:
        try:
            await self._work(backfill.resume)
        except BaseException as error:
            if is_cancelled_exception(error):
                # The workflow itself is being canceled in Temporal. So its paused jobs are canceled, too.
                for each in self._paused.values():
                    await self._end_job(each.job_id, each.attempt, canceled=True)
            raise

    async def _work(self, place: JobPlace | None) -> None:
        while True:
            if place is not None:
                await self._run_job(place)
                place = None
            if self._inbox:
                place = await self._begin(self._inbox.pop(0))
            elif self._paused or not workflow.all_handlers_finished():
                await self._rest()
            else:
                # Nothing is awaited between the check and the end, so no signal can be lost.
                return

    async def _rest(self) -> None:
        """Waits for a job to run, or until no job is paused any more. Continues as new if the history is long."""
        if self._paused:
            self._upsert("paused")
            self._show_paused()
        await workflow.wait_condition(
            lambda: (
                bool(self._inbox)
                or (workflow.all_handlers_finished() and (not self._paused or self._has_rested_long()))
            )
        )
        if not self._inbox and self._paused:
            self._continue_as_new(None)

    @staticmethod
    def _has_rested_long() -> bool:
        info = workflow.info()
        return info.is_continue_as_new_suggested() or info.get_current_history_length() > LONG

    def _continue_as_new(self, place: JobPlace | None) -> NoReturn:
        workflow.continue_as_new(
            WorkspaceBackfill(
                workspace_id=self._workspace_id,
                inbox=self._inbox,
                resume=place,
                canceled=sorted(self._canceled),
                paused=list(self._paused.values()),
                pausing=self._pausing,
                search_attributes=self._search_attributes,
            )
        )

    @workflow.signal(name="run")
    def run_job(self, job: Run) -> None:
        """Adds a job after the waiting jobs."""
        if job not in self._inbox and not (self._job and self._job.plan.job_id == job.job_id):
            self._inbox.append(job)

    @workflow.signal
    async def retry(self, retry: Retry) -> None:
        """Retries what failed or was canceled in a job."""
        if retry.attempt is None and workflow.patched(SIGNALS_ASK):
            async with self._row:
                standing = await self._carry_out("retry", retry)
            if standing is None or standing.status != "pending":
                return  # refused, or kept in the job's row until the present attempt has ended
            retry = retry.of_attempt(standing.attempt)
        if retry not in self._inbox:
            self._inbox.append(retry)

    @workflow.signal
    async def cancel(self, cancel: Cancel) -> None:
        """Stops a job, whether it runs, waits or is paused."""
        if cancel.attempt is None and not workflow.patched(SIGNALS_ASK):
            self._canceled.add(cancel.job_id)
        else:
            await self._obey("cancel", cancel)

    @workflow.signal
    async def pause(self, pause: Pause) -> None:
        """Stops a job at a page boundary until it is resumed."""
        await self._obey("pause", pause)

    @workflow.signal
    async def resume(self, resume: Resume) -> None:
        """Lets a paused job continue, once the jobs that already wait have had their turn."""
        await self._obey("resume", resume)

    @workflow.query
    def progress(self) -> JobProgress:
        """Answers how far the running job is, which jobs are paused, and how many jobs wait for their turn."""
        paused, behind = sorted(self._paused), len(self._inbox)
        if self._job is None:
            return JobProgress(paused_jobs=paused, jobs_behind=behind)
        return self._job.progress(paused, behind)

    # An update does what the signal of the same name does. It also answers with the job's state, or with the reason of
    # a refusal.

    @workflow.update(name="retry")
    async def update_retry(self, retry: Retry) -> JobStanding:
        """Retries what failed or was canceled in a job."""
        async with self._row:
            standing = await self._asked("retry", retry)
        if standing.status == "pending" and retry.of_attempt(standing.attempt) not in self._inbox:
            self._inbox.append(retry.of_attempt(standing.attempt))
        return standing

    @workflow.update(name="cancel")
    async def update_cancel(self, cancel: Cancel) -> JobStanding:
        """Stops a job, whether it runs, waits or is paused."""
        return await self._asked_and_obeyed("cancel", cancel)

    @workflow.update(name="pause")
    async def update_pause(self, pause: Pause) -> JobStanding:
        """Stops a job at a page boundary until it is resumed."""
        return await self._asked_and_obeyed("pause", pause)

    @workflow.update(name="resume")
    async def update_resume(self, resume: Resume) -> JobStanding:
        """Lets a paused job continue, once the jobs that already wait have had their turn."""
        return await self._asked_and_obeyed("resume", resume)

    @workflow.update
    async def cancel_repository(self, cancel: CancelRepository) -> JobStanding:
        """Stops one repository of a job at a page boundary. The job's other repositories continue."""
        return await self._asked_and_obeyed("cancel_repository", cancel)

    @update_retry.validator
    def _check_retry(self, retry: Retry) -> None:
        requests.check(retry)

    @update_cancel.validator
    def _check_cancel(self, cancel: Cancel) -> None:
        requests.check(cancel)

    @update_pause.validator
    def _check_pause(self, pause: Pause) -> None:
        requests.check(pause)

    @update_resume.validator
    def _check_resume(self, resume: Resume) -> None:
        requests.check(resume)

    @cancel_repository.validator
    def _check_cancel_repository(self, cancel: CancelRepository) -> None:
        requests.check(cancel)

    async def _asked_and_obeyed(self, action: SignalAction, update: requests.Update) -> JobStanding:
        async with self._row:
            standing = await self._asked(action, update)
            await self._obey_row(standing)
        return standing

    async def _asked(self, action: SignalAction, update: requests.Update) -> JobStanding:
        """Writes an update into the job's row. Returns the job's state, or raises `ApplicationError` if refused."""
        try:
            standing = await self._write(requests.of_update(self._workspace_id, action, update))
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            raise ApplicationError(failure_of(error).message, type="refused", non_retryable=True) from None
        assert standing is not None, "a request that refuses raises where there is no job"
        return standing

    async def _obey(self, action: Literal["cancel", "pause", "resume"], signal: Cancel | Pause | Resume) -> None:
        """Writes a signal into the job's row if a person sent it, then acts on the row. Ignores unknown jobs."""
        async with self._row:
            standing = await self._carry_out(action, signal)
            if standing is not None:
                await self._obey_row(standing)

    async def _obey_row(self, standing: JobStanding) -> None:
        """Cancels, pauses or resumes the job as its row says. The caller holds the lock `self._row`."""
        if self._job is not None and self._job.plan.job_id == standing.job_id:
            self._job.obey(standing)
            return
        # A job in the inbox reads its row when it begins.
        if self._paused.pop(standing.job_id, None) is None:
            return
        if standing.is_paused:
            self._paused[standing.job_id] = standing
        elif not standing.ended and not standing.cancel_requested:
            self._inbox.append(Run(job_id=standing.job_id))
        else:
            outcome = await self._end_job(standing.job_id, standing.attempt, canceled=True)
            if self._job is None and not self._paused:
                self._show_end(outcome)

    async def _carry_out(self, action: SignalAction, signal: requests.Signal) -> JobStanding | None:
        """Writes a person's signal into the job's row. Returns the job's state, or None for an unknown job."""
        return await self._write(requests.of_signal(self._workspace_id, action, signal))

    async def _write(self, request: SignalRequest) -> JobStanding | None:
        return await workflow.execute_activity_method(
            JobActivities.carry_out_signal,
            request,
            start_to_close_timeout=retries.MIRROR_TIMEOUT,
            retry_policy=retries.MIRROR,
            summary=f"{request.action or 'look at'} {request.repository or request.job_id}",
        )

    async def _begin(self, work: Run | Retry) -> JobPlace | None:
        """Begins a job and returns its place. Returns None if the job is over, canceled or paused, or cannot begin."""
        # A cancel of an earlier attempt does not count for this one.
        self._canceled.discard(work.job_id)
        self._paused.pop(work.job_id, None)
        self._pausing = None
        async with self._row:
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
            self._search_attributes = plan.search_attributes
            if plan.standing.is_paused:
                self._paused[plan.job_id] = plan.standing
                return None
        place = self._places.pop(plan.job_id, None)
        if plan.status != "in_progress":
            return None
        if plan.cancel_requested:
            await self._end_job(plan.job_id, plan.attempt, canceled=True)
            return None
        return place_of(plan, place)

    async def _run_job(self, place: JobPlace) -> None:
        """Runs a job until it has ended or is paused.

        In between, the workflow continues as new when its history is long and no child workflow runs.
        """
        plan = place.plan
        self._job = job = JobRun(
            place, self._canceled, self._pausing, self._making_room, lambda: self._show(job), self._tell
        )
        self._pausing = None
        self._search_attributes = plan.search_attributes
        self._latest_failed = job.latest_failed
        self._upsert("in_progress")
        try:
            left = await job.fan_out(place)
            while left is not None and job.pausing is not None and not job.is_canceled:
                await self._free_places(plan.job_id)
                if job.pausing is not None and not job.is_canceled:
                    self._paused[plan.job_id], self._places[plan.job_id] = job.pausing, left
                    self._job = None
                    return
                left = await job.fan_out(left)
        except (asyncio.CancelledError, ActivityError) as error:
            if not is_cancelled_exception(error):
                raise
            # The workflow itself is being canceled in Temporal. So its job is canceled, too.
            self._canceled.add(plan.job_id)
            await job.stop_children()
            await self._finish(job, canceled=True)
            raise
        if left is not None and not job.is_canceled:
            await workflow.wait_condition(workflow.all_handlers_finished)
            self._pausing = job.pausing
            self._continue_as_new(left)
        await self._finish(job, canceled=job.is_canceled)
        self._job = None

    async def _finish(self, job: JobRun, *, canceled: bool) -> None:
        outcome = await self._end_job(job.plan.job_id, job.plan.attempt, canceled=canceled)
        self._show_end(outcome)

    def _show_end(self, outcome: JobOutcome) -> None:
        self._upsert(outcome.status)
        workflow.set_current_details(job_details.of_ended_job(outcome, self._latest_failed))

    async def _end_job(self, job_id: str, attempt: int, *, canceled: bool) -> JobOutcome:
        self._places.pop(job_id, None)
        return await workflow.execute_activity_method(
            JobActivities.finish_job,
            FinishJob(job_id=job_id, attempt=attempt, canceled=canceled),
            start_to_close_timeout=retries.MIRROR_TIMEOUT,
            retry_policy=retries.MIRROR,
            summary="canceled" if canceled else "ended",
        )

    async def _free_places(self, job_id: str) -> None:
        """Frees the places of a paused job whose activities have ended. No other job then waits for its sweeps."""
        await workflow.execute_activity_method(
            JobActivities.free_places,
            FreePlaces(job_id=job_id),
            start_to_close_timeout=retries.MIRROR_TIMEOUT,
            retry_policy=retries.MIRROR,
            summary="paused",
        )

    def _show_paused(self) -> None:
        workflow.set_current_details(job_details.of_paused_jobs(self._paused.values()))

    def _show(self, job: JobRun) -> None:
        workflow.set_current_details(
            job_details.of_running_job(
                job.plan,
                job.counts(),
                job.latest_failed,
                job.shown.values(),
                pausing=job.pausing,
                paused=self._paused.values(),
                jobs_behind=len(self._inbox),
            )
        )

    def _tell(self, status: str) -> None:
        """Sets the search attribute to `status`, unless `status` is already its value."""
        if status != self._told:
            self._upsert(status)

    def _upsert(self, status: str) -> None:
        self._told = status
        if updates := temporal.updates(self._search_attributes, status=status):
            workflow.upsert_search_attributes(updates)
