"""The messages between commands, workflows and activities. They are small and bounded, and hold neither secrets nor
rows.

Times are UTC, with their time zone. Ids of jobs, workspaces and repositories are Postgres' uuids as text.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

WORKSPACE_BACKFILL = "WorkspaceBackfillWorkflow"
REPOSITORY_BACKFILL = "RepositoryBackfillWorkflow"
ARCHIVE = "ArchiveWorkflow"
RECONCILE = "ReconcileWorkflow"

DataType = Literal["pull_requests", "issues", "discussions", "events", "embeddings"]
DATA_TYPES: tuple[DataType, ...] = ("pull_requests", "issues", "discussions", "events", "embeddings")
THREADS: frozenset[DataType] = frozenset({"pull_requests", "issues", "discussions"})
"""The types whose rows are threads. Types derived from stored threads (feed events, embeddings) are completed after
them."""

Leg = Literal["recent", "historical"]
LEGS: tuple[Leg, ...] = ("recent", "historical")
"""The two legs of every sweep, in order: the last 90 days of all repositories, then the rest."""

AddonStatus = Literal["active", "inactive", "expired", "canceled"]
JobStatus = Literal["pending", "in_progress", "completed", "failed", "canceled"]
PartStatus = Literal["pending", "in_progress", "completed", "failed", "skipped", "canceled"]
TERMINAL_JOB_STATUSES: frozenset[JobStatus] = frozenset({"completed", "failed", "canceled"})

WaitingReason = Literal["github_limit", "github_away", "openai_limit", "another_job", "no_worker", "turn", "paused"]
"""What a repository can wait for: a limit of GitHub's or OpenAI's, GitHub's return, another job's sweep of the same
type, a worker on its task queue, a place among the running repositories, or a person who resumes its job."""

SliceOutcome = Literal["more", "limited", "waiting", "busy", "completed", "skipped", "failed"]
WaitingFor = Literal["more_threads", "all_threads", "next_leg"]
"""What a type that is derived from threads waits for."""

Text = Annotated[str, Field(max_length=2_000)]
Noted = dict[str, dict[str, int]]
"""How many things GitHub will not give for good: kind (`rows.NoteKind`) -> what (timeline, comments, ...) -> number."""


def workspace_workflow_id(workspace_id: str) -> str:
    """Returns the id of a workspace's workflow, which the contract fixes. A workspace has one workflow, so it runs
    one job at a time.
    """
    return f"workspace-backfill-{workspace_id}"


def repository_workflow_id(job_id: str, repository_id: str, name_at_start: str = "") -> str:
    """Returns the id of a repository's workflow in a job. It holds the name that the repository had at the job's start,
    which is unique in the job. Jobs that an older release began did not record names; the ids of their workflows
    hold uuids.
    """
    if name_at_start:
        return f"repository-backfill-{name_at_start}-{job_id}"
    return f"repository-backfill-{job_id}-{repository_id}"


def archive_workflow_id(read_id: str) -> str:
    return f"archive-{read_id}"


def reconcile_schedule_id(task_queue: str) -> str:
    """Returns the id of the schedule that reconciles with Polar on this task queue. The ids of the schedule's runs
    begin with it.
    """
    return f"reconcile-{task_queue}"


class Message(BaseModel):
    """The base of all messages. Messages are frozen. Unknown fields are dropped, so that this release can read what a
    newer one wrote before it was rolled back.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")


class Waiting(Message):
    """A wait of a repository: the reason, since when, and until when. It is stored in the progress row
    (`metadata.waiting`).
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

    def of_types(self, data_types: list[DataType]) -> "Waiting":
        """Returns a wait of only these data types, with the same reason and times."""
        return self.model_copy(update={"data_types": data_types})

    def in_words(self, clock: Callable[[datetime], str]) -> str:
        """Returns the wait as a sentence for people. `clock` formats a moment."""
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


class Run(Message):
    """Signal `run`: run this job after those that were signaled earlier. The job's row is already committed."""

    job_id: str


