"""The REST routes that the product uses. They serve the same objects of `world/` as the resolvers in `graphql/`."""

import hashlib
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

from sandbox.github.exchange.refusals import NotModelled
from sandbox.github.exchange.requests import Reply, Request, json_reply, message_reply
from sandbox.github.rest import apps as rest_apps
from sandbox.github.rest import events as rest_events
from sandbox.github.rest import threads as rest_threads
from sandbox.github.rest.calls import (
    Call,
    Refusal,
    find_pull_request,
    find_repository,
    find_thread,
    listed,
    visible,
)
from sandbox.github.rest.shapes.accounts import profile_shape
from sandbox.github.rest.shapes.comments import issue_comment_shape, review_comment_shape, review_shape
from sandbox.github.rest.shapes.repositories import repository_shape
from sandbox.github.rest.shapes.threads import issue_shape, pull_shape
from sandbox.github.world.pull_requests import PullRequest, Review, ReviewComment
from sandbox.github.world.repositories import ORDERS, Repository
from sandbox.github.world.world import World

PAGES_LIMIT = 100
"""Lists of issues and comments refuse pages beyond this one."""


def answer(world: World, root: str, new_ids: bool, request: Request, etag: str | None) -> Reply:
    """Answers a REST request. `etag` is the ETag that the client sent, or None. If the ETag is still valid, the status
    is 304. With `new_ids`, node ids in the answer have GitHub's new format; without it, the old format.

    Raises `NotModelled` for a path that GitHub may have and the stand-in does not have.
    """
    assert request.account is not None
    path, _, query = request.path.partition("?")
    if by_id := BY_ID.fullmatch(path):
        named = world.repositories.get(int(by_id[1]))
        path = f"/repos/{named.name_with_owner}{by_id[2]}" if named is not None and by_id[2] else path
    accept = request.headers.get("Accept", "")
    asked = dict(parse_qsl(query, keep_blank_values=True))
    call = Call(world, request.account, root, new_ids, path, asked, accept, request.installation, request.selected)
    if request.app is not None:
        return rest_apps.answer(call, request.app, request)
    for pattern, route in ROUTES:
        if request.method == "GET" and (found := pattern.fullmatch(path)):
            try:
                with world.lock:
                    reply = route(call, *found.groups())
            except Refusal as refusal:
                return refusal.reply
            return _conditional(reply, request, etag)
    raise NotModelled(f"{request.method} {path}")


def _conditional(reply: Reply, request: Request, etag: str | None) -> Reply:
    """Adds an ETag to a reply of status 200. Returns the reply, or a 304 if `etag` is the reply's ETag. Returns a reply
    of another status unchanged. An ETag is valid for one token only.
    """
    if reply.status != 200:
        return reply
    made = f'W/"{hashlib.sha256(request.token.encode() + reply.body).hexdigest()}"'
    reply.headers["ETag"] = made
    if etag == made:
        return Reply(304, b"", {"ETag": made})
    return reply


# --- routes


def user(call: Call) -> Reply:
    if call.installation is not None:
        return message_reply(403, "Resource not accessible by integration")
    return json_reply(200, profile_shape(call, call.viewer))


def user_by_login(call: Call, login: str) -> Reply:
    """Returns the account with that login. A bot is found by its REST login, such as `dependabot[bot]`."""
    name = unquote(login).lower()
    account = call.world.ghost if name == "ghost" else call.world.accounts.get(name.removesuffix("[bot]"))
    if account is None or account.rest_login.lower() != name:
        raise Refusal(message_reply(404, "Not Found"))
    return json_reply(200, profile_shape(call, account))


def user_organizations(call: Call, login: str) -> Reply:
    """Always returns an empty list, because in the stand-in no membership in an organization is public."""
    user_by_login(call, login)
    return json_reply(200, [])


def repository_by_name(call: Call, owner: str, name: str) -> Reply:
    return json_reply(200, repository_shape(call, find_repository(call, owner, name)))


def repository_by_id(call: Call, number: str) -> Reply:
    found = call.world.repositories.get(int(number))
    return json_reply(200, repository_shape(call, visible(call, found)))


def issue_comments(call: Call, owner: str, name: str) -> Reply:
    found = find_repository(call, owner, name)
    return _comments(call, found, "issue_comments", lambda comment: issue_comment_shape(call, comment))


def review_comments(call: Call, owner: str, name: str) -> Reply:
    found = find_repository(call, owner, name)
    return _comments(call, found, "review_comments", lambda comment: review_comment_shape(call, comment))


