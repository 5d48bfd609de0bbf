"""Time limit for Temporal's answers, and the error for a missing one."""

from datetime import timedelta

from temporalio.service import RPCError

from errors import Unreachable

ANSWER = timedelta(seconds=5)
"""Time limit for one answer from Temporal."""


def unreachable(error: RPCError) -> Unreachable:
    """The error, for people, of a request that Temporal did not answer."""
    return Unreachable("temporal_unreachable", f"Temporal: {error.status.name.lower()}: {error.message[:300]}")