class Retry(Message):
    """Signal `retry`: retry what failed or was canceled in this job, with the same cutoff. An empty selection means all
    of it.

    The job's row holds the retry in `metadata.retry`. The row decides, because a signal may arrive twice or late. If
    `attempt` is given, here and in the signals below, the row already holds the request. If not, a person sent the
    signal in Temporal, and the workflow writes the request into the row.
    """

    job_id: str
    repository_ids: Annotated[list[str], Field(max_length=10_000)] = []
    data_types: list[DataType] = []
    attempt: int | None = None

    def of_attempt(self, attempt: int) -> "Retry":
        """Returns the same retry, with the attempt under which the job's row holds it."""
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
    """Signal `resume`: resume this paused job at its cursors, after the waiting jobs."""

    job_id: str
    attempt: int | None = None


class CancelRepository(Message):
    """Update `cancel_repository`: stop this repository of the job; the others continue."""

    job_id: str
    repository: Annotated[str, Field(max_length=200)]
    """`owner/name`."""


class JobStanding(Message):
    """The state of a job in Postgres, as far as its workflow acts on it. `carry_out_signal` and updates return it."""

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
    """Input of `carry_out_signal`: what a person asked for about a job of this workspace. It is written into the job's
    row, unless the row holds it already.

    Without an `action` the row is only read.
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


class WorkspaceBackfill(Message):
    """The input of `WorkspaceBackfillWorkflow`. A run that continues as new passes its inbox, and its place in the job,
    to the next run.
    """

    workspace_id: str
    inbox: Annotated[list[Run | Retry], Field(max_length=1_000)] = []
    resume: "JobPlace | None" = None
    canceled: Annotated[list[str], Field(max_length=1_000)] = []
    paused: Annotated[list[JobStanding], Field(max_length=1_000)] = []
    """Jobs that wait until somebody resumes them."""
    pausing: JobStanding | None = None
    """The job in `resume`, if it is to be paused."""
    search_attributes: list[str] = []
    """The search attributes that the namespace has."""


class Pace(Message):
    """The pace of a job: how many repositories run at once, and how long a slice is. It comes from the worker's
    settings at the job's start.
    """

    heartbeat_timeout_seconds: float = 60
    slice_seconds: float = 60
    slice_pages: int = 20
    repositories_at_once: int = 10
    worker_patience_seconds: float = 30
    """A slice that no worker has begun for this long is shown as waiting for one."""


class FreePlaces(Message):
    """Input of `free_places`: a paused job on which no activity works."""

    job_id: str


class BeginJob(Message):
    """The input of `begin_job`. If the job is a retry, its row holds what is selected."""

    job_id: str


class NextRepositories(Message):
    """The input of `next_repositories`: which page of the job's repositories to return."""

    job_id: str
    after: str | None
    limit: Annotated[int, Field(ge=1, le=1_000)]
    repository_ids: list[str] | None = None
    """Only these repositories; None for all."""


class SurveyRepositories(Message):
    """Input of `survey_repositories` and `survey_page`: the next repositories of a job, whose workflows have
    not begun.
    """

    job_id: str
    repository_ids: Annotated[list[str], Field(max_length=1_000)]


class WaitingRepositories(Message):
    """Input of `repositories_that_may_go_on`: repositories of a job that wait for other jobs."""

    job_id: str
    repository_ids: list[str]


class FinishJob(Message):
    """The input of `finish_job`: the job, and whether it was canceled."""

    job_id: str
    attempt: int
    canceled: bool = False


