"""Pull requests and issues with all that hangs on them, and how they change.

Attributes have GitHub's GraphQL names in snake case, so that most fields need no resolver. Every change takes the
world's lock, sets `updated_at` as GitHub does, and returns the thing it made, if any.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.github.world import node_ids
from sandbox.github.world.accounts import Account, Reviewer, present
from sandbox.github.world.clock import Stamp
from sandbox.github.world.commits import Commit

if TYPE_CHECKING:
    from sandbox.github.world.repositories import Repository
    from sandbox.github.world.world import World


@dataclass(slots=True, eq=False, repr=False)
class Label:
    typename: ClassVar[str] = "Label"

    repository: "Repository"
    database_id: int
    name: str
    color: str
    description: str | None
    created_at: Stamp
    is_default: bool = False

    def node_id(self, new: bool) -> str:
        return _node_id(self, new, self.repository.database_id)

    @property
    def updated_at(self) -> Stamp:
        return self.created_at

    @property
    def resource_path(self) -> str:
        return f"{self.repository.resource_path}/labels/{self.name.replace(' ', '%20')}"

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"


@dataclass(slots=True, eq=False, repr=False)
class Milestone:
    typename: ClassVar[str] = "Milestone"

    repository: "Repository"
    database_id: int
    number: int
    title: str
    description: str | None
    state: str
    creator_account: Account | None
    created_at: Stamp
    updated_at: Stamp
    due_on: Stamp | None = None
    closed_at: Stamp | None = None

    def node_id(self, new: bool) -> str:
        return _node_id(self, new, self.repository.database_id)

    @property
    def closed(self) -> bool:
        return self.state == "CLOSED"

    @property
    def creator(self) -> Account | None:
        return present(self.creator_account)

    @property
    def resource_path(self) -> str:
        return f"{self.repository.resource_path}/milestone/{self.number}"

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"


@dataclass(slots=True, eq=False, repr=False)
class PullRequestCommit:
    """One of a pull request's commits; made when asked for, they are many and carry nothing of their own."""

    typename: ClassVar[str] = "PullRequestCommit"

    pull_request: "PullRequest"
    commit: Commit
    created_at: Stamp
    database_id: int

    def node_id(self, new: bool) -> str:
        key = f"{self.pull_request.database_id}:{self.commit.oid}"
        if new:
            return node_ids.new("PullRequestCommit", self.pull_request.repository.database_id, key)
        return node_ids.old("PullRequestCommit", key)

    @property
    def resource_path(self) -> str:
        return f"{self.pull_request.resource_path}/commits/{self.commit.oid}"

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"


@dataclass(slots=True, eq=False, repr=False)
class TimelineEvent:
    """Any event of a timeline: `typename` says which, `data` holds the fields only that one has (`label`, ...)."""

    typename: str
    thread: "Thread"
    database_id: int
    account: Account | None
    created_at: Stamp
    data: dict[str, Any] = field(default_factory=dict)

    def node_id(self, new: bool) -> str:
        if new:
            thread = self.thread
            return node_ids.new(self.typename, thread.repository.database_id, thread.database_id, self.database_id)
        return node_ids.old(self.typename, self.database_id)

    @property
    def repository(self) -> "Repository":
        return self.thread.repository

    @property
    def actor(self) -> Account | None:
        return present(self.account)

    @property
    def resource_path(self) -> str:
        return f"{self.thread.resource_path}#event-{self.database_id}"

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"


@dataclass(slots=True, eq=False, repr=False)
class ReviewRequest:
    typename: ClassVar[str] = "ReviewRequest"

    pull_request: "PullRequest"
    database_id: int
    reviewer: Reviewer
    as_code_owner: bool = False

    def node_id(self, new: bool) -> str:
        return _node_id(self, new, self.pull_request.repository.database_id)

    @property
    def repository(self) -> "Repository":
        return self.pull_request.repository

    @property
    def requested_reviewer(self) -> Reviewer | None:
        return None if self.reviewer.deleted else self.reviewer


