"""Rules for the attempts of long activities: how many attempts there are, how long to pause between two of them, and
when an activity that hangs counts as failed.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from time import monotonic
from typing import Any, Protocol, TypeVar

import structlog
from temporalio import activity
from temporalio.client import AsyncActivityCancelledError
from temporalio.service import RPCError

from activities.failures import as_application_error
from errors import RetryNow
from messages import Failure

MOST_ATTEMPTS = 20
"""Attempts in a row without a commit before the work ends. With their pauses they take about half an hour."""
LONGEST_PAUSE = timedelta(minutes=2)
HANG = timedelta(minutes=5)
"""Heartbeats stop after this long without progress, so that Temporal ends a hanging attempt."""
HEARTBEAT_SECONDS = 5.0
"""Longest interval of heartbeats. The answer to a heartbeat tells an attempt of a cancel or a pause."""
ANSWER = timedelta(seconds=5)
"""Time limit for one answer from Temporal."""

log = structlog.get_logger(__name__)


def pause(attempts: int) -> timedelta:
    """Returns the pause before the next attempt, after `attempts` attempts in a row that committed nothing. The pause
    doubles with each attempt, up to `LONGEST_PAUSE`.

    Temporal's own count of attempts is not used, because it also grows with each deploy and each kill.
    """
    return min(timedelta(seconds=2 ** (attempts - 1)), LONGEST_PAUSE)


def exhausted(attempts: int, last: Failure | None, **known: Any) -> Failure:
    """Returns the failure of work that ends because `attempts` attempts in a row committed nothing. `last` is the
    failure of the last attempt. `last` is None if no attempt recorded a failure. `known` are further fields of the
    returned failure.
    """
    why = last.message if last else "the worker was killed each time"
    message = f"{attempts} attempts in a row brought nothing; the last: {why}"
    return Failure(code=last.code if last else "no_progress", message=message[:2_000], **known)


async def send_heartbeats(details: Callable[[], Any], moved_at: Callable[[], float], timeout_seconds: float) -> None:
    """Sends heartbeats, and stops once the attempt has made no progress for `HANG`. Heartbeats show people what
    `details` returns, and keep the activity alive. The answer to a heartbeat tells the activity of a cancel.

    `moved_at` returns the `monotonic` time of the latest progress. `timeout_seconds` is the activity's heartbeat
    timeout.
    """
    every = min(HEARTBEAT_SECONDS, timeout_seconds / 4)
    while monotonic() - moved_at() < HANG.total_seconds():
        activity.heartbeat(details())
        await asyncio.sleep(every)
    log.error("no progress for five minutes: heartbeats stopped")


async def is_paused(heartbeat: Any) -> bool:
    """Returns whether somebody paused this activity in Temporal. To find out, sends a heartbeat with the details
    `heartbeat`, because Temporal reports a pause only in the answer to a heartbeat. Returns False if Temporal does not
    answer.

    The SDK's own heartbeats are not enough: the SDK sends one only every few seconds, so a slice can end between two of
    them.
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
    """Returns the exception that ends a paused attempt. Temporal starts the next attempt once somebody unpauses the
    activity. The paused attempt does not count against `MOST_ATTEMPTS`.
    """
    return as_application_error(
        RetryNow(
            "paused",
            "somebody paused this activity in Temporal; it stopped at its page",
            "`temporal activity unpause`, or Unpause in the Web UI",
        )
    )


class GoesOn(Protocol):
    """A slice's result, with the one property that `stopping_at_a_boundary` needs."""

    @property
    def goes_on(self) -> bool:
        """Whether another slice continues the work."""
        ...


ResultT = TypeVar("ResultT", bound=GoesOn)
WorkT = TypeVar("WorkT")


async def stopping_at_a_boundary(
    slice_: Coroutine[Any, Any, ResultT],
    stop: asyncio.Event,
    *,
    canceled: asyncio.Event | None = None,
    out_of_time: asyncio.Event | None = None,
    shutdown_seconds: float | None = None,
) -> ResultT:
    """Runs a slice and returns its result. Sets `stop` once the worker shuts down, or once the activity is canceled or
    paused. The slice then ends at its next boundary (a page, or an hour), so that everything paid for is committed.

    Sets `canceled` once the activity is canceled or paused. Sets `canceled` and `out_of_time` once the worker's
    `SHUTDOWN_SECONDS` are over. Temporal cancels an attempt only once. So after a cancel or a pause, `out_of_time` is
    set only if `shutdown_seconds` is given.

    Raises `CancelledError` after a cancel or a shutdown. Raises the exception of `paused` if the activity was paused
    and work is left.
    """
    work = asyncio.create_task(slice_)
    shutdown = asyncio.create_task(_stop_with_worker(stop, out_of_time, shutdown_seconds))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        why = activity.cancellation_details()
        # An attempt that begins while its worker shuts down is told of that by this cancel alone.
        is_late = why is not None and why.worker_shutdown
        for event in (stop, canceled, out_of_time if is_late else None):
            if event is not None:
                event.set()
        await asyncio.wait([work])
        error = None if work.cancelled() else work.exception()
        if error is not None:
            log.warning("stopped in an error", why=str(error))
        if why is None or not why.paused or why.cancel_requested or work.cancelled():
            raise
        if error is not None or work.result().goes_on:
            raise paused() from error
        return work.result()
    finally:
        shutdown.cancel()


class GivenUpError(Exception):
    """Raised by `unless` if the event is set before the work has a result, because the time is over or nobody needs the
    result any more.
    """


async def unless(event: asyncio.Event, work: Coroutine[Any, Any, WorkT]) -> WorkT:
    """Waits for `work` and returns its result. If `event` is set first, cancels `work` and raises `GivenUpError`."""
    working, waiting = asyncio.create_task(work), asyncio.create_task(event.wait())
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise GivenUpError
        return working.result()
    finally:
        working.cancel()
        waiting.cancel()
        await asyncio.wait((working, waiting))


async def _stop_with_worker(
    stop: asyncio.Event, out_of_time: asyncio.Event | None, shutdown_seconds: float | None
) -> None:
    await activity.wait_for_worker_shutdown()
    stop.set()
    if out_of_time is not None and shutdown_seconds is not None:
        # By our own clock: Temporal tells an attempt of one cancel only, and this one may have been told of another.
        await asyncio.sleep(shutdown_seconds)
        out_of_time.set()
