"""Defines what every event source does, and how many items the pages of a source have."""

from itertools import pairwise
from typing import Protocol

from activities.events.position import EventPosition, EventSourceName
from activities.turn import FAST_SECONDS, Turn
from errors import RetryNow, TooLarge

SIZES = (100, 50, 25, 5, 1)
"""Page sizes. Each divides the previous one, so that smaller numbered pages begin where larger ones ended."""
OTHER_SIZE = 97
"""Page size for a list that is read again after its cursor was refused: none of its pages ends at that cursor."""
PATIENCE = 4
"""After this many failed attempts at a list's smallest page, over some seconds, the item or the list is given up."""


class EventSource(Protocol):
    """One source of a repository's events, for one sweep."""

    name: EventSourceName
    builds_on: tuple[EventSourceName, ...]
    """Sources that have to be read to their end first."""
    is_long: bool
    """Whether a recent leg may leave the rest of the source to the next leg. Others are short, or in another order."""
    can_shrink: bool
    """Whether its pages can be made smaller."""

    async def read(self, position: EventPosition) -> Turn[EventPosition]:
        """Reads the next page of this source, from its place in `position`. The returned turn holds the rows and the
        next place.

        If GitHub refuses the list for good, the source is skipped, or continues with its next API. Raises errors of the
        taxonomy. Raises `TooLarge` if a smaller page may succeed.
        """
        ...

    async def fail(self, position: EventPosition, error: RetryNow) -> Turn[EventPosition]:
        """Returns the turn after GitHub failed to serve an item or the list. In this turn, the source skips the item,
        changes to its next API, or is skipped.

        The reader calls this method after repeated failures at the smallest page size, if GitHub answers other
        requests. If an earlier sweep noted the source, the reader calls this method after the first failure.
        """
        ...

    async def probe(self) -> None:
        """Sends a small request to the source's API, to find out whether GitHub answers at all. Raises the error if the
        request fails.
        """
        ...


def is_failure_of_list(error: RetryNow) -> bool:
    """Returns whether `error` concerns only the requested list. GitHub then answered, but the answer did not contain
    the list. A smaller page or another API may succeed.
    """
    return isinstance(error, TooLarge) or error.code.startswith("http_") or error.code in ("bad_answer", "github_error")


def size_of(position: EventPosition, source: EventSourceName) -> int:
    """Returns the number of items to request for the next page of this source."""
    return position.sizes.get(source, SIZES[0])


def shrink(position: EventPosition, source: EventSourceName) -> EventPosition:
    """Returns the position with the next smaller page size for this source, because a page was too large."""
    size = size_of(position, source)
    smaller = next((each for larger, each in pairwise(SIZES) if larger == size), SIZES[1])
    return position.with_size(source, smaller)


def grow(position: EventPosition, source: EventSourceName, *, seconds: float, offset: int = 0) -> EventPosition:
    """Returns the position after an answer that took `seconds`. A fast answer makes the next pages of this source
    larger, if pages were made smaller before.

    `offset` is the number of items before the next page, for a list with numbered pages. Such a list gets larger pages
    only if `offset` is a multiple of the larger size, because larger pages begin only at these multiples.
    """
    larger = next((each for each, smaller in pairwise(SIZES) if smaller == position.sizes.get(source)), None)
    if larger is None or seconds >= FAST_SECONDS or offset % larger:
        return position
    return position.with_size(source, None if larger == SIZES[0] else larger)
