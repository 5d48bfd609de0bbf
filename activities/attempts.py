"""What every attempt of a long activity has in common: how often, how long between, and when a hang is one."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Protocol, TypeVar

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


class GoesOn(Protocol):
    """What a slice ends with."""

    @property
    def goes_on(self) -> bool:
        """Something is left to do."""
        ...


ResultT = TypeVar("ResultT", bound=GoesOn)


async def stopping_at_a_boundary(
    slice_: Coroutine[Any, Any, ResultT], stop: asyncio.Event, *more: asyncio.Event
) -> ResultT:
    """The result of a slice that ends at its next boundary once `stop` is set: so what was paid for is committed.

    `stop` is set when the worker is told to end or the activity is canceled, `more` when it is canceled. Of an activity
    that is paused meanwhile `paused` is raised, unless nothing is left to do.
    """
    work = asyncio.create_task(slice_)
    shutdown = asyncio.create_task(_stop_with_worker(stop))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        for event in (stop, *more):
            event.set()
        await asyncio.wait([work])
        error = None if work.cancelled() else work.exception()
        if error is not None:
            log.warning("stopped in an error", why=str(error))
        why = activity.cancellation_details()
        if why is None or not why.paused or why.cancel_requested or work.cancelled():
            raise
        if error is not None or work.result().goes_on:
            raise paused() from error
        return work.result()
    finally:
        shutdown.cancel()


async def _stop_with_worker(stop: asyncio.Event) -> None:
    await activity.wait_for_worker_shutdown()
    stop.set()
