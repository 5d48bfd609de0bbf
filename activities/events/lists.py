"""The sources that are lists of GitHub's, newest first: stars, forks, releases, branch activity, the events API."""

from datetime import datetime

import structlog

from activities.events import inheritance
from activities.events.order import is_recent
from activities.events.position import EventPlace, EventPosition, EventSourceName
from activities.events.source import OTHER_SIZE, grow, size_of
from activities.turn import Turn
from errors import PartOver
from github import events
from github.client import GitHub
from github.events import Happenings, Refused
from github.refusals import InvalidCursor
from store.sweeps import Sweep

log = structlog.get_logger(__name__)

MOST_RESTARTS = 3


class ListSource:
    """A list that is read page by page, down to the cutoff or to where an earlier sweep began.

    Below that part it goes on where the earlier sweep ended, if this one has to go deeper.
    """

    name: EventSourceName
    builds_on: tuple[EventSourceName, ...] = ()
    is_long = False
    can_shrink = True

    def __init__(self, github: GitHub, sweep: Sweep) -> None:
        self._github = github
        self._sweep = sweep
        self._repository = sweep.repository

    async def read(self, position: EventPosition) -> Turn[EventPosition]:
        place = position.places[self.name]
        try:
            read = await self._ask(place.cursor, size_of(position, self.name))
        except Refused as error:
            log.info("refused", source=self.name, code=error.code, why=error.message)
            return self._turn(position.with_place(self.name, EventPlace.refused(error.message)))
        except InvalidCursor:
            if place.cursor is None or place.restarts >= MOST_RESTARTS:
                raise
            log.warning("cursor refused, reading from the top", source=self.name)
            return self._turn(position.with_size(self.name, OTHER_SIZE).with_place(self.name, place.restart()))
        except PartOver as error:
            if error.code != "empty":
                raise
            return self._turn(position.with_place(self.name, place.complete_at_end()))
        return self._after(position, place, read)

    async def _ask(self, cursor: str | None, size: int) -> Happenings:
        """One request: the page after `cursor`."""
        raise NotImplementedError

    def _after(self, position: EventPosition, place: EventPlace, read: Happenings) -> Turn[EventPosition]:
        asked_at = read.page.asked_at
        place = place.after_page(asked_at, hidden=read.hidden, oldest=self._oldest(place, read))
        over = self._is_over(position, place, read)
        if not over and read.cursor is not None:
            place = place.move_to(read.cursor, recent=is_recent(self._sweep, read.oldest))
        elif place.until is not None and read.cursor is not None:
            place = inheritance.go_below(position, self.name, place, self._sweep.cutoff_at)
        else:
            place = place.complete_at(read.cursor)
        after = position.with_place(self.name, place).after_answer(asked_at)
        after = grow(after, self.name, seconds=read.seconds, offset=self._offset(place))
        return self._turn(after, read)

    def _is_over(self, _position: EventPosition, place: EventPlace, read: Happenings) -> bool:
        """Whether the page went down to where this part of the list ends."""
        return read.oldest is not None and read.oldest < (place.until or self._sweep.cutoff_at)

    def _oldest(self, _place: EventPlace, _read: Happenings) -> datetime | None:
        return None

    def _offset(self, _place: EventPlace) -> int:
        """Where pages are numbered: how many things are read."""
        return 0

    def _turn(self, position: EventPosition, read: Happenings | None = None) -> Turn[EventPosition]:
        return Turn(
            position,
            page=read.page if read is not None else None,
            points=read.cost if read is not None else 0,
            requests=1,
        )


class Stargazers(ListSource):
    name: EventSourceName = "stargazers"
    is_long = True

    async def _ask(self, cursor: str | None, size: int) -> Happenings:
        return await events.read_stargazers(self._github, self._repository, size, cursor)


class StarHistory(ListSource):
    """Stars a day, without who gave them: for repositories whose stargazers GitHub does not show."""

    name: EventSourceName = "star_history"
    builds_on: tuple[EventSourceName, ...] = ("stargazers",)
    can_shrink = False

    async def read(self, position: EventPosition) -> Turn[EventPosition]:
        if position.places["stargazers"].status == "complete":
            # Every star is stored, with who gave it.
            return Turn(position.with_place(self.name, position.places[self.name].complete_at_end()))
        return await super().read(position)

    async def _ask(self, cursor: str | None, size: int) -> Happenings:  # noqa: ARG002 (a page is always 30 weeks)
        return await events.read_star_history(self._github, self._repository, int(cursor or 0))

    def _oldest(self, place: EventPlace, read: Happenings) -> datetime | None:
        return min(place.oldest or read.oldest, read.oldest) if read.oldest else None


class Forks(ListSource):
    """Forks, and with the first page the head of the default branch."""

    name: EventSourceName = "forks"
    is_long = True

    async def _ask(self, cursor: str | None, size: int) -> Happenings:
        return await events.read_forks(self._github, self._repository, size, cursor)

    def _after(self, position: EventPosition, place: EventPlace, read: Happenings) -> Turn[EventPosition]:
        turn = super()._after(position, place, read)
        if place.as_of is None and not position.fresh:
            turn.position = turn.position.with_branch(read.branch, read.head)
        return turn


class Releases(ListSource):
    name: EventSourceName = "releases"

    async def _ask(self, cursor: str | None, size: int) -> Happenings:
        return await events.read_releases(self._github, self._repository, size, int(cursor or 0))

    def _is_over(self, _position: EventPosition, _place: EventPlace, _read: Happenings) -> bool:
        """A release may have been a draft for long, so only the list's end is the end."""
        return False

    def _offset(self, place: EventPlace) -> int:
        return int(place.cursor or 0)


class Activity(ListSource):
    """What happened to branches, for about a year."""

    name: EventSourceName = "activity"
    is_long = True

    async def _ask(self, cursor: str | None, size: int) -> Happenings:
        return await events.read_activity(self._github, self._repository, size, cursor)


class LatestEvents(ListSource):
    """GitHub's events API: the latest 300 events of all kinds."""

    name: EventSourceName = "events"

    async def _ask(self, cursor: str | None, size: int) -> Happenings:
        return await events.read_events(self._github, self._repository, size, int(cursor or 0))

    def _after(self, position: EventPosition, place: EventPlace, read: Happenings) -> Turn[EventPosition]:
        if position.fresh and inheritance.is_stale(position, read.page.asked_at):
            # By GitHub's clock more time went by than by ours: every source is asked for what is new.
            again = inheritance.inherit(position, self._sweep.cutoff_at, fresh=False)
            return Turn(again, page=read.page, requests=1)
        return super()._after(position, place, read)

    def _is_over(self, position: EventPosition, place: EventPlace, read: Happenings) -> bool:
        only_news = position.fresh and place.until is not None
        return only_news or super()._is_over(position, place, read)

    def _offset(self, place: EventPlace) -> int:
        return int(place.cursor or 0)
