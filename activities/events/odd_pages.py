"""Remembers the pages of a list on which GitHub did not show every item, so that later sweeps request them again."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_ODD_PAGES = 400
"""Most odd pages that are remembered of one list: 40,000 items."""
ITEMS_PER_LOOK = 10
"""A later sweep requests one odd page again for so many items that GitHub did not show."""


@dataclass(frozen=True, kw_only=True)
class OddPage:
    """A page of a list on which GitHub did not show every item."""

    cursor: str | None
    """The cursor that the page was requested with; None: the top of the list."""
    size: int
    """How many items were requested."""
    hidden: int = 0
    """Items that this account may not see."""
    unserved: int = 0
    """Items that GitHub failed to serve."""

    @property
    def absent(self) -> int:
        """The number of items of the page that GitHub did not show."""
        return self.hidden + self.unserved


def pages_to_look_at(odd: Sequence[OddPage]) -> list[OddPage]:
    """Returns the odd pages that the next sweep requests again: one for each `ITEMS_PER_LOOK` items that GitHub did not
    show. Later sweeps request the others.
    """
    absent = sum(page.absent for page in odd)
    return list(odd[: -(-absent // ITEMS_PER_LOOK)])
