"""The time that Temporal may take to answer, and the error if it does not."""

from datetime import timedelta

from temporalio.service import RPCError

from errors import Unreachable

ANSWER = timedelta(seconds=5)
"""Time limit for one answer from Temporal."""


def unreachable(error: RPCError) -> Unreachable:
    """Returns the error that tells people that Temporal did not answer a request."""
    return Unreachable("temporal_unreachable", f"Temporal: {error.status.name.lower()}: {error.message[:300]}")
