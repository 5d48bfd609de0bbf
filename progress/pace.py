"""What a job had done at some moment, counted in what its time is reckoned by."""

from dataclasses import dataclass
from datetime import datetime

from messages import THREADS
from progress.totals import expected_of
from progress.views import JobState

TIMED = frozenset({*THREADS, "embeddings"})
"""Types whose rest can be counted: their threads and vectors are the units."""
_OPEN = frozenset({"pending", "in_progress"})


@dataclass(frozen=True, slots=True)
class Mark:
    """`worked_seconds`: since the attempt began, without pauses and waits. `units` are threads and embeddings
    stored, `requests` REST requests, as nearly all of GraphQL cost one point each."""

    worked_seconds: float
    units: int
    points: int
    requests: int


def mark(job: JobState, waited_seconds: float) -> Mark:
    """The job as it is now; it has waited so long since its attempt began."""
    types = [its for each in job.repositories for its in each.types]
    worked = 0.0
    if job.started_at is not None:
        worked = (job.as_of - job.started_at).total_seconds() - job.paused_seconds - waited_seconds
    return Mark(
        worked_seconds=max(worked, 0.0),
        units=sum(its.stored for its in types if its.data_type in TIMED),
        points=sum(its.points for its in types),
        requests=sum(max(its.requests - its.points, 0) for its in types),
    )


def rows(job: JobState) -> dict[str, int]:
    """Rows in scope that are stored, by data type."""
    stored: dict[str, int] = {}
    for each in job.repositories:
        for its in each.types:
            stored[its.data_type] = stored.get(its.data_type, 0) + sum(its.counts.values())
    return stored


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a job: `units`, without those of `uncounted` types; `open` types have not ended."""

    units: int
    uncounted: int
    open: int


def rest(job: JobState) -> Rest:
    units = uncounted = still_open = 0
    for each in job.repositories:
        for its in each.types:
            if its.status not in _OPEN:
                continue
            still_open += 1
            if its.data_type in TIMED:
                expected = expected_of(each, its)
                uncounted += expected is None
                units += max((expected or 0) - its.stored, 0)
    return Rest(units, uncounted, still_open)


def at(moment: datetime, job: JobState) -> float:
    """Seconds from the view's moment."""
    return (moment - job.as_of).total_seconds()
