"""Defines marks of a job's progress. The pace of the job is computed from two marks."""

from dataclasses import dataclass
from datetime import datetime

from progress.views import JobState


@dataclass(frozen=True, slots=True)
class Mark:
    """The progress of a job at one moment. `worked_seconds` is the time since the attempt began, without pauses and
    waits. `units` is how many threads and embeddings are stored (`Progress.stored`). `requests` is an estimate of the
    REST requests to GitHub (`store.sweeps.spent`).
    """

    worked_seconds: float
    units: int
    points: int
    requests: int


def worked_seconds(job: JobState, waited_seconds: float) -> float:
    """Returns how many seconds the attempt has worked: the time since it began, without pauses and without
    `waited_seconds`.
    """
    if job.started_at is None:
        return 0.0
    return max(0.0, (job.as_of - job.started_at).total_seconds() - job.paused_seconds - waited_seconds)


def rows(job: JobState) -> dict[str, int]:
    """Returns the number of stored rows in scope, by data type."""
    stored: dict[str, int] = {}
    for each in job.repositories:
        for its in each.types:
            stored[its.data_type] = stored.get(its.data_type, 0) + sum(its.counts.values())
    return stored


def at(moment: datetime, job: JobState) -> float:
    """Returns the number of seconds from `job.as_of`, the moment of the view, to `moment`. The number is negative if
    `moment` is earlier.
    """
    return (moment - job.as_of).total_seconds()
