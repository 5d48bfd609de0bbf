"""The workflow that reads GH Archive for one workspace, slice by slice."""

import asyncio
from datetime import timedelta
from typing import Literal

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    import temporal
    from activities.archive import ArchiveActivities
    from messages import ARCHIVE, ArchivePlan, ArchiveProgress, ArchiveRead, ArchiveSlice, EndArchive, Failure
    from workflows import order, retries
    from workflows.failures import failure_of

HOUR = timedelta(hours=1)


@workflow.defn(name=ARCHIVE)
class ArchiveWorkflow:
    """Reads the hours of one reading of GH Archive, from the first to the last. If the workflow is canceled, the hour
    in progress is not stored, and the reading ends as canceled.
    """

    @workflow.init
    def __init__(self, read: ArchiveRead) -> None:
        self._read_id = read.read_id
        self._plan = read.plan
        self._progress: ArchiveProgress | None = None

    @workflow.run
    async def run(self, _read: ArchiveRead) -> ArchiveProgress | None:
        """Runs the reading and returns how the reading ended. Returns None if the reading had ended before this run.

        Raises an error if the reading is canceled, or fails before this run's first slice has ended. If a later slice
        fails, returns the progress with the failure.
        """
        try:
            if self._plan is None:
                self._plan = await self._begin()
            if self._plan.status != "in_progress":
                return None
            self._upsert("in_progress")
            progress = await self._slices(self._plan)
        except (asyncio.CancelledError, ActivityError) as error:
            if is_cancelled_exception(error):
                await self._end("canceled")
                self._upsert("canceled")
                raise
            failure = failure_of(error)
            await self._end("failed", failure)
            if self._progress is None:
                raise
            progress = self._progress.as_failed(failure)
            self._tell(progress)
        if progress is None:
            workflow.continue_as_new(ArchiveRead(read_id=self._read_id, plan=self._plan))
        self._upsert(progress.outcome)
        return progress

    async def _begin(self) -> ArchivePlan:
        return await workflow.execute_activity_method(
            ArchiveActivities.begin_archive,
            ArchiveRead(read_id=self._read_id),
            start_to_close_timeout=retries.MIRROR_TIMEOUT,
            retry_policy=retries.MIRROR,
        )

    async def _slices(self, plan: ArchivePlan) -> ArchiveProgress | None:
        """Runs slices to the end of the reading and returns how the reading ended. Returns None if this run's history
        is long: then the next run has to continue the reading.
        """
        while not workflow.info().is_continue_as_new_suggested():
            if workflow.cancellation_reason() is not None:
                # A slice that ended by itself while it was being canceled has swallowed the cancellation.
                raise asyncio.CancelledError
            progress = await workflow.execute_activity_method(
                ArchiveActivities.read_archive,
                ArchiveSlice(read_id=self._read_id, pace=plan.pace),
                task_queue=order.sweep_queue(workflow.info().task_queue, "historical"),
                priority=order.priority(plan.workspace_id, "", "historical", retry=False),
                start_to_close_timeout=retries.SLICE_TIMEOUT,
                heartbeat_timeout=timedelta(seconds=plan.pace.heartbeat_timeout_seconds),
                retry_policy=retries.SWEEP,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary=f"from {self._progress.next_hour if self._progress else plan.first_hour:%Y-%m-%d %H:%M} UTC",
            )
            self._tell(progress)
            if progress.outcome == "limited" and progress.limited_until is not None:
                self._upsert("waiting")
                pause = max(progress.limited_until - workflow.now(), timedelta(0))
                pause += timedelta(seconds=workflow.random().uniform(0, 1))
                await workflow.sleep(pause, summary=f"waiting until {progress.limited_until:%H:%M:%S} UTC")
                self._upsert("in_progress")
            elif progress.outcome != "more":
                return progress
        return None

    async def _end(self, status: Literal["failed", "canceled"], failure: Failure | None = None) -> None:
        await workflow.execute_activity_method(
            ArchiveActivities.end_archive,
            EndArchive(read_id=self._read_id, status=status, failure=failure),
            start_to_close_timeout=retries.MIRROR_TIMEOUT,
            retry_policy=retries.MIRROR,
            summary=status,
        )

    def _tell(self, progress: ArchiveProgress) -> None:
        self._progress, plan = progress, self._plan
        if plan is None:
            return
        read, total = (progress.next_hour - plan.first_hour) // HOUR, (plan.last_hour - plan.first_hour) // HOUR + 1
        why = f"\n\n{progress.failure.code}: {progress.failure.message}" if progress.failure else ""
        damaged = f", {progress.hours_damaged} damaged" if progress.hours_damaged else ""
        malformed = f", {progress.lines_malformed} malformed lines" if progress.lines_malformed else ""
        workflow.set_current_details(
            f"GH Archive for {plan.workspace_name}, {plan.repositories} repositories: **{progress.outcome}**\n\n"
            f"{read} of {total} hours, up to {progress.next_hour:%Y-%m-%d %H:%M} UTC;"
            f" {progress.hours_missing} of them missing{damaged}{malformed}.\n\n"
            f"{progress.events_stored} events stored, {progress.bytes_read / 1e6:.1f} MB read.{why}"
        )

    def _upsert(self, status: str) -> None:
        if self._plan and (updates := temporal.updates(self._plan.search_attributes, status=status)):
            workflow.upsert_search_attributes(updates)
