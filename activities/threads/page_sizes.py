"""Chooses the size of requests. Halves a size when GitHub fails or answers slowly, and doubles it when GitHub answers
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

    A kind of request starts at its largest size. Smaller sizes are learned from GitHub's answers, and committed with
    the position (`learned`).
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
        """Maps a kind of request to its learned size. A kind that is not in the dict uses its largest size."""
        return dict(self._learned)

    @property
    def asked_kind(self) -> RequestKind:
        """The kind of the latest request."""
        return self._kind

    def begin(self, learned: Mapping[str, int]) -> None:
        """Begins a turn with the learned sizes of the committed position."""
        self._learned = dict(learned)

    def size(self, kind: RequestKind) -> int:
        """Returns the size that a request of this kind may have at present."""
        return min(self._learned.get(kind, self._largest[kind]), self._largest[kind])

    def ask(self, kind: RequestKind) -> int:
        """Returns the size for a request of this kind, and records the request as the latest one. `halve` and
        `answered` then refer to this request.
        """
        self._kind, self._size = kind, self.size(kind)
        return self._size

    def asks_for(self, size: int) -> None:
        """Records that the latest request asks for only `size` items, although its kind allows more."""
        self._size = size

    def halve(self, why: str) -> bool:
        """Halves the size of the latest request's kind, because the request was too large. `why` is the reason for the
        log. Returns False if the request asked for only one item, and thus cannot be halved.
        """
        if self._size <= 1:
            return False
        self._learned[self._kind] = self._size // 2
        log.info("asking for less", kind=self._kind, size=self._size // 2, why=why)
        return True

    def answered(self, seconds: float) -> None:
        """Adapts the size of the latest request's kind. `seconds` is how long the answer took. A slow answer halves the
        size. A fast answer doubles the size, up to the largest size.
        """
        kind = self._kind
        if seconds >= SLOW_SECONDS and self._size > 1:
            self._learned[kind] = self._size // 2
        elif kind in self._learned and seconds < FAST_SECONDS:
            self._learned[kind] = min(self._learned[kind] * 2, self._largest[kind])
            if self._learned[kind] == self._largest[kind]:
                del self._learned[kind]