class JobPlan(Message):
    """The result of `begin_job`: the fields of the job's row that its workflow needs. `begin_job` has also created the
    progress rows of the job's repositories.
    """

    job_id: str
    workspace_id: str
    workspace_name: Text
    status: JobStatus
    retention_days: int
    cutoff_at: datetime
    data_types: list[DataType]
    total_repositories: int
    attempt: int
    """0 for the first attempt, one more with each retry. It orders the mirror's writes across runs."""
    pace: Pace
    search_attributes: list[str] = []
    """The search attributes that the namespace has."""
    recent_since: datetime | None = None
    """The moment down to which the recent leg of every sweep reads. None: there is one leg, down to the cutoff."""
    tier: str = ""
    """The workspace's tier, which decides its share of scarce workers."""
    cancel_requested: bool = False
    paused_at: datetime | None = None
    """Set if the job is paused: it must not continue before it is resumed."""
    paused_by: Text = ""
    stopping: list[str] = []
    """Repositories, by our ids, that somebody canceled individually in this attempt."""

    def with_search_attributes(self, names: list[str]) -> "JobPlan":
        """Returns the same plan, with these search attributes."""
        return self.model_copy(update={"search_attributes": names})

    @property
    def standing(self) -> JobStanding:
        """The job's state as of `begin_job`."""
        return JobStanding(
            job_id=self.job_id,
            status=self.status,
            attempt=self.attempt,
            cancel_requested=self.cancel_requested,
            paused_at=self.paused_at,
            paused_by=self.paused_by,
            stopping=self.stopping,
        )


class RunningRepository(Message):
    """A repository whose workflow runs, as the workspace's workflow shows it in its details."""

    full_name: str
    leg: Leg
    since: datetime


class FailedRepository(Message):
    """A failed repository, as the workspace's workflow shows it in its details."""

    full_name: str
    why: Annotated[str, Field(max_length=500)]


class JobPlace(Message):
    """The progress of a job when its workflow continues as new. It holds only the ids of repositories."""

    plan: JobPlan
    after: str | None = None
    """For releases without legs: repositories up to here were started. An older release begins at the top again."""
    listed: str | None = None
    """Repositories up to this one (in the order of `next_repositories`) were listed; they have ended, or are in the
    lists below."""
    recent: list[str] = []
    """Repositories whose recent leg is not over."""
    historical: list[str] = []
    """Repositories whose recent leg is over, in the order in which it ended."""
    completed: int = 0
    failed: int = 0
    canceled: int = 0
    latest_failed: Annotated[list[FailedRepository], Field(max_length=100)] = []
    """The failed repositories that are shown."""
    stopping: list[str] = []
    """Repositories that somebody canceled individually, and that will not begin."""

    def with_plan(self, plan: JobPlan) -> "JobPlace":
        """Returns the same position in the job, with a new plan, without repositories that were canceled meanwhile."""
        return self.model_copy(update={"plan": plan, "stopping": sorted({*self.stopping, *plan.stopping})})


class JobProgress(Message):
    """Result of the query `progress` of a workspace's workflow: the job in progress, and the jobs after it.

    `GET /api/backfills/{job_id}` returns more, from Postgres: rows by type, waits, time left.
    """

    job_id: str | None = None
    """None if no job runs."""
    attempt: int = 0
    total: int = 0
    completed: int = 0
    failed: int = 0
    canceled: int = 0
    between_legs: int = 0
    """Repositories whose recent leg is over and that wait for their historical one."""
    waiting_for_other_jobs: int = 0
    running: list[RunningRepository] = []
    latest_failed: list[FailedRepository] = []
    paused_jobs: list[str] = []
    jobs_behind: int = 0


class RepositoryRef(Message):
    """A repository: our id, GitHub's id (which no rename changes), and its present name."""

    repository_id: str
    github_id: int
    full_name: str
    name_at_start: str = ""
    """Its name when the job began; empty if an older release began the job."""

    def called(self, full_name: str, github_id: int) -> "RepositoryRef":
        """Returns the same repository, with the name and the id that GitHub shows now."""
        return self.model_copy(update={"full_name": full_name, "github_id": github_id})


class RepositoryBackfill(Message):
    """The input of `RepositoryBackfillWorkflow`: the repository, and what its job says about it."""

    job_id: str
    workspace_id: str
    attempt: int
    repository: RepositoryRef
    cutoff_at: datetime
    retention_days: int
    data_types: list[DataType]
    pace: Pace
    search_attributes: list[str] = []
    sequence: int = 0
    """Sequence of the last recorded transition. A run that continues as new goes on counting from it."""
    leg: Leg = "recent"
    down_to: datetime | None = None
    """Where this leg ends. None: at the cutoff, including everything that follows the history."""
    tier: str = ""

    def going_on(self, sequence: int) -> "RepositoryBackfill":
        """Returns the input for the run that continues this one. `sequence` is the number of this run's last
        transition.
        """
        return self.model_copy(update={"sequence": sequence})


