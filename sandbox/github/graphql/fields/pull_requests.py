"""Resolvers of pull requests and of their reviews."""

from dataclasses import dataclass
from typing import Any, ClassVar

from sandbox.github.exchange.pages import Page
from sandbox.github.graphql.context import Info
from sandbox.github.graphql.fields.commits import Ref
from sandbox.github.graphql.fields.resolvers import by_id, field, refuse_arguments, refuse_contents, serve
from sandbox.github.graphql.fields.visibility import is_here, visible_reviews
from sandbox.github.world import node_ids
from sandbox.github.world.accounts import Account
from sandbox.github.world.pull_request_commits import commits_of
from sandbox.github.world.pull_requests import PullRequest, RepositoryPullRequests, Review, ReviewComment
from sandbox.github.world.repositories import ORDERS


@dataclass(slots=True, eq=False)
class ReviewThread:
    """The review comments on one line: the first comment and the replies to it."""

    typename: ClassVar[str] = "PullRequestReviewThread"

    root: ReviewComment
    comments: list[ReviewComment]

    @property
    def database_id(self) -> int:
        return self.root.database_id

    @property
    def pull_request(self) -> PullRequest:
        return self.root.pull_request

    @property
    def repository(self) -> RepositoryPullRequests:
        return self.root.repository

    @property
    def path(self) -> str:
        return self.root.path

    @property
    def is_outdated(self) -> bool:
        return self.root.outdated

    @property
    def line(self) -> int | None:
        return self.root.line

    @property
    def original_line(self) -> int | None:
        return self.root.original_line

    def node_id(self, new: bool) -> str:
        if new:
            return node_ids.new("PullRequestReviewThread", self.repository.database_id, self.database_id)
        return node_ids.old("PullRequestReviewThread", self.database_id)


@field("PullRequest.closingIssuesReferences")
def closing_issues(source: PullRequest, info: Info, **args: Any) -> Page:
    refuse_arguments("PullRequest.closingIssuesReferences", args, "userLinkedOnly", "orderBy")
    found = [each for each in source.closes if is_here(info.context, each.repository)]
    return serve(info, sorted(found, key=by_id), by_id, args)


@field("PullRequest.commits")
def pull_request_commits(source: PullRequest, info: Info, **args: Any) -> Page:
    refuse_contents(info.context)
    only_counted = args.get("first") is None and args.get("last") is None
    found = [] if only_counted else commits_of(source)
    return serve(info, found, by_id, args, total_count=source.commit_count)


@field("PullRequest.reviews")
def reviews(source: PullRequest, info: Info, **args: Any) -> Page:
    found = visible_reviews(info.context, source)
    if states := args.get("states"):
        found = [review for review in found if review.state in states]
    if login := args.get("author"):
        found = [review for review in found if review.author is not None and review.author.login == login]
    return serve(info, found, ORDERS["created_at"], args)


@field("PullRequest.reviewRequests")
def review_requests(source: PullRequest, info: Info, **args: Any) -> Page:
    return serve(info, sorted(source.review_requests, key=by_id), by_id, args)


@field("PullRequest.reviewThreads")
def review_threads(source: PullRequest, info: Info, **args: Any) -> Page:
    found: dict[int, ReviewThread] = {}
    visible_comments = [each for review in visible_reviews(info.context, source) for each in review.comments]
    for comment in sorted(visible_comments, key=ORDERS["created_at"]):
        root = comment.reply_to or comment
        found.setdefault(root.database_id, ReviewThread(root, [])).comments.append(comment)
    return serve(info, list(found.values()), lambda thread: (thread.root.created_at, thread.database_id), args)


@field("PullRequestReview.comments", "PullRequestReviewThread.comments")
def review_comments(source: Review | ReviewThread, info: Info, **args: Any) -> Page:
    refuse_arguments("PullRequestReviewThread.comments", args, "skip")
    return serve(info, source.comments, ORDERS["created_at"], args)


@field("PullRequest.totalCommentsCount")
def total_comments_count(source: PullRequest, _info: Info) -> int:
    return len(source.comments) + len(source.review_comments())


@field("PullRequest.headRepositoryOwner")
def head_repository_owner(source: PullRequest, _info: Info) -> Account | None:
    return source.head_repository.owner if source.head_repository else None


@field("PullRequest.baseRef")
def base_ref(source: PullRequest, _info: Info) -> Ref:
    return Ref(source.repository, source.base_ref_name, source.repository.git.commit(source.base_ref_oid))


@field("PullRequest.headRef")
def head_ref(source: PullRequest, _info: Info) -> Ref | None:
    """Returns the branch of the pull request. Returns None if the branch or its repository was deleted."""
    gone = any(event.typename == "HeadRefDeletedEvent" for event in source.events)
    if gone or source.head_repository is None:
        return None
    return Ref(source.head_repository, source.head_ref_name, source.head_repository.git.commit(source.head_ref_oid))


@field("PullRequest.canBeRebased")
def can_be_rebased(source: PullRequest, _info: Info) -> bool:
    return not source.closed


@field("PullRequest.mergeable")
def mergeable(source: PullRequest, _info: Info) -> str:
    """Returns UNKNOWN if the pull request is closed. Otherwise returns MERGEABLE, because the stand-in has no
    conflicts.
    """
    return "UNKNOWN" if source.closed else "MERGEABLE"


@field("PullRequest.mergeStateStatus")
def merge_state_status(source: PullRequest, _info: Info) -> str:
    return "UNKNOWN" if source.closed else "CLEAN"
