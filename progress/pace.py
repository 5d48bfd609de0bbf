"""What a job had done at some moment, counted in what its time is reckoned by."""

from dataclasses import dataclass
from datetime import datetime

from progress.views import JobState


@dataclass(frozen=True, slots=True)
class Mark:
    """`worked_seconds`: since the attempt began, without pauses and waits. `units` are threads and embeddings stored
    (`Progress.stored`), `requests` REST requests."""

    worked_seconds: float
    units: int
    points: int
    requests: int


def worked_seconds(job: JobState, waited_seconds: float) -> float:
    """In which it worked; it has waited so long since its attempt began."""
    if job.started_at is None:
        return 0.0
    return max(0.0, (job.as_of - job.started_at).total_seconds() - job.paused_seconds - waited_seconds)


def rows(job: JobState) -> dict[str, int]:
    """Rows in scope that are stored, by data type."""
    stored: dict[str, int] = {}
    for each in job.repositories:
        for its in each.types:
            stored[its.data_type] = stored.get(its.data_type, 0) + sum(its.counts.values())
    return stored


def at(moment: datetime, job: JobState) -> float:
    """Seconds from the view's moment."""
    return (moment - job.as_of).total_seconds()