class Failure(Message):
    """A failure of a job, a repository or a data type, for people and for the job's `error_details`."""

    code: Annotated[str, Field(max_length=100)]
    message: Text
    action: Text = ""
    error_class: Literal["retry_now", "retry_later", "part_over", "job_over", "bug"] = "part_over"
    repository: str | None = None
    data_type: DataType | None = None
    cursor: Text | None = None
    at: datetime | None = None

    def of_type(self, data_type: DataType) -> "Failure":
        return self.model_copy(update={"data_type": data_type})

    def of_repository(self, full_name: str) -> "Failure":
        """Returns the same failure, with this repository's name, unless it already has one."""
        return self if self.repository else self.model_copy(update={"repository": full_name})

    @property
    def where(self) -> str:
        """The place of the failure, as far as known: `issues of acme/rocket at cursor abc`."""
        parts = [self.data_type or "", self.repository or ""]
        at = f" at cursor {self.cursor}" if self.cursor else ""
        return " of ".join(part for part in parts if part) + at

    @property
    def what_and_remedy(self) -> str:
        """The failure in words, and what a person can do about it."""
        return f"{self.code}: {self.message}" + (f" (what to do: {self.action})" if self.action else "")

    def in_words(self) -> str:
        """Returns the whole failure as text, for Temporal's UI."""
        where = self.where
        return (f"{where}: " if where else "") + self.what_and_remedy

    def with_action(self, action: str) -> "Failure":
        return self.model_copy(update={"action": action})


class SweepSlice(Message):
    """Input of the activity `sweep`: continue this data type of this repository for one slice."""

    job_id: str
    repository: RepositoryRef
    data_type: DataType
    cutoff_at: datetime
    pace: Pace
    threads_ended: bool = True
    """Whether this run fetches no more threads of this repository, so that types derived from
    threads can be finished."""
    down_to: datetime | None = None
    """Where this leg of the sweep ends; None: with the sweep itself."""
    leg: Leg | None = None
    """None if the release that wrote it did not record the leg."""
    threads_behind: bool = False
    """Whether only the next leg brings more threads, so that types that wait for threads wait for that leg."""


class PausedSlice(Message):
    """A data type whose slice a person paused in Temporal. The slice has stopped behind a page."""

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
    """Signal `paused_in_temporal` of a repository's workflow: all of its slices that are paused now."""

    slices: Annotated[list[PausedSlice], Field(max_length=10)] = []


class SliceResult(Message):
    """The result of a slice. `more`: run the next slice. `limited`: run it after `limited_until`.

    `waiting`: nothing is left to do in this leg, or until more threads are stored. `busy`: another job sweeps this
    type of this repository; this job need not fetch what that sweep stores.
    """

    outcome: SliceOutcome
    waiting_for: WaitingFor | None = None
    limited_until: datetime | None = None
    limited_why: Text = ""
    waiting_reason: WaitingReason | None = None
    """For `limited` and `busy`: the reason that people are shown during the wait."""
    waiting_since: datetime | None = None
    """For `limited`: when the wait began; None: now."""
    waiting_job_id: str | None = None
    """For `busy`: the job whose sweep is waited for."""
    failure: Failure | None = None
    """For `failed` and `skipped`: the reason."""
    as_of: datetime | None = None
    stored: dict[str, int] = {}
    """Stored rows in scope, by noun: pull_requests, reviews, comments, ..."""
    expected: int | None = None
    notes: list[Text] = []
    """What GitHub refuses of a type that is otherwise complete."""
    noted: Noted = {}
    """For `completed`: what GitHub will not give for good."""

    @property
    def goes_on(self) -> bool:
        """Whether the type has another slice."""
        return self.outcome in ("more", "limited", "waiting", "busy")


class TypeOutcome(Message):
    """The result of one data type of one repository."""

    data_type: DataType
    status: PartStatus
    failure: Failure | None = None
    as_of: datetime | None = None
    stored: dict[str, int] = {}
    noted: Noted = {}
    """For `completed`: what GitHub will not give for good."""


