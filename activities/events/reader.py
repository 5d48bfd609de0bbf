"""Reads the events of a repository: source after source, each down to the cutoff.

docs/sweep.md, "A feed of events", gives the rules. Lists are read from the top down to the cutoff, or down to where an
earlier sweep began, and then on below where that one ended.
"""

from datetime import UTC, datetime

import structlog

from activities.events import inheritance
from activities.events.history import CommitHistory
from activities.events.lists import Activity, Forks, LatestEvents, Releases, Stargazers, StarHistory
from activities.events.order import Order
from activities.events.position import EventPosition
from activities.events.proof import notes_of, proof_of, reached_end
from activities.events.source import EventSource, shrink, size_of
from activities.events.stored_threads import StoredThreads
from activities.turn import Sources, Turn
from errors import PartOver, TooLarge
from store import coverage, feed
from store.coverage import BEGINNING, Coverage
from store.sweeps import Sweep

log = structlog.get_logger(__name__)


class EventReader:
    """Reads one sweep. All that it knows comes with the committed position."""

    positions = EventPosition
    is_ahead = False

    def __init__(self, sources: Sources, sweep: Sweep) -> None:
        self._database = sources.database
        self._sweep = sweep
        self._github = github = sources.github.on_behalf_of(sweep.repository.full_name, fence=sweep)
        in_order: tuple[EventSource, ...] = (
            Stargazers(github, sweep),
            StarHistory(github, sweep),
            Forks(github, sweep),
            Releases(github, sweep),
            Activity(github, sweep),
            CommitHistory(sources.database, github, sweep),
            LatestEvents(github, sweep),
            StoredThreads(sources.database, sweep),
        )
        self._order = Order(in_order, sweep.down_to)

    def look_ahead(self, turn: Turn[EventPosition]) -> None:
        """Nothing: what comes next depends on what is committed."""

    async def close(self) -> None:
        """Nothing is ever under way between two turns."""

    async def turn(self, position: EventPosition, *, threads_ended: bool) -> Turn[EventPosition]:
        """The next page after `position`. A leg's end, or the sweep's, is a turn of its own."""
        if not position.places:
            position = await self._begin(position)
        source = self._order.next(position)
        if source is None:
            return self._end_leg(position) if position.is_open else await self._end(position)
        if source.name == "threads":
            if position.as_of is None:
                raise PartOver("forbidden", "GitHub shows none of the events: " + "; ".join(notes_of(position)))
            if not threads_ended:
                return Turn(position, waiting="all_threads")
        return await self._read(source, position)

    async def _read(self, source: EventSource, position: EventPosition) -> Turn[EventPosition]:
        """One page of this source, smaller and smaller while GitHub says that it is too large."""
        refused = 0
        while True:
            try:
                turn = await source.read(position)
            except TooLarge as error:
                if not source.can_shrink or size_of(position, source.name) == 1:
                    raise
                refused += 1
                position = shrink(position, source.name)
                log.info("asking for less", kind=source.name, size=size_of(position, source.name), why=error.code)
            else:
                turn.requests += refused
                return turn

    async def _begin(self, position: EventPosition) -> EventPosition:
        async with self._database.transaction() as connection:
            covered = await coverage.read(connection, self._sweep)
        if covered is not None and await self._github.has_learned(covered.left_out):
            covered = None
        return inheritance.begin(position, covered, self._sweep.cutoff_at, datetime.now(UTC))

    async def resume(self, position: EventPosition) -> EventPosition:
        """At what others have covered since the last leg, if it is deep enough; else where the last leg ended."""
        covered = await self._begin(EventPosition())
        deep_enough = inheritance.is_deep_enough(covered, self._sweep.cutoff_at)
        return (covered if deep_enough else position).in_next_leg()

    def _end_leg(self, position: EventPosition) -> Turn[EventPosition]:
        """The leg's end. What it read is covered, so that until the next leg other jobs go on below it."""
        assert position.as_of is not None and self._sweep.down_to is not None, "a leg that ends has read something"
        left = position.leave_for_next_leg().left()
        return Turn(position, waiting="next_leg", coverage=Coverage(self._sweep.down_to, position.as_of, left))

    async def _end(self, position: EventPosition) -> Turn[EventPosition]:
        """The sweep's end, with its proof and its coverage."""
        assert position.as_of is not None, "something was read"
        async with self._database.transaction() as connection:
            stored = await feed.by_source(connection, self._sweep.repository, self._sweep.cutoff_at)
        proof = proof_of(position, stored)
        low = min(self._sweep.cutoff_at, position.low or self._sweep.cutoff_at)
        covered = Coverage(BEGINNING if reached_end(position) else low, position.as_of, position.left())
        return Turn(position, outcome="completed", proof=proof, notes=proof["notes"], coverage=covered)
