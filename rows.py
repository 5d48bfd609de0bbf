"""The typed rows between GitHub's answers and Postgres: what `github/` maps to and `store/` writes.

Rows refer to each other by GitHub's ids (`store/` resolves them to uuids in the statement that writes them); an author
is a contributor's GitHub id, or None for a deleted account. Field order is the order of the statements' columns.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

Json = Any
ThreadKind = Literal["pull_request", "issue"]
PartKind = Literal["thread", "head", "timeline", "comments", "reviews", "review_comments"]

GHOST_ID = 10137
"""GitHub's own `ghost`, who stands for deleted accounts where a row must have an author."""


class Contributor(NamedTuple):
    github_id: int
    username: str
    avatar_url: str | None
    profile_url: str | None
    is_bot: bool


class PullRequest(NamedTuple):
    github_id: int
    node_id: str
    number: int
    title: str
    body: str | None
    state: str
    author: int | None
    author_login: str | None
    draft: bool
    merged: bool
    merged_by: int | None
    base_branch: str
    head_branch: str
    additions: int
    deletions: int
    changed_files: int
    commits: int
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    merged_at: datetime | None
    html_url: str
    labels: Json
    milestone: Json
    assignees: Json


class Issue(NamedTuple):
    github_id: int
    node_id: str
    number: int
    title: str
    body: str | None
    state: str
    author: int | None
    closed_by: int | None
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    labels: Json
    milestone: Json
    assignees: Json
    linked_prs: Json


class RequestedReviewer(NamedTuple):
    pull_request: int
    username: str
    avatar_url: str | None


class Review(NamedTuple):
    github_id: int
    pull_request: int
    author: int
    state: str
    body: str | None
    submitted_at: datetime
    updated_at: datetime
    commit_id: str | None


class Comment(NamedTuple):
    """`comment_type` issue_comment: of `pull_request` or `issue`; review_comment: of `pull_request`, in `review`."""

    comment_type: str
    github_id: int
    pull_request: int | None
    issue: int | None
    review: int | None
    in_reply_to: int | None
    author: int | None
    body: str
    path: str | None
    position: int | None
    original_position: int | None
    diff_hunk: str | None
    commit_id: str | None
    created_at: datetime
    updated_at: datetime


class TimelineEvent(NamedTuple):
    node_id: str
    pull_request: int | None
    issue: int | None
    event_type: str
    actor_login: str | None
    created_at: datetime
    payload: Json


@dataclass(slots=True)
class Page:
    """Everything one answer of GitHub brings to Postgres; written in one transaction.

    `asked_at` is GitHub's `Date` of the answer: of two equally old versions of a row the one asked for later wins.
    `whole_*` name the parents whose children are all here, counted: stored children that are absent were deleted.
    """

    asked_at: datetime
    contributors: dict[int, Contributor] = field(default_factory=dict)
    pull_requests: list[PullRequest] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    requested_reviewers: list[RequestedReviewer] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    events: list[TimelineEvent] = field(default_factory=list)
    whole_threads: list["Whole"] = field(default_factory=list)
    whole_reviews: list["Whole"] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.pull_requests) + len(self.issues) + len(self.reviews) + len(self.comments) + len(self.events)


class Whole(NamedTuple):
    """A parent (thread or review, by GitHub id) with the ids of all its children, as `seen` keys.

    A key is `c:` + a comment's GitHub id, `r:` + a review's, `e:` + a timeline event's node id. `began_at` is when the
    first of them was asked for: a child born before it that is not among them no longer exists.
    """

    parent: int
    began_at: datetime
    seen: list[str]


@dataclass(slots=True)
class Part:
    """What is still to fetch before a type is complete; a row of `backfill_parts` until then.

    `kind` thread: the whole thread again; head: a thread too heavy to be had whole, its timeline follows in parts;
    timeline, comments, reviews, review_comments: a connection of `node_id`, from `cursor` on.
    """

    kind: PartKind
    node_id: str
    number: int | None
    began_at: datetime
    cursor: str | None = None
    expected: int | None = None
    seen: list[str] = field(default_factory=list)
    parent: int | None = None
    """GitHub id of the thread (timeline, reviews) or of the review (review_comments), where it is known."""
    attempts: int = 0
