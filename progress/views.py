"""Views of a job with all its details, as `store/job_views.py` reads them."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from messages import TERMINAL_JOB_STATUSES, Failure, JobStatus, PartStatus, Waiting
from progress.sentences import Sentence
from unshown import Unshown

DONE: frozenset[PartStatus] = frozenset({"completed", "skipped"})


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True)


class FailureView(Failure):
    """A failure of a job, a repository or a data type, with what a person can do about it."""

    what_to_do: str


class TypeView(_View):
    """One data type of one repository. `stored` and `expected` count threads, embeddings or events. `counts` holds the
    numbers of all stored rows by noun. `expected` is `stored` plus the number of items that are still to be stored.
    `expected` falls when an estimate falls, and rises only when more is stored.

    `notes` are sentences about things that GitHub does not show of a type that is otherwise complete. `proof.sources`
    describes each source of events (rows.EventSource) by `status`, `rows` and `as_of`, and a skipped source also by
    `reason`.
    """

    data_type: str
    status: PartStatus
    stored: int
    expected: int | None
    recent_done: bool
    """Whether the latest 90 days are stored."""
    counts: dict[str, int]
    as_of: datetime | None
    proof: dict[str, Any] | None
    """Why the type is complete: what was compared, and the numbers."""
    error: FailureView | None
    notes: list[str]
    unshown: Unshown | None
    """What GitHub will not give for good, as far as known; None if it shows everything."""
    left: int | None = Field(default=None, exclude=True)
    """How many are still to be stored, which never rises; None if that is not known yet."""
    most_stored: int = Field(default=0, exclude=True)
    """The most that were ever stored; more than `stored` only after deletions."""
    least_expected: int | None = Field(default=None, exclude=True)
    """The smallest value that `expected` ever had; None if it is not known yet."""
    estimate: int | None = Field(default=None, exclude=True)
    """The latest estimate of the total, which may rise and fall; the time left is computed from it."""
    has_begun: bool = Field(default=False, exclude=True)
    """Whether a page of it was stored when its total was known."""
    requests_ahead: int = Field(default=0, exclude=True)
    """The most REST requests that are still to be sent for the threads stored so far."""
    requests_are_counted: bool = Field(default=False, exclude=True)
    """Whether `requests_ahead` is exact, because GitHub has counted what those requests list."""

    def expecting(self, left: int | None, estimate: int | None) -> "TypeView":
        """Returns a copy with other numbers. `left` is how much is still to be stored, `estimate` is the latest
        estimate of the total. Each number is None if it is unknown.
        """
        expected = None if left is None else self.stored + left
        return self.model_copy(update={"left": left, "expected": expected, "estimate": estimate})


class RepositoryView(_View):
    repository_id: str
    full_name: str
    status: PartStatus
    error: str | None
    started_at: datetime | None
    completed_at: datetime | None
    waiting: Waiting | None
    """What the repository, or some of its types, waits for."""
    waiting_until: datetime | None
    """The moment before which nothing of the repository can continue."""
    cancel_requested: bool = False
    """Whether this repository alone was canceled, and stops at its next page."""
    types: list[TypeView]

    def with_types(self, types: list[TypeView]) -> "RepositoryView":
        return self.model_copy(update={"types": types})


class AddonView(_View):
    retention_days: int | None
    status: str
    purchased_at: datetime | None
    expires_at: datetime | None
    past_due: bool
    """Whether a payment is due. The add-on is kept until Polar revokes it."""
    renews: bool | None
    """Whether another period follows. False if it was canceled and ends at `expires_at`; None if it is not active."""
    changes_at: datetime | None
    """When another plan begins that the customer ordered for the next period."""
    changes_to_days: int | None
    """The retention of the plan that begins at `changes_at`; None if it is not one of our products."""


class JobSummary(_View):
    """The fields of a job's own row."""

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
    """How long the present attempt was paused. A pause that has not ended is not included."""
    retries_waiting: int
    """How many retries wait for the present attempt to end; they run one after the other."""
    addon_ended_at: datetime | None
    """When the job was told to stop because its add-on had ended; None if that did not happen."""
    error_message: str | None

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL_JOB_STATUSES

    @property
    def ended_well(self) -> bool:
        """Whether the job has ended and everything in it is complete."""
        return self.status == "completed" and self.failed_repositories == 0


class Progress(_View):
    """How much of a job is stored, in threads and embeddings together. Events are not included."""

    percent: float | None
    """0 to 100: `stored` of `expected`, and 100 only once everything is complete. It never falls within an attempt.
    None if a total is unknown."""
    stored: int
    expected: int | None


class StatusCounts(_View):
    """How many repositories are in each status, for one data type. Each repository is counted once."""

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
    """A range in which the job is expected to end, in seconds from the view's `as_of`."""

    from_seconds: int
    to_seconds: int
    reason: Sentence


class JobState(JobSummary):
    """The state of a job as of one moment, read from its rows."""

    as_of: datetime
    waiting: Waiting | None
    """The wait that ends first, if all repositories in progress wait. None if one of them is at work."""
    waiting_until: datetime | None
    """The moment before which nothing of the job can continue; None if there is no such moment."""
    addon: AddonView | None
    unshown: int
    """How many things GitHub does not show, of all types."""
    repositories: list[RepositoryView]

    def without_repositories(self) -> Self:
        return self.model_copy(update={"repositories": []})


class JobView(JobState):
    """A job as of one moment, with everything that people see of it."""

    headline: Sentence
    progress: Progress
    types: list[TypeTotals]
    eta: datetime | None
    time_left: TimeLeft | None
    time_left_reason: Sentence | None
    """Why `time_left` is unknown; None if it is known."""
