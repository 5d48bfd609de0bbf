"""Makes one sentence about the present state of a job."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import floor
from typing import Literal, get_args

from messages import THREADS, Waiting
from progress.sentences import Sentence, count, days
from progress.views import JobState, JobSummary, Progress
from unshown import how_many

State = Literal[
    "queued",
    "fetching",
    "waiting",
    "paused",
    "stopping",
    "completed",
    "completed_with_notes",
    "partly_failed",
    "failed",
    "canceled",
]
STATES: tuple[State, ...] = get_args(State)

_WHO = {"operator": "an operator", "service": "the application", "signal": "somebody in Temporal", "user": "a member"}


def people(who: str | None) -> str:
    """Returns words for the author of a request, without a person's id. `user:<id>` becomes `a member`, for example.
    Returns `somebody` if `who` is None or unknown.
    """
    return _WHO.get((who or "").partition(":")[0], "somebody")


def of_job(job: JobState, progress: Progress, eta: datetime | None) -> Sentence:
    """Returns the headline of a job. `eta` is when the job will probably end."""
    if job.status in ("completed", "failed", "canceled"):
        return of_ended(job, as_of=complete_as_of(job), unshown=job.unshown, percent=progress.percent)
    if job.cancel_requested_at:
        why = ": its add-on ended" if job.addon_ended_at else ""
        return _say("stopping", f"Stopping at the end of a page{why}. What is stored stays")
    if job.paused_at:
        return _say(
            "paused", f"Paused by {people(job.paused_by)} since {{since}}{_stored(job, progress)}", since=job.paused_at
        )
    if job.status == "pending":
        what = (
            "Queued to try again what failed"
            if job.attempt
            else f"Queued to fetch {days(job.retention_days)} of history"
        )
        return _say("queued", f"{what}, since {{since}}", since=job.created_at if not job.attempt else None)
    if job.waiting is not None:
        return waiting(job.waiting)
    if job.waiting_until is not None:
        return _say("waiting", "Waiting for GitHub until {until}", until=job.waiting_until)
    return _fetching(job, progress, eta)


def of_ended(job: JobSummary, *, as_of: datetime | None, unshown: int, percent: float | None = None) -> Sentence:
    """Returns the headline of a job that has ended. `as_of` is the moment up to which the job's data is complete. The
    headline does not name this moment if the job was canceled, or failed in all repositories. `unshown` is the number
    of things that GitHub does not show. `percent` is how much of a canceled job is stored. If `percent` is None, the
    headline names no percentage.
    """
    total, failed = job.total_repositories, job.failed_repositories
    if job.status == "canceled":
        why = "Stopped because its add-on ended" if job.addon_ended_at else "Canceled"
        if job.started_at is None:
            return _say("canceled", f"{why} at {{at}}, before it began", at=job.completed_at)
        kept = f" {floor(percent)} % is stored, and stays" if percent is not None else " What is stored stays"
        return _say("canceled", f"{why} at {{at}}.{kept}", at=job.completed_at)
    if job.status == "failed":
        if job.error_message and not job.error_message.startswith(f"{failed} of {total} repositories failed"):
            return _say("failed", f"Failed: {job.error_message}")
        return _say("failed", f"Failed for {'all ' if total > 1 else ''}{count(total, 'repository', 'repositories')}")
    notes = f", {how_many(unshown)}" if unshown else ""
    if failed:
        text = f"Failed for {failed:,} of {count(total, 'repository', 'repositories')}"
        return _say("partly_failed", f"{text}; the others are complete as of {{as_of}}{notes}", as_of=as_of)
    if job.completed_repositories < total:
        left = count(total - job.completed_repositories, "repository stays", "repositories stay")
        return _say("completed_with_notes", f"Complete as of {{as_of}}; {left} canceled{notes}", as_of=as_of)
    if not total:
        return _say("completed", "Complete: there are no repositories in this workspace")
    return _say("completed_with_notes" if unshown else "completed", f"Complete as of {{as_of}}{notes}", as_of=as_of)


def waiting(it: Waiting) -> Sentence:
    """Returns the sentence about a wait: why, since when, and until when if the end is known."""
    times: dict[str, datetime | None] = {"until": it.until, "since": it.since}
    until = " until {until}" if it.until else ""
    match it.reason:
        case "github_limit":
            why = f"its {_hourly(it)}budget is used up" if "budget is used up" in it.detail else it.detail
            text = f"Waiting for GitHub{until}" + (f" ({why})" if why else "")
        case "openai_limit":
            text = f"Waiting for OpenAI{until}" + (f" ({it.detail})" if it.detail else "")
        case "github_away":
            again = ". It is asked again at {until}" if it.until else ""
            text = f"Waiting for GitHub, which does not answer since {{since}}{again}"
        case "another_job":
            text = "Waiting since {since} for another job that fetches the same"
        case "no_worker":
            text = f"Waiting since {{since}} for a worker on task queue {it.detail}"
        case "turn":
            text = "Waiting for its turn since {since}"
        case "paused":
            text = "Paused since {since}"
    return _say("waiting", text, **times)


def _hourly(it: Waiting) -> str:
    """Returns the word `hourly ` if the wait is longer than a minute, because only hourly budgets make a wait that
    long. Returns an empty text for a shorter wait.
    """
    return "hourly " if it.until and it.until - it.since > timedelta(minutes=1) else ""


def complete_as_of(job: JobState) -> datetime | None:
    """Returns the moment up to which every complete type of the job is stored: the earliest `as_of` of these types.
    Without such a type, returns the end of the job, or None if the job has not ended.
    """
    moments = [its.as_of for each in job.repositories for its in each.types if its.status == "completed" and its.as_of]
    return min(moments, default=job.completed_at)


def _fetching(job: JobState, progress: Progress, eta: datetime | None) -> Sentence:
    what = "Trying again what failed" if job.attempt else f"Fetching {days(job.retention_days)} of history"
    words = f"{what}{_stored(job, progress)}"
    if eta is not None:
        words += ", done about {eta}"
    if job.failed_repositories:
        words += f"; {count(job.failed_repositories, 'repository', 'repositories')} failed so far"
    return _say("fetching", words, eta=eta)


def _stored(job: JobState, progress: Progress) -> str:
    """Returns how much is stored, in words: as a percentage if every total is known, otherwise as a number of threads
    or rows.
    """
    if progress.percent is not None:
        follows = " (all threads stored; comments, events and checks follow)"
        return f": {floor(progress.percent)} %" + (follows if progress.stored == progress.expected else "")
    types = THREADS.intersection(job.data_types) or set(job.data_types)
    stored = sum(its.stored for each in job.repositories for its in each.types if its.data_type in types)
    noun = "thread" if types <= THREADS else "row"
    return f": {count(stored, noun)} stored so far" if stored else ""


def _say(state: State, text: str, **times: datetime | None) -> Sentence:
    """Returns the sentence. `text` names times in braces. Only the `times` that `text` names are kept. If a time is
    None, the words around its name, such as ` at {at}`, are left out of the text.
    """
    for name, moment in times.items():
        if moment is None:
            text = _without(text, name)
    kept: Mapping[str, datetime] = {name: at for name, at in times.items() if at and f"{{{name}}}" in text}
    return Sentence(state=state, text=text, times=dict(kept))


def _without(text: str, name: str) -> str:
    for part in (f", since {{{name}}}", f" as of {{{name}}}", f" at {{{name}}}"):
        text = text.replace(part, "")
    return text
