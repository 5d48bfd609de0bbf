"""Every message between commands, workflows and activities: small, bounded, without secrets or records.

Times are timezone-aware UTC. Identifiers of jobs, workspaces and repositories are Postgres' uuids as strings.
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
"""The types whose rows are threads; what is made of stored threads (feed events, embeddings) is whole after them."""

Leg = Literal["recent", "historical"]
LEGS: tuple[Leg, ...] = ("recent", "historical")
"""The two legs of every sweep, in their order: the last 90 days of all repositories, then what is older."""

AddonStatus = Literal["active", "inactive", "expired", "canceled"]
JobStatus = Literal["pending", "in_progress", "completed", "failed", "canceled"]
PartStatus = Literal["pending", "in_progress", "completed", "failed", "skipped", "canceled"]
TERMINAL_JOB_STATUSES: frozenset[JobStatus] = frozenset({"completed", "failed", "canceled"})

WaitingReason = Literal["github_limit", "github_away", "openai_limit", "another_job", "no_worker", "turn", "paused"]
"""What a repository can wait for: a limit of GitHub's or OpenAI's, GitHub's return, the end of another job's sweep of
the same, a worker that polls its task queue, its place among the repositories that run at once, or that somebody
resumes its job."""

SliceOutcome = Literal["more", "limited", "waiting", "busy", "completed", "skipped", "failed"]
WaitingFor = Literal["more_threads", "all_threads", "next_leg"]
"""What a type that is made of threads waits for."""

Text = Annotated[str, Field(max_length=2_000)]
Noted = dict[str, dict[str, int]]
"""How many things GitHub will not give for good: kind (`rows.NoteKind`) -> what (timeline, comments, ...) -> number."""


def workspace_workflow_id(workspace_id: str) -> str:
    """Fixed by contract: one workflow per workspace, so one job of it at a time."""
    return f"workspace-backfill-{workspace_id}"


def repository_workflow_id(job_id: str, repository_id: str, name_at_start: str = "") -> str:
    """One workflow per job and repository. It names the repository as it was called when the job began, which no other
    repository of the job was; a job that an older release began kept no names, and has uuids."""
    if name_at_start:
        return f"repository-backfill-{name_at_start}-{job_id}"
    return f"repository-backfill-{job_id}-{repository_id}"


def archive_workflow_id(read_id: str) -> str:
    return f"archive-{read_id}"


def reconcile_schedule_id(task_queue: str) -> str:
    """One schedule a task queue; its runs' ids begin with it."""
    return f"reconcile-{task_queue}"


class Message(BaseModel):
    """Frozen; fields that a newer release added are dropped, so that a rollback can read what it wrote."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Waiting(Message):
    """What a repository waits for, in its progress row (`metadata.waiting`)."""

    reason: WaitingReason
    since: datetime
    until: datetime | None = None
    """None: nobody knows."""
    detail: Text = ""
    """Of a limit, and of GitHub's absence: its words. Of `no_worker`: the task queue. Of `paused`: who paused it in
    Temporal; empty where the job is paused."""
    job_id: str | None = None
    """With `another_job`: that job."""
    data_types: list[DataType] = []
    """These wait while others of the repository go on; empty: all of it waits."""

    def of_types(self, data_types: list[DataType]) -> "Waiting":
        """The same, where only these wait."""
        return self.model_copy(update={"data_types": data_types})

    def in_words(self, clock: Callable[[datetime], str]) -> str:
        """As people read it; `clock` writes a moment."""
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
    """Signal `run`: do this job, behind those that were asked for earlier. Its row is committed already."""

    job_id: str


class Retry(Message):
    """Signal `retry`: do again what failed or was canceled of this job, with its cutoff. Empty selections mean all.

    The job's row says the same in `metadata.retry`, and is what counts: a signal may arrive twice, or late. With
    `attempt`, here and in the signals below, the request is in the row already. Without it the signal is the request:
    somebody sent it in Temporal, and the workflow writes it into the row.
    """

    job_id: str
    repository_ids: Annotated[list[str], Field(max_length=10_000)] = []
    data_types: list[DataType] = []
    attempt: int | None = None

    def of_attempt(self, attempt: int) -> "Retry":
        """The same, once the job's row has it as this attempt."""
        return self.model_copy(update={"attempt": attempt})


