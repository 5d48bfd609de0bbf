"""The catch-up lists the threads that changed while the history was read. Each of its rounds lists threads from the top
of the list down to the floor. The first floor is a moment shortly before the sweep's first answer.
"""

from dataclasses import replace

import structlog

from activities.progress import Standstill
from activities.threads.page_sizes import PageSizes
from activities.threads.position import ThreadPosition
from activities.threads.thread_list import ThreadList
from activities.turn import Turn
from github.answers.refusals import InvalidCursor
from github.threads.listings import Listing
from rows import Part
from store import clock, sweeps, threads
from store.database import Database
from store.sweeps import Sweep

log = structlog.get_logger(__name__)

MOST_ROUNDS = 3
"""Most rounds. A busy repository always has changes; those during the last round belong to the next job."""


class CatchUp:
    """Lists threads in order of their last update. Adds a part for each thread whose row is missing or out of date."""

    def __init__(self, database: Database, sweep: Sweep, thread_list: ThreadList, sizes: PageSizes) -> None:
        self._database = database
        self._sweep = sweep
        self._list = thread_list
        self._sizes = sizes
        self._came_along: Listing | None = None

    def begin_with(self, listing: Listing | None) -> None:
        """Sets the first listing of the catch-up. `listing` came as part of another request's answer. If `listing` is
        None, the catch-up requests its first listing itself.
        """
        self._came_along = listing

    async def turn(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        """Reads the next page of the list, and returns the turn. A round ends at the first page that reaches below the
        floor, or at the end of the list.
        """
        listing, points, position = await self._next(position)
        floor, cutoff_at = position.floor, self._sweep.cutoff_at
        assert floor is not None, "the history fixes the floor"
        if listing.asked_at < floor:
            position = await self._after_clock_was_set_back(position, listing)
            floor = cutoff_at
        recent = [entry for entry in listing.entries if entry.updated_at >= floor]
        below_floor = len(recent) < len(listing.entries)
        ids = [entry.github_id for entry in recent]
        comments = {entry.github_id: entry.comments for entry in listing.entries if entry.comments is not None}
        async with self._database.transaction() as connection:
            stored = await threads.versions(connection, self._sweep.data_type, ids)
            known = await threads.known(connection, self._sweep.data_type, ids)
            commented = await threads.otherwise_commented(connection, self._sweep.data_type, comments)
            repository_id = self._sweep.repository.repository_id
            # Needed only at the end of the whole list.
            fetched = 0 if below_floor else await threads.count(connection, self._sweep.data_type, repository_id)
        changed = [
            Part("thread", entry.node_id, entry.number, listing.asked_at)
            for entry in listing.entries
            if entry.updated_at >= cutoff_at
            and (
                (entry.updated_at >= floor and stored.get(entry.github_id) != entry.updated_at)
                or entry.github_id in commented
            )
        ]
        if listing.withheld or listing.lost:
            position = position.miss()
        after = position.after_listing(total=listing.total, new=len(set(ids) - known))
        return Turn(self._move(after, listing, below_floor=below_floor, fetched=fetched), put=changed, points=points)

    async def _after_clock_was_set_back(self, position: ThreadPosition, listing: Listing) -> ThreadPosition:
        """Returns the position from which the catch-up lists all threads in scope. GitHub's clock was ahead when it
        fixed the floor, so changes after its correction are dated before the floor.
        """
        log.warning("GitHub's clock was set back", floor=str(position.floor), now=listing.asked_at.isoformat())
        async with self._database.transaction() as connection:
            await sweeps.fence(connection, self._sweep)
            await clock.set_back(connection, self._sweep, listing.asked_at)
        cutoff_at = self._sweep.cutoff_at
        return replace(position, floor=cutoff_at, first_floor=cutoff_at, comments_as_of=None)

    def _move(self, position: ThreadPosition, listing: Listing, *, below_floor: bool, fetched: int) -> ThreadPosition:
        """Returns the position after a page of the list. `below_floor` says whether the page reaches below the floor.
        `fetched` is the number of stored threads, or 0 for a page that reaches below the floor.
        """
        began = position.round_began or listing.asked_at
        last = listing.entries[-1].updated_at if listing.entries else None
        ties = [entry.node_id for entry in listing.entries if entry.updated_at == last]
        progress = position.list_progress.descend(last, ties)
        on = position.continue_round(
            cursor=listing.end_cursor, began=began, listed=len(listing.entries), progress=progress
        )
        at_end = listing.end_cursor is None and not listing.leads_nowhere
        # A list that says that it goes on and brings nothing more is at its end if it brought as many as GitHub counts.
        at_end = at_end or (progress.idle > 0 and on.round_listed >= listing.total)
        if at_end and on.round_listed + len(listing.withheld) < max(listing.total, fetched):
            # GitHub does not list all threads that it counts, or that it showed before: what changed of them is still
            # to come. A list may be blank, and its count 0, without an error.
            on, position = on.miss(), position.miss()
        if not below_floor and not at_end:
            if progress.is_stuck:
                raise Standstill("list of threads by their last update")
            return on
        if position.news_first:
            return position.to_history_below(began=began)
        if position.round_pages == 0 or position.round >= MOST_ROUNDS:
            # Listed in one answer nothing can have changed behind it.
            return position.to_review_comments(as_of=began)
        return position.next_round(began=began)

    async def _next(self, position: ThreadPosition) -> tuple[Listing, int, ThreadPosition]:
        """Returns the next listing, its price in points, and the position from which it was requested. If GitHub
        refuses the cursor, the round begins again. In that case, returns the round's first listing.
        """
        came_along, self._came_along = self._came_along, None
        if came_along is not None and position.cursor is None and position.round_began is None:
            return came_along, 0, position
        try:
            listing = await self._list.page(position.cursor)
        except InvalidCursor:
            return await self._list.page(None), 1, position.begin_round_again()
        self._sizes.answered(listing.seconds)
        return listing, 1, position
