"""Decides which event source is read next, and which sources a leg does not finish. The next leg finishes these
sources.
"""

from collections.abc import Iterable
from datetime import datetime

from activities.events.inheritance import is_deep_enough
from activities.events.position import EventPosition, EventSourceName
from activities.events.source import EventSource
from store.sweeps import Sweep


class Order:
    """Decides in which order one sweep reads its sources. `down_to` is the moment down to which the present leg reads.
    If `down_to` is None, the leg reads every source down to the cutoff.
    """

    def __init__(self, sources: Iterable[EventSource], down_to: datetime | None) -> None:
        self._sources = {source.name: source for source in sources}
        self._down_to = down_to

    def next(self, position: EventPosition) -> EventSource | None:
        """Returns the source to read next. Returns None if this leg has no further source to read.

        The events API comes first if an earlier sweep's events are complete up to a moment within the last hour
        (`position.fresh`). One request to the events API then returns all news.
        """
        names: list[EventSourceName] = list(self._sources)
        if position.fresh:
            names.sort(key=lambda name: name != "events")
        for name in names:
            if position.places[name].status == "open" and not self.is_left(position, name):
                return self._sources[name]
        return None

    def is_left(self, position: EventPosition, name: EventSourceName) -> bool:
        """Returns whether the next leg reads the rest of the source `name`, because this leg has read the source far
        enough. Also returns True for a source that builds on such a source.
        """
        if self._down_to is None:
            return False
        source, place = self._sources[name], position.places[name]
        # Nothing recent is below what an earlier sweep has read, if that sweep went down far enough.
        is_below = place.until is None and place.cursor is not None and place.cursor == place.below
        at_leg_end = place.recent or (is_below and is_deep_enough(position, self._down_to))
        return (source.is_long and at_leg_end) or any(
            position.places[each].status == "open" and self.is_left(position, each) for each in source.builds_on
        )


def reached_leg_end(sweep: Sweep, oldest: datetime | None) -> bool:
    """Returns whether a page reached the end of this leg. This is so if `oldest` is before the moment down to which the
    leg reads. Returns False if `oldest` is None, or if the leg reads down to the cutoff.

    `oldest` is the time of the page's oldest item. For a page of commits, `oldest` is the time of the latest commit,
    because the dates of commits are in no order.
    """
    return sweep.down_to is not None and oldest is not None and oldest < sweep.down_to