class Cancel(Message):
    """Signal `cancel`: stop this job, whether it runs, waits or is paused."""

    job_id: str
    attempt: int | None = None


class Pause(Message):
    """Signal `pause`: stop this job at the boundary of a page until it is resumed."""

    job_id: str
    attempt: int | None = None


class Resume(Message):
    """Signal `resume`: go on with this paused job at its cursors, behind the jobs that wait."""

    job_id: str
    attempt: int | None = None


class CancelRepository(Message):
    """Update `cancel_repository`: stop this repository of the job; the others go on."""

    job_id: str
    repository: Annotated[str, Field(max_length=200)]
    """`owner/name`."""


class JobStanding(Message):
    """How a job stands in Postgres, as far as its workflow obeys it. Answer of `carry_out_signal` and of updates."""

    job_id: str
    status: JobStatus
    attempt: int
    cancel_requested: bool = False
    paused_at: datetime | None = None
    paused_by: Text = ""
    stopping: list[str] = []
    """Repositories, by our ids, that somebody canceled alone in this attempt."""

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL_JOB_STATUSES

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None and not self.ended and not self.cancel_requested


SignalAction = Literal["retry", "cancel", "pause", "resume", "cancel_repository"]


class SignalRequest(Message):
    """Input of `carry_out_signal`: what is asked of a job of this workspace, unless its row says so already.

    Without an `action` the row is only read.
    """

    workspace_id: str
    job_id: str
    action: SignalAction | None = None
    repository_ids: list[str] = []
    data_types: list[DataType] = []
    repository: str = ""
    """With `cancel_repository`: its full name."""
    refuses: bool = False
    """What cannot be carried out is refused with words, as an update has it; a signal has nobody to tell."""


class WorkspaceBackfill(Message):
    """Input of `WorkspaceBackfillWorkflow`; a run that continues as new carries its inbox and its place in the job."""

    workspace_id: str
    inbox: Annotated[list[Run | Retry], Field(max_length=1_000)] = []
    resume: "JobPlace | None" = None
    canceled: Annotated[list[str], Field(max_length=1_000)] = []
    paused: Annotated[list[JobStanding], Field(max_length=1_000)] = []
    """Jobs that wait until somebody resumes them."""
    pausing: JobStanding | None = None
    """The job in `resume`, if it is to stop and wait with them."""
    search_attributes: list[str] = []
    """Those that the namespace knows."""


class Pace(Message):
    """How the job is driven, from the worker's settings at the job's start."""

    heartbeat_timeout_seconds: float = 60
    slice_seconds: float = 60
    slice_pages: int = 20
    repositories_at_once: int = 10
    worker_patience_seconds: float = 30
    """A slice that no worker has begun for so long is shown as waiting for one."""


class FreePlaces(Message):
    """Input of `free_places`: a paused job that nobody works on."""

    job_id: str


class BeginJob(Message):
    """Input of `begin_job`. What a retry is to do again stands in the job's row."""

    job_id: str


class NextRepositories(Message):
    """Input of `next_repositories`."""

    job_id: str
    after: str | None
    limit: Annotated[int, Field(ge=1, le=1_000)]
    repository_ids: list[str] | None = None
    """Of these alone; None: of all."""


class SurveyRepositories(Message):
    """Input of `survey_repositories`: the next repositories of a job, before their workflows begin."""

    job_id: str
    repository_ids: Annotated[list[str], Field(max_length=1_000)]


class WaitingRepositories(Message):
    """Input of `repositories_that_may_go_on`: repositories of a job that wait for other jobs."""

    job_id: str
    repository_ids: list[str]


class FinishJob(Message):
    """Input of `finish_job`."""

    job_id: str
    attempt: int
    canceled: bool = False


