"""The backfill of one repository: what it is called now, then its data types side by side, slice after slice."""

import asyncio
from datetime import datetime, timedelta
from functools import partial

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    import temporal
    from activities.jobs import JobActivities
    from activities.sweep import SweepActivity
    from messages import (
        REPOSITORY_BACKFILL,
        THREADS,
        DataType,
        Failure,
        PartStatus,
        RepositoryBackfill,
        RepositoryOutcome,
        RepositoryScope,
        RepositoryTransition,
        SliceResult,
        SweepSlice,
        TypeOutcome,
    )
    from workflows import retries

BUSY_SECONDS = (2, 5, 10, 30)
"""How long to wait, time after time, for another job that is at the same type of this repository."""


@workflow.defn(name=REPOSITORY_BACKFILL)
class RepositoryBackfillWorkflow:
    """A failure of one data type stops no other; the repository ends with what each of them came to."""

    @workflow.init
    def __init__(self, backfill: RepositoryBackfill) -> None:
        self._backfill = backfill
        self._repository = backfill.repository
        self._sequence = backfill.sequence
        self._told: dict[str, str] = {}
        self._waiting: dict[str, datetime] = {}
        self._open: set[DataType] = set()
        self._idle: set[DataType] = set()
        """Types that wait for threads to be stored."""
        self._thread_slices = 0
        """How many slices of threads have ended: with each there may be something new to make of them."""
        self._mirrored_wait: datetime | None = None

    @workflow.run
    async def run(self, backfill: RepositoryBackfill) -> RepositoryOutcome:
        if backfill.sequence == 0:
            await self._record(RepositoryOutcome(repository=self._repository, status="in_progress"))
        try:
            scope = await self._inspect()
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return await self._end(
                RepositoryOutcome(
                    repository=self._repository,
                    status="failed",
                    types=[TypeOutcome(data_type=each, status="failed") for each in backfill.data_types],
                    failure=failure_of(error),
                )
            )
        self._repository = scope.repository
        self._open = set(scope.data_types)
        ended = await asyncio.gather(*(self._sweep(each) for each in scope.data_types), return_exceptions=True)
        outcomes = list(scope.settled)
        for data_type, result in zip(scope.data_types, ended, strict=True):
            if isinstance(result, TypeOutcome):
                outcomes.append(result)
            elif isinstance(result, BaseException):
                if is_cancelled_exception(result):
                    # The parent writes what that means, once all its children have stopped.
                    raise result
                failure = failure_of(result).model_copy(update={"data_type": data_type})
                outcomes.append(TypeOutcome(data_type=data_type, status="failed", failure=failure))
        if None in ended:
            workflow.continue_as_new(backfill.model_copy(update={"sequence": self._sequence}))
        ended_as = {each.status for each in outcomes}
        # Canceled are types that were so before, and that the retry which we are leaves as they were.
        status: PartStatus = "completed"
        if "failed" in ended_as:
            status = "failed"
        elif "canceled" in ended_as:
            status = "canceled"
        elif ended_as == {"skipped"}:
            status = "skipped"
        return await self._end(RepositoryOutcome(repository=self._repository, status=status, types=outcomes))

    async def _inspect(self) -> RepositoryScope:
        while True:
            scope = await workflow.execute_activity_method(
                JobActivities.inspect_repository,
                self._backfill,
                start_to_close_timeout=retries.INSPECT_TIMEOUT,
                retry_policy=retries.INSPECT,
                summary=self._repository.full_name,
            )
            if scope.limited_until is None:
                return scope
            await self._wait("repository", scope.limited_until, "GitHub's budget is used up")

    async def _sweep(self, data_type: DataType) -> TypeOutcome | None:
        """Runs one type to its end. None: this run's history is long enough, and the type goes on in the next."""
        try:
            outcome = await self._slices(data_type)
        except BaseException:
            self._open.discard(data_type)
            raise
        if outcome is not None:
            self._open.discard(data_type)
            await self._mirror_wait()
        return outcome

    def _threads_ended(self) -> bool:
        return not self._open & THREADS

    async def _slices(self, data_type: DataType) -> TypeOutcome | None:
        pace = self._backfill.pace
        busy = 0
        while not workflow.info().is_continue_as_new_suggested():
            if workflow.cancellation_reason() is not None:
                # A slice that ended by itself while it was being canceled has swallowed the cancellation.
                raise asyncio.CancelledError
            seen = self._thread_slices
            result = await workflow.execute_activity_method(
                SweepActivity.sweep,
                SweepSlice(
                    job_id=self._backfill.job_id,
                    repository=self._repository,
                    data_type=data_type,
                    cutoff_at=self._backfill.cutoff_at,
                    pace=pace,
                    threads_ended=(threads_ended := self._threads_ended()),
                ),
                start_to_close_timeout=retries.SLICE_TIMEOUT,
                heartbeat_timeout=timedelta(seconds=pace.heartbeat_timeout_seconds),
                retry_policy=retries.SWEEP,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary=f"{data_type} of {self._repository.full_name}",
            )
            self._tell(data_type, result)
            if data_type in THREADS:
                self._thread_slices += 1
            if result.outcome == "limited" and result.limited_until is not None:
                await self._wait(data_type, result.limited_until, result.limited_why)
            elif result.outcome == "waiting":
                self._idle.add(data_type)
                await self._mirror_wait()
                # Nothing falls between: both were read before the slice was asked for.
                await workflow.wait_condition(partial(self._may_go_on, seen, threads_ended))
                self._idle.discard(data_type)
                await self._mirror_wait()
            elif result.outcome == "busy":
                busy = min(busy + 1, len(BUSY_SECONDS))
                await workflow.sleep(BUSY_SECONDS[busy - 1], summary=f"{data_type}: another job is at it")
            elif result.outcome != "more":
                return TypeOutcome(
                    data_type=data_type,
                    status="completed" if result.outcome == "completed" else _ended(result.outcome),
                    failure=result.failure,
                    as_of=result.as_of,
                    stored=result.stored,
                )
        return None

    def _may_go_on(self, thread_slices: int, threads_ended: bool) -> bool:
        """Whether there may be threads that were not stored when so many slices of them had ended."""
        return (
            self._thread_slices != thread_slices
            or self._threads_ended() != threads_ended
            or workflow.info().is_continue_as_new_suggested()
        )

    async def _wait(self, what: str, until: datetime, why: str) -> None:
        """Sleeps until it can be asked for again, without a slot, and says so."""
        self._waiting[what] = until
        await self._mirror_wait()
        # Spread: all who wait for one reset must not ask in the same instant.
        pause = max(until - workflow.now(), timedelta(0)) + timedelta(seconds=workflow.random().uniform(0, 1))
        await workflow.sleep(pause, summary=f"{what}: waiting until {until:%H:%M:%S} UTC: {why}"[:200])
        del self._waiting[what]
        await self._mirror_wait()

    async def _mirror_wait(self) -> None:
        """The repository waits when nothing of it can go on."""
        all_wait = bool(self._waiting) and self._open - self._idle <= self._waiting.keys()
        until = min(self._waiting.values()) if all_wait else None
        if until != self._mirrored_wait:
            self._mirrored_wait = until
            self._upsert("waiting" if until else "in_progress")
            await self._record(RepositoryOutcome(repository=self._repository, status="in_progress"))

    async def _record(self, outcome: RepositoryOutcome) -> None:
        self._sequence += 1
        await workflow.execute_activity_method(
            JobActivities.record_repository,
            RepositoryTransition(
                job_id=self._backfill.job_id,
                attempt=self._backfill.attempt,
                sequence=self._sequence,
                outcome=outcome,
                waiting_until=self._mirrored_wait if outcome.status == "in_progress" else None,
            ),
            start_to_close_timeout=retries.MIRROR_TIMEOUT,
            retry_policy=retries.MIRROR,
            summary=outcome.status,
        )

    async def _end(self, outcome: RepositoryOutcome) -> RepositoryOutcome:
        self._mirrored_wait = None
        self._upsert(outcome.status)
        await self._record(outcome)
        return outcome

    def _tell(self, data_type: str, result: SliceResult) -> None:
        stored = ", ".join(f"{number} {noun}" for noun, number in sorted(result.stored.items()))
        end = f": {result.failure.code}: {result.failure.message}" if result.failure else ""
        end += "".join(f"; {note}" for note in result.notes)
        as_of = f", as of {result.as_of:%Y-%m-%d %H:%M:%S} UTC" if result.as_of else ""
        self._told[data_type] = f"- **{data_type}** {result.outcome}{as_of}: {stored or 'nothing yet'}{end}"
        workflow.set_current_details("\n".join(self._told[each] for each in sorted(self._told)))

    def _upsert(self, status: str) -> None:
        if updates := temporal.updates(self._backfill.search_attributes, status=status):
            workflow.upsert_search_attributes(updates)


def _ended(outcome: str) -> PartStatus:
    return "skipped" if outcome == "skipped" else "failed"


def failure_of(error: BaseException) -> Failure:
    """Why an activity or a child ended: what its error carries, or at least its words."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ApplicationError) and cause.details:
            return Failure.model_validate(cause.details[0])
        if cause.__cause__ is None:
            break
        cause = cause.__cause__
    return Failure(
        code="workflow_error",
        message=f"{type(cause).__name__}: {cause}"[:2_000],
        action="look at the workflow in Temporal's Web UI, then retry the job",
        error_class="bug",
    )
