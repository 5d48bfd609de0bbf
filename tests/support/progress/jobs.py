"""Views of jobs, made for tests as if from their rows."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from messages import DATA_TYPES
from progress.views import JobState, RepositoryView, TypeView

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def part(data_type: str, status: str = "in_progress", **given: Any) -> TypeView:
    """Makes a data type whose total was always `expected`, unless `given` says otherwise."""
    stored, expected = given.get("stored", 0), given.get("expected")
    left = None if expected is None else max(expected - stored, 0)
    return TypeView.model_validate(
        {
            "data_type": data_type,
            "status": status,
            "stored": 0,
            "expected": None,
            "recent_done": False,
            "counts": {},
            "as_of": None,
            "proof": None,
            "error": None,
            "notes": [],
            "unshown": None,
            "left": left,
            "most_stored": stored,
            "least_expected": expected,
            "estimate": expected,
            "has_begun": left is not None and stored > 0,
            **given,
        }
    )


def repository(
    *types: TypeView, name: str = "octo/rocket", status: str = "in_progress", **given: Any
) -> RepositoryView:
    return RepositoryView.model_validate(
        {
            "repository_id": name,
            "full_name": name,
            "status": status,
            "error": None,
            "started_at": NOW,
            "completed_at": None,
            "waiting": None,
            "waiting_until": None,
            "types": types,
            **given,
        }
    )


def job(*repositories: RepositoryView, data_types: Sequence[str] = DATA_TYPES, **given: Any) -> JobState:
    """Makes a job in progress that began an hour ago."""
    return JobState.model_validate(
        {
            "id": "job",
            "workspace_id": "workspace",
            "workspace_name": "Rockets",
            "workspace_slug": "rockets",
            "status": "in_progress",
            "attempt": 0,
            "requested_by": "purchase",
            "retention_days": 365,
            "cutoff_at": NOW - timedelta(days=365),
            "data_types": data_types,
            "total_repositories": len(repositories),
            "completed_repositories": 0,
            "failed_repositories": 0,
            "created_at": NOW - timedelta(hours=1),
            "started_at": NOW - timedelta(hours=1),
            "completed_at": None,
            "cancel_requested_at": None,
            "paused_at": None,
            "paused_by": None,
            "retries_waiting": 0,
            "addon_ended_at": None,
            "error_message": None,
            "as_of": NOW,
            "waiting": None,
            "waiting_until": None,
            "addon": None,
            "unshown": 0,
            "repositories": repositories,
            **given,
        }
    )
