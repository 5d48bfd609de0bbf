"""The speed of a watched job: threads and rows a second, over the last half minute."""

from collections import deque
from datetime import datetime, timedelta
from typing import NamedTuple

from progress.views import JobView

WINDOW = timedelta(seconds=30)
LEAST = timedelta(seconds=2)
"""Least time between two readings for a rate, since rows arrive in pages."""


class _Sample(NamedTuple):
    at: datetime
    attempt: int
    rows: int
    stored: dict[str, int]


class Rates:
    """Computes the rates of a job from its successive views."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque()

    def add(self, job: JobView) -> None:
        rows = sum(sum(part.counts.values()) for each in job.repositories for part in each.types)
        self._samples.append(_Sample(job.as_of, job.attempt, rows, {each.data_type: each.stored for each in job.types}))
        while self._samples[0].attempt != job.attempt or (
            len(self._samples) > 2 and self._samples[1].at < job.as_of - WINDOW
        ):
            self._samples.popleft()

    @property
    def rows(self) -> float:
        """Stored rows of all kinds a second, or 0 while the rate is unknown."""
        seconds = self._seconds()
        return max(self._samples[-1].rows - self._samples[0].rows, 0) / seconds if seconds else 0.0

    def of(self, data_type: str) -> float:
        """Returns how many threads of this type are stored a second. For events, returns the events stored a second.
        The result is 0 while the rate is unknown.
        """
        seconds = self._seconds()
        if not seconds:
            return 0.0
        first, last = self._samples[0].stored, self._samples[-1].stored
        return max(last.get(data_type, 0) - first.get(data_type, 0), 0) / seconds

    def _seconds(self) -> float:
        if not self._samples:
            return 0.0
        passed = self._samples[-1].at - self._samples[0].at
        return passed.total_seconds() if passed >= LEAST else 0.0
