"""The workflow of one repository: looks up its current name, then runs its data types side by side, slice by slice.

A run belongs to one leg. A type that has not ended in the recent leg resumes at its cursors in the historical leg.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Literal

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.jobs import JobActivities
    from activities.sweep import SweepActivity
    from messages import (
        REPOSITORY_BACKFILL,
        THREADS,
        DataType,
        Leg,
        PartStatus,
        PausedSlices,
        RepositoryBackfill,
        RepositoryOutcome,
        RepositoryScope,
        SliceOutcome,
        SliceResult,
        SweepSlice,
        TypeOutcome,
        Waiting,
        WaitingReason,
    )
    from workflows import order, retries
    from workflows.failures import ended_canceled, failure_of, was_never_begun
    from workflows.repository_mirror import RepositoryMirror
    from workflows.shape_changes import GIVES_WAY, NAMED_SLICES, SHOWS_WAITS

BUSY_SECONDS = (2, 5, 10, 30)
"""Seconds to wait, try after try, for another job that sweeps the same type of this repository."""
LONGEST_PATIENCE = timedelta(minutes=10)
_ENDED: dict[SliceOutcome, PartStatus] = {"completed": "completed", "skipped": "skipped"}


class LegOver:
    """The result of a data type whose leg is over. The type continues in the next leg."""


LEG_OVER: Final = LegOver()


@workflow.defn(name=REPOSITORY_BACKFILL)
class RepositoryBackfillWorkflow:
    """Backfills one repository. If a data type fails, the others continue. The outcome holds each type's result."""

    @workflow.init
    def __init__(self, backfill: RepositoryBackfill) -> None:
        self._backfill = backfill
        self._repository = backfill.repository
        self._waiting: dict[DataType | Literal["repository"], Waiting] = {}
        self._open: set[DataType] = set()
        self._mirror = RepositoryMirror(backfill, self._open, self._waiting)
        self._idle: dict[DataType, Callable[[], bool]] = {}
        """Types that wait for more stored threads, with a function that tells whether they may resume."""
        self._held: set[DataType] = set()
        """Types that wait for another job, unless they are checking whether they may resume."""
        self._behind: set[DataType] = set()
        """Types whose leg is over and that have not ended."""
        self._thread_slices = 0
        """Slices of threads that have ended. Each may have stored threads that other types wait for."""
        self._patience = timedelta(seconds=backfill.pace.worker_patience_seconds)
        """How long a slice may wait for a worker before the wait is shown. It doubles after each shown wait."""
        self._work: list[asyncio.Task[Any]] = []
        self._stopping = False
        """Whether this run gives way, because the parent asked for it or because its own history is long."""
        self._asked_to_give_way = False
        self._gives_place_back = False
        """Whether everything left to do waits for another job."""

    @workflow.signal
    def give_way(self) -> None:
        """Ends this run. Committed pages stay. The parent starts the repository's workflow again later."""
        self._asked_to_give_way = True
        self._stop()

    # A run need not wait for this signal: at its end it writes the repository's state itself.
    @workflow.signal(unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
    async def paused_in_temporal(self, paused: PausedSlices) -> None:
        """Shows the slices in `paused`, and no others, as paused by a person in Temporal."""
        for data_type in [each for each in self._open if self._is_paused(each)]:
            del self._waiting[data_type]
        for slice_ in paused.slices:
            if slice_.data_type in self._open:
                self._waiting[slice_.data_type] = slice_.as_waiting
        await self._mirror_wait()

    def _is_paused(self, data_type: DataType) -> bool:
        waiting = self._waiting.get(data_type)
        return waiting is not None and waiting.reason == "paused"

    @workflow.run
    async def run(self, backfill: RepositoryBackfill) -> RepositoryOutcome:
        self._mirror.show()
        if backfill.sequence == 0 and backfill.leg == "recent":
            await self._mirror.record(RepositoryOutcome(repository=self._repository, status="in_progress"))
        [scope] = await self._each(self._inspect())
        if scope is None:
            return await self._left(backfill.leg, [])
        if isinstance(scope, BaseException):
            if is_cancelled_exception(scope) or not isinstance(scope, ActivityError):
                raise scope
            return await self._end(
                RepositoryOutcome(
                    repository=self._repository,
                    status="failed",
                    types=[TypeOutcome(data_type=each, status="failed") for each in backfill.data_types],
                    failure=failure_of(scope).of_repository(self._repository.full_name),
                )
            )
        self._repository = scope.repository
        self._mirror.sequence = max(self._mirror.sequence, scope.sequence)
        self._open.update(scope.data_types)
        if scope.waiting is not None and workflow.patched(SHOWS_WAITS):
            self._mirror.wait = scope.waiting
            await self._mirror_wait()
        ended = await self._each(*(self._sweep(each) for each in scope.data_types))
        outcomes, lost = list(scope.settled), []
        for data_type, result in zip(scope.data_types, ended, strict=True):
            if isinstance(result, TypeOutcome):
                outcomes.append(result)
            elif isinstance(result, BaseException):
                if is_cancelled_exception(result):
                    # The parent workflow writes what the cancel means, once all its children have stopped.
                    raise result
                failure = failure_of(result).of_type(data_type).of_repository(self._repository.full_name)
                lost.append(TypeOutcome(data_type=data_type, status="failed", failure=failure))
        outcomes += lost
        if None in ended:
            return await self._left(backfill.leg, lost)
        if LEG_OVER in ended:
            return await self._left("historical", lost)
        ended_as = {each.status for each in outcomes}
        # A type is canceled here if it was before, and this retry did not select it.
        status: PartStatus = "completed"
        if "failed" in ended_as:
            status = "failed"
        elif "canceled" in ended_as:
            status = "canceled"
        elif ended_as == {"skipped"}:
            status = "skipped"
        return await self._end(RepositoryOutcome(repository=self._repository, status=status, types=outcomes))

    async def _each(self, *work: Coroutine[Any, Any, Any]) -> list[Any]:
        """Runs the coroutines. Returns a list with the result or the error of each coroutine. The entry is None if the
        coroutine was stopped because this run gives way.
        """
        self._work = [asyncio.create_task(each) for each in work]
        if self._stopping:
            self._stop()
        results = await asyncio.gather(*self._work, return_exceptions=True)
        # If the whole workflow was canceled, a stopped type must not continue in the next run.
        gave_way = self._stopping and workflow.cancellation_reason() is None
        return [
            None if gave_way and isinstance(each, BaseException) and is_cancelled_exception(each) else each
            for each in results
        ]

    def _stop(self) -> None:
        """Ends running slices at their next page. Ends waits, and slices that no worker has taken, at once."""
        self._stopping = True
        for task in self._work:
            if task is not asyncio.current_task():
                task.cancel()

    async def _left(self, next_leg: Leg, lost: list[TypeOutcome]) -> RepositoryOutcome:
        """Ends this run before all work is done. Returns the outcome with `next_leg`, or continues as new if only the
        run's history is long. Records the types in `lost` as failed. Their slices failed without a result.
        """
        same_leg = next_leg == self._backfill.leg
        goes_on_itself = same_leg and not self._asked_to_give_way and not self._gives_place_back
        if not self._gives_place_back:
            self._waiting.clear()
        if workflow.patched(SHOWS_WAITS):
            if not goes_on_itself and not self._gives_place_back:
                self._waiting["repository"] = Waiting(reason="turn", since=workflow.now())
            await self._mirror_wait(lost)
        else:
            if unsaid := self._mirror.forget_wait():
                self._mirror.upsert("in_progress")
            if (unsaid or lost) and workflow.patched(GIVES_WAY):
                await self._mirror.record(
                    RepositoryOutcome(repository=self._repository, status="in_progress", types=lost)
                )
        if goes_on_itself:
            workflow.continue_as_new(self._backfill.going_on(self._mirror.sequence))
        if not self._gives_place_back:
            self._mirror.show("gave way" if same_leg else "recent leg over, waiting for its turn")
        return RepositoryOutcome(
            repository=self._repository,
            status="in_progress",
            types=lost,
            next_leg=next_leg,
            waits_for_another=self._gives_place_back,
        )

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
            self._mirror.sequence = max(self._mirror.sequence, scope.sequence)
            why = scope.limited_why or "GitHub's budget is used up"
            await self._wait("repository", scope.waiting_reason, scope.limited_until, why, scope.waiting_since)

    async def _sweep(self, data_type: DataType) -> TypeOutcome | LegOver | None:
        """Sweeps one type until the type or its leg ends. Returns None if this run ends first."""
        try:
            outcome = await self._slices(data_type)
        except BaseException:
            self._open.discard(data_type)
            raise
        if outcome is LEG_OVER:
            self._behind.add(data_type)
        if outcome is not None:
            self._open.discard(data_type)
            await self._mirror_wait()
        elif not self._stopping and workflow.patched(GIVES_WAY):
            # This run's history is long, so it need not wait for a limit that ends in an hour.
            self._stop()
        return outcome

    def _threads_ended(self) -> bool:
        return not (self._open | self._behind) & THREADS

    def _threads_behind(self) -> bool:
        """Returns whether threads remain to be read, all of them in the next leg."""
        return bool(self._behind & THREADS) and not self._open & THREADS

    async def _slices(self, data_type: DataType) -> TypeOutcome | LegOver | None:
        pace, leg = self._backfill.pace, self._backfill.leg
        busy = 0
        while not self._stopping and not workflow.info().is_continue_as_new_suggested():
            if workflow.cancellation_reason() is not None:
                # The slice ended by itself while it was being canceled, and so swallowed the cancellation.
                raise asyncio.CancelledError
            seen = self._thread_slices
            result = await self._slice(
                SweepSlice(
                    job_id=self._backfill.job_id,
                    repository=self._repository,
                    data_type=data_type,
                    cutoff_at=self._backfill.cutoff_at,
                    pace=pace,
                    threads_ended=(threads_ended := self._threads_ended()),
                    down_to=self._backfill.down_to,
                    leg=leg,
                    threads_behind=self._threads_behind(),
                )
            )
            self._mirror.tell(data_type, result)
            if data_type in THREADS:
                self._thread_slices += 1
            if result.outcome != "busy" and self._waiting.pop(data_type, None) is not None:
                await self._mirror_wait()
            if result.outcome == "limited" and result.limited_until is not None:
                reason, since = result.waiting_reason, result.waiting_since
                await self._wait(data_type, reason, result.limited_until, result.limited_why, since)
            elif result.waiting_for == "next_leg":
                return LEG_OVER
            elif result.outcome == "waiting":
                # No change is missed: both were read before the slice was requested.
                slices = seen if result.waiting_for == "more_threads" else None
                self._idle[data_type] = may_go_on = partial(self._may_go_on, slices, threads_ended)
                await self._mirror_wait()
                await workflow.wait_condition(may_go_on)
                del self._idle[data_type]
                await self._mirror_wait()
            elif result.outcome == "busy":
                busy = min(busy + 1, len(BUSY_SECONDS))
                pause = timedelta(seconds=BUSY_SECONDS[busy - 1])
                if workflow.patched(SHOWS_WAITS):
                    await self._wait_for_another(data_type, result.waiting_job_id, pause)
                else:
                    await workflow.sleep(pause, summary=f"{data_type}: another job is at it")
            elif result.outcome != "more":
                return TypeOutcome(
                    data_type=data_type,
                    status=_ENDED.get(result.outcome, "failed"),
                    failure=result.failure,
                    as_of=result.as_of,
                    stored=result.stored,
                    noted=result.noted,
                )
        return None

    def _may_go_on(self, thread_slices: int | None, threads_ended: bool) -> bool:
        """Returns whether a type that waits for stored threads may run a slice. `thread_slices` and `threads_ended` are
        as of the type's last slice. `thread_slices` is None if the type waits for all threads.
        """
        return (
            thread_slices not in (None, self._thread_slices)
            or self._threads_ended() != threads_ended
            or self._threads_behind()
            or workflow.info().is_continue_as_new_suggested()
        )

    async def _slice(self, slice_: SweepSlice) -> SliceResult:
        """Runs one slice. If no worker takes the slice for a while, shows that the type waits for a worker."""
        leg, pace = self._backfill.leg, self._backfill.pace
        queue = order.sweep_queue(workflow.info().task_queue, leg)

        async def run(patience: timedelta | None) -> SliceResult:
            try:
                return await workflow.execute_activity_method(
                    SweepActivity.sweep,
                    slice_,
                    task_queue=queue,
                    schedule_to_start_timeout=patience,
                    start_to_close_timeout=retries.SLICE_TIMEOUT,
                    heartbeat_timeout=timedelta(seconds=pace.heartbeat_timeout_seconds),
                    retry_policy=retries.SWEEP,
                    activity_id=slice_.data_type if workflow.patched(NAMED_SLICES) else None,
                    cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                    summary=f"{slice_.data_type} of {self._repository.full_name}, {leg}",
                )
            except ActivityError as error:
                if ended_canceled(error, stopping=self._stopping):
                    raise asyncio.CancelledError from error
                raise

        patience = self._patience
        try:
            return await run(patience)
        except ActivityError as error:
            if not was_never_begun(error):
                raise
        # The slice has lost its place in the queue, which must not happen often if workers are few.
        self._patience = min(max(self._patience, patience * 2), LONGEST_PATIENCE)
        self._waiting[slice_.data_type] = Waiting(reason="no_worker", since=workflow.now() - patience, detail=queue)
        await self._mirror_wait()
        return await run(None)

    async def _wait(
        self,
        what: DataType | Literal["repository"],
        reason: WaitingReason | None,
        until: datetime,
        why: str,
        since: datetime | None,
    ) -> None:
        """Sleeps until `until`, without a worker. Shows `reason` meanwhile, or GitHub's limit if `reason` is None."""
        since = since or workflow.now()
        self._waiting[what] = Waiting(reason=reason or "github_limit", since=since, until=until, detail=why)
        await self._mirror_wait()
        # A random second more, so that not everything that waits for one reset asks at the same moment.
        pause = max(until - workflow.now(), timedelta(0)) + timedelta(seconds=workflow.random().uniform(0, 1))
        await workflow.sleep(pause, summary=f"{what}: waiting until {until:%H:%M:%S} UTC: {why}"[:200])
        del self._waiting[what]
        await self._mirror_wait()

    async def _wait_for_another(self, data_type: DataType, job_id: str | None, pause: timedelta) -> None:
        """Waits for `pause`, after which the type tries again. Ends this run instead once no type can run."""
        before = self._waiting.get(data_type)
        since = before.since if before and before.reason == "another_job" else workflow.now()
        self._waiting[data_type] = Waiting(reason="another_job", since=since, job_id=job_id)
        self._held.add(data_type)
        await self._mirror_wait()
        try:
            summary = f"{data_type}: waiting for job {job_id}"
            await workflow.wait_condition(self._is_held_up, timeout=pause, timeout_summary=summary)
        except TimeoutError:
            pass  # while other types of the repository run, this one tries again
        else:
            self._gives_place_back = True
            self._stop()
        finally:
            self._held.discard(data_type)

    def _is_held_up(self) -> bool:
        """Returns whether every type that has not ended waits for another job or for stored threads."""
        idle = {data_type for data_type, may_go_on in self._idle.items() if not may_go_on()}
        return self._gives_place_back or self._open - idle <= self._held

    async def _mirror_wait(self, lost: list[TypeOutcome] | None = None) -> None:
        """Records the present wait if the wait has changed. Also records the types in `lost` as failed."""
        await self._mirror.record_wait(self._repository, self._idle.keys(), lost or [])

    async def _end(self, outcome: RepositoryOutcome) -> RepositoryOutcome:
        self._waiting.clear()
        self._mirror.forget_wait()
        self._mirror.upsert(outcome.status)
        await self._mirror.record(outcome)
        return outcome
