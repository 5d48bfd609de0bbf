"""Sums over some of a job's repositories. The sums of two groups can be added, so a job of any size is counted in
groups of equal size.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from messages import Waiting
from progress import pace, totals
from progress.totals import Rest
from progress.views import JobState, RepositoryView


class Hold(BaseModel):
    """The state of some of a job's repositories: whether a repository is at work, and if not, which wait ends first."""

    model_config = ConfigDict(frozen=True)

    goes_on: bool = False
    """Whether a repository in progress can work on at least one of its types."""
    first: Waiting | None = None
    """The wait that ends first."""
    may_continue: bool = False
    """Whether a repository in progress may continue at any moment."""
    until: datetime | None = None
    """The earliest moment at which a waiting repository may continue."""

    @classmethod
    def of(cls, repositories: Sequence[RepositoryView]) -> "Hold":
        begun = [each for each in repositories if each.status == "in_progress"]
        waits = [each.waiting for each in begun]
        # One between its legs neither waits for GitHub nor goes on.
        moments = [
            each.waiting_until
            for each in begun
            if each.waiting_until or any(its.status == "in_progress" for its in each.types)
        ]
        return cls(
            goes_on=any(each is None or each.data_types for each in waits),
            first=_first(each for each in waits if each is not None and each.reason != "turn"),
            may_continue=None in moments,
            until=min((each for each in moments if each is not None), default=None),
        )

    def __add__(self, other: "Hold") -> "Hold":
        return Hold(
            goes_on=self.goes_on or other.goes_on,
            first=_first(each for each in (self.first, other.first) if each is not None),
            may_continue=self.may_continue or other.may_continue,
            until=min((each for each in (self.until, other.until) if each is not None), default=None),
        )

    @property
    def waiting(self) -> Waiting | None:
        """The wait that ends first. None if a repository is at work, or if no repository waits."""
        return None if self.goes_on else self.first

    @property
    def waiting_until(self) -> datetime | None:
        """The moment before which no repository can continue. None if a repository can continue at any moment, or if no
        such moment is known.
        """
        return None if self.may_continue else self.until


def _first(waits: Iterable[Waiting]) -> Waiting | None:
    return min(waits, key=lambda each: (each.until is None, each.until or each.since), default=None)


class Tally(BaseModel):
    """The sums from which a job's time left, chart and waits are computed."""

    model_config = ConfigDict(frozen=True)

    stored: int = 0
    """Stored threads and embeddings."""
    units_left: int = 0
    fewest_requests_left: int = 0
    requests_left: int = 0
    most_requests_left: int = 0
    uncounted: int = 0
    rows: dict[str, int] = {}
    """Stored rows in scope, by data type."""
    points: int = 0
    requests: int = 0
    accounts: frozenset[str] = frozenset()
    """Accounts that read the repositories."""
    hold: Hold = Hold()

    @classmethod
    def of(cls, part: JobState, spent: tuple[int, int], accounts: frozenset[str]) -> "Tally":
        """Returns the sums of `part`, a job view that holds only some of the job's repositories. `spent` is how many
        GraphQL points and REST requests these repositories have cost. `accounts` are the accounts that read these
        repositories.
        """
        its = totals.of(part)
        return cls(
            stored=its.progress.stored,
            units_left=its.rest.units,
            fewest_requests_left=its.rest.fewest_requests,
            requests_left=its.rest.requests,
            most_requests_left=its.rest.most_requests,
            uncounted=its.rest.uncounted,
            rows=pace.rows(part),
            points=spent[0],
            requests=spent[1],
            accounts=accounts,
            hold=Hold.of(part.repositories),
        )

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            stored=self.stored + other.stored,
            units_left=self.units_left + other.units_left,
            fewest_requests_left=self.fewest_requests_left + other.fewest_requests_left,
            requests_left=self.requests_left + other.requests_left,
            most_requests_left=self.most_requests_left + other.most_requests_left,
            uncounted=self.uncounted + other.uncounted,
            rows={name: self.rows.get(name, 0) + other.rows.get(name, 0) for name in self.rows | other.rows},
            points=self.points + other.points,
            requests=self.requests + other.requests,
            accounts=self.accounts | other.accounts,
            hold=self.hold + other.hold,
        )

    @property
    def rest(self) -> Rest:
        return Rest(
            self.units_left, self.uncounted, self.fewest_requests_left, self.requests_left, self.most_requests_left
        )
