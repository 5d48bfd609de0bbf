"""The event sources that are lists at GitHub, ordered newest first: stars, forks, releases, branch activity and the
events API.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from activities.events import inheritance
from activities.events.odd_pages import OddPage
from activities.events.order import reached_leg_end
from activities.events.position import EventPlace, EventPosition, EventSourceName
from activities.events.source import OTHER_SIZE, PATIENCE, grow, is_failure_of_list, size_of
from activities.progress import MOST_IDLE
from activities.turn import Sources, Turn
from errors import PartOver, RetryNow, TooLarge
from github.answers.refusals import InvalidCursor
from github.events import commits
from github.events import sources as events
from github.events.lists import EventPage, Refused, probe
from github.repositories import inspect
from rows import NoteKind
from store import feed
from store.sweeps import Sweep

log = structlog.get_logger(__name__)

MOST_RESTARTS = 3
MOST_BLANKS = 2
"""After this many answers without items, at two page sizes, a list counts as ended or as not shown."""
MOST_UNSERVED = 3
"""Items in a row that GitHub fails to serve before the list is given up."""
BLANK_SIZE = 50
"""The page size of the request that follows an answer without items."""


class ListSource:
    """Reads one of GitHub's lists page by page, down to the cutoff. If an earlier sweep read the list, the new items
    are read first, down to the moment `EventPlace.until`. Reading then continues where the earlier sweep stopped.

    `ways` names the APIs that have the list. If an API refuses the list, fails to serve the list or never ends the
    list, the next API is used.
    """

    name: EventSourceName
    builds_on: tuple[EventSourceName, ...] = ()
    is_long = False
    can_shrink = True
    ways: tuple[str, ...] = ("REST",)
    """The APIs that serve the list, cheapest first."""
    can_become_empty = True
    """Whether a list that had items before may count as empty after several empty answers."""
    reach: timedelta | None = None
    """How far back GitHub shows the list at least; None: to its beginning."""

    def __init__(self, sources: Sources, sweep: Sweep) -> None:
        self._database = sources.database
        self._github = sources.github.on_behalf_of(sweep.repository.full_name, fence=sweep)
        self._sweep = sweep
        self._repository = sweep.repository

    async def read(self, position: EventPosition) -> Turn[EventPosition]:
        place = position.places[self.name]
        if place.again:
            return await self._look_again(position, place)
        try:
            read = await self._ask(place.way, place.cursor, size_of(position, self.name))
        except Refused as error:
            return await self._leave_way(position, error.message, "refused")
        except InvalidCursor as error:
            if place.cursor is None or place.restarts >= MOST_RESTARTS:
                return await self._leave_way(
                    position, f"GitHub refuses its own cursors: {error.message}", "unavailable"
                )
            log.warning("cursor refused, reading from the top", source=self.name)
            return self._turn(position.with_size(self.name, OTHER_SIZE).with_place(self.name, place.restart()))
        except PartOver as error:
            if error.code == "empty":
                return self._turn(position.with_place(self.name, place.complete_at_end()))
            if error.code == "query_refused":
                return await self._leave_way(position, error.message, "unavailable")
            if error.code.startswith("http_"):
                raise TooLarge(error.code, error.message) from error
            raise
        return await self._after(position, place, read)

    async def _look_again(self, position: EventPosition, place: EventPlace) -> Turn[EventPosition]:
        """Requests the first page of `place.again` once more, and returns the turn. GitHub did not show every item of
        this page to an earlier sweep.
        """
        page = place.again[0]
        try:
            read = await self._ask(place.way, page.cursor, page.size)
        except InvalidCursor as error:
            log.warning("the cursor of an odd page is refused, reading from the top", why=error.message)
            return self._turn(position.with_place(self.name, place.restart()))
        except PartOver as error:
            # GitHub now refuses the whole list. Stored rows and notes stay as they are.
            log.warning("odd pages are not shown", source=self.name, why=error.message)
            return self._turn(position.with_place(self.name, place.stop_looking()))
        except RetryNow as error:
            if not is_failure_of_list(error):
                raise
            log.warning("an odd page is still not served", source=self.name, why=error.message)
            return self._turn(position.with_place(self.name, place.look_at(page)))
        now = page
        if read.number:
            seen = replace(page, number=read.number, hidden=read.hidden, unserved=read.unreadable)
            now = page.now(seen, more=read.more, total=read.total)
        return self._turn(position.with_place(self.name, place.look_at(now)), read)

    async def fail(self, position: EventPosition, error: RetryNow) -> Turn[EventPosition]:
        place = position.places[self.name]
        if not place.noted and place.progress.idle < MOST_UNSERVED:
            behind = await self._find_place_behind(place)
            if behind is not None:
                log.warning("passed over what GitHub fails to serve", source=self.name, why=error.message)
                return self._turn(position.with_place(self.name, place.pass_over(behind)))
        return await self._leave_way(position, f"GitHub fails at it at any size: {error.message}", "unavailable")

    async def probe(self) -> None:
        way = self.ways[0]
        if way == "REST":
            await inspect(self._github, self._repository.github_id, self._repository.full_name)
        else:
            await probe(self._github)

    async def _ask(self, way: int, cursor: str | None, size: int) -> EventPage:
        """Requests `size` items after `cursor` from the API `ways[way]`. `cursor` is None for the top of the list."""
        raise NotImplementedError

    async def _find_place_behind(self, place: EventPlace) -> str | None:
        """Returns the cursor behind the next item of the list, so that a sweep can skip this item. Returns None if
        GitHub gives no cursor.
        """
        return str(int(place.cursor or 0) + 1) if self._is_numbered(place) else None

    # --- After an answer

    async def _after(self, position: EventPosition, place: EventPlace, read: EventPage) -> Turn[EventPosition]:
        asked_at = read.page.asked_at
        place = inheritance.without_future(place, asked_at)
        if not read.number and await self._is_suspicious(place, read):
            return await self._after_blank(position, place, read)
        page = OddPage(
            cursor=place.cursor,
            size=size_of(position, self.name),
            number=read.number,
            hidden=read.hidden,
            unserved=read.unreadable,
        )
        place = place.after_page(
            asked_at,
            page,
            more=read.more,
            depth=read.depth,
            ties=read.ties,
            oldest=self._oldest(place, read),
            total=read.total,
        )
        if read.more and place.progress.is_stuck:
            words = f"GitHub's list does not end: {MOST_IDLE} pages in a row showed nothing that is older"
            return await self._leave_way(position, words, "unavailable", read)
        if self._is_over(position, place, read):
            if place.until is not None and read.more:
                place = inheritance.go_below(position, self.name, place, self._sweep.cutoff_at)
            elif read.more and read.cursor is None:
                place = place.complete_without_end()
            else:
                place = place.complete_at(read.cursor)
        elif read.cursor is not None:
            place = place.move_to(read.cursor, recent=reached_leg_end(self._sweep, read.oldest))
        elif not read.more:
            place = place.complete_at(None)
        else:
            log.warning("GitHub says that there is more and not where, asking again", source=self.name)
        if not read.more:
            place = place.count_missing(read.total, page, read.end or page.cursor)
        after = position.with_place(self.name, place).after_answer(asked_at)
        after = grow(after, self.name, seconds=read.seconds, offset=self._offset(place))
        return self._turn(after, read)

    def _is_over(self, _position: EventPosition, place: EventPlace, read: EventPage) -> bool:
        """Returns whether the page `read` reached the moment down to which this sweep reads. This moment is
        `place.until`, or the cutoff if `place.until` is None.
        """
        return read.oldest is not None and read.oldest < (place.until or self._sweep.cutoff_at)

    def _oldest(self, _place: EventPlace, _read: EventPage) -> datetime | None:
        return None

    def _is_numbered(self, place: EventPlace) -> bool:
        return self.ways[place.way] == "REST"

    def _offset(self, place: EventPlace) -> int:
        """Returns the number of items before the place if the pages are numbered. Returns 0 for all other pages."""
        return int(place.cursor or 0) if self._is_numbered(place) else 0

    def _turn(self, position: EventPosition, read: EventPage | None = None, requests: int = 1) -> Turn[EventPosition]:
        return Turn(
            position,
            page=read.page if read is not None else None,
            points=read.cost if read is not None else 0,
            requests=requests,
        )

    # --- What GitHub does not give

    async def _is_suspicious(self, place: EventPlace, read: EventPage) -> bool:
        """Returns whether the empty page `read` may be wrong. This is so if GitHub counts more items than the list
        showed. At the top of the list, this is also so if rows of the list are stored.
        """
        if read.total:
            if place.is_at_top:
                return True
            if place.listed is None:
                # Reading goes on below what an earlier sweep read: GitHub had said that more is there.
                return place.until is None and not place.tail
            return place.listed + place.unserved < read.total
        if not place.is_at_top:
            return False
        since = self._sweep.cutoff_at
        if self.reach is not None:
            since = max(since, read.page.asked_at - self.reach)
        async with self._database.transaction() as connection:
            stored = await feed.by_source(connection, self._repository, since)
        return stored.get(self.name, 0) > 0

    async def _after_blank(self, position: EventPosition, place: EventPlace, read: EventPage) -> Turn[EventPosition]:
        """Returns the turn after an empty page that may be wrong. The page is requested once more, with another size,
        unless an earlier sweep noted the source.

        If the page is still empty, the list counts as ended, with two exceptions at the top of the list. If GitHub
        counts items but shows none, the source continues with its next API. If the source has no next API, the source
        is skipped with a note. If GitHub counts no items but rows of stars or forks are stored, the source is skipped
        without a note.
        """
        place = place.count_blank(read.page.asked_at)
        if place.blanks < MOST_BLANKS and not place.noted:
            log.warning("a blank answer is not believed at once", source=self.name, total=read.total)
            size = BLANK_SIZE if size_of(position, self.name) != BLANK_SIZE else BLANK_SIZE // 2
            return self._turn(position.with_place(self.name, place).with_size(self.name, size), read)
        position = position.with_place(self.name, place).with_size(self.name, None).after_answer(read.page.asked_at)
        if not place.is_at_top or (self.can_become_empty and not read.total):
            page = OddPage(cursor=place.cursor, size=BLANK_SIZE)
            ended = place.complete_at(None).count_missing(read.total, page, place.cursor)
            return self._turn(position.with_place(self.name, ended), read)
        if read.total:
            words = f"GitHub shows none of the {read.total} {self.name} to these tokens"
            return await self._leave_way(position, words, "hidden", read, missing=read.total)
        words = f"GitHub shows no {self.name} any more, while some are stored"
        return self._turn(position.with_place(self.name, place.give_up(words, None)), read)

    async def _leave_way(
        self,
        position: EventPosition,
        words: str,
        kind: NoteKind,
        read: EventPage | None = None,
        *,
        missing: int = 0,
    ) -> Turn[EventPosition]:
        """Returns the turn that stops using the present API. The source continues with its next API, or is skipped if
        it has no next API.

        `words` is the reason. If the source is skipped, `kind` is the kind of the source's note. `missing` is the
        number of items in that note, or 0 if the number is unknown. `read` is an answer whose rows the turn stores.
        """
        place = position.places[self.name]
        log.warning("a list is given up", source=self.name, way=self.ways[place.way], kind=kind, why=words)
        if place.way + 1 < len(self.ways):
            after = place.take_next_way(f"{self.ways[place.way]}: {words}")
        else:
            after = place.give_up(words, kind, missing)
        return self._turn(position.with_size(self.name, None).with_place(self.name, after), read)


class Stargazers(ListSource):
    name: EventSourceName = "stargazers"
    is_long = True
    ways = ("GraphQL",)
    can_become_empty = False

    async def _ask(self, way: int, cursor: str | None, size: int) -> EventPage:  # noqa: ARG002 (it has one way)
        return await events.read_stargazers(self._github, self._repository, size, cursor)

    async def _find_place_behind(self, place: EventPlace) -> str | None:
        return await _place_behind(
            lambda: events.find_place_behind(self._github, self._repository, "StargazerPlace", place.cursor)
        )


class Forks(ListSource):
    """Reads forks. If GraphQL lists the forks, the first page also has the latest commit of the default branch."""

    name: EventSourceName = "forks"
    is_long = True
    ways = ("GraphQL", "REST")
    can_become_empty = False

    async def _ask(self, way: int, cursor: str | None, size: int) -> EventPage:
        if way:
            return await events.read_forks_by_rest(self._github, self._repository, size, int(cursor or 0))
        return await events.read_forks(self._github, self._repository, size, cursor)

    async def _after(self, position: EventPosition, place: EventPlace, read: EventPage) -> Turn[EventPosition]:
        if place.as_of is None and place.way == 0 and not position.fresh:
            position = position.with_branch(read.branch, read.head)
        return await super()._after(position, place, read)

    async def _leave_way(
        self,
        position: EventPosition,
        words: str,
        kind: NoteKind,
        read: EventPage | None = None,
        *,
        missing: int = 0,
    ) -> Turn[EventPosition]:
        turn = await super()._leave_way(position, words, kind, read, missing=missing)
        if position.head is None and not position.fresh:
            # The other APIs do not name the default branch, whose pushes are read next.
            turn.requests += 1
            try:
                turn.position = turn.position.with_branch(*await commits.read_head(self._github, self._repository))
            except (PartOver, RetryNow) as error:
                if isinstance(error, RetryNow) and (not is_failure_of_list(error) or self._sweep.attempts <= PATIENCE):
                    raise
                log.warning("the head of the default branch is not shown", why=error.message)
                turn.position = turn.position.without_head(error.message)
        return turn

    async def _find_place_behind(self, place: EventPlace) -> str | None:
        if self._is_numbered(place):
            return await super()._find_place_behind(place)
        return await _place_behind(
            lambda: events.find_place_behind(self._github, self._repository, "ForkPlace", place.cursor)
        )


class Releases(ListSource):
    name: EventSourceName = "releases"
    ways = ("REST", "GraphQL")

    async def _ask(self, way: int, cursor: str | None, size: int) -> EventPage:
        if way:
            return await events.read_releases_by_graphql(self._github, self._repository, size, cursor)
        return await events.read_releases(self._github, self._repository, size, int(cursor or 0))

    def _is_over(self, _position: EventPosition, _place: EventPlace, _read: EventPage) -> bool:
        """Always False. The list is read to its end, because a draft may be published long after its creation."""
        return False


class Activity(ListSource):
    """Reads the changes of branches, such as pushes. GitHub's list reaches back about a year. Older pushes are derived
    from commits (`CommitHistory`). If GitHub refuses the list, all pushes are derived from commits.
    """

    name: EventSourceName = "activity"
    is_long = True
    reach = timedelta(days=300)

    async def _ask(self, way: int, cursor: str | None, size: int) -> EventPage:  # noqa: ARG002 (it has one way)
        return await events.read_activity(self._github, self._repository, size, cursor)

    def _is_numbered(self, place: EventPlace) -> bool:  # noqa: ARG002 (its pages have cursors)
        return False


class LatestEvents(ListSource):
    """Reads GitHub's events API, which lists the latest 300 events of all types."""

    name: EventSourceName = "events"
    reach = timedelta(days=20)

    async def _ask(self, way: int, cursor: str | None, size: int) -> EventPage:  # noqa: ARG002 (it has one way)
        return await events.read_events(self._github, self._repository, size, int(cursor or 0))

    async def _after(self, position: EventPosition, place: EventPlace, read: EventPage) -> Turn[EventPosition]:
        if position.fresh and inheritance.is_stale(position, read.page.asked_at):
            # By GitHub's clock more time has passed than by ours, so every source is read for news.
            again = inheritance.inherit(position, self._sweep.cutoff_at, fresh=False)
            return Turn(again, page=read.page, requests=1)
        return await super()._after(position, place, read)

    def _is_over(self, position: EventPosition, place: EventPlace, read: EventPage) -> bool:
        only_news = position.fresh and place.until is not None
        return only_news or super()._is_over(position, place, read)


async def _place_behind(find: Callable[[], Awaitable[tuple[str | None, bool]]]) -> str | None:
    try:
        cursor, _ = await find()
    except (PartOver, RetryNow) as error:
        log.info("the place behind it cannot be found", why=error.message)
        return None
    return cursor
