"""Processes stored deliveries: one at a time in each process, oldest first. A delivery and all its effects are
committed in one transaction.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import structlog

from errors import BackfillError
from polar import events, purchases
from rounds import Rounds
from store import deliveries
from store.database import Connection, Database
from store.deliveries import Delivery

LOOK = timedelta(seconds=1)
"""Interval of checks for deliveries that were not announced: those due again, or left by a process that ended."""

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)

log = structlog.get_logger(__name__)


def pause(attempts: int) -> timedelta:
    """Returns how long a delivery waits after a failed attempt. `attempts` is the number of attempts that failed
    before. The pause doubles with each attempt, up to five minutes, and attempts never stop.
    """
    return min(FIRST_PAUSE * (1 << min(attempts, 10)), LONGEST_PAUSE)


class Inbox:
    """Processes deliveries. Any number of processes may run an inbox.

    `created` is called after a delivery has created or stopped jobs. `finished` is called after each finished delivery,
    with the seconds since the delivery was received.
    """

    def __init__(
        self,
        database: Database,
        products: Mapping[str, int],
        created: Callable[[], None],
        finished: Callable[[float], None] | None = None,
    ) -> None:
        self._database = database
        self._products = products
        self._created = created
        self._finished = finished
        self._announced = asyncio.Event()

    def announce(self) -> None:
        """Wakes the inbox. The caller has just stored a delivery."""
        self._announced.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Processes deliveries until `stop` is set. A delivery that is in progress at that moment is finished first."""
        stopped = asyncio.ensure_future(stop.wait())
        rounds = Rounds(log, waiting="deliveries wait for Postgres", broken="deliveries cannot be finished")
        try:
            while not stop.is_set():
                self._announced.clear()
                with rounds.round():
                    while not stop.is_set() and await self.finish_one():
                        pass
                announced = asyncio.ensure_future(self._announced.wait())
                await asyncio.wait(
                    (stopped, announced), timeout=LOOK.total_seconds(), return_when=asyncio.FIRST_COMPLETED
                )
                announced.cancel()
        finally:
            stopped.cancel()

    async def finish_one(self) -> bool:
        """Processes the oldest delivery that is due. Returns False if no delivery is due. Raises `RetryNow` if Postgres
        does not answer.
        """
        async with self._database.transaction() as connection:
            delivery = await deliveries.take(connection)
            if delivery is None:
                return False
            with structlog.contextvars.bound_contextvars(delivery=delivery.webhook_id, type=delivery.type):
                created = await self._finish(connection, delivery)
        if created is None:
            return True
        if created:
            self._created()
        if self._finished is not None:
            self._finished((datetime.now(UTC) - delivery.received_at).total_seconds())
        return True

    async def _finish(self, connection: Connection, delivery: Delivery) -> bool | None:
        """Processes a delivery. Returns whether the delivery created or stopped jobs. Returns None if the delivery
        failed and is postponed.
        """
        try:
            async with connection.transaction():
                created = await self._record(connection, delivery)
        except BackfillError as error:
            await self._postpone(connection, delivery, str(error))
            return None
        except Exception as error:
            if connection.is_closed():
                raise
            # A bug must not hold up the deliveries behind this one; it stays unfinished, and is attempted again.
            log.exception("a delivery could not be read")
            await self._postpone(connection, delivery, f"{type(error).__name__}: {error}")
            return None
        await deliveries.finish(connection, delivery.webhook_id)
        return created

    async def _record(self, connection: Connection, delivery: Delivery) -> bool:
        event = events.read(delivery.payload, delivery.received_at)
        if event is None:
            log.info("delivery finished", meaning="none")
            return False
        recorded = await purchases.record(connection, event, self._products, datetime.now(UTC))
        log.info(
            "delivery finished",
            polar_subscription=event.subscription.id,
            addon=str(recorded.addon_id) if recorded.addon_id else None,
            jobs=recorded.job_ids,
            stopped=recorded.stopped,
            notes=recorded.notes,
        )
        return bool(recorded.job_ids or recorded.stopped)

    async def _postpone(self, connection: Connection, delivery: Delivery, error: str) -> None:
        wait = pause(delivery.attempts)
        await deliveries.postpone(connection, delivery.webhook_id, error=error, pause=wait)
        log.warning("delivery postponed", error=error, seconds=wait.total_seconds(), attempts=delivery.attempts + 1)
