"""The terms of messages: data types, legs, statuses and reasons. Also the base class of all messages."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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


class Message(BaseModel):
    """The base of all messages. Messages are frozen. Unknown fields are dropped, so that after a rollback this release
    can read messages of a newer release.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
