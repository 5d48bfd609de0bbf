"""Sums over all repositories of a job: what is stored of what is expected, and the percentage that never falls.

Each sweep has a `weight`, what was expected of it when that was first known, and a `share`, the largest part of what
is expected that it ever had stored. Weights do not change and shares do not fall, so their product's sum does not
either. What is expected now is shown as a number and is in no percentage: GitHub's counts, and how far down in time a
sweep has come, correct it all the time.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import floor

from messages import THREADS, PartStatus
from progress.views import DONE, JobState, Progress, RepositoryView, StatusCounts, TypeTotals, TypeView

NEARLY = 0.99
"""The share of a sweep that has not ended counts no more than this: proofs and comments come after the last thread."""
MOST_PERCENT = 99.9
"""Of what is not complete."""
COUNTED = frozenset({*THREADS, "embeddings"})
"""Types that have a total: GitHub counts threads. Nobody counts events beforehand."""
_ENDED: frozenset[PartStatus] = frozenset({"completed", "failed", "skipped", "canceled"})

Part = tuple[RepositoryView, TypeView]


def over_all(job: JobState) -> Progress:
    """The sum of all types that are counted."""
    parts = [part for part in _parts(job) if part[1].data_type in COUNTED]
    percent = 100.0 if job.ended_well else _percent(parts)
    return Progress(percent=percent, stored=sum(its.stored for _, its in parts), expected=_expected(parts))


def by_type(job: JobState) -> list[TypeTotals]:
    """Each type of the job over all repositories, in the job's order."""
    found = []
    for data_type in job.data_types:
        parts = [part for part in _parts(job) if part[1].data_type == data_type]
        status = _status([its.status for _, its in parts], job)
        complete = status in DONE and bool(parts or job.ended)
        percent = 100.0 if complete else _percent(parts) if data_type in COUNTED else None
        found.append(
            TypeTotals(
                data_type=data_type,
                status=status,
                percent=percent,
                stored=sum(its.stored for _, its in parts),
                expected=_expected(parts),
                repositories=_repositories(parts),
            )
        )
    return found


def _parts(job: JobState) -> Iterator[Part]:
    return ((repository, its) for repository in job.repositories for its in repository.types)


def _percent(parts: Sequence[Part]) -> float | None:
    """None where a total is unknown, and where nothing is expected."""
    total = done = 0.0
    for repository, its in parts:
        weight = weight_of(repository, its)
        if weight is None:
            if its.status not in _ENDED:
                return None
        elif its.status != "skipped" or its.share:
            # What was skipped from the start is no part of the whole; what was skipped midway is done.
            total += weight
            done += weight * share_of(its, weight)
    return min(floor(1_000 * done / total) / 10, MOST_PERCENT) if total else None


def weight_of(repository: RepositoryView, its: TypeView) -> int | None:
    """An embedding is made of each thread: their total is that of the threads."""
    if its.data_type != "embeddings":
        return its.weight
    weights = [each.weight for each in repository.types if each.data_type in THREADS and (each.status != "skipped")]
    known = [each for each in weights if each is not None]
    return sum(known) if known and len(known) == len(weights) else its.weight if not weights else None


def share_of(its: TypeView, weight: int) -> float:
    if its.status in DONE:
        return 1
    share = min(its.stored / weight, 1) if its.data_type == "embeddings" and weight else its.share
    return min(share, NEARLY)


def _expected(parts: Sequence[Part]) -> int | None:
    """None where a total is unknown."""
    total = 0
    for repository, its in parts:
        expected = expected_of(repository, its)
        if expected is None and its.status not in _ENDED:
            return None
        total += its.stored if expected is None or its.status in DONE else max(expected, its.stored)
    return total


def expected_of(repository: RepositoryView, its: TypeView) -> int | None:
    """Of embeddings as many as threads, where those are known."""
    if its.data_type != "embeddings" or its.status in _ENDED:
        return its.expected
    threads = [each for each in repository.types if each.data_type in THREADS and each.status != "skipped"]
    known = [max(each.expected, each.stored) for each in threads if each.expected is not None]
    return sum(known) if threads and len(known) == len(threads) else its.expected if not threads else None


def _status(statuses: Sequence[PartStatus], job: JobState) -> PartStatus:
    """What people would say of all of them together."""
    if not statuses:
        return "completed" if job.status == "completed" else "canceled" if job.status == "canceled" else "pending"
    numbers = Counter(statuses)
    if numbers["in_progress"] or (numbers["pending"] and numbers["pending"] < len(statuses)):
        return "in_progress"
    order: Iterable[PartStatus] = ("pending", "failed", "canceled", "completed", "skipped")
    return next(each for each in order if numbers[each])


def _repositories(parts: Sequence[Part]) -> StatusCounts:
    numbers = Counter(_word(repository, its) for repository, its in parts)
    return StatusCounts(**numbers)


def _word(repository: RepositoryView, its: TypeView) -> str:
    if its.status not in ("pending", "in_progress"):
        return its.status
    waiting = repository.waiting
    held = waiting is not None and (not waiting.data_types or its.data_type in waiting.data_types)
    if held and waiting is not None and waiting.reason != "turn":
        return "waiting"
    return "running" if its.status == "in_progress" else "pending"
