"""Sends the messages of the outbox. A channel that fails does not hold up the other channels. A message is tried until
it is sent, refused for good, or too old.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal

import structlog

import logs
from errors import PartOver, RetryLater, RetryNow
from notify.channel import SEND_SECONDS, Channel
from rounds import Rounds
from store import outbox
from store.database import Connection, Database
from store.outbox import Outgoing

LOOK = 1.0
"""Seconds between checks for due messages."""
AT_ONCE = 4
"""Messages of a channel that one process sends at the same time."""
LEASE = timedelta(seconds=3 * SEND_SECONDS)
"""After this time another sender takes over the message of a killed sender. Sending and recording take less."""
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=3)
"""Messages older than this are given up: whoever switches e-mail on gets none of months ago."""
KEPT = timedelta(days=90)
TIDY = 60.0
"""Seconds between checks for messages that are too old."""

log = structlog.get_logger(__name__)


def pause(attempts: int) -> timedelta:
    """Returns how long a message waits after `attempts` failed attempts. The wait doubles with each attempt, up to an
    hour. A random change by up to a quarter then makes the wait longer or shorter.

    The random change spreads messages that failed together. Without it, such messages would always be sent together
    again.
    """
    pause = min(FIRST_PAUSE * (1 << min(attempts - 1, 10)), LONGEST_PAUSE)
    return pause * random.uniform(0.75, 1.25)  # nosec B311 # a pause, no secret


class Sender:
    """Sends the messages of the outbox by `channels`. Any number of processes may run a sender, each with its own
    channels.

    A message of a channel that is not in `channels` stays in the outbox. Until the message is too old, another process
    may send it.
    """

    def __init__(self, database: Database, channels: Sequence[Channel]) -> None:
        self._database = database
        self._channels = channels
        self._not_before = dict.fromkeys((each.name for each in channels), datetime.min.replace(tzinfo=UTC))
        self._stop = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Sends messages until `stop` is set. Returns once the messages in flight are finished."""
        self._stop = stop
        async with asyncio.TaskGroup() as loops:
            for channel in self._channels:
                loops.create_task(self._repeat(partial(self._send_all, channel), LOOK))
            loops.create_task(self._repeat(self.tidy, TIDY))

    async def _repeat(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        rounds = Rounds(log, waiting="notifications wait for Postgres", broken="notifications cannot be sent")
        while not self._stop.is_set():
            with rounds.round():
                await work()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), seconds)

    async def _send_all(self, channel: Channel) -> None:
        while not self._stop.is_set() and await self.send_due(channel):
            pass

    async def send_due(self, channel: Channel) -> int:
        """Tries to send at most `AT_ONCE` due messages of the channel, and returns the number of tried messages. Raises
        `RetryNow` if Postgres does not answer.
        """
        if channel.over or datetime.now(UTC) < self._not_before[channel.name]:
            return 0
        async with self._database.transaction() as connection:
            claimed = await outbox.claim(connection, channel.name, limit=AT_ONCE, lease=LEASE)
        done = await asyncio.gather(*(self._send(channel, each) for each in claimed), return_exceptions=True)
        for each in done:
            if isinstance(each, BaseException):
                raise each
        return len(claimed)

    async def tidy(self) -> None:
        """Gives up messages that are older than `GIVEN_UP_AFTER`. Deletes messages that ended longer than `KEPT`
        ago.
        """
        channels = [each.name for each in self._channels]
        async with self._database.transaction() as connection:
            if expired := await outbox.expire(connection, GIVEN_UP_AFTER, channels):
                log.warning("notifications were too old to be sent", messages=expired)
            await outbox.forget(connection, KEPT)

    async def _send(self, channel: Channel, message: Outgoing) -> None:
        with structlog.contextvars.bound_contextvars(
            channel=channel.name,
            message=message.id,
            job=message.milestone.job_id,
            milestone=message.milestone.status,
            attempts=message.attempts,
        ):
            try:
                await channel.send(message)
            except PartOver as error:
                await self._close(message, error)
            except RetryLater as error:
                self._not_before[channel.name] = error.at
                await self._postpone(message, max(pause(message.attempts), error.at - datetime.now(UTC)), str(error))
            except RetryNow as error:
                await self._postpone(message, pause(message.attempts), str(error))
            except Exception as error:
                # A bug must not hold up other messages; this one is tried again, maybe by a release without it.
                log.exception("a notification could not be written")
                await self._postpone(message, pause(message.attempts), f"{type(error).__name__}: {error}")
            else:
                await self._record(lambda connection: outbox.sent(connection, message))
                log.info("notification sent")

    async def _close(self, message: Outgoing, error: PartOver) -> None:
        status: Literal["off", "given_up"] = "off" if error.code == "unwanted" else "given_up"
        reason = logs.redact(str(error))
        log.log(logging.INFO if status == "off" else logging.WARNING, f"notification {status}", reason=reason)
        await self._record(lambda connection: outbox.close(connection, message, status, reason))

    async def _postpone(self, message: Outgoing, wait: timedelta, reason: str) -> None:
        reason = logs.redact(reason)
        log.warning("notification postponed", reason=reason, seconds=round(wait.total_seconds()))
        await self._record(lambda connection: outbox.postpone(connection, message, wait, reason))

    async def _record(self, write: Callable[[Connection], Awaitable[None]]) -> None:
        """Writes the result of sending a message. If Postgres does not answer, tries again until the sender is stopped,
        because a message without a result is sent again once its lease expires.
        """
        while True:
            try:
                async with self._database.transaction() as connection:
                    await write(connection)
                return
            except RetryNow as error:
                if self._stop.is_set():
                    log.warning("the outcome of a notification could not be stored", error=error.message)
                    return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), LOOK)
