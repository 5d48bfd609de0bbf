"""A job with everything that is known of it, as `store/job_views.py` reads it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from messages import TERMINAL_JOB_STATUSES, Failure, JobStatus, PartStatus, Waiting
from progress.sentences import Sentence
from unshown import Unshown

DONE: frozenset[PartStatus] = frozenset({"completed", "skipped"})


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True)


class FailureView(Failure):
    """Why something ended, and what a person can do about it."""

    what_to_do: str


class TypeView(_View):
    """One data type of one repository. `stored` and `expected` count threads, `counts` all that is stored.

    `notes` is what GitHub refuses of a type that is complete otherwise, in words; `proof.sources` tells of each source
    of events (rows.EventSource) `status`, `rows`, `as_of` and, where it was skipped, the `reason`.
    """

    data_type: str
    status: PartStatus
    stored: int
    expected: int | None
    recent_done: bool
    """The latest 90 days are stored."""
    counts: dict[str, int]
    as_of: datetime | None
    proof: dict[str, Any] | None
    """Why it is complete: what was compared, and the numbers."""
    error: FailureView | None
    notes: list[str]
    unshown: Unshown | None
    """What GitHub will not give for good, as far as it is known; None: it shows all."""
    share: float = Field(default=0, exclude=True)
    """How much of it is stored, between 0 and 1; it never falls."""
    weight: int | None = Field(default=None, exclude=True)
    """What `share` is multiplied with: what was expected when it was first known; None: not known yet."""
    requests_ahead: int = Field(default=0, exclude=True)
    """REST requests that follow the threads stored so far: at most so many before the last one, then exactly."""


class RepositoryView(_View):
    repository_id: str
    full_name: str
    status: PartStatus
    error: str | None
    started_at: datetime | None
    completed_at: datetime | None
    waiting: Waiting | None
    """What it, or some of its types, waits for."""
    waiting_until: datetime | None
    """Nothing of it can go on before."""
    types: list[TypeView]


class AddonView(_View):
    retention_days: int | None
    status: str
    purchased_at: datetime | None
    expires_at: datetime | None
    past_due: bool
    """A payment is due: it is kept until Polar revokes it."""
    renews: bool | None
    """False: it was canceled, and ends at `expires_at`. None: it is not active."""
    changes_at: datetime | None
    """When a change of plan takes effect that was ordered for the next period."""
    changes_to_days: int | None
    """The days of that plan; None: it is none of ours."""


class JobSummary(_View):
    """The job's own fields."""

    id: str
    workspace_id: str
    workspace_name: str
    workspace_slug: str
    status: JobStatus
    attempt: int
    requested_by: str | None
    retention_days: int
    cutoff_at: datetime
    data_types: list[str]
    total_repositories: int
    completed_repositories: int
    failed_repositories: int
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    cancel_requested_at: datetime | None
    paused_at: datetime | None
    paused_by: str | None
    paused_seconds: float = Field(default=0, exclude=True)
    """How long the present attempt was paused before."""
    retries_waiting: int
    """Retries that begin, one after the other, when the present attempt has ended."""
    addon_ended_at: datetime | None
    """It is, or was, stopped because its add-on ended."""
    error_message: str | None

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL_JOB_STATUSES

    @property
    def ended_well(self) -> bool:
        """It ended, and all of it is there."""
        return self.status == "completed" and self.failed_repositories == 0


class Progress(_View):
    """How much of a job is stored, over all types that GitHub counts: threads and their embeddings."""

    percent: float | None
    """0 to 100, and 100 only once all is complete. It never falls within an attempt. None: a total is unknown."""
    stored: int
    expected: int | None


class StatusCounts(_View):
    """Repositories by the status of one of their data types; each is in one of these."""

    completed: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0
    pending: int = 0
    skipped: int = 0
    canceled: int = 0


class TypeTotals(_View):
    """One data type over all repositories of a job."""

    data_type: str
    status: PartStatus
    percent: float | None
    stored: int
    expected: int | None
    repositories: StatusCounts


class TimeLeft(_View):
    """A range in which the job's end is expected, in seconds from the view's `as_of`."""

    from_seconds: int
    to_seconds: int
    reason: Sentence


class JobState(JobSummary):
    """A job as its rows say that it is, at one moment."""

    as_of: datetime
    waiting: Waiting | None
    """Set if nothing of the job goes on: what ends first of all that its repositories wait for."""
    waiting_until: datetime | None
    """Set if nothing of the job can go on before."""
    addon: AddonView | None
    unshown: int
    """Things that GitHub does not show, of all types."""
    repositories: list[RepositoryView]


class JobView(JobState):
    """A job with everything a progress view needs, at one moment."""

    headline: Sentence
    progress: Progress
    types: list[TypeTotals]
    eta: datetime | None
    time_left: TimeLeft | None
    time_left_reason: Sentence | None
    """Why `time_left` is unknown."""
