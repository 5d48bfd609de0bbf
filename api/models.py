"""The models of the API's requests and answers, from which `/api/openapi.json` is generated.

The names are the same as in `starter.py status --json`. No answer names another workspace. If a repository waits for a
job of another workspace, the answer does not name that job.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from messages import DataType, JobStatus, PartStatus, WaitingReason
from progress.sentences import Sentence
from progress.timeline import Kind
from progress.views import FailureView, Progress, TimeLeft, TypeTotals
from unshown import Unshown

MOST_DAYS = 36_500
MOST_NOTIFICATIONS = 100
MOST_JOBS = 100

RepositoryName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}$", examples=["octo/rocket"])
]
Repositories = Annotated[list[RepositoryName], Field(min_length=1, max_length=1_000)]
DataTypes = Annotated[list[DataType], Field(min_length=1, max_length=5)]


class In(BaseModel):
    """The base of all request models. Unknown fields are errors. Values are not converted: "25" is not a number."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Trigger(In):
    """A request for a new job. The job runs after the workspace's jobs that already run or wait."""

    retention_days: Annotated[int, Field(ge=1, le=MOST_DAYS)] | None = None
    """How many days back; by default as many as were bought, which is also the most."""
    repositories: Repositories | None = None
    """Only these repositories of the workspace; by default all."""
    data_types: DataTypes | None = None
    """Only these data types; by default all."""


class Retry(In):
    """A request to retry what failed or was canceled in a job. The job keeps its id and its cutoff."""

    repositories: Repositories | None = None
    data_types: DataTypes | None = None


class Cancel(In):
    """A request to cancel a job, or only some of its repositories. The other repositories continue."""

    repositories: Repositories | None = None
    """Only these repositories of the job, by full name; by default the whole job."""


def _digits_only(value: Any) -> Any:
    """Returns `value`. Raises `ValueError` for a text that is not made of the digits 0 to 9 only. Python's own parser
    would also accept +5, 1_0, and digits of other scripts.
    """
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,9}", value):
        raise ValueError("must be a whole number")
    return value


class NotificationsPage(In):
    """The parameters that choose a page of notifications."""

    limit: Annotated[int, BeforeValidator(_digits_only), Field(ge=1, le=MOST_NOTIFICATIONS)] = 20
    before: Annotated[str, Field(pattern=r"^[0-9]{1,17}-[0-9a-f]{32}$")] | None = None
    """`next` of the previous page; without it the first page, with the newest."""


class JobsPage(In):
    """The parameters that choose a page of a workspace's jobs."""

    limit: Annotated[int, BeforeValidator(_digits_only), Field(ge=1, le=MOST_JOBS)] = 20
    before: Annotated[str, Field(pattern=r"^[0-9]{1,17}-[0-9a-f]{32}$")] | None = None
    """`next` of the previous page; without it the first page, with the newest."""


