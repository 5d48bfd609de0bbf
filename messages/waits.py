"""Waits of repositories, and slices that a person paused in Temporal."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from messages.terms import DataType, Message, Text, WaitingReason


class Waiting(Message):
    """A wait of a repository: the reason, the beginning, and the end if it is known. The repository's progress row
    stores the wait in `metadata.waiting`.
    """

    reason: WaitingReason
    since: datetime
    until: datetime | None = None
    """None if the end is unknown."""
    detail: Text = ""
    """For a limit, or GitHub's absence: GitHub's words. For `no_worker`: the task queue. For `paused`: who paused it in
    Temporal; empty if the whole job is paused."""
    job_id: str | None = None
    """For `another_job`: the job that is waited for."""
    data_types: list[DataType] = []
    """The types that wait while others of the repository continue; empty if all of it waits."""

    def as_json(self) -> dict[str, Any]:
        """Returns the wait as `metadata.waiting` stores it."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def of_types(self, data_types: list[DataType]) -> "Waiting":
        """Returns the same wait, with the same reason and times, for these data types only."""
        return self.model_copy(update={"data_types": data_types})

    def in_words(self, clock: Callable[[datetime], str]) -> str:
        """Returns the wait as words for people. `clock` formats a moment."""
        until = f" until {clock(self.until)}" if self.until else ""
        why = f" ({self.detail})" if self.detail else ""
        since = f", since {clock(self.since)}"
        match self.reason:
            case "github_limit":
                return f"waiting for GitHub{until}{why}"
            case "openai_limit":
                return f"waiting for OpenAI{until}{why}"
            case "github_away":
                asked = f", asked again at {clock(self.until)}" if self.until else ""
                return f"waiting: {self.detail or f'GitHub is away since {clock(self.since)}'}{asked}"
            case "another_job":
                return f"waiting for job {self.job_id}, which sweeps the same{since}"
            case "no_worker":
                return f"waiting for a worker on task queue {self.detail}{since}"
            case "turn":
                return f"waiting for its turn{since}"
            case "paused":
                return f"paused{f' {self.detail}' if self.detail else ''}{since}"


class PausedSlice(Message):
    """A data type whose slice a person paused in Temporal. Before the slice stopped, it stored the page that it was
    reading.
    """

    data_type: DataType
    since: datetime
    who: Annotated[str, Field(max_length=200)] = ""
    why: Annotated[str, Field(max_length=200)] = ""

    @property
    def as_waiting(self) -> Waiting:
        """The pause as a wait, which the repository's progress row shows."""
        by = f" by {self.who}" if self.who else ""
        why = f": {self.why}" if self.why else ""
        return Waiting(reason="paused", since=self.since, detail=f"in Temporal{by}{why}")


class PausedSlices(Message):
    """Signal `paused_in_temporal` of a repository's workflow: all slices of the repository that are paused now."""

    slices: Annotated[list[PausedSlice], Field(max_length=10)] = []
