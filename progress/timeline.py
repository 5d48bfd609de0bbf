"""The past of a job as a list of events, each with its time, a sentence, who did it, and the repository."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from messages import Waiting
from progress import headline
from progress.sentences import Sentence, count, days
from progress.views import JobSummary

MOST_EVENTS = 200

Kind = Literal[
    "bought",
    "asked",
    "started",
    "waiting",
    "resumed_from_wait",
    "paused",
    "resumed",
    "retried",
    "cancel_asked",
    "repository_failed",
    "repository_completed",
    "completed",
    "failed",
    "canceled",
]


class Event(BaseModel):
    """One event in a job's past. `who` describes a person, such as `you` or `a member`, and never holds a
    person's id.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)

    at: datetime
    kind: Kind
    text: Sentence
    who: str | None = None
    repository: str | None = None


@dataclass(frozen=True, slots=True)
class PastWait:
    waiting: Waiting
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class EndedRepository:
    """A repository that has ended. `error` is why it failed. `error` is None if the repository is complete."""

    full_name: str
    at: datetime
    error: str | None


@dataclass(frozen=True, slots=True)
class Story:
    """The recorded past of a job. `audit` comes from the job's metadata and holds auth user ids."""

    job: JobSummary
    bought_at: datetime | None
    began_at: datetime | None
    """When the job's first attempt began."""
    as_of: datetime | None
    unshown: int
    audit: Sequence[Mapping[str, Any]] = ()
    waits: Sequence[PastWait] = ()
    repositories: Sequence[EndedRepository] = field(default=())


def events(story: Story, me: str | None) -> list[Event]:
    """Returns the latest events of the job, newest first. `me` is the name that the reader has in the audit. Actions of
    the reader have `you` as their `who`. If `me` is None, no action counts as the reader's.
    """
    found = [*_of_job(story, me), *_of_waits(story), *_of_repositories(story)]
    # Of one moment the end comes last: it is the newest.
    order = {"completed": 1, "failed": 1, "canceled": 1, "bought": -2, "asked": -1}
    found.sort(key=lambda each: (each.at, order.get(each.kind, 0)), reverse=True)
    return found[:MOST_EVENTS]


def _of_job(story: Story, me: str | None) -> Iterator[Event]:
    job = story.job
    if story.bought_at is not None:
        yield _event(story.bought_at, "bought", "The add-on was bought")
    asked = next((each for each in story.audit if each.get("action") == "start"), None)
    who = _who(asked, me) if asked else _REQUESTED.get(job.requested_by or "")
    yield _event(job.created_at, "asked", f"Asked for: {days(job.retention_days)} of history", who=who)
    if story.began_at is not None:
        yield _event(story.began_at, "started", "Started")
    for each in story.audit:
        if (action := _ACTIONS.get(each.get("action", ""))) is not None:
            kind, words = action
            yield _event(datetime.fromisoformat(each["at"]), kind, words + _selection(each), who=_who(each, me))
    if job.completed_at is not None and job.status in ("completed", "failed", "canceled"):
        end = headline.of_ended(job, as_of=story.as_of, unshown=story.unshown)
        yield Event(at=job.completed_at, kind=job.status, text=end)


_REQUESTED = {"purchase": "the purchase", "operator": "an operator", "api": "a member", "reconciler": None}
_ACTIONS: dict[str, tuple[Kind, str]] = {
    "pause": ("paused", "Paused"),
    "resume": ("resumed", "Resumed"),
    "retry": ("retried", "Asked to try again"),
    "cancel": ("cancel_asked", "Asked to stop"),
}


def _who(entry: Mapping[str, Any], me: str | None) -> str:
    if me is not None and entry.get("who") == me:
        return "you"
    return "somebody in Temporal" if entry.get("source") == "signal" else headline.people(entry.get("who"))


def _selection(entry: Mapping[str, Any]) -> str:
    """Returns which part of the job a request selected, in words. The text is empty if the request selected the whole
    job.
    """
    names = list(entry.get("repositories") or ())
    more = int(entry.get("more_repositories") or 0)
    named = names[0] if len(names) == 1 and not more else count(len(names) + more, "repository", "repositories")
    types = ", ".join(str(each).replace("_", " ") for each in entry.get("data_types") or ())
    chosen = [named] if names else []
    return ": " + ", ".join([*chosen, types] if types else chosen) if chosen or types else ""


def _of_waits(story: Story) -> Iterator[Event]:
    for each in story.waits:
        yield Event(at=each.waiting.since, kind="waiting", text=headline.waiting(each.waiting))
        if each.ended_at is not None and not (story.job.ended and each.ended_at == story.job.completed_at):
            yield _event(each.ended_at, "resumed_from_wait", "Went on")


def _of_repositories(story: Story) -> Iterator[Event]:
    for each in story.repositories:
        kind: Kind = "repository_failed" if each.error is not None else "repository_completed"
        words = f"{each.full_name} failed: {each.error}" if each.error else f"{each.full_name} is complete"
        yield _event(each.at, kind, words, repository=each.full_name)


def _event(at: datetime, kind: Kind, text: str, *, who: str | None = None, repository: str | None = None) -> Event:
    return Event(at=at, kind=kind, text=Sentence(state=kind, text=text), who=who, repository=repository)
