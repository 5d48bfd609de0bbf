"""How the events of a repository are read: source after source, and when they are complete.

docs/sweep.md, "A feed of events", says why. Lists are read from the top down to the cutoff, or down to where an earlier
sweep began, and then on below where it ended.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, get_args

import structlog

from activities.position import EventPlace, EventPosition, EventSourceName
from activities.turn import CLOCK_SLACK, FAST_SECONDS, Sources, Turn
from errors import PartOver, TooLarge
from github import events
from github.answers import InvalidCursor
from github.events import Happenings, History, Refused
from rows import Page
from store import coverage, feed
from store.coverage import BEGINNING, Coverage
from store.database import Connection
from store.sweeps import Sweep

log = structlog.get_logger(__name__)
AnswerT = TypeVar("AnswerT")

SOURCES: tuple[EventSourceName, ...] = get_args(EventSourceName)
"""In their order. The default branch's head comes with the forks, so that its pushes are read after it."""
FRESH = timedelta(hours=1)
"""For so long what another job read is recent enough: one request asks for what is new."""
EVENTS_LAG = timedelta(days=1)
"""An event shows up to hours after it happened."""
_SMALLER = {100: 50, 50: 25, 25: 5, 5: 1}
"""Each divides the one before, so that numbered pages go on where larger ones ended."""
AGAIN = 97
_NUMBERED = frozenset({"releases", "events"})
_LONG: frozenset[EventSourceName] = frozenset({"stargazers", "forks", "activity", "history"})
"""What a recent leg leaves in the middle; other lists are short, or (releases) only their end is the end."""
_AFTER: dict[EventSourceName, tuple[EventSourceName, ...]] = {
    "star_history": ("stargazers",),
    "history": ("activity",),
    "threads": SOURCES[:-1],
}
"""What has to be read to its end before."""
MOST_RESTARTS = 3
THREADS_A_TURN = 500
WEEK = timedelta(weeks=1)


