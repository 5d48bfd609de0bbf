"""Finds the failure in the error of an activity or of a child workflow."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

with workflow.unsafe.imports_passed_through():
    from messages import Failure
    from workflows.retries import FINAL
    from workflows.shape_changes import DIES_CANCELED, FAILS_CANCELED


def failure_of(error: BaseException) -> Failure:
    """Returns the failure in the error of an activity or of a child workflow. If the error holds no failure, returns a
    failure with the code `workflow_error` and the message of the innermost cause.
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


def ended_canceled(error: ActivityError, *, stopping: bool) -> bool:
    """Returns whether a failed slice counts as canceled. A slice counts as canceled if it was being canceled, and
    failed because its worker died or because of a passing error. Temporal does not retry a slice that is being
    canceled. So such an error is not a failure of the data type.

    `stopping` says whether this run has asked its slices to stop.
    """
    if not stopping and workflow.cancellation_reason() is None:
        return False
    cause = error.cause
    if isinstance(cause, TemporalTimeoutError):
        return workflow.patched(DIES_CANCELED)
    passes = isinstance(cause, ApplicationError) and not cause.non_retryable and cause.type not in FINAL
    return passes and workflow.patched(FAILS_CANCELED)


def was_never_begun(error: ActivityError) -> bool:
    """Returns whether the activity failed because no worker took it from its task queue in time."""
    return isinstance(error.cause, TemporalTimeoutError) and error.cause.type is TimeoutType.SCHEDULE_TO_START
