"""Sums over all repositories of a job: what is stored, what is expected, and the percentage that follows from both.

The percentage is stored / (stored + left). It never falls: it uses the largest number that was ever stored in each
sweep, and the smallest number that was ever left. If GitHub's counts rise, `expected` rises only as rows are stored.
The time left is computed from the latest estimates instead, which may rise.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil, floor

from messages import THREADS, PartStatus
from progress.views import DONE, JobState, JobSummary, Progress, RepositoryView, StatusCounts, TypeTotals, TypeView

MOST_PERCENT = 99.9
"""Upper limit for a percentage until everything is complete."""
FEWEST_OF_UNCOUNTED = 1 / 3
LIKELY_OF_UNCOUNTED = 0.45
"""The part of `requests_ahead` that will probably be sent, before GitHub has counted the comments to be listed. Until
then `requests_ahead` assumes three comments in each review, but most reviews have one.
"""
IN_FLIGHT = 3
"""The most requests of one list that may be in flight: sent, and their pages not stored yet."""
COUNTED = frozenset({*THREADS, "embeddings"})
"""Types with a total. GitHub counts threads, and each thread has an embedding; events have no count in advance."""
_OPEN: frozenset[PartStatus] = frozenset({"pending", "in_progress"})


@dataclass(frozen=True, slots=True)
class Rest:
    """The work that is left. `units` is the number of threads and embeddings. `uncounted` is the number of sweeps whose
    total is not known yet.

    A sweep sends REST requests after its last unit. `fewest_requests` and `requests` are for sweeps that have stored
    all their units: how many requests these sweeps will send at least, and how many probably. `most_requests` is how
    many requests all sweeps will send at most.
    """

    units: int
    uncounted: int
    fewest_requests: int = 0
    requests: int = 0
    most_requests: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    progress: Progress
    types: list[TypeTotals]
    rest: Rest


def of(job: JobState) -> Totals:
    """Returns the sums over all repositories of the job. Makes only one pass over the repositories, because a job may
    have a thousand repositories, and because the sums are computed again after each change.
    """
    sums = {name: _Sum() for name in job.data_types}
    for repository in job.repositories:
        held = _held(repository)
        for its in repository.types:
            sums[its.data_type].add(its, held)
    counted = [its for name, its in sums.items() if name in COUNTED]
    progress = Progress(
        percent=100.0 if job.ended_well else _percent(counted),
        stored=sum(its.stored for its in counted),
        expected=_total(its.expected for its in counted),
    )
    return Totals(
        progress,
        [_of_type(name, its, job) for name, its in sums.items()],
        Rest(
            units=sum(its.units_left for its in counted),
            uncounted=sum(its.uncounted for its in counted),
            fewest_requests=sum(its.fewest_requests for its in counted),
            requests=sum(its.requests for its in counted),
            most_requests=sum(its.most_requests for its in counted),
        ),
    )


@dataclass(slots=True)
class _Sum:
    """The sum of one data type, over the repositories that were added."""

    stored: int = 0
    units_left: int = 0
    uncounted: int = 0
    fewest_requests: int = 0
    requests: int = 0
    most_requests: int = 0
    unknown: int = 0
    """Sweeps whose total was never known. `uncounted` are those without a present estimate."""
    most_stored: int = 0
    left: int = 0
    statuses: Counter[PartStatus] = field(default_factory=Counter)
    waiting: int = 0

    def add(self, its: TypeView, held: frozenset[str] | None) -> None:
        """Adds the data type of one more repository. `held` names the types that wait in that repository. If `held` is
        empty, all types wait. If `held` is None, nothing waits.
        """
        stored, status = its.stored, its.status
        is_open = status in _OPEN
        self.stored += stored
        self.statuses[status] += 1
        if is_open and held is not None and (not held or its.data_type in held):
            self.waiting += 1
            self.statuses[status] -= 1
        self.most_stored += max(its.most_stored, stored)
        if its.left is None or status in DONE:
            self.unknown += is_open
        else:
            self.left += its.left
        if is_open and its.estimate is None:
            self.uncounted += 1
        elif is_open and its.estimate is not None:
            most = max(its.estimate, stored)
            self.units_left += most - stored
            if its.requests_ahead and stored:
                # What is not stored yet will have as many as what is.
                self.most_requests += ceil(its.requests_ahead * most / stored)
                if stored >= most:
                    is_exact = its.requests_are_counted
                    fewest = its.requests_ahead - IN_FLIGHT if is_exact else its.requests_ahead * FEWEST_OF_UNCOUNTED
                    self.fewest_requests += max(ceil(fewest), 0)
                    self.requests += ceil(its.requests_ahead * (1 if is_exact else LIKELY_OF_UNCOUNTED))

    @property
    def expected(self) -> int | None:
        return None if self.unknown else self.stored + self.left


def with_expected_embeddings(repository: RepositoryView) -> RepositoryView:
    """Returns the repository with one expected embedding for each expected thread. The sweep of the embeddings cannot
    know that number, because it sees only the stored threads.
    """
    threads = [its for its in repository.types if its.data_type in THREADS and its.status != "skipped"]
    if not threads:
        return repository
    estimate = _total(None if its.estimate is None else max(its.estimate, its.stored) for its in threads)
    # Until the first embedding is stored, the smallest total of each type counts: the present one may rise again.
    least = _total(its.expected if its.least_expected is None else its.least_expected for its in threads)
    types = [
        its.expecting(
            its.left if its.has_begun else None if least is None else max(least - its.stored, 0),
            estimate,
        )
        if its.data_type == "embeddings" and its.status not in DONE
        else its
        for its in repository.types
    ]
    return repository.with_types(types)


def _total(numbers: Iterable[int | None]) -> int | None:
    """Returns the sum, or None if one of the numbers is unknown."""
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


def _held(repository: RepositoryView) -> frozenset[str] | None:
    waiting = repository.waiting
    return None if waiting is None or waiting.reason == "turn" else frozenset(waiting.data_types)


def _percent(sums: Iterable[_Sum]) -> float | None:
    """Returns the stored percentage. Returns None if one of the totals is unknown, or if all totals are 0."""
    most_stored, left = 0, 0
    for its in sums:
        if its.unknown:
            return None
        most_stored, left = most_stored + its.most_stored, left + its.left
    whole = most_stored + left
    return min(floor(1_000 * most_stored / whole) / 10, MOST_PERCENT) if whole else None


def _of_type(name: str, its: _Sum, job: JobSummary) -> TypeTotals:
    status = _status(its, job)
    complete = status in DONE
    return TypeTotals(
        data_type=name,
        status=status,
        percent=100.0 if complete else _percent([its]) if name in COUNTED else None,
        stored=its.stored,
        expected=its.expected,
        repositories=StatusCounts(
            completed=its.statuses["completed"],
            failed=its.statuses["failed"],
            running=its.statuses["in_progress"],
            waiting=its.waiting,
            pending=its.statuses["pending"],
            skipped=its.statuses["skipped"],
            canceled=its.statuses["canceled"],
        ),
    )


def _status(its: _Sum, job: JobSummary) -> PartStatus:
    """Returns one status for a data type over all repositories of the job."""
    number = sum(its.statuses.values()) + its.waiting
    if not number:
        return "completed" if job.status == "completed" else "canceled" if job.status == "canceled" else "pending"
    pending = its.statuses["pending"]
    if its.statuses["in_progress"] or its.waiting or 0 < pending < number:
        return "in_progress"
    order: tuple[PartStatus, ...] = ("pending", "failed", "canceled", "completed", "skipped")
    return next(each for each in order if its.statuses[each])
