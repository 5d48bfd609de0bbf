"""Converts errors of the taxonomy to the forms that Postgres and Temporal store. The forms are short, and advise people
what to do.
"""

from datetime import UTC, datetime, timedelta

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from errors import BackfillError, JobOver, PartOver, RetryLater, RetryNow
from messages import DataType, Failure

LONGEST_TEXT = 2_000
_UNSPECIFIED = ApplicationErrorCategory.UNSPECIFIED


def as_failure(error: BaseException, *, repository: str | None = None, cursor: str | None = None) -> Failure:
    """Returns the failure that describes `error`. If `error` is not of the taxonomy, the failure has the code `bug`,
    and the failure's message begins with the name of the error's class.
    """
    message = str(getattr(error, "message", "") or error) or type(error).__name__
    if not isinstance(error, BackfillError):
        return Failure(
            code="bug",
            message=f"{type(error).__name__}: {message}"[:LONGEST_TEXT],
            action="this is a bug of ours: report it with this text",
            error_class="bug",
            repository=repository,
            cursor=cursor,
            at=datetime.now(UTC),
        )
    return Failure(
        code=error.code,
        message=message[:LONGEST_TEXT],
        action=error.action[:LONGEST_TEXT],
        error_class=(
            "retry_now"
            if isinstance(error, RetryNow)
            else "retry_later"
            if isinstance(error, RetryLater)
            else "job_over"
            if isinstance(error, JobOver)
            else "part_over"
        ),
        repository=repository,
        cursor=cursor,
        at=datetime.now(UTC),
    )


def incomplete(message: str, *, repository: str, data_type: DataType) -> Failure:
    """Returns the failure of a type that has ended but is not complete. `message` names the missing data."""
    return Failure(
        code="incomplete",
        message=message,
        action="retry the job: what is missing is asked for again",
        repository=repository,
        data_type=data_type,
    )


def as_application_error(
    error: Exception, pause: timedelta | None = None, *, failure: Failure | None = None
) -> ApplicationError:
    """Returns the error to raise for Temporal. Temporal retries the activity, unless `error` is a `PartOver` or a
    `JobOver`. The type of the returned error is the failure's `error_class`, such as `retry_now`.

    `pause` replaces the retry policy's interval before the next attempt. `failure` is stored as the details of the
    returned error, and defaults to `as_failure(error)`. Pass a `failure` to name the repository, data type and cursor,
    because `error` does not name them.
    """
    failure = failure or as_failure(error)
    return ApplicationError(
        failure.in_words()[:LONGEST_TEXT],
        failure,
        type=failure.error_class,
        non_retryable=isinstance(error, PartOver | JobOver),
        next_retry_delay=pause,
        # Raised on purpose and logged where it was: the SDK need not print its traceback.
        category=ApplicationErrorCategory.BENIGN if isinstance(error, BackfillError) else _UNSPECIFIED,
    )
