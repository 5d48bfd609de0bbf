"""Finds the failure in the error of an activity or of a child workflow."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

with workflow.unsafe.imports_passed_through():
    from messages import Failure
    from workflows.shape_changes import DIES_CANCELED


def failure_of(error: BaseException) -> Failure:
    """Returns the failure that the error of an activity or of a child workflow holds; else one with the error's
    message.
    """
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


def died_canceled(error: ActivityError, *, stopping: bool) -> bool:
    """Returns whether the worker of a slice died after the slice was canceled. Temporal then makes no further attempt.

    `stopping`: the run has asked its slices to stop.
    """
    canceled = stopping or workflow.cancellation_reason() is not None
    return canceled and isinstance(error.cause, TemporalTimeoutError) and workflow.patched(DIES_CANCELED)


def was_never_begun(error: ActivityError) -> bool:
    """Returns whether no worker has taken the activity from its task queue in time."""
    return isinstance(error.cause, TemporalTimeoutError) and error.cause.type is TimeoutType.SCHEDULE_TO_START