class JobPlan(Message):
    """What `begin_job` answers: the job as it stands in Postgres once its progress rows exist."""

    job_id: str
    workspace_id: str
    workspace_name: Text
    status: JobStatus
    retention_days: int
    cutoff_at: datetime
    data_types: list[DataType]
    total_repositories: int
    attempt: int
    """0 for the first run, +1 with every retry: orders the mirror's writes across runs."""
    pace: Pace
    search_attributes: list[str] = []
    """Those that the namespace knows."""
    recent_since: datetime | None = None
    """The recent leg of every sweep goes down to here; None: down to the cutoff, and it is the only one."""
    tier: str = ""
    """The workspace's: its share where workers are short."""
    cancel_requested: bool = False
    paused_at: datetime | None = None
    """It is not to be gone on with before it is resumed."""
    paused_by: Text = ""

    def with_search_attributes(self, names: list[str]) -> "JobPlan":
        """Those that the namespace knows."""
        return self.model_copy(update={"search_attributes": names})

    @property
    def standing(self) -> JobStanding:
        """How the job stood when it was to begin."""
        return JobStanding(
            job_id=self.job_id,
            status=self.status,
            attempt=self.attempt,
            cancel_requested=self.cancel_requested,
            paused_at=self.paused_at,
            paused_by=self.paused_by,
        )


class RunningRepository(Message):
    """A repository whose workflow runs, as the workspace's workflow shows it."""

    full_name: str
    leg: Leg
    since: datetime


class FailedRepository(Message):
    """A repository that failed, as the workspace's workflow shows it."""

    full_name: str
    why: Annotated[str, Field(max_length=500)]


class JobPlace(Message):
    """Where a job's fan-out stands when its workflow continues as new: ids, and no more of a repository than that."""

    plan: JobPlan
    after: str | None = None
    """Of releases without legs: up to here repositories were started. An older release begins from the top again."""
    listed: str | None = None
    """Repositories up to this one (in the order of `next_repositories`) were asked for, and have ended or are below."""
    recent: list[str] = []
    """Those whose recent leg is not over."""
    historical: list[str] = []
    """Those whose recent leg is over, in the order in which they were."""
    completed: int = 0
    failed: int = 0
    canceled: int = 0
    latest_failed: Annotated[list[FailedRepository], Field(max_length=100)] = []
    """Those of the failed ones that are shown."""
    stopping: list[str] = []
    """Repositories that somebody canceled alone and that are not begun any more."""

    def with_plan(self, plan: JobPlan) -> "JobPlace":
        """The same place of a job that was planned anew."""
        return self.model_copy(update={"plan": plan})


class JobProgress(Message):
    """Answer of query `progress` of a workspace's workflow: the job that runs, and what is behind it.

    `GET /api/backfills/{job_id}` has more, from Postgres: rows by type, what is waited for, time left.
    """

    job_id: str | None = None
    """None: no job runs."""
    attempt: int = 0
    total: int = 0
    completed: int = 0
    failed: int = 0
    canceled: int = 0
    between_legs: int = 0
    """Their recent leg is over, and they wait for their historical one."""
    waiting_for_other_jobs: int = 0
    running: list[RunningRepository] = []
    latest_failed: list[FailedRepository] = []
    paused_jobs: list[str] = []
    jobs_behind: int = 0


class RepositoryRef(Message):
    """A repository, by our id, by GitHub's (which a rename does not change), and by its present name."""

    repository_id: str
    github_id: int
    full_name: str
    name_at_start: str = ""
    """What it was called when the job began; empty: an older release began the job."""

    def called(self, full_name: str, github_id: int) -> "RepositoryRef":
        """The same, as GitHub calls it now."""
        return self.model_copy(update={"full_name": full_name, "github_id": github_id})


class RepositoryBackfill(Message):
    """Input of `RepositoryBackfillWorkflow`."""

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
    """Of the last mirrored transition; a run that continues as new goes on counting."""
    leg: Leg = "recent"
    down_to: datetime | None = None
    """Where this leg ends; None: at the cutoff, with everything that comes after the history."""
    tier: str = ""

    def going_on(self, sequence: int) -> "RepositoryBackfill":
        """For the run that continues this one, behind the transition with this number."""
        return self.model_copy(update={"sequence": sequence})


