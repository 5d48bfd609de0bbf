"""What is true of a job, in one sentence, in every state that it can be in."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from messages import Waiting
from progress import headline, totals
from progress.sentences import Sentence
from tests.support.progress.jobs import NOW, job, part, repository

LATER, EARLIER = NOW + timedelta(minutes=30), NOW - timedelta(minutes=5)
THREADS = repository(part("issues", stored=62, expected=100), part("events", stored=900))
DONE = repository(part("issues", "completed", stored=3, expected=3, as_of=EARLIER), status="completed")
ENDED: dict[str, Any] = {"completed_at": NOW, "total_repositories": 14}


def clock(moment: datetime) -> str:
    return f"{moment:%H:%M}"


def told(eta: datetime | None = None, *repositories: Any, **given: Any) -> tuple[str, str]:
    """The state and the words of a job's headline."""
    its = job(*(repositories or (THREADS,)), data_types=["issues", "events"], **given)
    sentence = headline.of_job(its, totals.of(its).progress, eta)
    assert set(sentence.times) == {
        each for each in ("until", "since", "as_of", "at", "eta") if f"{{{each}}}" in sentence.text
    }
    return sentence.state, sentence.in_words(clock)


def test_a_job_of_which_all_threads_are_stored_says_what_follows() -> None:
    whole = repository(part("issues", stored=633, expected=633), part("events", stored=900))
    words = "Fetching 1 year of history: 99 % (all threads stored; comments, events and checks follow)"
    assert told(None, whole) == ("fetching", words)


def waits(reason: Any, detail: str = "", until: datetime | None = LATER) -> dict[str, Any]:
    return {"waiting": Waiting(reason=reason, since=EARLIER, until=until, detail=detail)}


CASES: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "a job that waits for its turn": (
        {"status": "pending", "started_at": None},
        ("queued", "Queued to fetch 1 year of history, since 11:00"),
    ),
    "a retry that waits for its turn": (
        {"status": "pending", "attempt": 1},
        ("queued", "Queued to try again what failed"),
    ),
    "a job that fetches": (
        {"eta": LATER, "retention_days": 1825},
        ("fetching", "Fetching 5 years of history: 62 %, done about 12:30"),
    ),
    "a job whose end nobody knows": ({"retention_days": 90}, ("fetching", "Fetching 90 days of history: 62 %")),
    "a retry": ({"attempt": 2, "eta": LATER}, ("fetching", "Trying again what failed: 62 %, done about 12:30")),
    "a job with failures so far": (
        {"failed_repositories": 1},
        ("fetching", "Fetching 1 year of history: 62 %; 1 repository failed so far"),
    ),
    "the hourly budget": (
        waits("github_limit", "GitHub's GraphQL budget is used up"),
        ("waiting", "Waiting for GitHub until 12:30 (its hourly budget is used up)"),
    ),
    "a budget that comes back within a minute": (
        waits("github_limit", "GitHub's GraphQL budget is used up", until=EARLIER + timedelta(seconds=40)),
        ("waiting", "Waiting for GitHub until 11:55 (its budget is used up)"),
    ),
    "a secondary limit": (
        waits("github_limit", "GitHub refuses for now"),
        ("waiting", "Waiting for GitHub until 12:30 (GitHub refuses for now)"),
    ),
    "a limit without a time": (waits("github_limit", until=None), ("waiting", "Waiting for GitHub")),
    "GitHub's absence": (
        waits("github_away"),
        ("waiting", "Waiting for GitHub, which does not answer since 11:55. It is asked again at 12:30"),
    ),
    "OpenAI's limit": (waits("openai_limit"), ("waiting", "Waiting for OpenAI until 12:30")),
    "another job": (
        waits("another_job", until=None),
        ("waiting", "Waiting since 11:55 for another job that fetches the same"),
    ),
    "a worker": (
        waits("no_worker", "historical", until=None),
        ("waiting", "Waiting since 11:55 for a worker on task queue historical"),
    ),
    "a pause by a member": (
        {"paused_at": EARLIER, "paused_by": "user:0b0e"},
        ("paused", "Paused by a member since 11:55: 62 %"),
    ),
    "a pause by an operator goes before a wait": (
        {"paused_at": EARLIER, "paused_by": "operator:ann", **waits("github_limit")},
        ("paused", "Paused by an operator since 11:55: 62 %"),
    ),
    "a cancellation goes before a pause": (
        {"cancel_requested_at": NOW, "paused_at": EARLIER},
        ("stopping", "Stopping at the end of a page. What is stored stays"),
    ),
    "an add-on that ended": (
        {"cancel_requested_at": NOW, "addon_ended_at": NOW},
        ("stopping", "Stopping at the end of a page: its add-on ended. What is stored stays"),
    ),
    "some failed": (
        {"status": "completed", **ENDED, "failed_repositories": 2, "completed_repositories": 12},
        ("partly_failed", "Failed for 2 of 14 repositories; the others are complete as of 12:00"),
    ),
    "all failed": (
        {"status": "failed", **ENDED, "failed_repositories": 14, "error_message": "14 of 14 repositories failed: a/b"},
        ("failed", "Failed for all 14 repositories"),
    ),
    "its workflow was terminated": (
        {"status": "failed", **ENDED, "failed_repositories": 14, "error_message": "the {workflow} was terminated"},
        ("failed", "Failed: the {workflow} was terminated"),
    ),
    "canceled": (
        {"status": "canceled", **ENDED},
        ("canceled", "Canceled at 12:00. 62 % is stored, and stays"),
    ),
    "canceled before it began": (
        {"status": "canceled", **ENDED, "started_at": None},
        ("canceled", "Canceled at 12:00, before it began"),
    ),
    "canceled repositories stay": (
        {"status": "completed", **ENDED, "completed_repositories": 13},
        ("completed_with_notes", "Complete as of 12:00; 1 repository stays canceled"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_headline_follows_the_job(case: str) -> None:
    given, (state, words) = CASES[case]
    assert told(**given) == (state, words)


def test_a_completed_job_says_as_of_when_and_what_is_not_shown() -> None:
    ended = {"status": "completed", "completed_repositories": 1, "completed_at": NOW}
    assert told(None, DONE, **ended) == ("completed", "Complete as of 11:55")
    assert told(None, DONE, unshown=3, **ended) == (
        "completed_with_notes",
        "Complete as of 11:55, 3 things GitHub does not show",
    )


def test_an_empty_job_is_complete() -> None:
    its = job(status="completed", completed_at=NOW, total_repositories=0)
    sentence = headline.of_job(its, totals.of(its).progress, None)
    assert sentence == Sentence(state="completed", text="Complete: there are no repositories in this workspace")


def test_without_a_total_the_headline_counts() -> None:
    assert told(None, repository(part("issues", stored=1200), part("events"))) == (
        "fetching",
        "Fetching 1 year of history: 1,200 threads stored so far",
    )
