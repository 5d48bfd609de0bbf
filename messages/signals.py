"""Signals and updates of a workspace's workflow, and the state of a job, which is the answer to an update."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from messages.terms import TERMINAL_JOB_STATUSES, DataType, JobStatus, Message, Text


class Run(Message):
    """Signal `run`: run this job after the jobs that were signaled earlier. The job's row is already committed."""

    job_id: str


class Retry(Message):
    """Signal `retry`: retry what failed or was canceled in this job, with the same cutoff. An empty list of
    repositories or of types selects all of them.

    The job's row holds the retry in `metadata.retry`. The workflow does what the row says, because a signal may arrive
    twice or late. `attempt` is None if a person sent the signal in Temporal. In that case the workflow first writes the
    retry into the row.
    """

    job_id: str
    repository_ids: Annotated[list[str], Field(max_length=10_000)] = []
    data_types: list[DataType] = []
    attempt: int | None = None

    def of_attempt(self, attempt: int) -> "Retry":
        """Returns the same retry with `attempt`, the number of the attempt that the job's row holds for it."""
        return self.model_copy(update={"attempt": attempt})


class Cancel(Message):
    """Signal `cancel`: stop this job, whether it runs, waits or is paused."""

    job_id: str
    attempt: int | None = None


class Pause(Message):
    """Signal `pause`: stop this job at a page boundary, until it is resumed."""

    job_id: str
    attempt: int | None = None


class Resume(Message):
    """Signal `resume`: resume this paused job at its cursors, after the jobs that already wait."""

    job_id: str
    attempt: int | None = None


class CancelRepository(Message):
    """Update `cancel_repository`: stop this repository of the job. The job's other repositories continue."""

    job_id: str
    repository: Annotated[str, Field(max_length=200)]
    """`owner/name`."""


class JobStanding(Message):
    """The fields of a job's row on which its workflow acts. `carry_out_signal` and all updates return these fields."""

    job_id: str
    status: JobStatus
    attempt: int
    cancel_requested: bool = False
    paused_at: datetime | None = None
    paused_by: Text = ""
    stopping: list[str] = []
    """Repositories, by our ids, that somebody canceled individually in this attempt."""

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL_JOB_STATUSES

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None and not self.ended and not self.cancel_requested


SignalAction = Literal["retry", "cancel", "pause", "resume", "cancel_repository"]


class SignalRequest(Message):
    """The input of `carry_out_signal`: a person's request about a job of this workspace. The activity writes the
    request into the job's row, unless the row already holds it.

    If `action` is None, the activity only reads the row.
    """

    workspace_id: str
    job_id: str
    action: SignalAction | None = None
    repository_ids: list[str] = []
    data_types: list[DataType] = []
    repository: str = ""
    """For `cancel_repository`: the repository's full name."""
    refuses: bool = False
    """Whether an impossible request raises an error with the reason, as for an update. A signal has nobody to tell."""