class Failure(Message):
    """Why something ended, for people and for the job's `error_details`."""

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
        """The same, of this repository, unless it names one."""
        return self if self.repository else self.model_copy(update={"repository": full_name})

    @property
    def where(self) -> str:
        """`issues of acme/rocket at cursor abc`, as far as it is known."""
        parts = [self.data_type or "", self.repository or ""]
        at = f" at cursor {self.cursor}" if self.cursor else ""
        return " of ".join(part for part in parts if part) + at

    @property
    def what_and_remedy(self) -> str:
        """What went wrong, and what to do about it."""
        return f"{self.code}: {self.message}" + (f" (what to do: {self.action})" if self.action else "")

    def in_words(self) -> str:
        """All of it, as people read it in Temporal."""
        where = self.where
        return (f"{where}: " if where else "") + self.what_and_remedy

    def with_action(self, action: str) -> "Failure":
        return self.model_copy(update={"action": action})


class SweepSlice(Message):
    """Input of the data activity: go on with this type of this repository, for a slice."""

    job_id: str
    repository: RepositoryRef
    data_type: DataType
    cutoff_at: datetime
    pace: Pace
    threads_ended: bool = True
    """No thread of this repository is being fetched any more in this run: what is made of threads can be finished."""
    down_to: datetime | None = None
    """Where this leg of the sweep ends; None: at its own end."""
    leg: Leg | None = None
    """None: of a release that did not say."""
    threads_behind: bool = False
    """This leg brings no more threads and the next one will: who waits for threads waits for that."""


class PausedSlice(Message):
    """A data type whose slice somebody has paused in Temporal: it is held there, at its last page."""

    data_type: DataType
    since: datetime
    who: Annotated[str, Field(max_length=200)] = ""
    why: Annotated[str, Field(max_length=200)] = ""

    @property
    def as_waiting(self) -> Waiting:
        """As the repository's progress row says it."""
        by = f" by {self.who}" if self.who else ""
        why = f": {self.why}" if self.why else ""
        return Waiting(reason="paused", since=self.since, detail=f"in Temporal{by}{why}")


class PausedSlices(Message):
    """Signal `paused_in_temporal` of a repository's workflow: all of its slices that are paused now."""

    slices: Annotated[list[PausedSlice], Field(max_length=10)] = []


class SliceResult(Message):
    """How a slice ended. `more`: run the next one. `limited`: not before `limited_until`.

    `waiting`: all is done that can be until more threads are stored, or in this leg. `busy`: another job is at this
    type of this repository; when it has ended, what it brought need not be fetched again.
    """

    outcome: SliceOutcome
    waiting_for: WaitingFor | None = None
    limited_until: datetime | None = None
    limited_why: Text = ""
    waiting_reason: WaitingReason | None = None
    """Set with `limited` and `busy`: what people are shown while the type waits."""
    waiting_since: datetime | None = None
    """With `limited`: when it began; None: now."""
    waiting_job_id: str | None = None
    """With `busy`: the job whose sweep is waited for."""
    failure: Failure | None = None
    """Set with `failed` and with `skipped` (the reason)."""
    as_of: datetime | None = None
    stored: dict[str, int] = {}
    """Rows in scope that are stored, by noun: pull_requests, reviews, comments, ..."""
    expected: int | None = None
    notes: list[Text] = []
    """What GitHub refuses of a type that is complete otherwise."""
    noted: Noted = {}
    """With `completed`: what GitHub will not give for good."""

    @property
    def goes_on(self) -> bool:
        """Whether another slice of the same follows."""
        return self.outcome in ("more", "limited", "waiting", "busy")


class TypeOutcome(Message):
    """How one data type of one repository ended."""

    data_type: DataType
    status: PartStatus
    failure: Failure | None = None
    as_of: datetime | None = None
    stored: dict[str, int] = {}
    noted: Noted = {}
    """With `completed`: what GitHub will not give for good."""


class RepositoryOutcome(Message):
    """Result of `RepositoryBackfillWorkflow`."""

    repository: RepositoryRef
    status: PartStatus
    types: list[TypeOutcome] = []
    failure: Failure | None = None
    """Set when the repository as a whole could not be read."""
    next_leg: Leg | None = None
    """With `in_progress`: the leg that is to be run next; the same one again, if it had to give way."""
    waits_for_another: bool = False
    """With `next_leg`: not before another job's sweep of the same lets it go on."""


