"""Counts answers without progress, so that every loop over GitHub's answers ends.

Each answer either moves a part of a sweep forward in a finite order, or is counted. A part that was requested
`MOST_IDLE` times in a row without moving ends, with that as its reason. The count is committed with the position, so it
survives a kill and a new slice.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from errors import PartOver

MOST_RESTARTS = 5
"""How often a list may begin again after GitHub refused its cursor."""
MOST_IDLE = 20
"""Answers in a row without progress before a part ends."""


class Standstill(PartOver):
    """A list of GitHub's that neither continues nor ends."""

    def __init__(self, what: str) -> None:
        super().__init__(
            "no_progress",
            f"GitHub's {what} does not go on: {MOST_IDLE} answers in a row brought nothing new",
            "retry the job: it is asked again from the list's beginning",
        )


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a part of a sweep has come, and how many answers in a row made no progress."""

    idle: int = 0
    farthest: datetime | None = None
    """For a list ordered by time: the last moment that it reached."""
    ties: list[str] = field(default_factory=list)
    """Ids of the items at exactly that moment."""
    restarts: int = 0
    """How often the list began again at its top."""

    @property
    def is_stuck(self) -> bool:
        return self.idle >= MOST_IDLE or self.restarts >= MOST_RESTARTS

    def count(self, *, moved: bool) -> Self:
        """Records one answer. `moved`: whether it brought the list forward, which sets `idle` back to 0; otherwise
        `idle` grows by one."""
        return replace(self, idle=0 if moved else self.idle + 1)

    def restart(self) -> Self:
        """Records that the list is read again from its top, because GitHub refused its cursor."""
        return type(self)(restarts=self.restarts + 1)

    def descend(self, to: datetime | None, ties: Iterable[str] = ()) -> Self:
        """Records a page of a list, newest first, that goes down to `to`; None if the page was empty.

        `ties`: ids of its items of that moment. A page that only shows more items of the same moment is progress too.
        """
        return self._reach(to, ties, farther=to is not None and (self.farthest is None or to < self.farthest))

    def ascend(self, to: datetime | None, ties: Iterable[str] = ()) -> Self:
        """Records a page of a list, oldest first, that goes up to `to`; otherwise as `descend`."""
        return self._reach(to, ties, farther=to is not None and (self.farthest is None or to > self.farthest))

    def _reach(self, to: datetime | None, ties: Iterable[str], *, farther: bool) -> Self:
        if farther:
            return replace(self, idle=0, farthest=to, ties=sorted(set(ties)))
        more = set(ties) - set(self.ties) if to == self.farthest else set()
        idle = 0 if more else self.idle + 1
        return replace(self, idle=idle, ties=sorted({*self.ties, *more}))
