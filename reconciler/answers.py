"""Temporal's answers: how long they may take, and what none means."""

from datetime import timedelta

from temporalio.service import RPCError

from errors import Unreachable

ANSWER = timedelta(seconds=5)
"""How long Temporal may take for one answer."""


def unreachable(error: RPCError) -> Unreachable:
    """What an answer of Temporal's that is none means to a person."""
    return Unreachable("temporal_unreachable", f"Temporal: {error.status.name.lower()}: {error.message[:300]}")
