"""The event source that counts stars by day, for repositories whose stargazers GitHub does not show."""

from datetime import datetime

from activities.events.lists import ListSource
from activities.events.position import EventPlace, EventPosition, EventSourceName
from activities.turn import Turn
from github.events import sources as events
from github.events.lists import EventPage


class StarHistory(ListSource):
    """Reads the number of stars of each day, for repositories whose stargazers GitHub does not show."""

    name: EventSourceName = "star_history"
    builds_on: tuple[EventSourceName, ...] = ("stargazers",)
    can_shrink = False

    async def read(self, position: EventPosition) -> Turn[EventPosition]:
        if position.places["stargazers"].status == "complete":
            # Every star is stored, with who gave it.
            return Turn(position.with_place(self.name, position.places[self.name].complete_at_end()))
        return await super().read(position)

    async def _ask(self, way: int, cursor: str | None, size: int) -> EventPage:  # noqa: ARG002 (always 30 weeks)
        return await events.read_star_history(self._github, self._repository, int(cursor or 0))

    def _oldest(self, place: EventPlace, read: EventPage) -> datetime | None:
        return min(place.oldest or read.oldest, read.oldest) if read.oldest else None

    async def _find_place_behind(self, place: EventPlace) -> str | None:  # noqa: ARG002 (a page is 30 weeks)
        return None