class RepositoryOutcome(Message):
    """The result of `RepositoryBackfillWorkflow`: how the repository and each of its types ended."""

    repository: RepositoryRef
    status: PartStatus
    types: list[TypeOutcome] = []
    failure: Failure | None = None
    """Set if the repository as a whole could not be read."""
    next_leg: Leg | None = None
    """For `in_progress`: the next leg to run; the present one again, if it had to give way."""
    waits_for_another: bool = False
    """For `next_leg`: whether it has to wait for another job's sweep of the same type."""


class RepositoryScope(Message):
    """Result of `inspect_repository`: the repository's present name, and the types still to do."""

    repository: RepositoryRef
    data_types: list[DataType] = []
    settled: list[TypeOutcome] = []
    """Types without work in this run: completed before, skipped, or failed and not selected for the retry."""
    limited_until: datetime | None = None
    """Set if GitHub cannot be asked before this moment."""
    limited_why: Text = ""
    waiting_reason: WaitingReason | None = None
    """For `limited_until`: the reason that people are shown during the wait."""
    waiting_since: datetime | None = None
    """For `limited_until`: when the wait began; None: now."""
    sequence: int = 0
    """Sequence of the last transition recorded in this attempt; the next leg goes on counting from it."""
    waiting: Waiting | None = None
    """The wait in the progress row, which ends when the repository continues."""

    def limited(
        self, until: datetime, why: str, reason: WaitingReason, since: datetime | None = None
    ) -> "RepositoryScope":
        """Returns the scope of a repository about which GitHub cannot be asked before `until`."""
        waiting = {"waiting_reason": reason, "waiting_since": since}
        return self.model_copy(update={"limited_until": until, "limited_why": why, **waiting})


class RepositoryTransition(Message):
    """A repository's new state, to be written to its progress row. It is ignored if the row already has a higher
    (attempt, sequence).
    """

    job_id: str
    attempt: int
    sequence: int
    outcome: RepositoryOutcome
    waiting: Waiting | None = None
    waiting_until: datetime | None = None
    """Nothing of the repository can continue before this moment."""


class JobOutcome(Message):
    """The result of `finish_job`: how the job ended."""

    job_id: str
    status: JobStatus
    total_repositories: int
    completed_repositories: int
    failed_repositories: int
    error_message: Text | None = None
    unshown: Text = ""
    """How many things GitHub does not show of its repositories, and where."""


# --- GH Archive -------------------------------------------------------------------------------------------------------


class Reconciled(Message):
    """Result of reconciling with Polar. `said` holds the first lines about differences and obstacles."""

    listed: int
    """Active subscriptions that Polar lists."""
    active: int
    """Add-ons that were active in our tables."""
    differences: int
    repaired: int
    refused: int
    """Add-ons that were not ended because they were too many at once."""
    redelivered: int
    forgotten: int
    said: list[Text]


class ArchiveRead(Message):
    """Input of `ArchiveWorkflow`: a reading whose row is committed. A run that continues as new hands its plan to the
    next run.
    """

    read_id: str
    plan: "ArchivePlan | None" = None


class ArchivePlan(Message):
    """Result of `begin_archive`. An hour is given by the moment at which it begins."""

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
        """Returns the same plan, with these search attributes."""
        return self.model_copy(update={"search_attributes": names})


class ArchiveSlice(Message):
    """Input of `read_archive`: continue for one slice, which has at most `pace.slice_pages` hours."""

    read_id: str
    pace: Pace


class ArchiveProgress(Message):
    """The result of a slice, and of `ArchiveWorkflow`. `more`: run the next slice. `limited`: run it after
    `limited_until`. Any other status ends the reading.
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
        """Returns the same progress, ended by this failure."""
        return self.model_copy(update={"outcome": "failed", "failure": failure})


class EndArchive(Message):
    """Input of `end_archive`: end the reading before its last hour, with this status."""

    read_id: str
    status: Literal["failed", "canceled"]
    failure: Failure | None = None
