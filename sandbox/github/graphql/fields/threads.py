"""Resolvers of issues, and of fields that issues and pull requests share."""

from typing import Any

from sandbox.github.exchange.pages import Page
from sandbox.github.exchange.refusals import NotModelled
from sandbox.github.graphql.context import Info
from sandbox.github.graphql.fields.resolvers import by_id, by_login, field, serve
from sandbox.github.graphql.fields.visibility import is_here, visible_reviews
from sandbox.github.world.pull_requests import PullRequest
from sandbox.github.world.repositories import ORDERS
from sandbox.github.world.threads import Issue, Thread

# --- issues and pull requests


@field("Issue.assignees", "PullRequest.assignees")
def assignees(source: Thread, info: Info, **args: Any) -> Page:
    """Returns the assignees that are users. Bots are in `assignedActors` only (vscode-pull-request-github#7324)."""
    people = [each for each in source.assignees if each.typename == "User"]
    return serve(info, sorted(people, key=by_login), by_login, args)


@field("Issue.assignedActors", "PullRequest.assignedActors")
def assigned_actors(source: Thread, info: Info, **args: Any) -> Page:
    return serve(info, sorted(source.assignees, key=by_login), by_login, args)


@field("Issue.comments", "PullRequest.comments")
def comments(source: Thread, info: Info, **args: Any) -> Page:
    if order := args.get("orderBy"):
        key = ORDERS["updated_at"]
        return serve(info, sorted(source.comments, key=key), key, args, descending=order["direction"] == "DESC")
    return serve(info, source.comments, ORDERS["created_at"], args)


@field("Issue.participants", "PullRequest.participants")
def participants(source: Thread, info: Info, **args: Any) -> Page:
    written: list[Any] = [source, *source.comments]
    if isinstance(source, PullRequest):
        written += visible_reviews(info.context, source)
    people = {each.author for each in written if each.author is not None and each.author.typename == "User"}
    return serve(info, sorted(people, key=by_login), by_login, args)


@field("Issue.closedByPullRequestsReferences")
def closed_by_pull_requests(source: Issue, info: Info, **args: Any) -> Page:
    if args.get("userLinkedOnly") or args.get("orderByState"):
        raise NotModelled("Issue.closedByPullRequestsReferences by user or state")
    found = [each for each in source.closed_by if args.get("includeClosedPrs") or each.state != "CLOSED"]
    found = [each for each in found if is_here(info.context, each.repository)]
    return serve(info, sorted(found, key=by_id), by_id, args)


@field("IssueComment.issue")
def comment_issue(source: Any, _info: Info) -> Issue:
    if not isinstance(source.thread, Issue):
        raise NotModelled("IssueComment.issue of a pull request's comment")
    return source.thread
