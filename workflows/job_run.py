"""Runs the repositories of one job, each in a child workflow. Only a limited number of child workflows run at once.

Recent legs start first. Once every recent leg has started, free places go to historical legs, even if some recent legs
still run.
"""

import asyncio
from collections.abc import Callable

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ChildWorkflowError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from activities.jobs import JobActivities
    from messages import (
        FailedRepository,
        JobPlace,
        JobPlan,
        JobProgress,
        JobStanding,
        Leg,
        RepositoryOutcome,
        RepositoryRef,
        RunningRepository,
        WaitingRepositories,
    )
    from workflows import job_details, repository_child, retries
    from workflows.repository_backfill import RepositoryBackfillWorkflow
    from workflows.repository_child import Child
    from workflows.repository_line import RepositoryLine
    from workflows.shape_changes import CANCELS_ALONE, GIVES_WAY

LONG = 3_000
"""Events after which a run continues as new. With the remaining events of 200 children, it has fewer than 5,000."""
LOOK_SECONDS = (2, 5, 10, 30)
"""Seconds between checks whether repositories may resume that wait for other jobs."""


def place_of(plan: JobPlan, left: JobPlace | None) -> JobPlace:
    """Returns the place at which a job begins.

    `left` is the place at which the job stopped earlier in this run, or None. If `left` belongs to the job's present
    attempt, the job resumes there. Otherwise the job begins with its first repository.
    """
    place = left if left and left.plan.attempt == plan.attempt else JobPlace(plan=plan)
    return place.with_plan(plan, heeds_stopping=bool(plan.stopping) and workflow.patched(CANCELS_ALONE))