@dataclass(slots=True, eq=False, repr=False)
class Written:
    """What someone wrote. `modern`: its node id was never in the old format, as with all that is recent on GitHub."""

    typename: ClassVar[str]

    database_id: int
    account: Account | None
    author_association: str
    body: str
    created_at: Stamp
    updated_at: Stamp
    last_edited_at: Stamp | None = field(default=None, kw_only=True)
    modern: bool = field(default=False, kw_only=True)

    @property
    def repository(self) -> "Repository":
        raise NotImplementedError

    def node_id(self, new: bool) -> str:
        return _node_id(self, new or self.modern, self.repository.database_id)

    @property
    def world(self) -> "World":
        return self.repository.world

    @property
    def author(self) -> Account | None:
        return present(self.account)

    @property
    def published_at(self) -> Stamp | None:
        return self.created_at

    @property
    def resource_path(self) -> str:
        raise NotImplementedError

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"


@dataclass(slots=True, eq=False, repr=False)
class IssueComment(Written):
    """A comment in the conversation of an issue or a pull request."""

    typename: ClassVar[str] = "IssueComment"

    thread: "Thread" = field(kw_only=True)

    @property
    def repository(self) -> "Repository":
        return self.thread.repository

    @property
    def pull_request(self) -> "PullRequest | None":
        return self.thread if isinstance(self.thread, PullRequest) else None

    @property
    def resource_path(self) -> str:
        return f"{self.thread.resource_path}#issuecomment-{self.database_id}"

    def edit(self, body: str, *, bump: bool = True) -> None:
        """`bump`: the comment's `updated_at`; an edit never moves its thread's."""
        with self.repository.changed():
            self.body = body
            if bump:
                self.updated_at = self.last_edited_at = self.world.clock.stamp()

    def delete(self, *, by: Account | None = None) -> None:
        """The thread's `updated_at` stays. By somebody else than the author, it leaves a `CommentDeletedEvent`."""
        with self.repository.changed():
            self.thread.comments.remove(self)
            self.repository.issue_comments.pop(self.database_id)
            self.world.forget(self)
            if by is not None and by is not self.account:
                self.thread.event("CommentDeletedEvent", by, bump=False, deleted_comment_author=self.account)


@dataclass(slots=True, eq=False, repr=False)
class ReviewComment(Written):
    """A comment on a line of a pull request's diff; `position` is null once the line is outdated."""

    typename: ClassVar[str] = "PullRequestReviewComment"

    review: "Review" = field(kw_only=True)
    path: str = field(kw_only=True)
    position: int | None = field(kw_only=True)
    original_position: int = field(kw_only=True)
    diff_hunk: str = field(kw_only=True)
    original_oid: str = field(kw_only=True)
    reply_to: "ReviewComment | None" = field(default=None, kw_only=True)

    @property
    def repository(self) -> "Repository":
        return self.review.pull_request.repository

    @property
    def pull_request(self) -> "PullRequest":
        return self.review.pull_request

    @property
    def pull_request_review(self) -> "Review":
        return self.review

    @property
    def commit(self) -> Commit:
        return self.repository.git.commit(self.original_oid if self.position is None else self.review.oid)

    @property
    def original_commit(self) -> Commit:
        return self.repository.git.commit(self.original_oid)

    @property
    def outdated(self) -> bool:
        return self.position is None

    @property
    def line(self) -> int | None:
        return self.position

    @property
    def original_line(self) -> int | None:
        return self.original_position

    @property
    def state(self) -> str:
        return "PENDING" if self.review.state == "PENDING" else "SUBMITTED"

    @property
    def drafted_at(self) -> Stamp:
        return self.created_at

    @property
    def resource_path(self) -> str:
        return f"{self.pull_request.resource_path}#discussion_r{self.database_id}"

    def edit(self, body: str, *, bump: bool = True) -> None:
        """`bump`: the comment's `updated_at`; an edit never moves its pull request's."""
        with self.repository.changed():
            self.body = body
            if bump:
                self.updated_at = self.last_edited_at = self.world.clock.stamp()

    def outdate(self) -> None:
        """A push changed the line: `position` becomes null, and no `updated_at` tells."""
        with self.repository.changed():
            self.position = None

    def delete(self) -> None:
        """The pull request's `updated_at` stays; replies stay too and reply to nothing that can be found."""
        with self.repository.changed():
            self.review.comments.remove(self)
            self.repository.review_comments.pop(self.database_id)
            self.world.forget(self)
            for other in self.pull_request.review_comments():
                if other.reply_to is self:
                    other.reply_to = None


