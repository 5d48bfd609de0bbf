"""What goes in and out of the API. The description at `/api/openapi.json` is made of these models.

Names are those of `starter.py status --json`. Nothing here names another workspace: a repository that two workspaces
share can wait for the other's job, and is not told which one that is.
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
    """A field that is not known is an error, and nothing is converted: "25" is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Trigger(In):
    """A new job, queued behind the one that runs."""

    retention_days: Annotated[int, Field(ge=1, le=MOST_DAYS)] | None = None
    """How many days back; by default as many as were bought, and never more."""
    repositories: Repositories | None = None
    """Only these of the workspace; by default all."""
    data_types: DataTypes | None = None
    """Only these; by default all."""


class Retry(In):
    """What failed or was canceled of a job that has ended, once more: the same job, with its cutoff."""

    repositories: Repositories | None = None
    data_types: DataTypes | None = None


def _whole(value: Any) -> Any:
    """Python would also read +5, 1_0, and digits of other scripts."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,9}", value):
        raise ValueError("must be a whole number")
    return value


class NotificationsPage(In):
    """Which page of notifications."""

    limit: Annotated[int, BeforeValidator(_whole), Field(ge=1, le=MOST_NOTIFICATIONS)] = 20
    before: Annotated[str, Field(pattern=r"^[0-9]{1,17}-[0-9a-f]{32}$")] | None = None
    """`next` of the page before; without it the newest."""


class JobsPage(In):
    """Which page of a workspace's jobs."""

    limit: Annotated[int, BeforeValidator(_whole), Field(ge=1, le=MOST_JOBS)] = 20
    before: Annotated[str, Field(pattern=r"^[0-9]{1,17}-[0-9a-f]{32}$")] | None = None
    """`next` of the page before; without it the newest."""


class Out(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class ErrorText(Out):
    code: str
    message: str


class Error(Out):
    """Why a request was refused: `code` for machines, `message` for people."""

    error: ErrorText


class Accepted(Out):
    """It is stored, and will be done whatever happens to this server."""

    job_id: UUID


class Waiting(Out):
    """What something waits for."""

    reason: WaitingReason
    since: datetime
    until: datetime | None
    """Null: nobody knows."""
    detail: str
    data_types: list[DataType]
    """These wait while others of the repository go on; empty: all of it waits."""


class TypeProgress(Out):
    """One data type of one repository. `stored` and `expected` count threads, `counts` all rows by noun."""

    data_type: str
    status: PartStatus
    stored: int
    expected: int | None
    recent_done: bool
    """The latest 90 days are stored."""
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
    types: list[TypeProgress]


class Addon(Out):
    """The add-on that pays for the job."""

    retention_days: int | None
    status: str
    purchased_at: datetime | None
    expires_at: datetime | None
    past_due: bool
    renews: bool | None
    changes_at: datetime | None
    changes_to_days: int | None


class Backfill(Out):
    """A job with everything a progress view needs, all of it at one moment, `as_of`."""

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
    """Retries that were asked for while it runs: each is an attempt of its own, once this one has ended."""
    addon_ended_at: datetime | None
    """It is, or was, stopped because its add-on ended."""
    error_message: str | None
    as_of: datetime
    headline: Sentence
    """What is true now. Its `state` is one of progress/headline.py."""
    progress: Progress
    types: list[TypeTotals]
    eta: datetime | None
    """Within `time_left`, and null with it."""
    time_left: TimeLeft | None
    time_left_reason: Sentence | None
    """Why it is not known how long it takes; null where it is, and of a job that has ended."""
    waiting: Waiting | None
    """Set if nothing of the job goes on."""
    waiting_until: datetime | None
    addon: Addon | None
    unshown: int
    """Things that GitHub does not show, of all types."""
    repositories: list[RepositoryProgress]


class Workspace(Out):
    """A workspace as its settings page needs it, also before there is a job."""

    id: UUID
    name: str
    slug: str
    role: Literal["owner", "admin", "editor", "viewer", "service"]
    """The caller's."""
    may_change: bool
    """Whether he may ask for jobs, and retry, pause, resume and cancel them."""
    addon: Addon | None
    """The best active one of the workspace's owner, else his latest."""
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
    """Rows in scope that are stored of its repositories, whoever fetched them."""
    attempt: int


class Backfills(Out):
    """Newest first; `next` is `before` of the next page, null on the last."""

    backfills: list[PastBackfill]
    next: str | None


class Event(Out):
    """Something that happened to a job."""

    at: datetime
    kind: Kind
    text: Sentence
    who: str | None
    """`you`, `a member`, `an operator`, `the application`, ...; null: nobody in particular."""
    repository: str | None


class Timeline(Out):
    """The latest 200 events, newest first."""

    events: list[Event]


class ChartBucket(Out):
    """`rows` came in it, by data type. Those that were stored before the job are in the first."""

    at: datetime
    rows: dict[str, int]


class ChartWait(Out):
    """A wait for GitHub's budget: all of the job stood still."""

    model_config = ConfigDict(serialize_by_alias=True)

    since: Annotated[datetime, Field(serialization_alias="from")]
    until: datetime
    """When it went on, or will."""
    reason: WaitingReason


class Chart(Out):
    """What came when: at most 120 buckets of one length, without a gap."""

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
    """Newest first; `next` is `before` of the next page, null on the last."""

    notifications: list[Notification]
    next: str | None


class HostTrigger(BaseModel):
    """As the host application's client sends it. What else it sends (`force`, `callback_url`) changes nothing."""

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
    """A job as the host application's client knows it: `BackfillResponse` and `JobStatus` in one."""

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
