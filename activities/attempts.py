"""What every attempt of a long activity has in common: how often, how long between, and when a hang is one."""

import asyncio
from datetime import timedelta
from typing import Any

import structlog
from temporalio import activity
from temporalio.client import AsyncActivityCancelledError
from temporalio.service import RPCError

from activities.failures import as_application_error
from errors import RetryNow

MOST_ATTEMPTS = 20
"""Attempts in a row without one commit after which the work ends: with their pauses about half an hour."""
LONGEST_PAUSE = timedelta(minutes=2)
HANG = timedelta(minutes=5)
"""Without a sign of progress for so long the heartbeat stops: a hang is not progress."""
HEARTBEAT_SECONDS = 5.0
"""How long a cancel or a pause may take to reach an attempt, at most: it comes with the answer to a heartbeat."""
ANSWER = timedelta(seconds=5)
"""How long Temporal may take for one answer."""

log = structlog.get_logger(__name__)


def pause(attempts: int) -> timedelta:
    """How long to wait after so many attempts that brought nothing: doubling.

    Temporal's own count grows with every deploy and kill, after which there is nothing to wait for.
    """
    return min(timedelta(seconds=2 ** (attempts - 1)), LONGEST_PAUSE)


async def is_paused(heartbeat: Any) -> bool:
    """Whether somebody has paused this activity in Temporal, which says so only in its answer to a heartbeat.

    The SDK sends one every few seconds, and a slice may end before: then the pause would end with it. `heartbeat`
    takes the place of the last one's details.
    """
    handle = activity.client().get_async_activity_handle(task_token=activity.info().task_token)
    try:
        await handle.heartbeat(heartbeat, rpc_timeout=ANSWER)
    except AsyncActivityCancelledError as told:
        return told.details is not None and told.details.paused
    except RPCError as error:
        # The result that follows meets the same trouble, and is sent again until Temporal has it.
        log.warning("cannot ask whether the activity is paused", why=error.message)
    return False


def paused() -> Exception:
    """How an attempt ends that was paused: Temporal holds the activity then, and makes the next attempt when somebody
    unpauses it. No attempt of ours is counted."""
    return as_application_error(
        RetryNow(
            "paused",
            "somebody paused this activity in Temporal; it stopped at its page",
            "`temporal activity unpause`, or Unpause in the Web UI",
        )
    )


async def stop_with_worker(stop: asyncio.Event) -> None:
    """Sets `stop` when the worker is told to end."""
    await activity.wait_for_worker_shutdown()
    stop.set()
