"""Resolvers of repositories: their threads, labels and milestones."""

from collections.abc import Callable
from typing import Any

from sandbox.github.exchange.pages import Page
from sandbox.github.exchange.refusals import GitHubError, NotModelled
from sandbox.github.graphql.context import Info
from sandbox.github.graphql.fields.resolvers import by_id, by_name, field, one, refuse_arguments, serve, spoil
from sandbox.github.world.pull_requests import PullRequest
from sandbox.github.world.repositories import ORDERS, Repository
from sandbox.github.world.threads import Issue, Thread

# --- repositories


@field("Repository.pullRequest")
def pull_request(source: Repository, info: Info, **args: Any) -> PullRequest:
    found = source.pull_requests.get(args["number"])
    if found is None or info.context.world.hides(found):
        raise GitHubError("NOT_FOUND", f"Could not resolve to a PullRequest with the number of {args['number']}.")
    return one(info, found)


@field("Repository.issue")
def issue(source: Repository, info: Info, **args: Any) -> Issue:
    found = source.issues.get(args["number"]) if source.has_issues_enabled else None
    if found is None or info.context.world.hides(found):
        raise GitHubError("NOT_FOUND", f"Could not resolve to an Issue with the number of {args['number']}.")
    return one(info, found)


@field("Repository.issueOrPullRequest")
def issue_or_pull_request(source: Repository, info: Info, **args: Any) -> Thread:
    number = args["number"]
    found: Thread | None = source.pull_requests.get(number)
    if found is None and source.has_issues_enabled:
        found = source.issues.get(number)
    if found is None or info.context.world.hides(found):
        message = f"Could not resolve to an issue or pull request with the number of {number}."
        raise GitHubError("NOT_FOUND", message)
    return one(info, found)


@field("Repository.pullRequests")
def pull_requests(source: Repository, info: Info, **args: Any) -> Page:
    return threads("Repository.pullRequests", source, "pull_requests", info, args)


@field("Repository.issues")
def issues(source: Repository, info: Info, **args: Any) -> Page:
    return threads("Repository.issues", source, "issues", info, args)


def threads(where: str, source: Repository, kind: Any, info: Info, args: dict[str, Any]) -> Page:
    order = args.get("orderBy") or {"field": "CREATED_AT", "direction": "ASC"}
    if order["field"] == "COMMENTS":
        raise NotModelled(f"{where} ordered by COMMENTS")
    by: Any = order["field"].lower()
    wanted = args.get("filterBy") or {}
    refuse_arguments(where, wanted, "milestone", "milestoneNumber", "mentioned", "viewerSubscribed", "assignee")
    items = source.ordered(kind, by) if kind != "issues" or source.has_issues_enabled else []
    tests: list[Callable[[Any], bool]] = []
    if states := args.get("states") or wanted.get("states"):
        tests.append(lambda thread: thread.state in states)
    if labels := args.get("labels") or wanted.get("labels"):
        tests.append(lambda thread: any(label.name in labels for label in thread.labels))
    if since := wanted.get("since"):
        tests.append(lambda thread: thread.updated_at >= since)
    if creator := wanted.get("createdBy"):
        tests.append(lambda thread: thread.author is not None and thread.author.login == creator)
    if base := args.get("baseRefName"):
        tests.append(lambda thread: thread.base_ref_name == base)
    if head := args.get("headRefName"):
        tests.append(lambda thread: thread.head_ref_name == head)
    if tests:
        items = [thread for thread in items if all(test(thread) for test in tests)]
    served = serve(info, items, ORDERS[by], args, descending=order["direction"] == "DESC")
    served.shown = spoil(info, served.nodes)
    return served


@field("Repository.labels")
def repository_labels(source: Repository, info: Info, **args: Any) -> Page:
    refuse_arguments("Repository.labels", args, "query")
    return labels_of(source.labels.values(), info, args)


@field("Issue.labels", "PullRequest.labels")
def labels(source: Thread, info: Info, **args: Any) -> Page:
    return labels_of(source.labels, info, args)


def labels_of(all_labels: Any, info: Info, args: dict[str, Any]) -> Page:
    order = args.get("orderBy") or {"field": "CREATED_AT", "direction": "ASC"}
    key = by_name if order["field"] == "NAME" else ORDERS["created_at"]
    return serve(info, sorted(all_labels, key=key), key, args, descending=order["direction"] == "DESC")


@field("Repository.label")
def label(source: Repository, _info: Info, **args: Any) -> Any:
    return source.labels.get(args["name"])


@field("Repository.milestones")
def milestones(source: Repository, info: Info, **args: Any) -> Page:
    refuse_arguments("Repository.milestones", args, "query", "orderBy")
    states = args.get("states")
    found = [each for each in source.milestones.values() if not states or each.state in states]
    return serve(info, found, by_id, args)


@field("Repository.milestone")
def milestone(source: Repository, _info: Info, **args: Any) -> Any:
    return source.milestones.get(args["number"])


@field("Repository.viewerPermission")
def viewer_permission(source: Repository, info: Info, **_args: Any) -> str:
    """Returns WRITE for collaborators and READ for other viewers. The stand-in counts every viewer as a collaborator if
    everybody may see the stargazers.
    """
    return "WRITE" if source.shows_stargazers_to(info.context.viewer, info.context.installation) else "READ"
