"""How much fits into one request: halved when GitHub cannot answer, doubled while it answers quickly."""

from collections.abc import Mapping
from typing import Literal

import structlog

from activities.turn import FAST_SECONDS, SLOW_SECONDS
from budget.prices import Prices
from github.threads.thread_types import ThreadType
from rows import PartKind

log = structlog.get_logger(__name__)

RequestKind = Literal["page", "listing", "comments_since", "shown"] | PartKind
LARGEST_PAGE = 50
"""Whole threads in one request, whatever they cost: GitHub gives up on larger pages."""
CHILDREN = 100
"""The most children that a page of a connection holds."""
PARENTS_CHILDREN = 1_000
"""The most children that a request for many parents may bring in all, by what is known to be left of each."""


class PageSizes:
    """How much to ask for, by the kind of the request.

    What was learned is committed with the position (`learned`); a kind that is missing there is asked for in full.
    """

    def __init__(self, prices: Prices, kind: ThreadType) -> None:
        self._largest: dict[RequestKind, int] = {
            "page": prices.largest_page(kind.page, kind.connections, LARGEST_PAGE),
            "thread": prices.largest_page(kind.by_id, kind.connections, LARGEST_PAGE),
            "head": 25,
            "timeline": PARENTS_CHILDREN,
            "timeline_by_type": 1,
            "timeline_by_rest": 1,
            "comments": PARENTS_CHILDREN,
            "reviews": PARENTS_CHILDREN,
            "review_comments": 100 * CHILDREN,
            "replies": PARENTS_CHILDREN,
            "listing": 100,
            "comments_since": 100,
            "shown": 1,
        }
        self._learned: dict[str, int] = {}
        self._kind: RequestKind = "page"
        self._size = 1

    @property
    def learned(self) -> dict[str, int]:
        """The sizes that differ from the largest, by kind."""
        return dict(self._learned)

    @property
    def asked_kind(self) -> RequestKind:
        """The kind of the request that was made last."""
        return self._kind

    def begin(self, learned: Mapping[str, int]) -> None:
        """A turn begins, with what the committed position knows."""
        self._learned = dict(learned)

    def size(self, kind: RequestKind) -> int:
        """How much a request of this kind may ask for."""
        return min(self._learned.get(kind, self._largest[kind]), self._largest[kind])

    def ask(self, kind: RequestKind) -> int:
        """The same, for the request that is made now: `halve` and `answered` speak of it."""
        self._kind, self._size = kind, self.size(kind)
        return self._size

    def asks_for(self, size: int) -> None:
        """The request that is made now asks for less than it may."""
        self._size = size

    def halve(self, why: str) -> bool:
        """The request was too large for GitHub. False: it asked for one thing only, and cannot be made smaller."""
        if self._size <= 1:
            return False
        self._learned[self._kind] = self._size // 2
        log.info("asking for less", kind=self._kind, size=self._size // 2, why=why)
        return True

    def answered(self, seconds: float) -> None:
        """The request was answered: slowly, and the next one asks for half; quickly, and it asks for twice as much."""
        kind = self._kind
        if seconds >= SLOW_SECONDS and self._size > 1:
            self._learned[kind] = self._size // 2
        elif kind in self._learned and seconds < FAST_SECONDS:
            self._learned[kind] = min(self._learned[kind] * 2, self._largest[kind])
            if self._learned[kind] == self._largest[kind]:
                del self._learned[kind]
