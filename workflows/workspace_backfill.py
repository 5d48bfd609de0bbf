"""The backfills of one workspace, one job at a time: a child workflow for each repository, a bounded number at once.

Recent first, without a barrier: where a place is free and every repository's recent leg was begun, a historical leg is.
"""

import asyncio
from typing import Literal, NoReturn

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
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
        CancelRepository,
        FailedRepository,
        Failure,
        FinishJob,
        FreePlaces,
        JobOutcome,
        JobPlace,
        JobPlan,
        JobProgress,
        JobStanding,
        Leg,
        Pause,
        RepositoryBackfill,
        RepositoryOutcome,
        RepositoryRef,
        RepositoryTransition,
        Resume,
        Retry,
        Run,
        RunningRepository,
        SignalAction,
        SignalRequest,
        TypeOutcome,
        WaitingRepositories,
        WorkspaceBackfill,
        repository_workflow_id,
    )
    from workflows import job_details, order, requests, retries
    from workflows.repository_backfill import GIVES_WAY, RepositoryBackfillWorkflow, failure_of
    from workflows.repository_line import RepositoryLine

LONG = 3_000
"""Events after which a run gives way: what 200 children still bring until they have ended keeps it under 5,000."""
LOOK_SECONDS = (2, 5, 10, 30)
"""How long between two looks, look after look, at what waits for other jobs."""
LAST_WORD = 1_000_000
"""Sequence of what the parent writes of a child that could not write it itself."""
FORMER_RUN_SECONDS = (1, 2, 5, 10, 30, 60, 60, 60)
"""How long a repository's workflow that an earlier run of ours began is given to stop at its page, look after look."""
FOLLOWS_RESET = "follows a reset"
"""The change of shape that asks such a workflow to give way, instead of counting its repository as lost."""
SIGNALS_ASK = "signals ask"
"""The change of shape that makes a signal which somebody sends in Temporal a request, written into the job's row."""


