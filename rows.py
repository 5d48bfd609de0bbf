"""The types of the rows that go from GitHub's answers to Postgres: `github/` creates the rows, `store/` writes them.

Rows refer to each other by GitHub's ids. The statement that writes a row replaces these ids by uuids. An author is a
contributor's GitHub id, or None for a deleted account. A field is also None if an older server's schema lacks it. The
fields have the order and the bounds (`ranges`) of the columns in the statements.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

from ranges import GitHubId, Integer, Key, Positive

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
"""hidden: counted and never shown. refused: denied with a message. unavailable: never had, or never readable."""
EventSource = Literal["events", "stargazers", "forks", "releases", "activity", "history", "threads", "archive"]
"""The source that an event of the feed was read from. A row without one was stored by the host."""

REVIEW_REQUESTS = "review requests"
"""The name in notes for requested reviewers (accounts and teams)."""
GHOST_ID = 10137
"""The id of GitHub's account `ghost`, which replaces deleted accounts if a row must have an author."""


class Contributor(NamedTuple):
    """A GitHub account as one answer shows it. Only `github_id` identifies the account."""

    github_id: GitHubId
    username: Key
    avatar_url: str | None
    profile_url: str | None
    is_bot: bool
    owns_login: bool = True
    """Whether no other account has this login at the same time. False for mannequins, and for bots in REST."""
    source: Literal["graphql", "rest"] = "graphql"


class PullRequest(NamedTuple):
    github_id: GitHubId
    node_id: Key
    number: Positive
    title: str
    body: str | None
    state: Literal["open", "closed", "merged"]
    author: GitHubId | None
    author_login: str | None
    draft: bool | None
    merged: bool
    merged_by: GitHubId | None
    base_branch: str
    head_branch: str
    additions: Integer | None
    deletions: Integer | None
    changed_files: Integer | None
    commits: Integer | None
    """The number of commits. None if the account that asked may not see them; the stored number then stays."""
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    merged_at: datetime | None
    html_url: str | None
    labels: Json
    milestone: Json
    assignees: Json


class Issue(NamedTuple):
    github_id: GitHubId
    node_id: Key
    number: Positive
    title: str
    body: str | None
    state: Literal["open", "closed"]
    author: GitHubId | None
    closed_by: GitHubId | None
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    labels: Json
    milestone: Json
    assignees: Json
    linked_prs: Json
    closer_told: bool = True
    """Whether `closed_by` is certain. If not, a later page of the issue's timeline shows who closed it."""


class Closing(NamedTuple):
    """Who closed an issue, and when, as found in a part of the issue's timeline."""

    issue: GitHubId
    at: datetime
    closed_by: GitHubId | None


class RequestedReviewer(NamedTuple):
    pull_request: GitHubId
    username: Key
    avatar_url: str | None


class Review(NamedTuple):
    github_id: GitHubId
    pull_request: GitHubId
    author: GitHubId
    state: Literal["PENDING", "COMMENTED", "APPROVED", "CHANGES_REQUESTED", "DISMISSED"]
    body: str | None
    submitted_at: datetime
    updated_at: datetime
    commit_id: str | None
    node_id: Key | None = None


class Comment(NamedTuple):
    """A comment. A comment with the type `issue_comment` belongs to `pull_request` or to `issue`. A comment with the
    type `review_comment` belongs to `review` of `pull_request`.
    """

    comment_type: Literal["issue_comment", "review_comment"]
    github_id: GitHubId
    pull_request: GitHubId | None
    issue: GitHubId | None
    review: GitHubId | None
    in_reply_to: GitHubId | None
    author: GitHubId | None
    body: str
    path: str | None
    position: Integer | None
    original_position: Integer | None
    diff_hunk: str | None
    commit_id: str | None
    created_at: datetime
    updated_at: datetime
    node_id: Key | None = None


class TimelineEvent(NamedTuple):
    node_id: Key
    pull_request: GitHubId | None
    issue: GitHubId | None
    event_type: str
    actor_login: str | None
    created_at: datetime
    payload: Json
    former_id: Key | None = None
    """The event's node id in GitHub's older format."""


