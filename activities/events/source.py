"""What all sources of events have in common: one page a turn, from a place to the place after it."""

from itertools import pairwise
from typing import Protocol

from activities.events.position import EventPosition, EventSourceName
from activities.turn import FAST_SECONDS, Turn
from errors import RetryNow, TooLarge

SIZES = (100, 50, 25, 5, 1)
"""Sizes of a page. Each divides the one before, so that numbered pages go on where larger ones ended."""
OTHER_SIZE = 97
"""For a list that is read again after its cursor was refused: no page of this size ends where that cursor stood."""
PATIENCE = 4
"""Attempts at the smallest page of a list that fail, with their pauses over some seconds, before it is given up."""


class EventSource(Protocol):
    """One source of a repository's events, for one sweep."""

    name: EventSourceName
    builds_on: tuple[EventSourceName, ...]
    """Sources that have to be read to their end before."""
    is_long: bool
    """A recent leg leaves it in the middle. Others are short, or only their end tells that they are over."""
    can_shrink: bool
    """Whether it can be asked for smaller pages."""

    async def read(self, position: EventPosition) -> Turn[EventPosition]:
        """The next page after this source's place in `position`, with the place after it.

        A refusal by GitHub for good is a place too: the source is `skipped`, or goes on by its next way. Raises the
        classes of the taxonomy, `TooLarge` where a smaller page may be answered.
        """
        ...

    async def fail(self, position: EventPosition, error: RetryNow) -> Turn[EventPosition]:
        """What follows once GitHub failed at the smallest page again and again, while it answers other requests."""
        ...

    async def probe(self) -> None:
        """Asks the API that the source asks for something small. Raises what it raises, where GitHub fails at all."""
        ...


def is_failure_of_list(error: RetryNow) -> bool:
    """Whether GitHub answered, and failed at what it was asked for: a smaller page or another way may be answered."""
    return isinstance(error, TooLarge) or error.code.startswith("http_") or error.code in ("bad_answer", "github_error")


def size_of(position: EventPosition, source: EventSourceName) -> int:
    """How many things the next page of this source has."""
    return position.sizes.get(source, SIZES[0])


def shrink(position: EventPosition, source: EventSourceName) -> EventPosition:
    """Asks for smaller pages of this source."""
    size = size_of(position, source)
    smaller = next((each for larger, each in pairwise(SIZES) if larger == size), SIZES[1])
    return position.with_size(source, smaller)


def grow(position: EventPosition, source: EventSourceName, *, seconds: float, offset: int = 0) -> EventPosition:
    """Asks for larger pages again after a fast answer, where a larger page can begin: at a multiple of its size."""
    larger = next((each for each, smaller in pairwise(SIZES) if smaller == position.sizes.get(source)), None)
    if larger is None or seconds >= FAST_SECONDS or offset % larger:
        return position
    return position.with_size(source, None if larger == SIZES[0] else larger)
