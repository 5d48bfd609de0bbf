"""Pull requests with their reviews, and their changes."""

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sandbox.github.world.accounts import Account, Reviewer, present
from sandbox.github.world.clock import Stamp
from sandbox.github.world.commits import NOTHING, Activity, Commit
from sandbox.github.world.ground import Numbered
from sandbox.github.world.review_requests import ReviewRequest
from sandbox.github.world.threads import Issue, RepositoryIssues, Thread, created
from sandbox.github.world.written import Written


@dataclass(slots=True, eq=False, repr=False)
class ReviewComment(Written):
    """A comment on a line of a pull request's diff. `position` is None if the comment is outdated, because its line has
    changed since.
    """

    typename: ClassVar[str] = "PullRequestReviewComment"

    review: "Review" = field(kw_only=True)
    path: str = field(kw_only=True)
    position: int | None = field(kw_only=True)
    original_position: int = field(kw_only=True)
    diff_hunk: str = field(kw_only=True)
    original_oid: str = field(kw_only=True)
    reply_to: "ReviewComment | None" = field(default=None, kw_only=True)

    @property
    def repository(self) -> "RepositoryPullRequests":
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
        """Changes the text. `bump` says whether the comment's `updated_at` moves; the pull request's stays."""
        with self.repository.changed():
            self.body = body
            if bump:
                self.updated_at = self.last_edited_at = self.world.clock.stamp()

    def outdate(self) -> None:
        """Sets `position` to None, as a push that changes the comment's line does. No `updated_at` changes."""
        with self.repository.changed():
            self.position = None

    def delete(self) -> None:
        """Deletes the comment. The pull request's `updated_at` stays. Replies to the comment stay, but their `reply_to`
        becomes None.
        """
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
    def repository(self) -> "RepositoryPullRequests":
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
        """Submits a pending review, so that everybody can see it."""
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
        """Adds a review comment and returns it. `bump` says whether the pull request's `updated_at` moves."""
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
class PullRequest(Thread):
    """A pull request. `state` is OPEN, CLOSED or MERGED."""

    typename: ClassVar[str] = "PullRequest"

    repo: "RepositoryPullRequests" = field(kw_only=True)
    is_draft: bool = field(default=False, kw_only=True)
    merged_at: Stamp | None = field(default=None, kw_only=True)
    merged_by_account: Account | None = field(default=None, kw_only=True)
    merge_commit_oid: str | None = field(default=None, kw_only=True)
    base_ref_name: str = field(default="main", kw_only=True)
    base_ref_oid: str = field(default="0" * 40, kw_only=True)
    head_ref_name: str = field(default="patch-1", kw_only=True)
    head_ref_oid: str = field(default="0" * 40, kw_only=True)
    head_repository: "RepositoryPullRequests | None" = field(default=None, kw_only=True)
    additions: int = field(default=1, kw_only=True)
    deletions: int = field(default=0, kw_only=True)
    changed_files: int = field(default=1, kw_only=True)
    commit_count: int = field(default=1, kw_only=True)
    reviews: list[Review] = field(default_factory=list, kw_only=True)
    review_requests: list[ReviewRequest] = field(default_factory=list, kw_only=True)
    closes: list[Issue] = field(default_factory=list, kw_only=True)
    """The issues in `closingIssuesReferences`."""

    @property
    def repository(self) -> "RepositoryPullRequests":
        return self.repo

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
    def base_repository(self) -> "RepositoryPullRequests":
        return self.repo

    @property
    def is_cross_repository(self) -> bool:
        return self.head_repository is not self.repo

    def review_comments(self) -> list[ReviewComment]:
        return [comment for review in self.reviews for comment in review.comments]

    def children(self) -> Iterator[Numbered]:
        yield from Thread.children(self)
        yield from self.reviews
        yield from self.review_comments()
        yield from self.review_requests

    def merge(self, by: Account | None = None, *, queued: bool = False) -> None:
        """Merges the pull request. `queued` says whether a merge queue does it."""
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
        """Force-pushes the pull request's head. All review comments become outdated."""
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
        """Adds a review. `comments` are the texts of its review comments. If `state` is PENDING, only the review's
        author sees it. `bump` says whether the pull request's `updated_at` moves; it never moves for a PENDING review.
        """
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
        """Links the pull request with an issue, as "fixes #N" in its text does. Each then refers to the other, and the
        issue gets a `CrossReferencedEvent`.
        """
        with self.repository.changed():
            self.closes.append(issue)
            issue.closed_by.append(self)
            issue.event("CrossReferencedEvent", self.account, source=self, will_close_target=True)


@dataclass(slots=True, eq=False, repr=False)
class RepositoryPullRequests(RepositoryIssues):
    """A repository's pull requests."""

    pull_requests: dict[int, PullRequest] = field(default_factory=dict)
    review_comments: dict[int, ReviewComment] = field(default_factory=dict)

    def pull_request(self, number: int) -> PullRequest:
        return self.pull_requests[number]

    def thread(self, number: int) -> Thread:
        """Returns the pull request or issue with that number. Raises `KeyError` if there is neither."""
        return self.pull_requests.get(number) or self.issues[number]

    def open_pull_request(self, author: Account | None, title: str, body: str = "", **fields: Any) -> PullRequest:
        """Opens a pull request now, by default from the repository itself. `fields` are fields of `PullRequest`."""
        with self.changed():
            fields.setdefault("head_repository", self)
            fields.setdefault("base_ref_name", self.default_branch)
            pull_request = PullRequest(**self.new_thread("PullRequest", author, title, body, fields))
            self.add_pull_request(pull_request)
            return pull_request

    def land(self, pull: PullRequest, by: Account | None, at: Stamp, *, queued: bool = False) -> Activity:
        """Merges the pull request's head into its base branch, by a commit with the oid `merge_commit_oid`."""
        with self.changed():
            git, oid = self.git, pull.merge_commit_oid
            assert oid is not None, "it has none yet"
            base = git.head(pull.base_ref_name) or git.root()
            own = pull.head_ref_oid if pull.head_ref_oid != NOTHING else self.world.oid(f"head of {pull.url}")
            head = git.commits.get(own) or git.chain(base, (own,), pull.account, at)
            to = git.merge(pull.base_ref_name, head, oid, f"{pull.title} (#{pull.number})", by, at)
            return git.move(pull.base_ref_name, to, by, at, "merge_queue_merge" if queued else "pr_merge")

    def add_pull_request(self, pull_request: PullRequest) -> None:
        self.pull_requests[pull_request.number] = pull_request
        self.add_thread(pull_request)

    def add_review_comment(self, comment: ReviewComment) -> None:
        insort(comment.review.comments, comment, key=created)
        self.review_comments[comment.database_id] = comment
        self.world.remember(comment)

    def used_numbers(self) -> set[int]:
        return RepositoryIssues.used_numbers(self) | self.pull_requests.keys()

    def add_thread(self, thread: Thread) -> None:
        RepositoryIssues.add_thread(self, thread)
        for child in thread.children():
            if isinstance(child, ReviewComment):
                self.review_comments[child.database_id] = child

    def drop(self, thread: Thread) -> None:
        RepositoryIssues.drop(self, thread)
        self.pull_requests.pop(thread.number, None)
        for child in thread.children():
            if isinstance(child, ReviewComment):
                self.review_comments.pop(child.database_id)
