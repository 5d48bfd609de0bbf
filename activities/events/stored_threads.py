"""Derives events from stored threads, without a request."""

from activities.events.position import SOURCES, EventPosition, EventSourceName
from activities.turn import Sources, Turn
from errors import RetryNow
from rows import Page
from store import thread_events
from store.sweeps import Sweep

THREADS_A_TURN = 500


class StoredThreads:
    """Derives an event from each opening, closing and reopening of a stored pull request or issue. This source is read
    last, when all threads are stored.
    """

    name: EventSourceName = "threads"
    builds_on: tuple[EventSourceName, ...] = SOURCES[:-1]
    is_long = False
    can_shrink = False

    def __init__(self, sources: Sources, sweep: Sweep) -> None:
        self._database = sources.database
        self._sweep = sweep

    async def read(self, position: EventPosition) -> Turn[EventPosition]:
        assert position.as_of is not None, "other sources were read before"
        async with self._database.transaction() as connection:
            rows, last = await thread_events.of_threads(
                connection,
                position.table,
                self._sweep.repository.repository_id,
                self._sweep.cutoff_at,
                position.number,
                THREADS_A_TURN,
            )
        page = Page(position.as_of, feed=rows)
        if last is not None:
            return Turn(position.after_thread(last), page=page)
        if position.table == "pull_requests":
            return Turn(position.at_issues(), page=page)
        page.threads_told = True
        place = position.places[self.name].complete_as_of(position.as_of)
        return Turn(position.with_place(self.name, place), page=page)

    async def fail(self, position: EventPosition, error: RetryNow) -> Turn[EventPosition]:  # noqa: ARG002
        """Never called, because this source sends no request."""
        raise error

    async def probe(self) -> None:
        """Does nothing, because this source sends no request."""
