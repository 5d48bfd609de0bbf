"""Rules for attempts of every long activity: how many, the pauses between them, and when a hang counts as a failure."""

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
"""Attempts in a row without a commit before the work ends. With their pauses they take about half an hour."""
LONGEST_PAUSE = timedelta(minutes=2)
HANG = timedelta(minutes=5)
"""Heartbeats stop after this long without progress, so that Temporal ends a hanging attempt."""
HEARTBEAT_SECONDS = 5.0
"""Longest time until a cancel or a pause reaches an attempt: it comes with the answer to a heartbeat."""
ANSWER = timedelta(seconds=5)
"""Time limit for one answer from Temporal."""

log = structlog.get_logger(__name__)


def pause(attempts: int) -> timedelta:
    """The pause after this many attempts without a commit; it doubles with each.

    Temporal's own count is not used: it also grows with each deploy and kill, after which no pause is needed.
    """
    return min(timedelta(seconds=2 ** (attempts - 1)), LONGEST_PAUSE)


async def is_paused(heartbeat: Any) -> bool:
    """Whether somebody paused this activity in Temporal, which only the answer to a heartbeat tells.

    The SDK heartbeats every few seconds. A slice may end in between, and its pause would be lost. `heartbeat` replaces
    the details of the last heartbeat.
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
    """The exception that ends a paused attempt. Temporal holds the activity, and starts the next attempt when somebody
    unpauses it. The attempt does not count against `MOST_ATTEMPTS`.
    """
    return as_application_error(
        RetryNow(
            "paused",
            "somebody paused this activity in Temporal; it stopped at its page",
            "`temporal activity unpause`, or Unpause in the Web UI",
        )
    )


class GoesOn(Protocol):
    """A slice's result."""

    @property
    def goes_on(self) -> bool:
        """Whether the work continues in another slice."""
        ...


ResultT = TypeVar("ResultT", bound=GoesOn)


async def stopping_at_a_boundary(
    slice_: Coroutine[Any, Any, ResultT], stop: asyncio.Event, *more: asyncio.Event
) -> ResultT:
    """The result of a slice, which ends at its next boundary once `stop` is set, so that everything paid for is
    committed.

    `stop` is set when the worker shuts down or the activity is canceled, `more` when it is canceled. Raises `paused` if
    the activity was paused meanwhile and has work left.
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