class Out(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class ErrorText(Out):
    code: str
    message: str


class Error(Out):
    """The reason why a request was refused: `code` for machines, `message` for people."""

    error: ErrorText


class Accepted(Out):
    """The answer to a change. The request is stored, and will be carried out even if this server stops."""

    job_id: UUID


class Waiting(Out):
    """A wait of a repository or of a data type: the reason, the beginning, and the end if it is known."""

    reason: WaitingReason
    since: datetime
    until: datetime | None
    """Null if the end is unknown."""
    detail: str
    data_types: list[DataType]
    """The types that wait while others of the repository continue; empty if the whole repository waits."""


class TypeProgress(Out):
    """One data type of one repository. `stored` and `expected` count threads, or events for the type events, or threads
    with a vector for the type embeddings. `expected` is null while the number is unknown. `counts` holds the numbers of
    all stored rows, by noun.
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
    error: FailureView | None
    notes: list[str]
    unshown: Unshown | None


class RepositoryProgress(Out):
    repository_id: UUID
    full_name: str
    status: PartStatus
    error: str | None
    started_at: datetime | None
    completed_at: datetime | None
    waiting: Waiting | None
    waiting_until: datetime | None
    cancel_requested: bool
    """Whether the repository was canceled without the rest of the job, and stops at its next page."""
    types: list[TypeProgress]


class Addon(Out):
    """An add-on. In a job, it is the add-on that pays for the job. In a workspace, it is an add-on of the workspace's
    owner.
    """

    retention_days: int | None
    status: str
    purchased_at: datetime | None
    expires_at: datetime | None
    past_due: bool
    renews: bool | None
    changes_at: datetime | None
    changes_to_days: int | None


class Backfill(Out):
    """A job with everything that people are shown of it, as of the moment `as_of`."""

    id: UUID
    workspace_id: UUID
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
    retries_waiting: int
    """Retries that wait for the present attempt to end; each is an attempt of its own."""
    addon_ended_at: datetime | None
    """Set if the job is, or was, stopped because its add-on ended."""
    error_message: str | None
    as_of: datetime
    headline: Sentence
    """The present state in a sentence. Its `state` is one of those in progress/headline.py."""
    progress: Progress
    types: list[TypeTotals]
    eta: datetime | None
    """The likely end, a moment within the range `time_left`; null if `time_left` is null."""
    time_left: TimeLeft | None
    time_left_reason: Sentence | None
    """Why the remaining time is unknown; null if it is known, or if the job has ended."""
    waiting: Waiting | None
    """Set if the whole job waits."""
    waiting_until: datetime | None
    addon: Addon | None
    unshown: int
    """How many things GitHub does not show, of all types."""
    repositories: list[RepositoryProgress]


class Workspace(Out):
    """A workspace as its settings page shows it. The workspace need not have a job."""

    id: UUID
    name: str
    slug: str
    role: Literal["owner", "admin", "editor", "viewer", "service"]
    """The caller's role."""
    may_change: bool
    """Whether the caller may request, retry, pause, resume and cancel jobs."""
    addon: Addon | None
    """The best active add-on of the workspace's owner, else the latest one."""
    latest_job_id: UUID | None


class PastBackfill(Out):
    """A job in the history of its workspace."""

    id: UUID
    status: JobStatus
    headline: Sentence
    requested_by: str | None
    retention_days: int
    data_types: list[str]
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    total_repositories: int
    failed_repositories: int
    rows_stored: int
    """Stored rows in scope of its repositories, whichever job fetched them."""
    attempt: int


class Backfills(Out):
    """A page of jobs, newest first. For the next page pass `next` as the query parameter `before`. `next` is null on
    the last page.
    """

    backfills: list[PastBackfill]
    next: str | None


class Event(Out):
    """Something that happened to a job."""

    at: datetime
    kind: Kind
    text: Sentence
    who: str | None
    """`you`, `a member`, `an operator`, `the application`, ...; null if nobody in particular."""
    repository: str | None


class Timeline(Out):
    """The latest 200 events of a job, newest first."""

    events: list[Event]


class ChartBucket(Out):
    """One time span of a chart, with the numbers of rows stored in it, by data type. The first span also counts rows
    that were stored before the job.
    """

    at: datetime
    rows: dict[str, int]


class ChartWait(Out):
    """A wait for GitHub's budget, during which the whole job stood still."""

    model_config = ConfigDict(serialize_by_alias=True)

    since: Annotated[datetime, Field(serialization_alias="from")]
    until: datetime
    """When the job continued, or will continue."""
    reason: WaitingReason


class Chart(Out):
    """The number of stored rows over time, in at most 120 spans of equal length, without a gap."""

    bucket_seconds: int
    buckets: list[ChartBucket]
    waits: list[ChartWait]


class Notification(Out):
    id: UUID
    job_id: str
    status: Literal["started", "completed", "failed", "error"]
    title: str
    message: str | None
    metadata: dict[str, Any]
    read: bool
    created_at: datetime | None


class Notifications(Out):
    """A page of notifications, newest first. For the next page pass `next` as the query parameter `before`. `next` is
    null on the last page.
    """

    notifications: list[Notification]
    next: str | None


class HostTrigger(BaseModel):
    """A request for a new job, in the shape that the host application's client sends. The client's other fields
    (`force`, `callback_url`) are ignored.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    repository: RepositoryName
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] = 30


class HostData(Out):
    repository: str
    days: int


class HostTimestamps(Out):
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None


class HostJob(Out):
    """A job as the host application's client expects it. The fields are those of `BackfillResponse` and `JobStatus`
    together.
    """

    id: UUID
    job_id: UUID
    status: Literal["queued", "running", "completed", "failed", "cancelled"]
    progress: Annotated[int, Field(ge=0, le=100)]
    message: str
    data: HostData
    repository: str
    days: int
    timestamps: HostTimestamps
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    estimated_completion: datetime | None
    error: str | None
    status_url: str