@dataclass(slots=True, eq=False, repr=False)
class Review(Written):
    typename: ClassVar[str] = "PullRequestReview"

    pull_request: "PullRequest" = field(kw_only=True)
    state: str = field(kw_only=True)
    submitted_at: Stamp | None = field(kw_only=True)
    oid: str = field(kw_only=True)
    comments: list[ReviewComment] = field(default_factory=list, kw_only=True)

    @property
    def repository(self) -> "Repository":
        return self.pull_request.repository

    @property
    def commit(self) -> Commit:
        return self.repository.git.commit(self.oid)

    @property
    def resource_path(self) -> str:
        return f"{self.pull_request.resource_path}#pullrequestreview-{self.database_id}"

    def edit(self, body: str) -> None:
        with self.repository.changed():
            self.body = body
            self.updated_at = self.last_edited_at = self.world.clock.stamp()

    def submit(self, state: str = "COMMENTED") -> None:
        """A pending review becomes visible to everybody."""
        with self.repository.changed():
            now = self.world.clock.stamp()
            self.state, self.submitted_at, self.updated_at = state, now, now
            self.pull_request.bump()

    def dismiss(self, by: Account, message: str = "") -> None:
        with self.repository.changed():
            event: dict[str, Any] = {"review": self, "previous_review_state": self.state, "dismissal_message": message}
            self.state, self.updated_at = "DISMISSED", self.world.clock.stamp()
            self.pull_request.event("ReviewDismissedEvent", by, **event)

    def comment(
        self,
        author: Account | None,
        body: str,
        *,
        path: str = "README.md",
        position: int | None = 1,
        reply_to: ReviewComment | None = None,
        database_id: int | None = None,
        at: Stamp | None = None,
        bump: bool = True,
    ) -> ReviewComment:
        """`bump`: the pull request's `updated_at`."""
        with self.repository.changed():
            at = at or self.world.clock.stamp()
            comment = ReviewComment(
                database_id or self.world.next_id("PullRequestReviewComment"),
                author,
                "NONE",
                body,
                at,
                at,
                review=self,
                path=path,
                position=position,
                original_position=position or 1,
                diff_hunk=f"@@ -1,{position or 1} +1,{position or 1} @@",
                original_oid=self.oid,
                reply_to=reply_to,
                modern=self.pull_request.modern,
            )
            self.repository.add_review_comment(comment)
            if bump:
                self.pull_request.bump()
            return comment


