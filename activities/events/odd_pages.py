"""Remembers the pages of a list on which GitHub did not show every item, so that later sweeps request them again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from pydantic import AwareDatetime

MOST_ODD_PAGES = 400
"""Most odd pages that are remembered of one list: 40,000 items."""
MOST_ITEMS = 100
"""Most items of a page."""
LOOKS = 5
"""Fewest odd pages of one list that each sweep requests again, if there are so many."""
ITEMS_PER_LOOK = 4
"""A sweep requests one odd page again for this many absent items, and no fewer pages than `LOOKS`."""
MOST_LOOKS = 25
"""Most odd pages of one list that a sweep requests again."""


@dataclass(frozen=True, kw_only=True)
class OddPage:
    """The request and the counts of one page of a list. A page is odd if GitHub did not show every item of the page."""

    cursor: str | None
    """The cursor that the page was requested with; None: the top of the list."""
    size: int
    """How many items were requested."""
    hidden: int = 0
    """Items that this account may not see."""
    unserved: int = 0
    """Items that GitHub failed to serve."""
    missing: int = 0
    """Items that the page should have, by its size or by GitHub's count of the list, and that GitHub left out."""
    number: int = 0
    """Items in GitHub's answer, including hidden ones."""
    oldest: AwareDatetime | None = None
    """The earliest moment on the page, of the moments by which the list is ordered."""
    offset: int | None = None
    """Items of the list above the page; None unless the present sweep read the list from its top."""

    @property
    def absent(self) -> int:
        """The number of items of the page that GitHub did not show."""
        return self.hidden + self.unserved + self.missing

    def now(self, seen: Self, *, more: bool, total: int | None) -> Self:
        """Returns this page with the counts of a new answer to its request. `seen` holds that answer's counts, except
        `missing`, which is computed here.

        `more` says whether another page follows in the list. `total` is GitHub's count of the list, or None if GitHub
        gives none. If another page follows and there is a count, the page should be full, so `missing` is what the page
        lacks of its size. Otherwise, `missing` is reduced by the items that the answer has more than the earlier one.
        """
        missing = max(self.missing - max(seen.number - self.number, 0), 0)
        if more and total is not None:
            missing = max(seen.size - seen.number, 0)
        return replace(self, number=seen.number, hidden=seen.hidden, unserved=seen.unserved, missing=missing)


def with_page(odd: Sequence[OddPage], page: OddPage) -> list[OddPage]:
    """Returns `odd` with `page` added.

    `page` is merged into the last page of `odd` if one request can return both pages. Merging saves requests, because
    pages may be as small as single items after failures of GitHub. A page with unserved items is not merged, because a
    larger request would fail as a whole. If `odd` is full (`MOST_ODD_PAGES`), only the counts of `page` are added to
    the last page.
    """
    last = odd[-1] if odd else None
    if last is None:
        return [page]
    if len(odd) >= MOST_ODD_PAGES:
        return [*odd[:-1], _added(last, page)]
    if last.offset is None or page.offset is None or last.unserved or page.unserved:
        # What GitHub fails to serve is requested alone: its neighbours would fail with it.
        return [*odd, page]
    size = page.offset + page.size - last.offset
    if size > MOST_ITEMS:
        return [*odd, page]
    between = page.offset - last.offset - last.missing
    both = replace(_added(last, page), size=size, number=between + page.number, oldest=page.oldest or last.oldest)
    return [*odd[:-1], both]


def _added(page: OddPage, other: OddPage) -> OddPage:
    return replace(
        page,
        hidden=page.hidden + other.hidden,
        unserved=page.unserved + other.unserved,
        missing=page.missing + other.missing,
    )


def pages_to_look_at(odd: Sequence[OddPage]) -> list[OddPage]:
    """Returns the first pages of `odd`, which one sweep requests again. Later sweeps request the remaining pages."""
    absent = sum(page.absent for page in odd)
    return list(odd[: min(max(LOOKS, -(-absent // ITEMS_PER_LOOK)), MOST_LOOKS)])
