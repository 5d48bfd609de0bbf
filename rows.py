"""The typed rows between GitHub's answers and Postgres: what `github/` maps to and `store/` writes.

Rows refer to each other by GitHub's ids (`store/` resolves them to uuids in the statement that writes them); an author
is a contributor's GitHub id, or None for a deleted account. Field order is the order of the statements' columns.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

Json = Any
ThreadKind = Literal["pull_request", "issue", "discussion"]
ThreadTable = Literal["pull_requests", "issues", "discussions"]
PartKind = Literal[
    "thread",
    "head",
    "timeline",
    "timeline_by_type",
    "timeline_by_rest",
    "comments",
    "reviews",
    "review_comments",
    "replies",
    "embedding",
]
NoteKind = Literal["hidden", "refused", "unavailable"]
"""hidden: counted and never shown. refused: denied in words. unavailable: fails at every size and by every way."""
EventSource = Literal["events", "stargazers", "forks", "releases", "activity", "history", "threads", "archive"]
"""Where an event of the feed was read. A row without one was stored by the host."""

REVIEW_REQUESTS = "review requests"
"""What notes call the accounts and teams that are asked for a review."""
GHOST_ID = 10137
"""GitHub's own `ghost`, who stands for deleted accounts where a row must have an author."""


class Contributor(NamedTuple):
    """An account as one answer names it; `github_id` alone says who it is."""

    github_id: int
    username: str
    avatar_url: str | None
    profile_url: str | None
    is_bot: bool
    owns_login: bool = True
    """GitHub gives this login to no other account at the same time: not so for mannequins and for bots in REST."""
    source: Literal["graphql", "rest"] = "graphql"


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
    commits: int | None
    """None where these tokens may not see them: what is stored stays."""
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
    closer_told: bool = True
    """Whether `closed_by` is known to be that; a timeline that did not fit tells later."""


class Closing(NamedTuple):
    """That an issue was closed, as a part of its timeline tells."""

    issue: int
    at: datetime
    closed_by: int | None


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
    node_id: str | None = None


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
    node_id: str | None = None


class TimelineEvent(NamedTuple):
    node_id: str
    pull_request: int | None
    issue: int | None
    event_type: str
    actor_login: str | None
    created_at: datetime
    payload: Json


class Discussion(NamedTuple):
    github_id: int
    node_id: str
    number: int
    title: str
    body: str | None
    url: str
    category_id: str | None
    category_name: str | None
    category_description: str | None
    category_emoji: str | None
    author: int | None
    author_login: str | None
    is_answered: bool | None
    """None where the category knows no answers."""
    answer_id: str | None
    answer_chosen_at: datetime | None
    answer_chosen_by: str | None
    upvote_count: int
    comment_count: int
    locked: bool
    created_at: datetime
    updated_at: datetime


class DiscussionComment(NamedTuple):
    """A comment of `discussion`, or a reply to its comment `parent`."""

    github_id: int
    node_id: str
    discussion: int
    parent: int | None
    author: int | None
    author_login: str | None
    body: str
    is_answer: bool
    upvote_count: int
    reply_count: int
    created_at: datetime
    updated_at: datetime


class FeedEvent(NamedTuple):
    """Something that happened in a repository: a star, a fork, a push, ... A row of `github_events_cache`.

    `event_id` is `{event_type}_{id}` with the id that the events API gives, else made of what happened, always the
    same. `payload` is in the shape of the host's contract, and GitHub's own for types that it does not name.
    """

    event_id: str
    event_type: str
    actor_login: str
    created_at: datetime
    payload: Json
    source: EventSource


class StarDay(NamedTuple):
    """Stars given on a day (UTC), where GitHub shows counts but not who gave them."""

    day: date
    stars: int


class Embedding(NamedTuple):
    """What a text means, to a model: for the thread `github_id` of `table`. `content_hash` is of text and model."""

    table: ThreadTable
    github_id: int
    content_hash: str
    model: str
    vector: list[float]


class Note(NamedTuple):
    """Something that GitHub will not give for good: of a thread, or with number None of the repository."""

    kind: NoteKind
    what: str
    """GitHub's noun for what is missing: timeline, comments, reviews, review_comments, thread, stargazers, ..."""
    number: int | None
    """The thread's."""
    node_id: str
    """Of the parent that is looked at again; "" where number is None."""
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs of a note
    """How many are missing."""
    words: str
    """GitHub's own words, or why it is certain; at most 500 characters."""


class Short(NamedTuple):
    """A list of a thread (by GitHub id) that shows less than GitHub counts, without a word about the rest."""

    thread: int
    what: str
    """GitHub's noun for the list: labels, assignees, review requests, linked pull requests."""
    missing: int
    reading: str
    """What was shown: two that are equal agree with each other."""