@dataclass(slots=True, eq=False, repr=False)
class Thread(Written):
    """What issues and pull requests share. `comments`, `events` and `reviews` are in the order of their creation."""

    repo: "Repository" = field(kw_only=True)
    number: int = field(kw_only=True)
    title: str = field(kw_only=True)
    state: str = field(kw_only=True)
    closed_at: Stamp | None = field(default=None, kw_only=True)
    locked: bool = field(default=False, kw_only=True)
    active_lock_reason: str | None = field(default=None, kw_only=True)
    labels: list[Label] = field(default_factory=list, kw_only=True)
    assignees: list[Account] = field(default_factory=list, kw_only=True)
    milestone: Milestone | None = field(default=None, kw_only=True)
    comments: list[IssueComment] = field(default_factory=list, kw_only=True)
    events: list[TimelineEvent] = field(default_factory=list, kw_only=True)

    @property
    def repository(self) -> "Repository":
        return self.repo

    @property
    def closed(self) -> bool:
        return self.state != "OPEN"

    def bump(self) -> None:
        self.updated_at = self.world.clock.stamp()

    def event(
        self, typename: str, actor: Account | None, *, bump: bool = True, at: Stamp | None = None, **data: Any
    ) -> TimelineEvent:
        """Adds an event of any kind to the timeline (`event("PinnedEvent", somebody)`)."""
        with self.repository.changed():
            now = at or self.world.clock.stamp()
            event = TimelineEvent(typename, self, self.world.next_id(typename), actor, now, data)
            self.events.append(event)
            self.world.remember(event)
            if bump:
                self.bump()
            return event

    def edit(self, *, title: str | None = None, body: str | None = None, by: Account | None = None) -> None:
        """A new title leaves a `RenamedTitleEvent`."""
        with self.repository.changed():
            if title is not None and title != self.title:
                self.event("RenamedTitleEvent", by or self.account, previous_title=self.title, current_title=title)
                self.title = title
            if body is not None:
                self.body = body
                self.last_edited_at = self.world.clock.stamp()
            self.bump()

    def comment(
        self,
        author: Account | None,
        body: str,
        *,
        bump: bool = True,
        database_id: int | None = None,
        at: Stamp | None = None,
    ) -> IssueComment:
        """`bump`: the thread's `updated_at`, which GitHub sometimes leaves alone."""
        with self.repository.changed():
            at = at or self.world.clock.stamp()
            number = database_id or self.world.next_id("IssueComment")
            comment = IssueComment(number, author, "NONE", body, at, at, thread=self, modern=self.modern)
            self.repository.add_issue_comment(comment)
            if bump:
                self.bump()
            return comment

    def label(self, label: Label | str, by: Account | None = None) -> Label:
        with self.repository.changed():
            named = self.repository.label(label) if isinstance(label, str) else label
            if named not in self.labels:
                self.labels.append(named)
                self.event("LabeledEvent", by or self.account, label=named)
            return named

    def unlabel(self, label: Label | str, by: Account | None = None) -> None:
        with self.repository.changed():
            named = self.repository.label(label) if isinstance(label, str) else label
            self.labels.remove(named)
            self.event("UnlabeledEvent", by or self.account, label=named)

    def assign(self, account: Account, by: Account | None = None) -> None:
        with self.repository.changed():
            self.assignees.append(account)
            self.event("AssignedEvent", by or self.account, assignee=account)

    def unassign(self, account: Account, by: Account | None = None) -> None:
        with self.repository.changed():
            self.assignees.remove(account)
            self.event("UnassignedEvent", by or self.account, assignee=account)

    def set_milestone(self, milestone: Milestone | None, by: Account | None = None) -> None:
        with self.repository.changed():
            if self.milestone is not None:
                self.event("DemilestonedEvent", by or self.account, milestone_title=self.milestone.title)
            self.milestone = milestone
            if milestone is not None:
                self.event("MilestonedEvent", by or self.account, milestone_title=milestone.title)

    def lock(self, reason: str | None = None, by: Account | None = None) -> None:
        with self.repository.changed():
            self.locked, self.active_lock_reason = True, reason
            self.event("LockedEvent", by or self.account, lock_reason=reason)

    def unlock(self, by: Account | None = None) -> None:
        with self.repository.changed():
            self.locked, self.active_lock_reason = False, None
            self.event("UnlockedEvent", by or self.account)

    def close(self, by: Account | None = None, **data: Any) -> None:
        """`data`: `closer` (the pull request that closed an issue) and `state_reason`."""
        with self.repository.changed():
            self.state, self.closed_at = "CLOSED", self.world.clock.stamp()
            self.event("ClosedEvent", by or self.account, **data)

    def reopen(self, by: Account | None = None) -> None:
        with self.repository.changed():
            self.state, self.closed_at = "OPEN", None
            self.event("ReopenedEvent", by or self.account)

    def delete(self) -> None:
        """Gone with all that hangs on it."""
        with self.repository.changed():
            self.repository.drop(self)

    def children(self) -> Iterator["Written | TimelineEvent | ReviewRequest"]:
        """Everything with a node id of its own that goes when the thread goes."""
        yield from self.comments
        yield from self.events


