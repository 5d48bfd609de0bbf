"""Sums over all repositories of a job: what is stored, what is expected, and a percentage that never falls.

Each sweep has a `weight`: its expected total when that was first known. It has a `share`: the largest fraction of
its expected total that was ever stored. Weights do not change and shares do not fall, so the sum of their products
does not fall. The present expected total is shown as a number, but no percentage uses it, because GitHub's counts
and the progress of sweeps correct it again and again.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil, floor

from messages import THREADS, PartStatus
from progress.views import DONE, JobState, JobSummary, Progress, RepositoryView, StatusCounts, TypeTotals, TypeView

NEARLY = 0.99
"""Upper limit for the share of a sweep that has not ended: after the last thread there are comments and proofs."""
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
    """The work that is left. `units` counts threads and embeddings. `uncounted` is the number of sweeps whose
    total is not known yet.

    After its last unit a sweep sends REST requests. The sweeps that have stored all their units will send at least
    `fewest_requests` and probably `requests`; all sweeps together will send at most `most_requests`.
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
    """Returns the sums over all repositories of the job. It takes one pass over them, because a job may have a thousand
    repositories, and its view is read again after each change of one.
    """
    sums = {name: _Sum() for name in job.data_types}
    for repository in job.repositories:
        threads = _Threads.of(repository) if "embeddings" in sums else None
        held = _held(repository)
        for its in repository.types:
            if threads is None or its.data_type != "embeddings":
                weight, expected = its.weight, its.expected
            else:
                weight, expected = threads.weight_of(its), threads.expected_of(its)
            sums[its.data_type].add(its, weight, expected, held)
    counted = [its for name, its in sums.items() if name in COUNTED]
    progress = Progress(
        percent=100.0 if job.ended_well else _percent(counted),
        stored=sum(its.stored for its in counted),
        expected=_expected(counted),
    )
    return Totals(
        progress,
        [_of_type(name, its, job) for name, its in sums.items()],
        Rest(
            units=sum(its.left for its in counted),
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
    expected: int = 0
    left: int = 0
    uncounted: int = 0
    fewest_requests: int = 0
    requests: int = 0
    most_requests: int = 0
    unweighted: int = 0
    weight: int = 0
    done: float = 0.0
    statuses: Counter[PartStatus] = field(default_factory=Counter)
    waiting: int = 0

    def add(self, its: TypeView, weight: int | None, expected: int | None, held: frozenset[str] | None) -> None:
        """Adds the type of one more repository. `held` names the types that wait in that repository: None if none
        waits, empty if all wait.
        """
        stored, status = its.stored, its.status
        is_open = status in _OPEN
        self.stored += stored
        self.statuses[status] += 1
        if is_open and held is not None and (not held or its.data_type in held):
            self.waiting += 1
            self.statuses[status] -= 1
        if expected is None or status in DONE:
            self.expected += stored
            self.uncounted += is_open
        else:
            most = expected if expected > stored else stored
            self.expected += most
            self.left += most - stored if is_open else 0
            if is_open and its.requests_ahead and stored:
                # What is not stored yet will have as many as what is.
                self.most_requests += ceil(its.requests_ahead * most / stored)
                if stored >= most:
                    is_exact = its.requests_are_counted
                    fewest = its.requests_ahead - IN_FLIGHT if is_exact else its.requests_ahead * FEWEST_OF_UNCOUNTED
                    self.fewest_requests += max(ceil(fewest), 0)
                    self.requests += ceil(its.requests_ahead * (1 if is_exact else LIKELY_OF_UNCOUNTED))
        if weight is None:
            self.unweighted += is_open
        elif status != "skipped" or its.share:
            # What was skipped from the start is no part of the whole; what was skipped midway is done.
            self.weight += weight
            self.done += weight * share_of(its, weight)


def share_of(its: TypeView, weight: int) -> float:
    if its.status in DONE:
        return 1
    share = its.stored / weight if its.data_type == "embeddings" and weight else its.share
    return min(share, NEARLY)


class _Threads:
    """The threads of a repository, as far as they are known. From them follows how many embeddings are expected."""

    def __init__(self, weight: int | None, expected: int | None, number: int) -> None:
        self._weight = weight
        self._expected = expected
        self._number = number

    @classmethod
    def of(cls, repository: RepositoryView) -> "_Threads":
        weight: int | None = 0
        expected: int | None = 0
        number = 0
        for its in repository.types:
            if its.data_type in THREADS and its.status != "skipped":
                number += 1
                weight = None if weight is None or its.weight is None else weight + its.weight
                more = None if its.expected is None else max(its.expected, its.stored)
                expected = None if expected is None or more is None else expected + more
        return cls(weight, expected, number)

    def weight_of(self, its: TypeView) -> int | None:
        return self._weight if self._number else its.weight

    def expected_of(self, its: TypeView) -> int | None:
        return self._expected if self._number and its.status in _OPEN else its.expected


def with_expected_embeddings(repository: RepositoryView) -> RepositoryView:
    """Returns the repository with one expected embedding for each expected thread: the sweep of the embeddings itself
    knows only the stored threads.
    """
    threads = _Threads.of(repository)
    types = [
        its.expecting(threads.expected_of(its)) if its.data_type == "embeddings" else its for its in repository.types
    ]
    return repository.with_types(types)


def _held(repository: RepositoryView) -> frozenset[str] | None:
    waiting = repository.waiting
    return None if waiting is None or waiting.reason == "turn" else frozenset(waiting.data_types)


def _percent(sums: Iterable[_Sum]) -> float | None:
    """Returns the percentage; None if one of the totals is unknown, or if all of them are 0."""
    weight, done = 0, 0.0
    for its in sums:
        if its.unweighted:
            return None
        weight, done = weight + its.weight, done + its.done
    return min(floor(1_000 * done / weight) / 10, MOST_PERCENT) if weight else None


def _expected(sums: Iterable[_Sum]) -> int | None:
    """Returns the sum of the expected totals; None if one of them is unknown."""
    total = 0
    for its in sums:
        if its.uncounted:
            return None
        total += its.expected
    return total


def _of_type(name: str, its: _Sum, job: JobSummary) -> TypeTotals:
    status = _status(its, job)
    complete = status in DONE
    return TypeTotals(
        data_type=name,
        status=status,
        percent=100.0 if complete else _percent([its]) if name in COUNTED else None,
        stored=its.stored,
        expected=_expected([its]),
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
    """Returns the status of a data type over all repositories."""
    number = sum(its.statuses.values()) + its.waiting
    if not number:
        return "completed" if job.status == "completed" else "canceled" if job.status == "canceled" else "pending"
    pending = its.statuses["pending"]
    if its.statuses["in_progress"] or its.waiting or 0 < pending < number:
        return "in_progress"
    order: tuple[PartStatus, ...] = ("pending", "failed", "canceled", "completed", "skipped")
    return next(each for each in order if its.statuses[each])