@dataclass(slots=True)
class Page:
    """Everything one answer brings to Postgres; written in one transaction.

    `asked_at` is GitHub's `Date` of the answer: of two equally old versions of a row the one asked for later wins.
    `kind` is of the threads, where there are any.
    `whole_*` name the parents whose children are all here, counted: stored children that are absent may be deleted.
    `account` is whose answer it is; empty where it does not matter.
    """

    asked_at: datetime
    kind: ThreadKind | None = None
    contributors: dict[int, Contributor] = field(default_factory=dict)
    pull_requests: list[PullRequest] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    requested_reviewers: list[RequestedReviewer] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    events: list[TimelineEvent] = field(default_factory=list)
    closings: list[Closing] = field(default_factory=list)
    discussions: list[Discussion] = field(default_factory=list)
    discussion_comments: list[DiscussionComment] = field(default_factory=list)
    comment_counts: dict[int, int] = field(default_factory=dict)
    """How many comments GitHub counts to discussions, by GitHub id, as a part of them tells."""
    reply_counts: dict[int, int] = field(default_factory=dict)
    """How many replies GitHub counts to comments of discussions, by GitHub id, as a part of them tells."""
    feed: list[FeedEvent] = field(default_factory=list)
    star_days: list[StarDay] = field(default_factory=list)
    threads_told: bool = False
    """All stored threads have told the feed their part: what its events lack of them can be completed."""
    embeddings: list[Embedding] = field(default_factory=list)
    whole_threads: list["Whole"] = field(default_factory=list)
    whole_reviews: list["Whole"] = field(default_factory=list)
    whole_comments: list["Whole"] = field(default_factory=list)
    """Comments of discussions, with the ids of their replies."""
    teams_hidden: list[int] = field(default_factory=list)
    """Pull requests, by GitHub id, of which a requested team is not shown: the stored ones stay."""
    hidden: list["Note"] = field(default_factory=list)
    """What GitHub counts of these threads and refuses to show."""
    short: list[Short] = field(default_factory=list)
    """Lists of these threads that are not whole: what is stored of them and longer stays."""
    account: str = ""

    @property
    def node_ids(self) -> list[str]:
        """Of the page's threads."""
        return [row.node_id for rows in (self.pull_requests, self.issues, self.discussions) for row in rows]

    def updated_at(self, moment: datetime | None) -> list[str]:
        """Node ids of the page's threads that were updated at that moment."""
        return [
            row.node_id
            for rows in (self.pull_requests, self.issues, self.discussions)
            for row in rows
            if row.updated_at == moment
        ]

    @property
    def changes(self) -> list[datetime]:
        """When each of the page's threads was updated."""
        return [row.updated_at for rows in (self.pull_requests, self.issues, self.discussions) for row in rows]


class Whole(NamedTuple):
    """A parent (thread or review, by GitHub id) with the ids of all its children, as `seen` keys.

    A key is `c:` + a comment's GitHub id, `r:` + a review's, `e:` + a timeline event's node id, `d:` + a discussion
    comment's GitHub id. `began_at` is when the first of them was asked for: a child born before it that is not among
    them is absent (`store.absences`). A parent with hidden children (`h:`) is never told as whole: which of the stored
    ones are hidden, and which are gone, cannot be known.
    """

    parent: int
    began_at: datetime
    seen: list[str]


@dataclass(slots=True)
class Split:
    """How far a timeline that fails as a whole is read by its item types, and then by REST (decision 15)."""

    left: list[list[str]]
    """Groups of item types that are still to ask for, the next one first."""
    failing: list[str] = field(default_factory=list)
    """Item types that fail alone."""
    failures: int = 0
    """Requests that failed."""
    first: int = 100
    """Items that the next request asks for."""
    hidden: int = 0
    """Items of the groups that were read which GitHub counts and does not show."""
    missing: dict[str, int] = field(default_factory=dict)
    """By item type of which REST shows something, how many events of it cannot be stored."""
    words: str = ""
    """GitHub's, of what is hidden or failed last."""


@dataclass(slots=True)
class Part:
    """What is still to fetch before a type is complete; a row of `backfill_parts` until then.

    `kind` thread: the whole thread again; head: a thread too heavy to be had whole, its timeline follows in parts;
    timeline, comments, reviews, review_comments, replies: a connection of `node_id`, from `cursor` on;
    timeline_by_type, timeline_by_rest: a timeline that fails as a whole, as `split` says; embedding: the vector of
    `node_id`'s text.
    """

    kind: PartKind
    node_id: str
    number: int | None
    began_at: datetime
    cursor: str | None = None
    expected: int | None = None
    seen: list[str] = field(default_factory=list)
    parent: int | None = None
    """GitHub id of the thread (timeline, reviews, ...), the review (review_comments) or the comment (replies)."""
    attempts: int = 0
    reading: str | None = None
    """What the last reading to the connection's end brought, where GitHub counts more: the same twice is final."""
    split: Split | None = None

    @property
    def what(self) -> str:
        """What notes call it: each of the ways to a timeline is of the timeline."""
        return "timeline" if self.split is not None else self.kind