class RepositoryScope(Message):
    """What `inspect_repository` answers: what it is called now, and what is left to do of it."""

    repository: RepositoryRef
    data_types: list[DataType] = []
    settled: list[TypeOutcome] = []
    """Types that need no work in this run: completed before, skipped, or failed and not selected for the retry."""
    limited_until: datetime | None = None
    """Set when GitHub cannot be asked before."""
    limited_why: Text = ""
    waiting_reason: WaitingReason | None = None
    """With `limited_until`: what people are shown while the repository waits."""
    waiting_since: datetime | None = None
    """With `limited_until`: when it began; None: now."""
    sequence: int = 0
    """Of the last transition that was mirrored in this attempt: the next leg goes on counting."""
    waiting: Waiting | None = None
    """What the progress row says that it waits for: until now, when it goes on."""

    def limited(
        self, until: datetime, why: str, reason: WaitingReason, since: datetime | None = None
    ) -> "RepositoryScope":
        """GitHub cannot be asked before `until`."""
        waiting = {"waiting_reason": reason, "waiting_since": since}
        return self.model_copy(update={"limited_until": until, "limited_why": why, **waiting})


class RepositoryTransition(Message):
    """Mirror of a repository's state; a write with a lower (attempt, sequence) than the stored one loses."""

    job_id: str
    attempt: int
    sequence: int
    outcome: RepositoryOutcome
    waiting: Waiting | None = None
    waiting_until: datetime | None = None
    """Until then nothing of the repository can go on."""


class JobOutcome(Message):
    """What `finish_job` wrote."""

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
    """What asking Polar came to. `said`: the first lines of the differences and of what stood in the way."""

    listed: int
    """Active subscriptions that Polar shows."""
    active: int
    """Add-ons that were active here."""
    differences: int
    repaired: int
    refused: int
    """Add-ons that were not ended because they were too many at once."""
    redelivered: int
    forgotten: int
    said: list[Text]


class ArchiveRead(Message):
    """Input of `ArchiveWorkflow`: a reading whose row is committed; a run that continues as new carries its plan."""

    read_id: str
    plan: "ArchivePlan | None" = None


class ArchivePlan(Message):
    """What `begin_archive` answers. Hours are their beginnings."""

    read_id: str
    workspace_id: str
    workspace_name: Text
    status: JobStatus
    repositories: int
    first_hour: datetime
    last_hour: datetime
    pace: Pace
    search_attributes: list[str] = []
    """Those that the namespace knows."""

    def with_search_attributes(self, names: list[str]) -> "ArchivePlan":
        """Those that the namespace knows."""
        return self.model_copy(update={"search_attributes": names})


class ArchiveSlice(Message):
    """Input of `read_archive`: go on for a slice, of at most `pace.slice_pages` hours."""

    read_id: str
    pace: Pace


class ArchiveProgress(Message):
    """How a slice ended, and result of `ArchiveWorkflow`. `more`: run the next one. `limited`: not before
    `limited_until`. The rest is how the reading ended."""

    outcome: Literal["more", "limited", "completed", "failed", "canceled"]
    next_hour: datetime
    """Every hour before it is stored."""
    hours_missing: int = 0
    hours_damaged: int = 0
    lines_malformed: int = 0
    events_stored: int = 0
    bytes_read: int = 0
    limited_until: datetime | None = None
    failure: Failure | None = None
    """With `failed`."""

    @property
    def goes_on(self) -> bool:
        """Whether another slice follows."""
        return self.outcome in ("more", "limited")

    def as_failed(self, failure: Failure) -> "ArchiveProgress":
        """As far as it came, ended by this failure."""
        return self.model_copy(update={"outcome": "failed", "failure": failure})


class EndArchive(Message):
    """Input of `end_archive`: the reading ends before its last hour."""

    read_id: str
    status: Literal["failed", "canceled"]
    failure: Failure | None = None