class JobRun:
    """Runs the child workflows of one job, beginning at `place`.

    The run stops once the job's id is in `canceled`, a set that is shared with the workspace's workflow. `pausing` is
    the job's state if the job is to stop until it is resumed, else None. `making_room` holds the ids of repositories
    whose historical leg was asked to give way to a recent leg. `show` is called when the details in Temporal change.
    `tell` is called with the job's status, for the search attribute.
    """

    def __init__(
        self,
        place: JobPlace,
        canceled: set[str],
        pausing: JobStanding | None,
        making_room: set[str],
        show: Callable[[], None],
        tell: Callable[[str], None],
    ) -> None:
        self.plan = place.plan
        self.pausing = pausing
        """Set if the job is to stop until it is resumed."""
        self.stopping: set[str] = set(place.stopping)
        """Repositories that somebody canceled without the rest of the job."""
        self.ended = {"completed": place.completed, "failed": place.failed, "canceled": place.canceled}
        self.latest_failed: list[FailedRepository] = list(place.latest_failed)
        self.line: RepositoryLine | None = None
        self.shown: dict[str, RunningRepository] = {}
        """The running repositories, as people are shown them."""
        self._canceled = canceled
        self._show = show
        self._tell = tell
        self._was_pausing = False
        """Whether the job was pausing when its children were last checked."""
        self._running: dict[str, asyncio.Task[RepositoryOutcome]] = {}
        self._children: dict[str, Child] = {}
        """Running children that were not asked to give way."""
        self._legs: dict[str, Leg] = {}
        """The legs of the running children."""
        self._draining = False
        """Whether the run's history is long, so that it starts no further children."""
        self._gives_way = False
        self._making_room = making_room

    @property
    def is_canceled(self) -> bool:
        return self.plan.job_id in self._canceled

    @property
    def historical(self) -> int:
        return self.line.historical if self.line else 0

    @property
    def waiting(self) -> int:
        return len(self.line.waiting) if self.line else 0

    def obey(self, standing: JobStanding) -> None:
        """Takes over pause and cancel requests from `standing`, the state in the job's row. Does nothing if the row is
        of another attempt, or if the job has ended.
        """
        if standing.attempt == self.plan.attempt and not standing.ended:
            self.pausing = standing if standing.is_paused else None
            self.stopping = set(standing.stopping)
            if standing.cancel_requested:
                self._canceled.add(standing.job_id)

    def progress(self, paused_jobs: list[str], jobs_behind: int) -> JobProgress:
        return JobProgress(
            job_id=self.plan.job_id,
            attempt=self.plan.attempt,
            total=self.plan.total_repositories,
            completed=self.ended["completed"],
            failed=self.ended["failed"],
            canceled=self.ended["canceled"],
            between_legs=self.historical,
            waiting_for_other_jobs=self.waiting,
            running=list(self.shown.values()),
            latest_failed=self.latest_failed,
            paused_jobs=paused_jobs,
            jobs_behind=jobs_behind,
        )

    def counts(self) -> job_details.JobCounts:
        return job_details.JobCounts(
            total=self.plan.total_repositories,
            completed=self.ended["completed"],
            failed=self.ended["failed"],
            canceled=self.ended["canceled"],
            historical=self.historical,
            waiting=self.waiting,
        )

    async def fan_out(self, place: JobPlace) -> JobPlace | None:
        """Starts the child workflows and waits for them. Returns None if all repositories have ended, or if the job is
        canceled.

        Otherwise returns the place where a later run of the workflow resumes the job, because the job is paused or this
        run's history is long.
        """
        line = self.line = RepositoryLine(self.plan.job_id, place, lambda: self.is_canceled or self.pausing is not None)
        looking = asyncio.create_task(self._look_after_waiting(line))
        try:
            return await self._run_children(line, looking)
        finally:
            looking.cancel()

    async def _run_children(self, line: RepositoryLine, looking: asyncio.Task[None]) -> JobPlace | None:
        plan = self.plan
        begun, self._draining = 0, False
        while True:
            self._draining = self._draining or (begun > 0 and self._is_long())
            line.was_looked_at = False
            while not self._draining and self.pausing is None and len(self._running) < plan.pace.repositories_at_once:
                following = await line.following()
                if following is None:
                    break
                leg, repository = following
                if repository.repository_id in self.stopping:
                    await repository_child.record_canceled(plan, repository)
                    self.ended["canceled"] += 1
                    continue
                begun += 1
                self._legs[repository.repository_id] = leg
                shown = RunningRepository(full_name=repository.full_name, leg=leg, since=workflow.now())
                self.shown[repository.repository_id] = shown
                self._running[repository.repository_id] = asyncio.create_task(self._child(repository, leg))
            self._show()
            self._tell("waiting" if line.waiting and not self._running else "in_progress")
            self._was_pausing = self.pausing is not None
            if not self._running and (self._draining or self._was_pausing or not line.waiting):
                stopping = sorted(self.stopping)
                return line.place(plan, self.ended, self.latest_failed, stopping) if line else None
            self._stop_canceled(line)
            self._gives_way = self._was_pausing or (self._draining and workflow.patched(GIVES_WAY))
            if self._gives_way:
                await self._ask_to_give_way(list(self._children))
            await self._make_room(line)
            await workflow.wait_condition(
                lambda: (
                    self.is_canceled
                    or any(task.done() for task in self._running.values())
                    or (self._gives_way and bool(self._children))
                    or (self.pausing is not None) != self._was_pausing
                    or line.was_looked_at
                    or self._is_to_stop(line)
                    or bool(self._in_the_way(line))
                    or looking.done()
                )
            )
            if looking.done():
                looking.result()  # this task ends only by an error, which is raised here
            if self.is_canceled:
                await self.stop_children()
                return None
            for repository_id in [key for key, task in self._running.items() if task.done()]:
                outcome = self._running.pop(repository_id).result()
                self.shown.pop(repository_id)
                self._making_room.discard(repository_id)
                if outcome.next_leg is None:
                    ended = outcome.status if outcome.status in ("failed", "canceled") else "completed"
                    self.ended[ended] += 1
                    if outcome.status == "failed":
                        self.latest_failed.append(job_details.failed(outcome))
                        del self.latest_failed[: -job_details.MOST_ROWS]
                elif outcome.waits_for_another:
                    line.set_aside(repository_id, outcome.next_leg)
                else:
                    line.join(repository_id, outcome.next_leg)

    async def _look_after_waiting(self, line: RepositoryLine) -> None:
        """Checks again and again which repositories that wait for other jobs may resume. Puts repositories that may
        resume back into the line. Runs until it is canceled.
        """
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
            # The activity failed for good. Each repository finds out by itself whether it may resume.
            return waiting

    async def _make_room(self, line: RepositoryLine) -> None:
        """Asks historical legs to give way if recent legs that waited for other jobs may resume, but find no place."""
        if historical := self._in_the_way(line):
            self._making_room.update(historical)
            await self._ask_to_give_way(historical)

    def _in_the_way(self, line: RepositoryLine) -> list[str]:
        """Returns the ids of repositories whose historical leg has to give way: one id for each recent leg that may
        resume. Each leg that was already asked to give way reduces this number by one. While this run is paused or
        draining, returns no ids, because the run then starts no leg.
        """
        wanted = 0 if self._draining or self.pausing else max(line.recent_to_resume - len(self._making_room), 0)
        return [each for each in self._children if self._legs[each] == "historical"][:wanted]

    def _is_long(self) -> bool:
        info = workflow.info()
        return info.is_continue_as_new_suggested() or (
            info.get_current_history_length() > LONG and workflow.patched(GIVES_WAY)
        )

    def _is_to_stop(self, line: RepositoryLine) -> bool:
        """Returns whether somebody canceled a single repository that still runs, or still waits for another job."""
        return any(each in self.stopping for each in (*self._children, *line.waiting))

    def _stop_canceled(self, line: RepositoryLine) -> None:
        """Stops the repositories that somebody canceled individually. Running repositories stop at their next page.
        Repositories that wait for another job move to the front of the line, from which they end at once.
        """
        for repository_id in self.stopping & self._children.keys():
            self._children.pop(repository_id)
            self._running[repository_id].cancel()
        line.go_on([each for each in line.waiting if each in self.stopping])

    async def _ask_to_give_way(self, repository_ids: list[str]) -> None:
        """Asks the workflows of these repositories to give way. A workflow that ends at that moment may miss the
        signal. That does no harm, because the workflow has then ended anyway.
        """
        children = [self._children.pop(each) for each in repository_ids]
        signals = (child.signal(RepositoryBackfillWorkflow.give_way) for child in children)
        await asyncio.gather(*signals, return_exceptions=True)

    async def _child(self, repository: RepositoryRef, leg: Leg) -> RepositoryOutcome:
        try:
            child = await repository_child.start(self.plan, repository, leg)
            self._children[repository.repository_id] = child
            return await child
        except FailureError as error:
            if self.is_canceled or not isinstance(error, ChildWorkflowError | WorkflowAlreadyStartedError):
                raise
            if repository.repository_id in self.stopping and is_cancelled_exception(error):
                return await repository_child.record_canceled(self.plan, repository)
            # The child was terminated, was canceled by itself, or has a bug, so it could not record its outcome. Or the
            # child of an earlier attempt has not ended yet.
            return await repository_child.record_lost(self.plan, repository, error)
        finally:
            self._children.pop(repository.repository_id, None)

    async def stop_children(self) -> None:
        """Cancels all child workflows, and waits until they have ended."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        self._running.clear()
        self.shown.clear()
