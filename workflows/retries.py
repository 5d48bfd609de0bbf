"""The retry policies of activities. Temporal knows of an error only its type. The type names the error's class in the
taxonomy, such as `part_over`. Errors of the types in `FINAL` are not retried.
"""

from datetime import timedelta

from temporalio.common import RetryPolicy

FINAL = ["part_over", "job_over"]

SWEEP = RetryPolicy(initial_interval=timedelta(seconds=1), backoff_coefficient=1, non_retryable_error_types=FINAL)
"""Retries at once after a kill. A failed attempt sets its own pause. Attempts without progress are counted in Postgres,
with the lease, and end the type."""

MIRROR = RetryPolicy(
    initial_interval=timedelta(milliseconds=500),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=30),
    non_retryable_error_types=FINAL,
)
"""Retries until Postgres is back, so that an outage of it loses no job."""

INSPECT = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2,
    maximum_interval=timedelta(minutes=2),
    maximum_attempts=20,
    non_retryable_error_types=FINAL,
)

SURVEY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(minutes=1),
    non_retryable_error_types=[*FINAL, "retry_now", "bug"],
)
"""Attempts again only what a limit stopped, or what a worker did not finish."""

MIRROR_TIMEOUT = timedelta(seconds=30)
INSPECT_TIMEOUT = timedelta(minutes=2)
"""Time for a request without an answer, and for the probes that find out whether GitHub is away."""
SURVEY_TIMEOUT = timedelta(seconds=100)
"""For an attempt to survey a page of repositories."""
SURVEYED_WITHIN = timedelta(minutes=10)
"""For all attempts, with the waits for the ends of limits between them. Without a survey, each repository sends its own
requests, which cost several times as much."""
SURVEY_HEARTBEAT_TIMEOUT = timedelta(seconds=20)
"""A survey sends a heartbeat every five seconds. Without one for this long, its worker counts as dead, and another
worker continues the survey."""
SLICE_TIMEOUT = timedelta(minutes=30)
"""Far above a slice's length. The heartbeat detects a dead worker; this limit only detects a bug."""