class Discussion(NamedTuple):
    github_id: GitHubId
    node_id: Key
    number: Positive
    title: str
    body: str | None
    url: str
    category_id: str | None
    category_name: str | None
    category_description: str | None
    category_emoji: str | None
    author: GitHubId | None
    author_login: str | None
    is_answered: bool | None
    """None if the category has no answers."""
    answer_id: str | None
    answer_chosen_at: datetime | None
    answer_chosen_by: str | None
    upvote_count: Integer | None
    comment_count: Integer
    locked: bool | None
    created_at: datetime
    updated_at: datetime


class DiscussionComment(NamedTuple):
    """A comment on `discussion`. If `parent` is not None, the comment is a reply to the comment `parent`."""

    github_id: GitHubId
    node_id: Key
    discussion: GitHubId
    parent: GitHubId | None
    author: GitHubId | None
    author_login: str | None
    body: str
    is_answer: bool | None
    upvote_count: Integer | None
    reply_count: Integer | None
    created_at: datetime
    updated_at: datetime


class FeedEvent(NamedTuple):
    """An event of a repository, such as a star, a fork or a push. It is a row of `github_events_cache`.

    `event_id` is `{event_type}_{id}`. `id` is the id in the events API, or is derived from the event and always the
    same. `payload` has the shape that the host expects for this type, or GitHub's own shape if the host expects none.
    """

    event_id: Key
    event_type: Key
    actor_login: str
    created_at: datetime
    payload: Json
    source: EventSource


class StarDay(NamedTuple):
    """The number of stars that a repository got on one day (UTC), if GitHub shows its stars only as counts."""

    day: date
    stars: Integer


class Embedding(NamedTuple):
    """The vector that a model gives for a thread's text. `table` and `github_id` name the thread. `content_hash` is the
    hash of text and model.
    """

    table: ThreadTable
    github_id: int
    content_hash: str
    model: str
    vector: list[float]


class Note(NamedTuple):
    """Something that GitHub will not give for good. `number` is None if the note is on the repository itself."""

    kind: NoteKind
    what: str
    """GitHub's noun for what is missing: timeline, comments, reviews, review_comments, thread, stargazers, ..."""
    number: int | None
    """The thread's number."""
    node_id: str
    """The node id of the parent, for a later check; "" if `number` is None."""
    count: Integer  # type: ignore[assignment]  # hides tuple.count, which nobody needs of a note
    """How many are missing."""
    words: str
    """GitHub's message, or another proof; at most 500 characters."""


class Short(NamedTuple):
    """A list of a thread (its GitHub id) that shows fewer items than GitHub counts, without a reason."""

    thread: int
    what: str
    """GitHub's noun for the list: labels, assignees, review requests, linked pull requests."""
    missing: int
    reading: str
    """The items that were shown, as text, to be compared with an earlier reading."""


