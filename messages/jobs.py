"""Inputs and results of a workspace's workflow and of the activities around a job."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from messages.pace import Pace
from messages.signals import JobStanding, Retry, Run
from messages.terms import DataType, JobStatus, Leg, Message, Text


class FreePlaces(Message):
    """The input of `free_places`: a paused job whose activities have all ended."""

    job_id: str


class BeginJob(Message):
    """The input of `begin_job`: the job's id. For a retry, the job's row says which repositories and types to retry."""

    job_id: str


class NextRepositories(Message):
    """The input of `next_repositories`: which page of the job's repositories to return."""

    job_id: str
    after: str | None
    limit: Annotated[int, Field(ge=1, le=1_000)]
    repository_ids: list[str] | None = None
    """The repositories to choose from; None for all."""


class SurveyRepositories(Message):
    """The input of `survey_repositories` and `survey_page`: repositories of a job whose workflows have not started."""

    job_id: str
    repository_ids: Annotated[list[str], Field(max_length=1_000)]


class WaitingRepositories(Message):
    """The input of `repositories_that_may_go_on`: repositories of a job that wait for other jobs."""

    job_id: str
    repository_ids: list[str]


class FinishJob(Message):
    """The input of `finish_job`: the job, and whether it was canceled."""

    job_id: str
    attempt: int
    canceled: bool = False


class JobPlan(Message):
    """The result of `begin_job`: the fields of the job's row that the workspace's workflow needs. If the job has begun,
    the progress rows of its repositories exist.
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
        """Returns the same plan, with `names` as the search attributes that the namespace has."""
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
    """A repository whose workflow runs. The details of the workspace's workflow show it in this form."""

    full_name: str
    leg: Leg
    since: datetime


class FailedRepository(Message):
    """A failed repository. The details of the workspace's workflow show it in this form."""

    full_name: str
    why: Annotated[str, Field(max_length=500)]


class JobPlace(Message):
    """How far a job is. When a workflow continues as new, this message tells its next run where to resume. Repositories
    that have not ended are held by their ids only.
    """

    plan: JobPlan
    after: str | None = None
    """What a release without legs wrote in place of `listed`: repositories up to this one were started."""
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
    """The failed repositories that the workflow's details show."""
    stopping: list[str] = []
    """Repositories that somebody canceled individually, and that will not begin."""

    def with_plan(self, plan: JobPlan, *, heeds_stopping: bool) -> "JobPlace":
        """Returns the same place with a new plan. If `heeds_stopping` is True, the repositories in the new plan's
        `stopping` will not start. Otherwise the plan's `stopping` is ignored.
        """
        stopping = sorted({*self.stopping, *plan.stopping}) if heeds_stopping else self.stopping
        return self.model_copy(update={"plan": plan, "stopping": stopping})


class WorkspaceBackfill(Message):
    """The input of `WorkspaceBackfillWorkflow`. A run that continues as new sets all fields for its next run. `inbox`
    holds the jobs and retries that have not begun, and `resume` says how far the present job is.
    """

    workspace_id: str
    inbox: Annotated[list[Run | Retry], Field(max_length=1_000)] = []
    resume: JobPlace | None = None
    canceled: Annotated[list[str], Field(max_length=1_000)] = []
    paused: Annotated[list[JobStanding], Field(max_length=1_000)] = []
    """Jobs that wait until somebody resumes them."""
    pausing: JobStanding | None = None
    """The job in `resume`, if it is to be paused."""
    search_attributes: list[str] = []
    """The search attributes that the namespace has."""


class JobProgress(Message):
    """The result of the query `progress` of a workspace's workflow: how far the running job is, which jobs are paused,
    and how many jobs wait for their turn.

    `GET /api/backfills/{job_id}` returns more, from Postgres: rows by type, waits and the time left.
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


class JobOutcome(Message):
    """The result of `finish_job`: how the job ended."""

    job_id: str
    status: JobStatus
    total_repositories: int
    completed_repositories: int
    failed_repositories: int
    error_message: Text | None = None
    unshown: Text = ""
    """How many things GitHub does not show of the job's repositories, and where."""


class Reconciled(Message):
    """The result of reconciling with Polar. `said` holds the first lines about differences and obstacles."""

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