@workflow.defn(name=WORKSPACE_BACKFILL)
class WorkspaceBackfillWorkflow:
    """Signals bring jobs into its inbox; it ends when the inbox is empty and no job is paused, and is started anew by
    the next signal.

    A paused job gives its place to the jobs behind it. Once it is resumed it joins the end of the inbox.
    """

    @workflow.init
    def __init__(self, backfill: WorkspaceBackfill) -> None:
        self._inbox: list[Run | Retry] = list(backfill.inbox)
        self._canceled: set[str] = set(backfill.canceled)
        self._workspace_id = backfill.workspace_id
        self._plan: JobPlan | None = None
        self._pausing: JobStanding | None = backfill.pausing
        """Set if the job that runs is to stop until it is resumed."""
        self._was_pausing = False
        """When it was last looked at who runs."""
        self._paused: dict[str, JobStanding] = {each.job_id: each for each in backfill.paused}
        """Jobs that have stopped, or have not begun, until they are resumed."""
        self._places: dict[str, JobPlace] = {}
        """Where those go on that were paused in this run; the others begin at the top of their list."""
        self._row = asyncio.Lock()
        """Held while a job's row is read, so that what is read later is also obeyed later."""
        self._search_attributes = backfill.search_attributes
        self._running: dict[str, asyncio.Task[RepositoryOutcome]] = {}
        self._children: dict[str, workflow.ChildWorkflowHandle[RepositoryBackfillWorkflow, RepositoryOutcome]] = {}
        """Those that run and were not asked to give way."""
        self._legs: dict[str, Leg] = {}
        """Of those that run."""
        self._line: RepositoryLine | None = None
        """Of the job that runs."""
        self._stopping: set[str] = set()
        """Its repositories that somebody canceled alone."""
        self._shown: dict[str, RunningRepository] = {}
        """Those that run, as people are shown them."""
        self._latest_failed: list[FailedRepository] = []
        self._draining = False
        """The run's history is long: it begins nothing more."""
        self._gives_way = False
        self._making_room: set[str] = set()
        """Historical legs that were asked to give way to a recent one that waited for another job."""
        self._told = ""
        """The search attribute of the job's status."""
        self._ended = {"completed": 0, "failed": 0, "canceled": 0}

    @workflow.run
    async def run(self, backfill: WorkspaceBackfill) -> None:
        try:
            await self._work(backfill.resume)
        except BaseException as error:
            if is_cancelled_exception(error):
                # The workflow itself is being canceled, from Temporal: so are the jobs that it holds.
                for each in self._paused.values():
                    await self._end_job(each.job_id, each.attempt, canceled=True)
            raise

    async def _work(self, place: JobPlace | None) -> None:
        while True:
            if place is not None:
                await self._job(place)
                place = None
            if self._inbox:
                place = await self._begin(self._inbox.pop(0))
            elif self._paused or not workflow.all_handlers_finished():
                await self._rest()
            else:
                # Nothing is awaited from here on: no signal can fall between.
                return

    async def _rest(self) -> None:
        """Until there is a job to do, or none that may be resumed."""
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
        """Do this job behind those that wait."""
        if job not in self._inbox and not (self._plan and self._plan.job_id == job.job_id):
            self._inbox.append(job)

    @workflow.signal
    async def retry(self, retry: Retry) -> None:
        """Do again what failed or was canceled of a job."""
        if retry.attempt is None and workflow.patched(SIGNALS_ASK):
            async with self._row:
                standing = await self._carry_out("retry", retry)
            if standing is None or standing.status != "pending":
                return  # refused, or it waits in the job's row for the end of the present attempt
            retry = retry.of_attempt(standing.attempt)
        if retry not in self._inbox:
            self._inbox.append(retry)

    @workflow.signal
    async def cancel(self, cancel: Cancel) -> None:
        """Stop this job, whether it runs, waits or is paused."""
        if cancel.attempt is None and not workflow.patched(SIGNALS_ASK):
            self._canceled.add(cancel.job_id)
        else:
            await self._obey("cancel", cancel)

    @workflow.signal
    async def pause(self, pause: Pause) -> None:
        """Stop this job at the boundary of a page until it is resumed."""
        await self._obey("pause", pause)

    @workflow.signal
    async def resume(self, resume: Resume) -> None:
        """Go on with this paused job, behind those that wait."""
        await self._obey("resume", resume)

    @workflow.query
    def progress(self) -> JobProgress:
        """How far the job that runs is, and what is behind it."""
        if self._plan is None:
            return JobProgress(paused_jobs=sorted(self._paused), jobs_behind=len(self._inbox))
        return JobProgress(
            job_id=self._plan.job_id,
            attempt=self._plan.attempt,
            total=self._plan.total_repositories,
            completed=self._ended["completed"],
            failed=self._ended["failed"],
            canceled=self._ended["canceled"],
            between_legs=self._line.historical if self._line else 0,
            waiting_for_other_jobs=len(self._line.waiting) if self._line else 0,
            running=list(self._shown.values()),
            latest_failed=self._latest_failed,
            paused_jobs=sorted(self._paused),
            jobs_behind=len(self._inbox),
        )

    # Updates do what signals of the same name do, and answer: how the job stands, or why it cannot be done.

    @workflow.update(name="retry")
    async def update_retry(self, retry: Retry) -> JobStanding:
        """Do again what failed or was canceled of a job."""
        async with self._row:
            standing = await self._asked("retry", retry)
        if standing.status == "pending" and retry.of_attempt(standing.attempt) not in self._inbox:
            self._inbox.append(retry.of_attempt(standing.attempt))
        return standing

    @workflow.update(name="cancel")
    async def update_cancel(self, cancel: Cancel) -> JobStanding:
        """Stop this job, whether it runs, waits or is paused."""
        return await self._asked_and_obeyed("cancel", cancel)

    @workflow.update(name="pause")
    async def update_pause(self, pause: Pause) -> JobStanding:
        """Stop this job at the boundary of a page until it is resumed."""
        return await self._asked_and_obeyed("pause", pause)

    @workflow.update(name="resume")
    async def update_resume(self, resume: Resume) -> JobStanding:
        """Go on with this paused job, behind those that wait."""
        return await self._asked_and_obeyed("resume", resume)

    @workflow.update
    async def cancel_repository(self, cancel: CancelRepository) -> JobStanding:
        """Stop this repository of a job at the boundary of a page; the others go on."""
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
        """How the job stands, once its row says what an update asks for. Raises what the row refuses, in words."""
        try:
            standing = await self._write(requests.of_update(self._workspace_id, action, update))
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            raise ApplicationError(failure_of(error).message, type="refused", non_retryable=True) from None
        assert standing is not None, "a request that refuses raises where there is no job"
        return standing

    async def _obey(self, action: Literal["cancel", "pause", "resume"], signal: Cancel | Pause | Resume) -> None:
        """The job's row is the truth: a signal is only the reason to look at it."""
        async with self._row:
            standing = await self._carry_out(action, signal)
            if standing is not None:
                await self._obey_row(standing)

    async def _obey_row(self, standing: JobStanding) -> None:
        """Does what the row of a job says. The caller holds `self._row`."""
        if self._plan is not None and self._plan.job_id == standing.job_id:
            if standing.attempt == self._plan.attempt and not standing.ended:
                self._pausing = standing if standing.is_paused else None
                self._stopping = set(standing.stopping)
                if standing.cancel_requested:
                    self._canceled.add(standing.job_id)
            return
        # What waits in the inbox reads its row when it begins.
        if self._paused.pop(standing.job_id, None) is None:
            return
        if standing.is_paused:
            self._paused[standing.job_id] = standing
        elif not standing.ended and not standing.cancel_requested:
            self._inbox.append(Run(job_id=standing.job_id))
        else:
            outcome = await self._end_job(standing.job_id, standing.attempt, canceled=True)
            if self._plan is None and not self._paused:
                self._show_end(outcome)

    async def _carry_out(self, action: SignalAction, signal: requests.Signal) -> JobStanding | None:
        """How the job stands, once its row says what a signal asks for; None: the job is none of this workspace."""
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
        """Where to begin; None if the job is not to be done now: ended, canceled or paused meanwhile, or deleted."""
        # A cancel that was meant for an earlier attempt of this job is not meant for this one.
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
        return place.with_plan(plan) if place and place.plan.attempt == plan.attempt else JobPlace(plan=plan)

    async def _job(self, place: JobPlace) -> None:
        """Runs a job to its end, or until it is paused.

        Continues as new in the middle once the history is long: without children.
        """
        self._plan = plan = place.plan
        self._search_attributes = plan.search_attributes
        self._ended = {"completed": place.completed, "failed": place.failed, "canceled": place.canceled}
        self._stopping = set(place.stopping)
        self._latest_failed = list(place.latest_failed)
        self._upsert("in_progress")
        try:
            left = await self._fan_out(place)
            while left is not None and self._pausing is not None and plan.job_id not in self._canceled:
                await self._free_places()
                if self._pausing is not None and plan.job_id not in self._canceled:
                    self._paused[plan.job_id], self._places[plan.job_id] = self._pausing, left
                    self._plan = self._pausing = None
                    return
                left = await self._fan_out(left)
        except (asyncio.CancelledError, ActivityError) as error:
            if not is_cancelled_exception(error):
                raise
            # The workflow itself is being canceled, from Temporal: so is its job.
            self._canceled.add(plan.job_id)
            await self._stop_children()
            await self._finish(canceled=True)
            raise
        if left is not None and plan.job_id not in self._canceled:
            await workflow.wait_condition(workflow.all_handlers_finished)
            self._continue_as_new(left)
        await self._finish(canceled=plan.job_id in self._canceled)
        self._plan = self._pausing = None

    async def _fan_out(self, place: JobPlace) -> JobPlace | None:
        """Starts and awaits the children. Answers where to go on in the next run, or None when all have ended."""
        line = self._line = RepositoryLine(place.plan.job_id, place)
        looking = asyncio.create_task(self._look_after_waiting(line))
        try:
            return await self._run_children(place.plan, line, looking)
        finally:
            looking.cancel()

    async def _run_children(self, plan: JobPlan, line: RepositoryLine, looking: asyncio.Task[None]) -> JobPlace | None:
        begun, self._draining = 0, False
        while True:
            self._draining = self._draining or (begun > 0 and self._is_long())
            line.was_looked_at = False
            while not self._draining and self._pausing is None and len(self._running) < plan.pace.repositories_at_once:
                following = await line.following()
                if following is None:
                    break
                leg, repository = following
                if repository.repository_id in self._stopping:
                    await self._record_canceled(plan, repository)
                    self._ended["canceled"] += 1
                    continue
                begun += 1
                self._legs[repository.repository_id] = leg
                shown = RunningRepository(full_name=repository.full_name, leg=leg, since=workflow.now())
                self._shown[repository.repository_id] = shown
                self._running[repository.repository_id] = asyncio.create_task(self._child(plan, repository, leg))
            self._show(line)
            self._tell(line)
            self._was_pausing = self._pausing is not None
            if not self._running and (self._draining or self._was_pausing or not line.waiting):
                stopping = sorted(self._stopping)
                return line.place(plan, self._ended, self._latest_failed, stopping) if line else None
            self._stop_canceled(line)
            self._gives_way = self._was_pausing or (self._draining and workflow.patched(GIVES_WAY))
            if self._gives_way:
                await self._ask_to_give_way(list(self._children))
            await self._make_room(line)
            await workflow.wait_condition(
                lambda: (
                    plan.job_id in self._canceled
                    or any(task.done() for task in self._running.values())
                    or (self._gives_way and bool(self._children))
                    or (self._pausing is not None) != self._was_pausing
                    or line.was_looked_at
                    or self._is_to_stop(line)
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
                self._shown.pop(repository_id)
                self._making_room.discard(repository_id)
                if outcome.next_leg is None:
                    ended = outcome.status if outcome.status in ("failed", "canceled") else "completed"
                    self._ended[ended] += 1
                    if outcome.status == "failed":
                        self._latest_failed.append(job_details.failed(outcome))
                        del self._latest_failed[: -job_details.MOST_ROWS]
                elif outcome.waits_for_another:
                    line.wait(repository_id, outcome.next_leg)
                else:
                    line.join(repository_id, outcome.next_leg)

    async def _look_after_waiting(self, line: RepositoryLine) -> None:
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

    async def _may_go_on(self, line: RepositoryLine) -> list[str]:
        waiting = list(line.waiting)
        try:
            return await workflow.execute_activity_method(
                JobActivities.repositories_that_may_go_on,
                WaitingRepositories(job_id=line.job_id, repository_ids=waiting),
                start_to_close_timeout=retries.MIRROR_TIMEOUT,
                retry_policy=retries.MIRROR,
                summary=f"which of {len(waiting)} may go on",
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            # It cannot be told any more: each of them finds out by itself.
            return waiting

    async def _make_room(self, line: RepositoryLine) -> None:
        """Asks historical legs to end where recent ones came back from waiting and find every place taken."""
        if historical := self._in_the_way(line):
            self._making_room.update(historical)
            await self._ask_to_give_way(historical)

    def _in_the_way(self, line: RepositoryLine) -> list[str]:
        """As many historical legs as there are recent ones in want of a place. A run that gives way begins no more."""
        wanted = 0 if self._draining or self._pausing else max(line.returned - len(self._making_room), 0)
        return [each for each in self._children if self._legs[each] == "historical"][:wanted]

    def _is_long(self) -> bool:
        info = workflow.info()
        return info.is_continue_as_new_suggested() or (
            info.get_current_history_length() > LONG and workflow.patched(GIVES_WAY)
        )

    def _is_to_stop(self, line: RepositoryLine) -> bool:
        """Whether a repository that was canceled alone runs, or waits for another job."""
        return any(each in self._stopping for each in (*self._children, *line.waiting))

    def _stop_canceled(self, line: RepositoryLine) -> None:
        """Repositories that were canceled alone stop at their pages; those that wait come next in line, to end."""
        for repository_id in self._stopping & self._children.keys():
            self._children.pop(repository_id)
            self._running[repository_id].cancel()
        line.go_on([each for each in line.waiting if each in self._stopping])

    async def _ask_to_give_way(self, repository_ids: list[str]) -> None:
        """One that has ended in this moment does not hear it, and need not."""
        children = [self._children.pop(each) for each in repository_ids]
        signals = (child.signal(RepositoryBackfillWorkflow.give_way) for child in children)
        await asyncio.gather(*signals, return_exceptions=True)

    async def _child(self, plan: JobPlan, repository: RepositoryRef, leg: Leg) -> RepositoryOutcome:
        try:
            child = await self._start_child(plan, repository, leg)
            self._children[repository.repository_id] = child
            return await child
        except FailureError as error:
            if plan.job_id in self._canceled or not isinstance(error, ChildWorkflowError | WorkflowAlreadyStartedError):
                raise
            if repository.repository_id in self._stopping and is_cancelled_exception(error):
                return await self._record_canceled(plan, repository)
            # It was terminated, or canceled alone, or has a bug: it could not say so itself. Or an earlier attempt's
            # has not ended yet.
            return await self._record_lost(plan, repository, error)
        finally:
            self._children.pop(repository.repository_id, None)

    async def _start_child(
        self, plan: JobPlan, repository: RepositoryRef, leg: Leg
    ) -> workflow.ChildWorkflowHandle[RepositoryBackfillWorkflow, RepositoryOutcome]:
        """Raises `WorkflowAlreadyStartedError` if one with its id runs, and does not give way."""
        down_to = plan.recent_since if leg == "recent" else None
        since = f"{plan.cutoff_at:%Y-%m-%d %H:%M} UTC"
        # Who keeps the names of repositories from Temporal has uuids (docs/decisions/0022-payload-encryption.md).
        name = repository.name_at_start if temporal.REPOSITORY_FULL_NAME.name in plan.search_attributes else ""
        workflow_id = repository_workflow_id(plan.job_id, repository.repository_id, name)
        for pause in (*FORMER_RUN_SECONDS, None):
            try:
                return await workflow.start_child_workflow(
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
                    id=workflow_id,
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
            except WorkflowAlreadyStartedError:
                if pause is None or not workflow.patched(FOLLOWS_RESET):
                    raise
                # Our workflow was reset: its former run's children go on. What they have paid for is committed first.
                await self._ask_former_to_give_way(workflow_id)
                await workflow.sleep(
                    pause, summary=f"{repository.full_name}: a former run's workflow stops at its page"
                )
        raise AssertionError("the last attempt returns or raises")

    @staticmethod
    async def _ask_former_to_give_way(workflow_id: str) -> None:
        try:
            await workflow.get_external_workflow_handle(workflow_id).signal(RepositoryBackfillWorkflow.give_way)
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            # It has ended meanwhile.

    async def _record_lost(self, plan: JobPlan, repository: RepositoryRef, error: FailureError) -> RepositoryOutcome:
        failure = Failure(
            code="canceled" if is_cancelled_exception(error) else "workflow_ended",
            message=f"the repository's workflow did not end by itself: {failure_of(error).message}"[:2_000],
            action="retry the job: it goes on at the committed cursors",
            error_class="bug",
            repository=repository.full_name,
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
            summary=f"{repository.full_name}: failed",
        )
        return outcome

    async def _record_canceled(self, plan: JobPlan, repository: RepositoryRef) -> RepositoryOutcome:
        """Of a repository that somebody canceled alone, once it has stopped."""
        outcome = RepositoryOutcome(repository=repository, status="canceled")
        await workflow.execute_activity_method(
            JobActivities.record_repository,
            RepositoryTransition(job_id=plan.job_id, attempt=plan.attempt, sequence=LAST_WORD, outcome=outcome),
            start_to_close_timeout=retries.MIRROR_TIMEOUT,
            retry_policy=retries.MIRROR,
            summary=f"{repository.full_name}: canceled",
        )
        return outcome

    async def _stop_children(self) -> None:
        """Cancels all children and waits until they have stopped."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        self._running.clear()
        self._shown.clear()

    async def _finish(self, *, canceled: bool) -> None:
        assert self._plan is not None, "a job that ends has a plan"
        outcome = await self._end_job(self._plan.job_id, self._plan.attempt, canceled=canceled)
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

    async def _free_places(self) -> None:
        """Of the job that runs: nobody works on it any more until it is resumed."""
        assert self._plan is not None, "a job that is paused has a plan"
        await workflow.execute_activity_method(
            JobActivities.free_places,
            FreePlaces(job_id=self._plan.job_id),
            start_to_close_timeout=retries.MIRROR_TIMEOUT,
            retry_policy=retries.MIRROR,
            summary="paused",
        )

    def _show_paused(self) -> None:
        workflow.set_current_details(job_details.of_paused_jobs(self._paused.values()))

    def _show(self, line: RepositoryLine) -> None:
        if self._plan is None:
            return
        counts = job_details.JobCounts(
            total=self._plan.total_repositories,
            completed=self._ended["completed"],
            failed=self._ended["failed"],
            canceled=self._ended["canceled"],
            historical=line.historical,
            waiting=len(line.waiting),
        )
        workflow.set_current_details(
            job_details.of_running_job(
                self._plan,
                counts,
                self._latest_failed,
                self._shown.values(),
                pausing=self._pausing,
                paused=self._paused.values(),
                jobs_behind=len(self._inbox),
            )
        )

    def _tell(self, line: RepositoryLine) -> None:
        """The search attribute, where all that is left of the job waits for other jobs, or no longer does."""
        status = "waiting" if line.waiting and not self._running else "in_progress"
        if status != self._told:
            self._upsert(status)

    def _upsert(self, status: str) -> None:
        self._told = status
        if updates := temporal.updates(self._search_attributes, status=status):
            workflow.upsert_search_attributes(updates)