@dataclass(slots=True)
class Page:
    """Everything that one answer brings. It is written in one transaction.

    `asked_at` is when the answer was requested, by GitHub's clock. If two versions of a row are equally old, the
    version that was requested later is stored. `kind` is the kind of the page's threads, or None if the page has no
    threads. `account` is the account that sent the request, or empty if the account does not matter.

    `whole_*` hold parents whose children have all been read, on this page or on earlier pages. A stored child of such a
    parent that was not read is an absence: GitHub may have deleted it.
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
    """How many comments GitHub counts in a discussion, by the discussion's GitHub id; only on pages of parts."""
    reply_counts: dict[int, int] = field(default_factory=dict)
    """How many replies to a discussion comment GitHub counts, by the comment's GitHub id; only on pages of parts."""
    feed: list[FeedEvent] = field(default_factory=list)
    star_days: list[StarDay] = field(default_factory=list)
    threads_told: bool = False
    """Whether this page is the last of the events that are derived from stored threads: once it is stored, the
    other events are completed from the threads."""
    embeddings: list[Embedding] = field(default_factory=list)
    whole_threads: list["Whole"] = field(default_factory=list)
    whole_reviews: list["Whole"] = field(default_factory=list)
    whole_comments: list["Whole"] = field(default_factory=list)
    """Discussion comments, each with all its replies."""
    teams_hidden: list[int] = field(default_factory=list)
    """Pull requests, by GitHub id, with a requested team that is not shown: their stored teams stay."""
    hidden: list["Note"] = field(default_factory=list)
    """What GitHub counts in the page's threads and refuses to show."""
    short: list[Short] = field(default_factory=list)
    """Lists of these threads that show fewer items than GitHub counts: if more items are stored, they stay."""
    account: str = ""

    @property
    def node_ids(self) -> list[str]:
        """The node ids of the page's threads."""
        return [row.node_id for rows in (self.pull_requests, self.issues, self.discussions) for row in rows]

    def updated_at(self, moment: datetime | None) -> list[str]:
        """Returns the node ids of the page's threads that were last updated at `moment`."""
        return [
            row.node_id
            for rows in (self.pull_requests, self.issues, self.discussions)
            for row in rows
            if row.updated_at == moment
        ]

    @property
    def changes(self) -> list[datetime]:
        """The moments of the last update of the page's threads."""
        return [row.updated_at for rows in (self.pull_requests, self.issues, self.discussions) for row in rows]


class Whole(NamedTuple):
    """A parent (the GitHub id of a thread, a review or a discussion comment) and the keys of all its children in
    `seen`.

    A key is `c:` and a comment's GitHub id, `r:` and a review's GitHub id, `e:` and a timeline event's node id, or `d:`
    and a discussion comment's GitHub id. `began_at` is when the first child was requested. A stored child is absent
    (`store.absences`) if it was created before `began_at` and its key is not in `seen`. A parent with a hidden child
    (key `h:`) is never recorded as whole, because the hidden child could be taken for a deleted child.
    """

    parent: int
    began_at: datetime
    seen: list[str]


@dataclass(slots=True)
class Split:
    """The progress in reading a timeline that fails if it is read as a whole. Such a timeline is read by item type
    first, and then by REST (decision 15).
    """

    left: list[list[str]]
    """Groups of item types still to read, the next one first."""
    failing: list[str] = field(default_factory=list)
    """Item types that fail even alone."""
    failures: int = 0
    """Requests that failed."""
    first: int = 100
    """Number of items that the next request asks for."""
    hidden: int = 0
    """How many items of the groups read so far GitHub counts and does not show."""
    missing: dict[str, int] = field(default_factory=dict)
    """Events that REST shows only in part and that cannot be stored, by item type."""
    words: str = ""
    """GitHub's words about what is hidden, or about the last failure."""


@dataclass(slots=True)
class Part:
    """Something that is still to be fetched before a type is complete. Until then it is a row of `backfill_parts`.
    Kinds:

    - `thread`: the whole thread.
    - `head`: a thread that is too large to be read whole. Its children follow as parts.
    - `timeline`, `comments`, `reviews`, `review_comments`, `replies`: this connection of `node_id`, from `cursor` on.
    - `timeline_by_type`, `timeline_by_rest`: a timeline that fails if it is read as a whole (`split`).
    - `embedding`: the vector of the text of `node_id`.
    """

    kind: PartKind
    node_id: Key
    number: Integer | None
    began_at: datetime
    cursor: str | None = None
    expected: Integer | None = None
    seen: list[str] = field(default_factory=list)
    parent: int | None = None
    """GitHub id of the thread (timeline, reviews, ...), the review (review_comments) or the comment (replies)."""
    attempts: int = 0
    reading: str | None = None
    """What an earlier reading of this part showed, as text, if GitHub counts more. If the next one shows
    the same, it is final."""
    split: Split | None = None

    @property
    def what(self) -> str:
        """The name of this part in notes: `timeline` for every part that has a `split`, else `kind`."""
        return "timeline" if self.split is not None else self.kind
