"""Rows of a page, written by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from rows import Comment, PullRequest, Review, TimelineEvent

PULL = 100
NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
BEFORE = NOON - timedelta(days=3)


def pull(github_id: int) -> PullRequest:
    nothing: dict[str, Any] = dict.fromkeys(PullRequest._fields)
    return PullRequest(
        **nothing
        | {"github_id": github_id, "node_id": f"PR_{github_id}", "number": github_id, "title": "", "state": "open"}
        | {"draft": False, "merged": False, "base_branch": "main", "head_branch": "fix"}
        | {"additions": 0, "deletions": 0, "changed_files": 0, "html_url": "https://github.com/acme/wide/pull/1"}
        | {"created_at": BEFORE, "updated_at": BEFORE, "labels": [], "assignees": [], "author": 1}
    )


def comment(
    github_id: int, *, of: int = PULL, review: int | None = None, born: datetime = BEFORE, node_id: bool = True
) -> Comment:
    kind: Literal["issue_comment", "review_comment"] = "issue_comment" if review is None else "review_comment"
    made = Comment(kind, github_id, of, None, review, None, 1, "", None, None, None, None, None, born, born)
    return made._replace(node_id=f"C_{github_id}" if node_id else None)


def review(github_id: int, *, of: int = PULL) -> Review:
    return Review(github_id, of, 1, "COMMENTED", None, BEFORE, BEFORE, None, f"R_{github_id}")


def event(node_id: str, *, of: int = PULL) -> TimelineEvent:
    return TimelineEvent(node_id, of, None, "labeled", "ann", BEFORE, {})
