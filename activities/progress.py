"""Counts what does not move, so that no loop over GitHub's answers goes on for ever.

Each answer brings a part of a sweep forward in an order that ends, or it is counted. A part that was asked for
`MOST_IDLE` times in a row without moving ends, with that as its reason. The count is committed with the position, so
that neither a kill nor a new slice begins it anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from errors import PartOver

MOST_RESTARTS = 5
"""How often a list may begin again because GitHub refused its cursor."""
MOST_IDLE = 20
"""Answers in a row that move nothing, after which a part ends."""


class Standstill(PartOver):
    """A list of GitHub's neither goes on nor ends."""

    def __init__(self, what: str) -> None:
        super().__init__(
            "no_progress",
            f"GitHub's {what} does not go on: {MOST_IDLE} answers in a row brought nothing new",
            "retry the job: it is asked again from the list's beginning",
        )


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a part of a sweep has come, and how many answers in a row did not move it."""

    idle: int = 0
    farthest: datetime | None = None
    """Of a list in the order of moments: the last one that it reached."""
    ties: list[str] = field(default_factory=list)
    """What was shown of that very moment, by id."""
    restarts: int = 0
    """How often the list began again at its top."""

    @property
    def is_stuck(self) -> bool:
        return self.idle >= MOST_IDLE or self.restarts >= MOST_RESTARTS

    def count(self, *, moved: bool) -> Self:
        """After an answer that `moved` the part, or did not."""
        return replace(self, idle=0 if moved else self.idle + 1)

    def restart(self) -> Self:
        """GitHub refused the list's cursor: it is read again from its top."""
        return type(self)(restarts=self.restarts + 1)

    def descend(self, to: datetime | None, ties: Iterable[str] = ()) -> Self:
        """After a page of a list, newest first, that goes down to `to`; None: it showed nothing.

        `ties`: what it showed of that moment, by id. A page that only shows more of the same moment moves too.
        """
        return self._reach(to, ties, farther=to is not None and (self.farthest is None or to < self.farthest))

    def ascend(self, to: datetime | None, ties: Iterable[str] = ()) -> Self:
        """After a page of a list, oldest first, that goes up to `to`; as `descend`."""
        return self._reach(to, ties, farther=to is not None and (self.farthest is None or to > self.farthest))

    def _reach(self, to: datetime | None, ties: Iterable[str], *, farther: bool) -> Self:
        if farther:
            return replace(self, idle=0, farthest=to, ties=sorted(set(ties)))
        more = set(ties) - set(self.ties) if to == self.farthest else set()
        idle = 0 if more else self.idle + 1
        return replace(self, idle=idle, ties=sorted({*self.ties, *more}))
