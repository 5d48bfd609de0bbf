"""Inputs and results of the workflow that reads GH Archive, and of its activities."""

from datetime import datetime
from typing import Literal

from messages.failures import Failure
from messages.pace import Pace
from messages.terms import JobStatus, Message, Text


class ArchivePlan(Message):
    """The result of `begin_archive`. An hour is represented by its first moment."""

    read_id: str
    workspace_id: str
    workspace_name: Text
    status: JobStatus
    repositories: int
    first_hour: datetime
    last_hour: datetime
    pace: Pace
    search_attributes: list[str] = []
    """The search attributes that the namespace has."""

    def with_search_attributes(self, names: list[str]) -> "ArchivePlan":
        """Returns the same plan, with `names` as the search attributes that the namespace has."""
        return self.model_copy(update={"search_attributes": names})


class ArchiveRead(Message):
    """The input of `ArchiveWorkflow`: a reading whose row is committed. `plan` is set if the run continues an earlier
    run.
    """

    read_id: str
    plan: ArchivePlan | None = None


class ArchiveSlice(Message):
    """The input of `read_archive`: read further hours for one slice, which has at most `pace.slice_pages` hours."""

    read_id: str
    pace: Pace


class ArchiveProgress(Message):
    """The progress of a reading: the result of a slice, and of `ArchiveWorkflow`.

    If `outcome` is `more`, the next slice runs at once. If it is `limited`, the next slice runs after `limited_until`.
    Any other outcome ends the reading.
    """

    outcome: Literal["more", "limited", "completed", "failed", "canceled"]
    next_hour: datetime
    """Every hour before this one is stored."""
    hours_missing: int = 0
    hours_damaged: int = 0
    lines_malformed: int = 0
    events_stored: int = 0
    bytes_read: int = 0
    limited_until: datetime | None = None
    failure: Failure | None = None
    """For `failed`: the reason."""

    @property
    def goes_on(self) -> bool:
        """Whether another slice follows."""
        return self.outcome in ("more", "limited")

    def as_failed(self, failure: Failure) -> "ArchiveProgress":
        """Returns the same progress, but ended by this failure."""
        return self.model_copy(update={"outcome": "failed", "failure": failure})


class EndArchive(Message):
    """The input of `end_archive`: the reading, and the status with which it ends before its last hour."""

    read_id: str
    status: Literal["failed", "canceled"]
    failure: Failure | None = None
