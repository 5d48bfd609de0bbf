"""Sets the rules for the attempts of long activities. The rules say how many attempts there are, how long the pause
between two attempts is, and when a hanging attempt fails.
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
    """Returns the pause before the next attempt. `attempts` is the number of attempts in a row that committed nothing.
    The first pause is one second. Each further pause is twice as long, up to `LONGEST_PAUSE`.

    Temporal's own count of attempts is not used, because that count also grows with each deploy and each kill.
    """
    return min(timedelta(seconds=2 ** (attempts - 1)), LONGEST_PAUSE)


def exhausted(attempts: int, last: Failure | None, **known: Any) -> Failure:
    """Returns the failure of work that ends because `attempts` attempts in a row committed nothing. `last` is the
    failure of the last attempt. `last` is None if no failure is recorded. `known` are further fields of the returned
    failure.
    """
    why = last.message if last else "the worker was killed each time"
    message = f"{attempts} attempts in a row brought nothing; the last: {why}"
    return Failure(code=last.code if last else "no_progress", message=message[:2_000], **known)


async def send_heartbeats(details: Callable[[], Any], moved_at: Callable[[], float], timeout_seconds: float) -> None:
    """Sends heartbeats until the attempt has made no progress for `HANG`. Heartbeats keep the activity alive, and show
    people what `details` returns. The answer to a heartbeat tells the activity of a cancel or a pause.

    `moved_at` returns the `monotonic` time of the latest progress. `timeout_seconds` is the activity's heartbeat
    timeout.
    """
    every = min(HEARTBEAT_SECONDS, timeout_seconds / 4)
    while monotonic() - moved_at() < HANG.total_seconds():
        activity.heartbeat(details())
        await asyncio.sleep(every)
    log.error("no progress for five minutes: heartbeats stopped")


async def is_paused(heartbeat: Any) -> bool:
    """Returns whether somebody paused this activity in Temporal. Returns False if Temporal does not answer.

    Temporal reports a pause only in the answer to a heartbeat. So this function sends a heartbeat with the details
    `heartbeat`. The SDK's own heartbeats are not enough, because a slice can end between two of them.
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

    Sets `canceled` once the activity is canceled or paused, or once the worker's `SHUTDOWN_SECONDS` are over. Sets
    `out_of_time` only when these seconds are over. Temporal cancels an attempt only once. So after a cancel or a pause,
    this function measures the seconds itself, and needs `shutdown_seconds` to set `out_of_time`.

    Raises `CancelledError` if the activity was canceled, or if the slice still ran after `SHUTDOWN_SECONDS`. Raises the
    exception of `paused` if the activity was paused before the work was done.
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
    """Raised by `unless` if the event is set before the work has a result."""


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