@dataclass(slots=True, eq=False, repr=False)
class Issue(Thread):
    typename: ClassVar[str] = "Issue"

    state_reason: str | None = field(default=None, kw_only=True)
    closed_by: "list[PullRequest]" = field(default_factory=list, kw_only=True)
    """The pull requests that close it, merged or not: `closedByPullRequestsReferences`."""
    is_pinned: bool = field(default=False, kw_only=True)

    @property
    def resource_path(self) -> str:
        return f"{self.repo.resource_path}/issues/{self.number}"

    def close(self, by: Account | None = None, **data: Any) -> None:
        with self.repository.changed():
            self.state_reason = data.setdefault("state_reason", "COMPLETED")
            Thread.close(self, by, **data)

    def reopen(self, by: Account | None = None) -> None:
        with self.repository.changed():
            self.state_reason = "REOPENED"
            Thread.reopen(self, by)

    def transfer(self, to: "Repository", by: Account | None = None) -> "Issue":
        """It leaves its number, takes a new one and a new id in `to`, and is answered with; its comments go with it."""
        with self.repository.changed(), to.changed():
            origin = self.repository
            origin.drop(self)
            origin.moved[self.number] = self
            self.database_id = self.world.next_id("Issue")
            self.repo, self.number, self.labels, self.milestone = to, to.next_number(), [], None
            to.add_issue(self)
            self.event("TransferredEvent", by or self.account, from_repository=origin)
            return self


