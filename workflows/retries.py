"""How activities are tried again: by the class of what went wrong, which their errors carry as type."""

from datetime import timedelta

from temporalio.common import RetryPolicy

FINAL = ["part_over", "job_over"]

SWEEP = RetryPolicy(initial_interval=timedelta(seconds=1), backoff_coefficient=1, non_retryable_error_types=FINAL)
"""At once after a kill. An attempt that fails says itself how long to pause; attempts that bring nothing are counted in
Postgres, with the lease, and those end the type."""

MIRROR = RetryPolicy(
    initial_interval=timedelta(milliseconds=500),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=30),
    non_retryable_error_types=FINAL,
)
"""A job must not be lost because Postgres is away: until it is back."""

INSPECT = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2,
    maximum_interval=timedelta(minutes=2),
    maximum_attempts=20,
    non_retryable_error_types=FINAL,
)

ONCE = RetryPolicy(maximum_attempts=1)
"""For what can be left out if it fails."""

MIRROR_TIMEOUT = timedelta(seconds=30)
INSPECT_TIMEOUT = timedelta(minutes=2)
"""Enough for a request that gets no answer, and for the probes that find out whether GitHub is away."""
SURVEY_TIMEOUT = timedelta(seconds=100)
"""For the requests of a page of the line. Without their answers each repository asks for itself."""
SURVEY_HEARTBEAT = timedelta(seconds=20)
"""After which a page whose worker was killed begins with what is stored of its survey."""
SLICE_TIMEOUT = timedelta(minutes=30)
"""Far above a slice's length: the heartbeat tells of a dead worker, this only of a bug."""
