"""REST's routes for issues and pull requests, and for their events, timelines, requested reviewers and commits."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from sandbox.github.exchange.pages import encode, page
from sandbox.github.exchange.refusals import GitHubError, NotModelled
from sandbox.github.exchange.requests import Reply, json_reply, message_reply
from sandbox.github.rest.calls import (
    Call,
    Refusal,
    find_pull_request,
    find_repository,
    find_thread,
    link,
    listed,
    needs_contents,
)
from sandbox.github.rest.shapes.repositories import commit_shape
from sandbox.github.rest.shapes.threads import issue_shape, listed_pull_shape, requested_shape
from sandbox.github.rest.shapes.timeline import issue_event_shape, timeline_item_shape
from sandbox.github.world.pull_request_commits import commits_of
from sandbox.github.world.pull_requests import PullRequest
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import Thread, TimelineEvent, by_place

AnyThread = TypeVar("AnyThread", bound=Thread)

PAGES_LIMIT = 100
COMMITS_LIMIT = 250
"""Most commits of a pull request that are listed."""
ONLY_IN_TIMELINES = frozenset({"CrossReferencedEvent"})
"""Events that a repository's list of events omits."""


def issues(call: Call, owner: str, name: str) -> Reply:
    """Returns issues and pull requests. A page number above 100 is refused. Later pages can be reached only by the
    cursors in the links.
    """
    found = find_repository(call, owner, name)
    if not found.has_issues_enabled:
        raise NotModelled("the issues of a repository that has none")
    _refuse(call, "assignee", "creator", "labels", "mentioned", "milestone", "type")
    number, after, before = call.number("page", 1), call.query.get("after"), call.query.get("before")
    if number > PAGES_LIMIT and not after and not before:
        message = "Pagination with the page parameter is limited for large datasets, please use cursor based pagination"
        raise Refusal(message_reply(422, f"{message} (after/before)"))
    sort = call.one_of("sort", ("created", "updated"), "created")
    descending = call.one_of("direction", ("asc", "desc"), "desc") == "desc"
    order = _updated if sort == "updated" else _created
    since = call.since()
    threads = call.chosen([each for each in _in_state(call, _threads(found, order)) if each.updated_at >= since])
    size = min(call.number("per_page", 30), 100)
    if number > 1 and not after and not before:
        gone = (number - 1) * size
        if gone >= len(threads):
            return json_reply(200, [])
        after = encode(order(threads[-gone] if descending else threads[gone - 1]))
    asked = {"last": size} if before else {"first": size}
    try:
        served = page(threads, order, **asked, after=after, before=before, descending=descending)
    except GitHubError as error:
        raise Refusal(message_reply(422, error.message)) from error
    reply = json_reply(200, [issue_shape(call, each) for each in call.shown(served.nodes)])
    query = {key: value for key, value in call.query.items() if key not in ("after", "before", "page")}
    queries = {}
    if served.has_next_page and served.end_cursor:
        queries["next"] = query | {"after": served.end_cursor, "page": str(number + 1)}
    if served.has_previous_page and served.start_cursor:
        queries["prev"] = query | {"before": served.start_cursor, "page": str(number - 1)}
    link(call, reply, queries)
    return reply


def pull_requests(call: Call, owner: str, name: str) -> Reply:
    """Returns pull requests, newest first by default. With `sort=updated`, the pull requests that were updated least
    recently come first by default.
    """
    found = find_repository(call, owner, name)
    _refuse(call, "head", "base")
    sort = call.one_of("sort", ("created", "updated"), "created")
    direction = call.one_of("direction", ("asc", "desc"), "desc" if sort == "created" else "asc")
    pulls = _in_state(call, found.ordered("pull_requests", "updated_at" if sort == "updated" else "created_at"))
    return listed(call, pulls[::-1] if direction == "desc" else pulls, lambda each: listed_pull_shape(call, each))


def issue_events(call: Call, owner: str, name: str) -> Reply:
    """Returns the events of all issues and pull requests, newest first. Cross-references are not among them."""
    found = find_repository(call, owner, name)
    return listed(call, found.kept("issue events", lambda: _events(found)), lambda each: issue_event_shape(call, each))


def timeline(call: Call, owner: str, name: str, number: str) -> Reply:
    """Returns the timeline of one thread, oldest first. It has events, comments, reviews and commits, but no review
    comments.
    """
    found = find_thread(call, find_repository(call, owner, name), int(number))
    items: list[Any] = [*found.comments, *found.events]
    if isinstance(found, PullRequest):
        items += [each for each in found.reviews if each.state != "PENDING" or each.account is call.viewer]
        items += commits_of(found)
    items.sort(key=by_place)
    return listed(call, items, lambda item: timeline_item_shape(call, item))


def requested_reviewers(call: Call, owner: str, name: str, number: str) -> Reply:
    found = find_pull_request(find_repository(call, owner, name), int(number))
    people, teams = requested_shape(call, found)
    return json_reply(200, {"users": people, "teams": teams})


def pull_request_commits(call: Call, owner: str, name: str, number: str) -> Reply:
    """Returns the pull request's commits, oldest first. Like GitHub, it lists at most 250."""
    needs_contents(call)
    found = find_pull_request(find_repository(call, owner, name), int(number))
    commits = [each.commit for each in commits_of(found)[:COMMITS_LIMIT]]
    return listed(call, commits, lambda commit: commit_shape(call, commit))


def _refuse(call: Call, *names: str) -> None:
    for name in names:
        if name in call.query:
            raise NotModelled(f"{name} of {call.path}")


def _threads(found: Repository, order: Callable[[Thread], tuple[str, int]]) -> list[Thread]:
    both = [*found.pull_requests.values(), *found.issues.values()]
    return found.kept(("issues and pull requests", order), lambda: sorted(both, key=order))


def _created(thread: Thread) -> tuple[str, int]:
    return thread.created_at, thread.number


def _updated(thread: Thread) -> tuple[str, int]:
    return thread.updated_at, thread.number


def _in_state(call: Call, threads: Iterable[AnyThread]) -> list[AnyThread]:
    state = call.one_of("state", ("open", "closed", "all"), "open")
    return [each for each in threads if state in ("all", "closed" if each.closed else "open")]


def _events(found: Repository) -> list[TimelineEvent]:
    threads = [*found.pull_requests.values(), *found.issues.values()]
    shown = [event for each in threads for event in each.events if event.typename not in ONLY_IN_TIMELINES]
    return sorted(shown, key=lambda event: (event.created_at, event.database_id), reverse=True)


ROUTES: tuple[tuple[str, Callable[..., Reply]], ...] = (
    ("/repos/{o}/{r}/issues", issues),
    ("/repos/{o}/{r}/pulls", pull_requests),
    ("/repos/{o}/{r}/issues/events", issue_events),
    ("/repos/{o}/{r}/issues/{n}/timeline", timeline),
    ("/repos/{o}/{r}/pulls/{n}/requested_reviewers", requested_reviewers),
    ("/repos/{o}/{r}/pulls/{n}/commits", pull_request_commits),
)
