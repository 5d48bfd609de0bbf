"""Counts what does not move, so that no loop over GitHub's answers goes on for ever.

Each answer brings a part of a sweep forward in an order that ends, or it is counted. A part that was asked for
`MOST_IDLE` times in a row without moving ends, with that as its reason. The count is committed with the position, so
that neither a kill nor a new slice begins it anew.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

MOST_IDLE = 20
"""Answers in a row that move nothing, after which a part ends. Of a list by moments, so many full pages may be of one
and the same second."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a part of a sweep has come, and how many answers in a row did not move it."""

    idle: int = 0
    farthest: datetime | None = None
    """Of a list in the order of moments: the last one that it reached."""

    @property
    def is_stuck(self) -> bool:
        return self.idle >= MOST_IDLE

    def count(self, *, moved: bool) -> Self:
        """After an answer that `moved` the part, or did not."""
        return type(self)(idle=0 if moved else self.idle + 1, farthest=self.farthest)

    def descend(self, to: datetime | None) -> Self:
        """After a page of a list, newest first, that goes down to `to`; None: it showed nothing."""
        moved = to is not None and (self.farthest is None or to < self.farthest)
        return type(self)(idle=0 if moved else self.idle + 1, farthest=to if moved else self.farthest)

    def ascend(self, to: datetime | None) -> Self:
        """After a page of a list, oldest first, that goes up to `to`; None: it showed nothing."""
        moved = to is not None and (self.farthest is None or to > self.farthest)
        return type(self)(idle=0 if moved else self.idle + 1, farthest=to if moved else self.farthest)