class EventReader:
    """Reads one sweep. Everything it knows comes with the committed position."""

    positions = EventPosition
    is_ahead = False

    def __init__(self, sources: Sources, sweep: Sweep) -> None:
        self._database = sources.database
        self._github = sources.github.on_behalf_of(sweep.repository.full_name, fence=sweep)
        self._sweep = sweep
        self._repository = sweep.repository
        self._size = 100
        self._requests = 0

    def look_ahead(self, turn: Turn[EventPosition]) -> None:
        """Nothing: what comes next depends on what is committed."""

    async def close(self) -> None:
        """Nothing is ever under way between two turns."""

    async def turn(self, position: EventPosition, *, threads_ended: bool) -> Turn[EventPosition]:
        """The next request after `position`, smaller and smaller while GitHub says that it is too large."""
        if not position.places:
            position = await self._begin(position)
        self._requests = 0
        sizes = dict(position.sizes)
        while True:
            here = replace(position, sizes=sizes)
            source = self._current(here)
            try:
                turn = await self._next(source, here, threads_ended)
            except TooLarge as error:
                if source is None or source == "star_history" or self._size == 1:
                    raise
                sizes[source] = _SMALLER.get(self._size, 50)
                log.info("asking for less", kind=source, size=sizes[source], why=error.code)
                continue
            turn.requests = self._requests
            return turn

    def _current(self, position: EventPosition) -> EventSourceName | None:
        """The first source that is not read yet. What moments ago was complete is asked first for what is new."""
        order = sorted(SOURCES, key=lambda each: each != "events") if position.fresh else SOURCES
        return next(
            (each for each in order if position.places[each].status == "open" and not self._is_left(position, each)),
            None,
        )

    def _is_left(self, position: EventPosition, source: EventSourceName) -> bool:
        """Whether what is still to be read of an open source is the next leg's."""
        if self._sweep.down_to is None:
            return False
        place = position.places[source]
        # Below what an earlier sweep has read there is nothing recent, if that went down far enough.
        below = place.until is None and place.cursor is not None and place.cursor == place.below
        deep_enough = position.low is not None and position.low <= self._sweep.down_to
        return (source in _LONG and (place.recent or (below and deep_enough))) or any(
            position.places[each].status == "open" and self._is_left(position, each) for each in _AFTER.get(source, ())
        )

    async def _next(
        self, source: EventSourceName | None, position: EventPosition, threads_ended: bool
    ) -> Turn[EventPosition]:
        if source is None and any(place.status == "open" for place in position.places.values()):
            return self._end_leg(position)
        if source is None:
            return await self._end(position)
        if source == "threads":
            if position.as_of is None:
                raise PartOver("forbidden", "GitHub shows none of the events: " + "; ".join(_notes(position)))
            return await self._threads(position) if threads_ended else Turn(position, waiting="all_threads")
        if source == "history":
            return await self._history(position)
        place = position.places[source]
        if source == "star_history" and position.places["stargazers"].status == "complete":
            # Each star is told with its giver.
            return Turn(_with(position, source, place, status="complete", reached_end=True))
        try:
            read = await self._read(source, position, place)
        except Refused as error:
            return Turn(self._skipped(position, source, error))
        except InvalidCursor:
            if place.cursor is None or place.restarts >= MOST_RESTARTS:
                raise
            log.warning("cursor refused, reading from the top", source=source)
            # In pages of another length, so that none ends where that cursor stands.
            again = replace(position, sizes=position.sizes | {source: AGAIN})
            return Turn(_with(again, source, place, cursor=None, until=None, restarts=place.restarts + 1))
        except PartOver as error:
            if error.code != "empty":
                raise
            return Turn(_with(position, source, place, status="complete", reached_end=True))
        return self._after(source, position, place, read)

    # --- Beginning

    async def _begin(self, position: EventPosition) -> EventPosition:
        """Where to begin: behind what other jobs have covered, if anything."""
        async with self._database.transaction() as connection:
            covered = await coverage.read(connection, self._sweep)
        if covered is None or covered.as_of - CLOCK_SLACK < self._sweep.cutoff_at:
            return replace(position, places={source: EventPlace() for source in SOURCES})
        left = EventPosition.read(covered.position)
        began = replace(
            position,
            branch=left.branch,
            head=left.head,
            places=left.places,
            low=covered.low,
            inherited_as_of=covered.as_of,
        )
        return self._inheriting(began, fresh=datetime.now(UTC) - covered.as_of <= FRESH)

    def _inheriting(self, position: EventPosition, *, fresh: bool) -> EventPosition:
        """With the places that an earlier sweep left, made open where there is something to read."""
        as_of, low = position.inherited_as_of, position.low
        assert as_of is not None and low is not None, "what is inherited has its bounds"
        deep_enough = low <= self._sweep.cutoff_at
        places: dict[EventSourceName, EventPlace] = {}
        for source in SOURCES:
            left = position.places.get(source, EventPlace())
            if left.status == "open" and left.below is not None and deep_enough:
                # A leg of another sweep ended there, which is far enough for this one.
                left = replace(left, status="complete")
            done = left.status != "open" and (left.reached_end or deep_enough)
            if source in ("threads", "events"):
                # Of the events API nothing is left to go on from: its pages are numbered from the top.
                until = as_of - EVENTS_LAG if source == "events" and done else None
                places[source] = EventPlace(until=until, reached_end=left.reached_end)
            elif fresh and (done or left.status == "skipped"):
                places[source] = left
            elif left.status == "skipped":
                # What was refused once may be shown now.
                places[source] = EventPlace()
            else:
                places[source] = EventPlace(
                    cursor=left.below if fresh else None,
                    until=None if fresh else as_of - CLOCK_SLACK,
                    below=left.below,
                    reached_end=left.reached_end,
                    oldest=left.oldest,
                    bottom=left.bottom if deep_enough else [],
                    gone=left.gone,
                )
        if fresh and places["star_history"].status == "open" and places["star_history"].oldest:
            places["star_history"] = self._below(position, "star_history", places["star_history"])
        return replace(position, places=places, fresh=fresh, as_of=as_of if fresh else None)

    # --- One page of a list

    async def _read(self, source: EventSourceName, position: EventPosition, place: EventPlace) -> Happenings:
        size = self._size = position.sizes.get(source, 100)
        cursor, github, repository = place.cursor, self._github, self._repository
        offset = int(cursor) if cursor and source in (*_NUMBERED, "star_history") else 0
        if source == "stargazers":
            return await self._send(lambda: events.read_stargazers(github, repository, size, cursor))
        if source == "star_history":
            return await self._send(lambda: events.read_star_history(github, repository, offset))
        if source == "forks":
            return await self._send(lambda: events.read_forks(github, repository, size, cursor))
        if source == "releases":
            return await self._send(lambda: events.read_releases(github, repository, size, offset))
        if source == "activity":
            return await self._send(lambda: events.read_activity(github, repository, size, cursor))
        return await self._send(lambda: events.read_events(github, repository, size, offset))

    def _after(
        self, source: EventSourceName, position: EventPosition, place: EventPlace, read: Happenings
    ) -> Turn[EventPosition]:
        asked_at = read.page.asked_at
        if position.fresh and source == "events" and self._is_stale(position, asked_at):
            # By GitHub's clock: what is new is to be read from all sources after all.
            return Turn(self._inheriting(position, fresh=False), page=read.page)
        place = replace(
            place,
            as_of=place.as_of or asked_at,
            hidden=place.hidden + read.hidden,
            oldest=min(place.oldest or read.oldest, read.oldest) if source == "star_history" and read.oldest else None,
        )
        limit = place.until or self._sweep.cutoff_at
        # A release may have been a draft for long: only the end of their list is the end.
        over = source != "releases" and read.oldest is not None and read.oldest < limit
        if position.fresh and source == "events" and place.until is not None:
            over = True
        if not over and read.cursor is not None:
            place = replace(place, cursor=read.cursor, recent=self._is_recent(read.oldest))
        elif place.until is not None and read.cursor is not None:
            place = self._below(position, source, place)
        else:
            place = replace(
                place,
                status="complete",
                cursor=None,
                below=read.cursor,
                reached_end=read.cursor is None or place.reached_end,
            )
        update: dict[str, Any] = {
            "places": position.places | {source: place},
            "as_of": position.as_of or asked_at,
            "sizes": self._grown(source, position, place, read.seconds),
        }
        if source == "forks" and position.places["forks"].as_of is None and not position.fresh:
            update |= {"branch": read.branch, "head": read.head}
        return Turn(replace(position, **update), page=read.page, points=read.cost)

    def _below(self, position: EventPosition, source: EventSourceName, place: EventPlace) -> EventPlace:
        """What is new is read; on below what was read before, if that is in scope now."""
        deep_enough = position.low is not None and position.low <= self._sweep.cutoff_at
        if place.reached_end or deep_enough or source == "events":
            return replace(place, status="complete", cursor=None)
        cursor = place.below
        if source == "star_history" and place.oldest is not None:
            # Pages are counted from the present week, and weeks have gone by. That of the earlier sweep may be asked
            # for twice, none is left out.
            as_of = position.as_of or position.inherited_as_of
            assert as_of is not None, "something was read"
            cursor = str(max(0, (as_of - place.oldest) // WEEK + 1))
        return replace(place, cursor=cursor, until=None)

    def _is_stale(self, position: EventPosition, asked_at: datetime) -> bool:
        return position.inherited_as_of is not None and asked_at - position.inherited_as_of > FRESH

    def _skipped(self, position: EventPosition, source: EventSourceName, error: Refused) -> EventPosition:
        log.info("refused", source=source, code=error.code, why=error.message)
        place = EventPlace(status="skipped", reason=error.message)
        return _with(position, source, place)

    # --- A leg's end

    async def resume(self, position: EventPosition) -> EventPosition:
        covered = await self._begin(EventPosition())
        deep_enough = covered.low is not None and covered.low <= self._sweep.cutoff_at
        return (covered if deep_enough else position).in_next_leg()

    def _is_recent(self, oldest: datetime | None) -> bool:
        """Whether a page went down to where this leg ends."""
        down_to = self._sweep.down_to
        return down_to is not None and oldest is not None and oldest < down_to

    def _end_leg(self, position: EventPosition) -> Turn[EventPosition]:
        """Until the next leg others need not read again what is stored: they go on below it."""
        assert position.as_of is not None and self._sweep.down_to is not None, "a leg that ends has read something"
        places = {
            source: replace(place, below=place.cursor or place.below, cursor=None, oids=None)
            if place.status == "open"
            else place
            for source, place in position.places.items()
        }
        left = _left_of(replace(position, places=places))
        return Turn(position, waiting="next_leg", coverage=Coverage(self._sweep.down_to, position.as_of, left))

    # --- Commits before the pushes that GitHub tells of

    async def _history(self, position: EventPosition) -> Turn[EventPosition]:
        """The next commits that no stored push brought, from the head of the default branch down.

        A push is what happened, and a commit's date says nothing of its place: the branch's first parents are followed.
        Each page begins at the first commit that the one before did not hold, so that no order is relied on.
        """
        place = position.places["history"]
        forks, activity = position.places["forks"], position.places["activity"]
        if forks.status == "skipped" and position.head is None:
            return Turn(_with(position, "history", place, status="skipped", reason=forks.reason))
        if position.head is None or (activity.status == "complete" and not activity.reached_end):
            # The branch is empty, or its pushes are known down to the cutoff.
            empty = position.head is None
            return Turn(_with(position, "history", place, status="complete", reached_end=empty))
        ref = f"{events.HEADS}{position.branch}"
        async with self._database.transaction() as connection:
            start = [position.head] if place.oids is None else place.oids
            oids = await feed.unexplained(connection, self._repository, ref, start, place.gone)
        oids = [oid for oid in oids if oid not in place.bottom]
        if not oids:
            over = {"status": "complete", "oids": None, "reached_end": not place.bottom}
            return Turn(_with(position, "history", place, **over))
        size = self._size = position.sizes.get("history", 100)
        oid, rest = oids[0], oids[1:]
        try:
            read = await self._send(
                lambda: events.read_history(self._github, self._repository, oid, size, self._sweep.cutoff_at)
            )
        except Refused as error:
            return Turn(self._skipped(position, "history", error))
        if read is None:
            log.info("a commit is gone", oid=oid)
            gone = [*place.gone, oid]
            # From the head again: what the lost commit was replaced by has parents of its own.
            return Turn(_with(position, "history", place, gone=gone, oids=[position.head]))
        async with self._database.transaction() as connection:
            page, ends = await self._along(connection, ref, place, oid, read)
        update: dict[str, Any] = {"as_of": place.as_of or read.asked_at, "oids": [*rest, *ends]}
        if not read.in_scope and all(each.committed_at < self._sweep.cutoff_at for each in read.commits.values()):
            update |= {"oids": rest, "bottom": [*place.bottom, *ends]}
        elif read.commits:
            # Their dates say nothing of their order, but any place along the branch is one to go on from.
            update["recent"] = self._is_recent(max(each.committed_at for each in read.commits.values()))
        after = _with(position, "history", place, **update)
        sizes = self._grown("history", position, place, read.seconds)
        return Turn(replace(after, sizes=sizes), page=page, points=read.cost)

    async def _along(
        self, connection: Connection, ref: str, place: EventPlace, oid: str, read: History
    ) -> tuple[Page, list[str]]:
        """The pushes that the commits tell of from `oid` along the branch, and where they lead out of the page."""
        pushed: dict[str, list[str]] = {}
        for push in await feed.pushed(connection, self._repository, ref, list(read.commits)):
            pushed.setdefault(push.head, []).append(push.before)
        page, ends, seen = Page(read.asked_at), [], set()
        ahead = [oid]
        while ahead:
            here = ahead.pop()
            if here in seen:
                continue
            seen.add(here)
            commit = read.commits.get(here)
            if commit is None:
                ends.append(here)
                continue
            before = [each for each in pushed.get(here, ()) if each.strip("0") and each not in place.gone]
            if here not in pushed:
                page.feed.append(events.push_of(self._repository, ref, commit))
            if not before and commit.parent is not None:
                before = [commit.parent]
            ahead += before
        return page, ends

    # --- What stored threads tell

    async def _threads(self, position: EventPosition) -> Turn[EventPosition]:
        async with self._database.transaction() as connection:
            rows, last = await feed.of_threads(
                connection,
                position.table,
                self._repository.repository_id,
                self._sweep.cutoff_at,
                position.number,
                THREADS_A_TURN,
            )
        assert position.as_of is not None, "other sources were read before"
        page = Page(position.as_of, feed=rows)
        if last is not None:
            return Turn(replace(position, number=last), page=page)
        if position.table == "pull_requests":
            return Turn(replace(position, table="issues", number=0), page=page)
        page.threads_told = True
        place = replace(position.places["threads"], status="complete", as_of=position.as_of)
        return Turn(replace(position, places=position.places | {"threads": place}), page=page)

    # --- The end

    async def _end(self, position: EventPosition) -> Turn[EventPosition]:
        async with self._database.transaction() as connection:
            stored = await feed.by_source(connection, self._repository, self._sweep.cutoff_at)
        as_of = position.as_of
        assert as_of is not None, "something was read"
        proof: dict[str, Any] = {
            "as_of": as_of.isoformat(),
            "proved_by": "each source read to below the cutoff",
            "sources": {source: self._told(position, source, stored) for source in SOURCES},
            "notes": _notes(position),
        }
        if "host" in stored:
            proof["sources"]["host"] = {"status": "complete", "rows": stored["host"]}
        if position.inherited_as_of:
            proof["inherited_as_of"] = position.inherited_as_of.isoformat()
        turn = Turn(position, outcome="completed", proof=proof, notes=proof["notes"])
        lists = [place for source, place in position.places.items() if source not in ("events", "threads")]
        whole = all(place.reached_end for place in lists if place.status == "complete")
        low = min(self._sweep.cutoff_at, position.low or self._sweep.cutoff_at)
        turn.coverage = Coverage(BEGINNING if whole else low, as_of, _left_of(position))
        return turn

    def _told(self, position: EventPosition, source: EventSourceName, stored: dict[str, int]) -> dict[str, Any]:
        place = position.places[source]
        told: dict[str, Any] = {"status": place.status, "rows": stored.get(source, 0)}
        if place.reason:
            told["reason"] = place.reason
        as_of = place.as_of or position.inherited_as_of
        return told | ({"as_of": as_of.isoformat()} if as_of else {})

    # --- Sizes and requests

    def _grown(
        self, source: EventSourceName, position: EventPosition, place: EventPlace, seconds: float
    ) -> dict[str, int]:
        """Twice as much where it was less for once, at a page that is one of the larger ones too."""
        size = position.sizes.get(source)
        larger = next((each for each, smaller in _SMALLER.items() if smaller == size), None)
        offset = int(place.cursor or 0) if source in _NUMBERED else 0
        if larger is None or seconds >= FAST_SECONDS or offset % larger:
            return position.sizes
        rest = {each: number for each, number in position.sizes.items() if each != source}
        return rest if larger == 100 else rest | {source: larger}

    async def _send(self, request: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        self._requests += 1
        return await request()


def _with(position: EventPosition, source: EventSourceName, place: EventPlace, **update: Any) -> EventPosition:
    return replace(position, places=position.places | {source: replace(place, **update)})


def _left_of(position: EventPosition) -> dict[str, Any]:
    """What a later sweep goes on from."""
    return position.to_commit(only={"places", "branch", "head"})


def _notes(position: EventPosition) -> list[str]:
    """What GitHub refused, for people."""
    notes = []
    stars, history = position.places["stargazers"], position.places["star_history"]
    for source in SOURCES:
        place = position.places[source]
        if source == "stargazers" and place.status == "skipped" and history.status == "complete":
            notes.append(f"stars: counts only: {stars.reason}")
        elif place.status == "skipped":
            notes.append(f"{source}: {place.reason}")
        if place.hidden:
            notes.append(f"{source}: {place.hidden} are hidden from these tokens")
    return notes
