"""What every attempt of a long activity has in common: how often, how long between, and when a hang is one."""

import asyncio
from datetime import timedelta

from temporalio import activity

MOST_ATTEMPTS = 20
"""Attempts in a row without one commit after which the work ends: with their pauses about half an hour."""
LONGEST_PAUSE = timedelta(minutes=2)
HANG = timedelta(minutes=5)
"""Without a sign of progress for so long the heartbeat stops: a hang is not progress."""


def pause(attempts: int) -> timedelta:
    """How long to wait after so many attempts that brought nothing: doubling.

    Temporal's own count grows with every deploy and kill, after which there is nothing to wait for.
    """
    return min(timedelta(seconds=2 ** (attempts - 1)), LONGEST_PAUSE)


async def stop_with_worker(stop: asyncio.Event) -> None:
    """Sets `stop` when the worker is told to end."""
    await activity.wait_for_worker_shutdown()
    stop.set()
