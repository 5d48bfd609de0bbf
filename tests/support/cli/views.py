"""Views of jobs for screens, made without a database."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from progress import headline, totals
from progress.sentences import Sentence
from progress.views import JobState, JobView, RepositoryView, TimeLeft, TypeView
from tests.support.progress import jobs

NOW = datetime(2026, 11, 28, 15, 4, 5, tzinfo=UTC)
TYPES = ("pull_requests", "issues", "discussions", "events", "embeddings")
MESSAGE = "GitHub refuses it to every token [403: Resource not accessible by personal access token]"
ACTION = "give the token's account access to the repository, then retry it"
LIMIT = {
    "reason": "github_limit",
    "since": NOW,
    "until": NOW + timedelta(minutes=12),
    "detail": "its hourly budget is used up",
}


def data_type(name: str, status: str, stored: int, expected: int | None, full_name: str) -> TypeView:
    failure = {
        "code": "forbidden",
        "message": MESSAGE,
        "action": ACTION,
        "error_class": "part_over",
        "repository": full_name,
        "data_type": name,
        "cursor": None,
        "at": None,
        "what_to_do": ACTION,
    }
    error = failure if status == "failed" else None
    return jobs.part(name, status, stored=stored, expected=expected, counts={name: stored}, error=error)


def repository(number: int, standing: str, full_name: str, types: Sequence[str] = TYPES) -> RepositoryView:
    """Makes a view of a repository. As `standing` says, all its types are complete or pending, its first type runs or
    waits, or its second has failed.
    """
    first = {"completed": "completed", "failed": "completed", "pending": "pending"}.get(standing, "in_progress")
    rest = "completed" if standing in ("completed", "failed") else "pending"
    its = [
        data_type(
            name,
            first if place == 0 else "failed" if place == 1 and standing == "failed" else rest,
            200 if rest == "completed" else 50 if place == 0 and first == "in_progress" else 0,
            None if name == "events" else 200,
            full_name,
        )
        for place, name in enumerate(types)
    ]
    return jobs.repository(
        *its,
        repository_id=f"00000000-0000-4000-8000-{number:012d}",
        name=full_name,
        status={"running": "in_progress", "waiting": "in_progress"}.get(standing, standing),
        started_at=None,
        waiting=LIMIT if standing == "waiting" else None,
    )


def job(standings: Sequence[str], names: Sequence[str] = (), **columns: Any) -> JobView:
    """Makes a view of a job that has been in progress for a while, with a repository for each of `standings`."""
    repositories = [
        repository(number, standing, names[number] if number < len(names) else f"octo/repository-{number}")
        for number, standing in enumerate(standings)
    ]
    given = {
        "id": "0c7b2f1e-6d0e-4a52-9a41-1f6a1d6c1f00",
        "workspace_id": "00000000-0000-4000-8000-000000000001",
        "workspace_name": "Acme Industries",
        "workspace_slug": "acme",
        "requested_by": "user",
        "retention_days": 1825,
        "cutoff_at": NOW - timedelta(days=1825),
        "completed_repositories": standings.count("completed"),
        "failed_repositories": standings.count("failed"),
        "created_at": NOW - timedelta(minutes=40),
        "started_at": NOW - timedelta(minutes=38),
        "as_of": NOW,
    }
    state = jobs.job(*repositories, data_types=TYPES, **(given | columns))
    found = totals.of(state)
    reason = Sentence(state="budget", text="One wait for GitHub's budget until {until}", times={"until": NOW})
    return JobView.model_validate(
        {
            **{name: getattr(state, name) for name in JobState.model_fields},
            "headline": headline.of_job(state, found.progress, None),
            "progress": found.progress,
            "types": found.types,
            "eta": None,
            "time_left": None if state.ended else TimeLeft(from_seconds=1_300, to_seconds=1_900, reason=reason),
            "time_left_reason": None,
        }
    )