def issue(call: Call, owner: str, name: str, number: str) -> Reply:
    found = find_repository(call, owner, name)
    return json_reply(200, issue_shape(call, find_thread(call, found, int(number))))


def pull_request(call: Call, owner: str, name: str, number: str) -> Reply:
    return json_reply(200, pull_shape(call, find_pull_request(find_repository(call, owner, name), int(number))))


def thread_comments(call: Call, owner: str, name: str, number: str) -> Reply:
    found = find_thread(call, find_repository(call, owner, name), int(number))
    since = call.since()
    comments = [comment for comment in found.comments if comment.updated_at >= since]
    return listed(call, comments, lambda comment: issue_comment_shape(call, comment))


def pull_request_comments(call: Call, owner: str, name: str, number: str) -> Reply:
    found = find_pull_request(find_repository(call, owner, name), int(number))
    since = call.since()
    shown = [each for review in _shown_reviews(call, found) for each in review.comments if each.updated_at >= since]
    return listed(call, _sorted(call, shown), lambda comment: review_comment_shape(call, comment))


def pull_request_reviews(call: Call, owner: str, name: str, number: str) -> Reply:
    found = find_pull_request(find_repository(call, owner, name), int(number))
    return listed(call, _shown_reviews(call, found), lambda review: review_shape(call, review))


PATHS: tuple[tuple[str, Callable[..., Reply]], ...] = (
    ("/user", user),
    ("/users/{login}", user_by_login),
    ("/users/{login}/orgs", user_organizations),
    ("/repos/{o}/{r}", repository_by_name),
    ("/repositories/{n}", repository_by_id),
    ("/repos/{o}/{r}/issues/comments", issue_comments),
    ("/repos/{o}/{r}/pulls/comments", review_comments),
    ("/repos/{o}/{r}/issues/{n}", issue),
    ("/repos/{o}/{r}/pulls/{n}", pull_request),
    ("/repos/{o}/{r}/issues/{n}/comments", thread_comments),
    ("/repos/{o}/{r}/pulls/{n}/comments", pull_request_comments),
    ("/repos/{o}/{r}/pulls/{n}/reviews", pull_request_reviews),
    *rest_threads.ROUTES,
    *rest_events.ROUTES,
)


def _pattern(path: str) -> re.Pattern[str]:
    places = {"{o}/{r}": "([^/]+)/([^/]+)", "{n}": r"(\d+)", "{login}": "([^/]+)"}
    for place, expression in places.items():
        path = path.replace(place, expression)
    return re.compile(path)


ROUTES = [(_pattern(path), route) for path, route in PATHS]
BY_ID = re.compile(r"/repositories/(\d+)(/.+)?")
"""The addresses to which renamed repositories redirect."""
BY_NAME = re.compile(r"/repos/([^/]+/[^/]+)(/.+)?")


def repository_of(world: World, path: str) -> Repository | None:
    """Returns the repository that the path of a request names. Returns None if the path names none."""
    path = path.partition("?")[0]
    if by_id := BY_ID.fullmatch(path):
        return world.repositories.get(int(by_id[1]))
    by_name = BY_NAME.fullmatch(path)
    return world.find(by_name[1]) if by_name else None


def _shown_reviews(call: Call, found: PullRequest) -> list[Review]:
    return [each for each in found.reviews if each.state != "PENDING" or each.account is call.viewer]


# --- lists


def _comments(call: Call, found: Repository, kind: Any, shape: Callable[[Any], dict[str, Any]]) -> Reply:
    if call.number("page", 1) > PAGES_LIMIT:
        message = "Pagination with the page parameter is limited for large datasets, please use cursor based pagination"
        raise Refusal(message_reply(422, f"{message} (after/before)"))
    order: Any = "updated_at" if call.query.get("sort") == "updated" else "created_at"
    comments = found.ordered(kind, order)
    if since := call.since():
        comments = [comment for comment in comments if comment.updated_at >= since]
    if kind == "review_comments":
        comments = [each for each in comments if each.review.state != "PENDING" or each.review.account is call.viewer]
    if call.query.get("direction") == "desc":
        comments = comments[::-1]
    return listed(call, comments, shape)


def _sorted(call: Call, comments: list[ReviewComment]) -> list[ReviewComment]:
    key = ORDERS["updated_at" if call.query.get("sort") == "updated" else "created_at"]
    return sorted(comments, key=key, reverse=call.query.get("direction") == "desc")
