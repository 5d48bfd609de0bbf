"""Chooses how much one request asks for. The size is halved when GitHub cannot answer, and doubled while GitHub answers
quickly.
"""

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
"""Most whole threads in one request. GitHub fails at larger pages, whatever they cost."""
CHILDREN = 100
"""Most children in a page of a connection."""
PARENTS_CHILDREN = 1_000
"""Most children in a request for many parents, summed over what each is known to have left."""


class PageSizes:
    """The sizes of requests, one for each kind of request.

    Learned sizes are committed with the position (`learned`). A kind that has no learned size starts at its largest
    size.
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
        """The kind of the latest request."""
        return self._kind

    def begin(self, learned: Mapping[str, int]) -> None:
        """Begins a turn with the learned sizes of the committed position."""
        self._learned = dict(learned)

    def size(self, kind: RequestKind) -> int:
        """Returns the largest size that a request of this kind may have."""
        return min(self._learned.get(kind, self._largest[kind]), self._largest[kind])

    def ask(self, kind: RequestKind) -> int:
        """Returns the size of a request of this kind, and makes it the latest request, which `halve` and `answered` are
        about.
        """
        self._kind, self._size = kind, self.size(kind)
        return self._size

    def asks_for(self, size: int) -> None:
        """Records that the latest request asks for `size` items, which is less than its kind allows."""
        self._size = size

    def halve(self, why: str) -> bool:
        """Halves the size after a request that was too large. Returns False if the request asked for one item, which
        cannot be halved.
        """
        if self._size <= 1:
            return False
        self._learned[self._kind] = self._size // 2
        log.info("asking for less", kind=self._kind, size=self._size // 2, why=why)
        return True

    def answered(self, seconds: float) -> None:
        """Adapts the size to the duration of an answer: halves it after a slow answer, doubles it after a fast one."""
        kind = self._kind
        if seconds >= SLOW_SECONDS and self._size > 1:
            self._learned[kind] = self._size // 2
        elif kind in self._learned and seconds < FAST_SECONDS:
            self._learned[kind] = min(self._learned[kind] * 2, self._largest[kind])
            if self._learned[kind] == self._largest[kind]:
                del self._learned[kind]
