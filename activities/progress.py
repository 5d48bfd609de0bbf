"""Counts answers without progress, so that every loop over GitHub's answers ends.

Each answer either advances the reading of a list, or counts as an answer without progress. After `MOST_IDLE` answers
without progress in a row, the reading of that list ends. The count is committed with the position, so a kill does not
reset it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from pydantic import AwareDatetime

from errors import PartOver

MOST_RESTARTS = 5
"""How often a list may begin again after GitHub refused its cursor."""
MOST_IDLE = 20
"""Answers in a row without progress before a part ends."""


class Standstill(PartOver):
    """Raised when one of GitHub's lists shows nothing new and does not end."""

    def __init__(self, what: str) -> None:
        super().__init__(
            "no_progress",
            f"GitHub's {what} does not go on: {MOST_IDLE} answers in a row brought nothing new",
            "retry the job: it is asked again from the list's beginning",
        )


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a list is read, and how many answers in a row showed nothing new."""

    idle: int = 0
    farthest: AwareDatetime | None = None
    """For a list ordered by time: the time of the last item reached."""
    ties: list[str] = field(default_factory=list)
    """Ids of the items at exactly the moment `farthest`."""
    restarts: int = 0
    """How often the list began again at its top."""

    @property
    def is_stuck(self) -> bool:
        return self.idle >= MOST_IDLE or self.restarts >= MOST_RESTARTS

    def count(self, *, moved: bool) -> Self:
        """Returns the progress after one answer. `moved` says whether the answer advanced the reading of the list. If
        so, the count of answers without progress returns to 0. Otherwise the count grows by one.
        """
        return replace(self, idle=0 if moved else self.idle + 1)

    def restart(self) -> Self:
        """Returns the progress of a list that is read again from its top because GitHub refused its cursor."""
        return type(self)(restarts=self.restarts + 1)

    def descend(self, to: datetime | None, ties: Iterable[str] = ()) -> Self:
        """Returns the progress after a page of a list that is ordered newest first. `to` is the moment of the page's
        oldest item. `to` is None for an empty page.

        `ties` are the ids of the page's items at the moment `to`. A page with new ids at the moment that the list had
        already reached counts as progress, too.
        """
        return self._reach(to, ties, farther=to is not None and (self.farthest is None or to < self.farthest))

    def ascend(self, to: datetime | None, ties: Iterable[str] = ()) -> Self:
        """Returns the progress after a page of a list that is ordered oldest first. `to` is the moment of the page's
        newest item. `to` is None for an empty page. `ties` are the ids of the page's items at the moment `to`.
        """
        return self._reach(to, ties, farther=to is not None and (self.farthest is None or to > self.farthest))

    def _reach(self, to: datetime | None, ties: Iterable[str], *, farther: bool) -> Self:
        if farther:
            return replace(self, idle=0, farthest=to, ties=sorted(set(ties)))
        more = set(ties) - set(self.ties) if to == self.farthest else set()
        idle = 0 if more else self.idle + 1
        return replace(self, idle=idle, ties=sorted({*self.ties, *more}))