@dataclass(slots=True, eq=False, repr=False)
class PullRequest(Thread):
    """`state` is OPEN, CLOSED or MERGED."""

    typename: ClassVar[str] = "PullRequest"

    is_draft: bool = field(default=False, kw_only=True)
    merged_at: Stamp | None = field(default=None, kw_only=True)
    merged_by_account: Account | None = field(default=None, kw_only=True)
    merge_commit_oid: str | None = field(default=None, kw_only=True)
    base_ref_name: str = field(default="main", kw_only=True)
    base_ref_oid: str = field(default="0" * 40, kw_only=True)
    head_ref_name: str = field(default="patch-1", kw_only=True)
    head_ref_oid: str = field(default="0" * 40, kw_only=True)
    head_repository: "Repository | None" = field(default=None, kw_only=True)
    additions: int = field(default=1, kw_only=True)
    deletions: int = field(default=0, kw_only=True)
    changed_files: int = field(default=1, kw_only=True)
    commit_count: int = field(default=1, kw_only=True)
    reviews: list[Review] = field(default_factory=list, kw_only=True)
    review_requests: list[ReviewRequest] = field(default_factory=list, kw_only=True)
    closes: list[Issue] = field(default_factory=list, kw_only=True)
    """`closingIssuesReferences`."""

    @property
    def resource_path(self) -> str:
        return f"{self.repo.resource_path}/pull/{self.number}"

    @property
    def permalink(self) -> str:
        return self.url

    @property
    def merged(self) -> bool:
        return self.merged_at is not None

    @property
    def merged_by(self) -> Account | None:
        return present(self.merged_by_account)

    @property
    def merge_commit(self) -> Commit | None:
        return self.repo.git.commit(self.merge_commit_oid) if self.merge_commit_oid else None

    @property
    def base_repository(self) -> "Repository":
        return self.repo

    @property
    def is_cross_repository(self) -> bool:
        return self.head_repository is not self.repo

    def review_comments(self) -> list[ReviewComment]:
        return [comment for review in self.reviews for comment in review.comments]

    def children(self) -> Iterator[Written | TimelineEvent | ReviewRequest]:
        yield from Thread.children(self)
        yield from self.reviews
        yield from self.review_comments()
        yield from self.review_requests

    def merge(self, by: Account | None = None, *, queued: bool = False) -> None:
        """`queued`: by a merge queue."""
        with self.repository.changed():
            now = self.world.clock.stamp()
            self.state, self.closed_at, self.merged_at, self.merged_by_account = "MERGED", now, now, by
            self.merge_commit_oid = self.world.oid(f"merge of {self.url} at {now}")
            self.event("MergedEvent", by, oid=self.merge_commit_oid, merge_ref_name=self.base_ref_name)
            self.event("ClosedEvent", by)
            self.repo.land(self, by, now, queued=queued)
            for issue in self.closes:
                if not issue.closed:
                    issue.close(by, closer=self)

    def ready(self, by: Account | None = None) -> None:
        with self.repository.changed():
            self.is_draft = False
            self.event("ReadyForReviewEvent", by or self.account)

    def draft(self, by: Account | None = None) -> None:
        with self.repository.changed():
            self.is_draft = True
            self.event("ConvertToDraftEvent", by or self.account)

    def force_push(self, by: Account | None = None) -> None:
        """Review comments on the old lines lose their position."""
        with self.repository.changed():
            before = self.head_ref_oid
            self.head_ref_oid = self.world.oid(f"push to {self.url} over {before}")
            self.event("HeadRefForcePushedEvent", by or self.account, before_oid=before, after_oid=self.head_ref_oid)
            for comment in self.review_comments():
                comment.position = None

    def review(
        self,
        author: Account | None,
        state: str = "COMMENTED",
        body: str = "",
        *,
        comments: tuple[str, ...] = (),
        at: Stamp | None = None,
        bump: bool = True,
    ) -> Review:
        """State PENDING: nobody but its author sees it, and the pull request is not bumped. `comments` are bodies."""
        with self.repository.changed():
            at = at or self.world.clock.stamp()
            pending = state == "PENDING"
            review = Review(
                self.world.next_id("PullRequestReview"),
                author,
                "NONE",
                body,
                at,
                at,
                pull_request=self,
                state=state,
                submitted_at=None if pending else at,
                oid=self.head_ref_oid,
                modern=self.modern,
            )
            self.reviews.append(review)
            self.world.remember(review)
            for index, text in enumerate(comments, 1):
                review.comment(author, text, position=index, at=at, bump=False)
            if bump and not pending:
                self.bump()
            return review

    def request_review(self, reviewer: Reviewer, by: Account | None = None) -> ReviewRequest:
        with self.repository.changed():
            request = ReviewRequest(self, self.world.next_id("ReviewRequest"), reviewer)
            self.review_requests.append(request)
            self.world.remember(request)
            self.event("ReviewRequestedEvent", by or self.account, reviewer=reviewer)
            return request

    def withdraw_request(self, reviewer: Reviewer, by: Account | None = None) -> None:
        with self.repository.changed():
            for request in [each for each in self.review_requests if each.reviewer is reviewer]:
                self.review_requests.remove(request)
                self.world.forget(request)
            self.event("ReviewRequestRemovedEvent", by or self.account, reviewer=reviewer)

    def will_close(self, issue: Issue) -> None:
        """Links them as "fixes #N" in the body does: both sides' references, and a cross reference on the issue."""
        with self.repository.changed():
            self.closes.append(issue)
            issue.closed_by.append(self)
            issue.event("CrossReferencedEvent", self.account, source=self, will_close_target=True)


def _node_id(thing: Any, new: bool, *path: int) -> str:
    if new:
        return node_ids.new(thing.typename, *path, thing.database_id)
    return node_ids.old(thing.typename, thing.database_id)
