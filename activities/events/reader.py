"""Reads a repository's events, source by source, each down to the cutoff.

docs/sweep.md, "Events", has the rules. A list is read from its top down to the cutoff. If an earlier sweep read the
list, only the new items are read from the top. Reading then continues where the earlier sweep stopped.
"""

from dataclasses import replace
from datetime import UTC, datetime

import structlog

from activities import surveys
from activities.events import inheritance
from activities.events.history import CommitHistory
from activities.events.lists import Activity, Forks, LatestEvents, Releases, Stargazers
from activities.events.order import Order
from activities.events.position import EventPosition
from activities.events.proof import noted_of, proof_of, reached_end, whole_of
from activities.events.source import PATIENCE, EventSource, is_failure_of_list, shrink, size_of
from activities.events.star_history import StarHistory
from activities.events.stored_threads import StoredThreads
from activities.events.surveyed import counted_by, without_news, without_what_is_empty
from activities.turn import Sources, Turn
from errors import RetryNow, TooLarge
from github.transport.prefetched import Prefetched
from store import coverage, feed
from store.coverage import BEGINNING, Coverage
from store.sweeps import LeaseLostError, Sweep

log = structlog.get_logger(__name__)


class EventReader:
    """Reads the events of one sweep. The committed position holds everything that the next slice needs."""

    positions = EventPosition
    is_ahead = False

    def __init__(self, sources: Sources, sweep: Sweep) -> None:
        self._database = sources.database
        self._prefetched = Prefetched()
        self._github = sources.github.on_behalf_of(sweep.repository.full_name, fence=sweep, prefetched=self._prefetched)
        sources = replace(sources, github=self._github)
        self._sweep = sweep
        in_order: tuple[EventSource, ...] = (
            Stargazers(sources, sweep),
            StarHistory(sources, sweep),
            Forks(sources, sweep),
            Releases(sources, sweep),
            Activity(sources, sweep),
            CommitHistory(sources, sweep),
            LatestEvents(sources, sweep),
            StoredThreads(sources, sweep),
        )
        self._order = Order(in_order, sweep.down_to)
        self._failures = max(sweep.attempts - 1, 0)

    def look_ahead(self, turn: Turn[EventPosition]) -> None:
        """Does nothing, because the next request is known only after the commit."""

    async def close(self) -> None:
        """Does nothing, because no request is in flight between two turns."""

    async def turn(self, position: EventPosition, *, threads_ended: bool) -> Turn[EventPosition]:
        """Reads the next page after `position`, and returns the turn. The end of a leg or of the sweep is a turn
        without a page.

        `threads_ended` says whether all threads are stored. If `threads_ended` is False and only the source `threads`
        still has to be read, returns a turn that waits.
        """
        if not position.places:
            position = await self._begin(position)
        source = self._order.next(position)
        if source is None:
            return self._end_leg(position) if position.is_open else await self._end(position)
        if source.name == "threads":
            if position.as_of is None:
                # GitHub gave none of the lists, and said so: what the threads tell is all there is to have.
                position = position.after_answer(datetime.now(UTC))
            if not threads_ended:
                return Turn(position, waiting="all_threads")
        return await self._read(source, position)

    async def _read(self, source: EventSource, position: EventPosition) -> Turn[EventPosition]:
        """Reads one page of this source. Requests fewer items as long as GitHub says that the page is too large.

        A failure at the smallest page size counts as an attempt. After `PATIENCE` attempts, a probe finds out whether
        GitHub answers other requests. If so, the source skips an item, changes its API, or is skipped
        (`EventSource.fail`). Errors that do not concern the list, such as an outage of GitHub, are raised.
        """
        failed = 0
        while True:
            try:
                turn = await source.read(position)
            except LeaseLostError:
                raise
            except RetryNow as error:
                if not is_failure_of_list(error):
                    raise
                failed += 1
                if self._may_shrink(source, position, error):
                    position = shrink(position, source.name)
                    log.info("asking for less", kind=source.name, size=size_of(position, source.name), why=error.code)
                    continue
                turn = await self._after_failure(source, position, error, failed)
            turn.requests += failed - self._prefetched.spared()
            self._failures = 0
            return turn

    def _may_shrink(self, source: EventSource, position: EventPosition, error: RetryNow) -> bool:
        """Returns whether to request the page again with fewer items. At the first attempt, `error` has to say that the
        page is too large. At later attempts, every failure counts as too large.
        """
        smaller = source.can_shrink and size_of(position, source.name) > 1
        too_large = isinstance(error, TooLarge) or self._failures > 0
        return smaller and too_large and not position.places[source.name].noted

    async def _after_failure(
        self, source: EventSource, position: EventPosition, error: RetryNow, failed: int
    ) -> Turn[EventPosition]:
        """Returns the turn after a failure at the smallest page size. `failed` is the number of failures since the turn
        began. If `failed` is over 1, the page size was reduced in this turn, and the turn only commits the new size.

        Otherwise raises `error` until `PATIENCE` attempts have failed. Then calls `EventSource.fail`, and the source
        skips an item, changes its API, or is skipped. Raises the probe's error if GitHub does not answer the probe. A
        source that an earlier sweep noted gets only one attempt.
        """
        if position.places[source.name].noted:
            return await source.fail(position, error)
        if failed > 1:
            # The size is committed, so that each attempt is one request.
            return Turn(position)
        if self._failures < PATIENCE:
            raise error
        await source.probe()
        return await source.fail(position, error)

    async def _begin(self, position: EventPosition) -> EventPosition:
        async with self._database.transaction() as connection:
            covered = EventPosition.if_readable(await coverage.read(connection, self._sweep))
            survey = await surveys.read(connection, self._sweep.job_id, self._sweep.repository)
            stored = await feed.by_source(connection, self._sweep.repository, self._sweep.cutoff_at) if survey else {}
        if covered is not None and await self._github.has_learned(covered.left_out):
            covered = None
        if covered is None:
            async with self._database.transaction() as connection:
                await surveys.unpack_answers(connection, self._sweep, self._prefetched)
        position = inheritance.begin(position, covered, self._sweep.cutoff_at, datetime.now(UTC))
        if survey is not None and covered is not None and survey.asked_at < covered.as_of:
            # Another job has read since.
            survey = None
        if survey is not None:
            position = without_what_is_empty(without_news(position, survey), survey, stored)
        if not position.fresh:
            position = position.with_counted(None if survey is None else counted_by(survey))
        return position

    async def begin_next_leg(self, position: EventPosition) -> EventPosition:
        """Returns the position at which the next leg begins. If other jobs have read down to this job's cutoff, the
        next leg resumes from their coverage. Otherwise the next leg resumes from `position`.
        """
        covered = await self._begin(EventPosition())
        deep_enough = inheritance.is_deep_enough(covered, self._sweep.cutoff_at)
        return (covered if deep_enough else position).in_next_leg()

    def _end_leg(self, position: EventPosition) -> Turn[EventPosition]:
        """Returns the turn that ends a leg. The turn stores the coverage, so that another job can resume from this
        coverage before the next leg begins.
        """
        assert position.as_of is not None and self._sweep.down_to is not None, "a leg that ends has read something"
        left = position.leave_for_next_leg().left()
        return Turn(position, waiting="next_leg", coverage=Coverage(self._sweep.down_to, position.as_of, left))

    async def _end(self, position: EventPosition) -> Turn[EventPosition]:
        """Returns the sweep's last turn, with the proof and the coverage."""
        assert position.as_of is not None, "something was read"
        async with self._database.transaction() as connection:
            stored = await feed.by_source(connection, self._sweep.repository, self._sweep.cutoff_at)
        proof = proof_of(position, stored)
        low = min(self._sweep.cutoff_at, position.low or self._sweep.cutoff_at)
        covered = Coverage(BEGINNING if reached_end(position) else low, position.as_of, position.left())
        return Turn(
            position,
            outcome="completed",
            proof=proof,
            notes=proof["notes"],
            noted=noted_of(position),
            resolved=whole_of(position),
            coverage=covered,
        )
