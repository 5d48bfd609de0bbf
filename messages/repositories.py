"""Inputs and results of a repository's workflow and of its activities."""

from datetime import datetime

from messages.failures import Failure
from messages.pace import Pace
from messages.terms import DataType, Leg, Message, Noted, PartStatus, SliceOutcome, Text, WaitingFor, WaitingReason
from messages.waits import Waiting


class RepositoryRef(Message):
    """A repository: our id, GitHub's id (which stays the same after a rename), and its present name."""

    repository_id: str
    github_id: int
    full_name: str
    name_at_start: str = ""
    """The repository's name when the job began; empty if an older release began the job."""

    def called(self, full_name: str, github_id: int) -> "RepositoryRef":
        """Returns the same repository with the name and the id that GitHub has for it now."""
        return self.model_copy(update={"full_name": full_name, "github_id": github_id})


class RepositoryBackfill(Message):
    """The input of `RepositoryBackfillWorkflow`: a repository, and the facts about its job that the workflow needs."""

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
    """The moment down to which this leg reads. None: down to the cutoff, and all phases after the history."""
    tier: str = ""

    def going_on(self, sequence: int) -> "RepositoryBackfill":
        """Returns the input for the run that continues this run. `sequence` is the number of this run's last
        transition.
        """
        return self.model_copy(update={"sequence": sequence})


class SweepSlice(Message):
    """The input of the activity `sweep`: read one data type of one repository for one slice."""

    job_id: str
    repository: RepositoryRef
    data_type: DataType
    cutoff_at: datetime
    pace: Pace
    threads_ended: bool = True
    """Whether this run fetches no more threads of this repository, so that types derived from
    threads can be finished."""
    down_to: datetime | None = None
    """The moment down to which this leg reads; None: the leg ends with the sweep."""
    leg: Leg | None = None
    """None if the release that wrote the message did not record the leg."""
    threads_behind: bool = False
    """Whether only the next leg brings more threads, so that types that wait for threads wait for that leg."""


class SliceResult(Message):
    """The result of a slice. `outcome` says what happens next:

    - `more`: the next slice runs at once.
    - `limited`: the next slice runs after `limited_until`.
    - `waiting`: the next slice runs in the next leg, or as soon as further threads are stored (`waiting_for`).
    - `busy`: this job waits, because another job sweeps the same type of this repository and stores its rows.
    - `completed`, `skipped` and `failed`: the type has ended.
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
        """Whether a further slice of the type follows."""
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
    """The result of a run of `RepositoryBackfillWorkflow`: the repository's status, and the results of the types that
    have ended.
    """

    repository: RepositoryRef
    status: PartStatus
    types: list[TypeOutcome] = []
    failure: Failure | None = None
    """Set if the repository as a whole could not be read."""
    next_leg: Leg | None = None
    """For `in_progress`: the next leg to run; the present leg again, if it did not end."""
    waits_for_another: bool = False
    """For `next_leg`: whether it has to wait for another job's sweep of the same type."""


class RepositoryScope(Message):
    """The result of `inspect_repository`: the repository's present name, and the types that the run has to sweep."""

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
        """Returns the same scope with a wait: GitHub cannot be asked about the repository before `until`."""
        waiting = {"waiting_reason": reason, "waiting_since": since}
        return self.model_copy(update={"limited_until": until, "limited_why": why, **waiting})


class RepositoryTransition(Message):
    """A repository's new state, which is to be written to its progress row. A transition is ignored if the row already
    has a higher (attempt, sequence).
    """

    job_id: str
    attempt: int
    sequence: int
    outcome: RepositoryOutcome
    waiting: Waiting | None = None
    waiting_until: datetime | None = None
    """Nothing of the repository can continue before this moment."""
