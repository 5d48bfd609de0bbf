"""GitHub's REST routes that are used, with their shapes. Times and rules are the world's, as in GraphQL."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sandbox.github.accounts import Account, Team, present
from sandbox.github.clock import moment, stamp
from sandbox.github.refusals import NotModelled
from sandbox.github.repositories import ORDERS, Repository
from sandbox.github.requests import Reply, Request, json_reply, message_reply
from sandbox.github.threads import Issue, IssueComment, Label, Milestone, PullRequest, Review, ReviewComment, Thread
from sandbox.github.world import World, spread

PAGES_LIMIT = 100
"""Lists of issues and comments are refused beyond this page."""


class Refusal(Exception):
    """`reply` is the whole answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(slots=True)
class Call:
    """One REST request. `root` is the API's address, for the links in answers."""

    world: World
    viewer: Account
    root: str
    new_ids: bool
    path: str
    query: dict[str, str]

    def number(self, name: str, otherwise: int) -> int:
        text = self.query.get(name, "")
        return int(text) if text.isdigit() and int(text) > 0 else otherwise

    def since(self) -> str:
        text = self.query.get("since", "")
        try:
            return stamp(moment(text.replace(" ", "+"))) if text else ""
        except ValueError:
            raise Refusal(message_reply(422, "Invalid request.\n\nInvalid since")) from None


def answer(world: World, viewer: Account, root: str, new_ids: bool, request: Request, etag: str | None) -> Reply:
    """The answer, 304 if `etag` names what it would be. `NotModelled` if GitHub may have a route that this has not."""
    path, _, query = request.path.partition("?")
    if by_id := BY_ID.fullmatch(path):
        named = world.repositories.get(int(by_id[1]))
        path = f"/repos/{named.name_with_owner}{by_id[2]}" if named is not None else path
    call = Call(world, viewer, root, new_ids, path, dict(parse_qsl(query, keep_blank_values=True)))
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
    """An etag is good for one token only."""
    if reply.status != 200:
        return reply
    made = f'W/"{hashlib.sha256(request.token.encode() + reply.body).hexdigest()}"'
    reply.headers["ETag"] = made
    if etag == made:
        return Reply(304, b"", {"ETag": made})
    return reply


# --- routes


def user(call: Call) -> Reply:
    return json_reply(200, _user(call, call.viewer))


def repository_by_name(call: Call, owner: str, name: str) -> Reply:
    return json_reply(200, _repository(call, _find(call, owner, name)))


def repository_by_id(call: Call, number: str) -> Reply:
    found = call.world.repositories.get(int(number))
    return json_reply(200, _repository(call, _here(call, found)))


def issue_comments(call: Call, owner: str, name: str) -> Reply:
    found = _find(call, owner, name)
    return _comments(call, found, "issue_comments", lambda comment: _issue_comment(call, comment))


def review_comments(call: Call, owner: str, name: str) -> Reply:
    found = _find(call, owner, name)
    return _comments(call, found, "review_comments", lambda comment: _review_comment(call, comment))


def issue(call: Call, owner: str, name: str, number: str) -> Reply:
    found = _find(call, owner, name)
    return json_reply(200, _issue(call, _thread(call, found, int(number))))


def pull_request(call: Call, owner: str, name: str, number: str) -> Reply:
    return json_reply(200, _pull(call, _pull_request(_find(call, owner, name), int(number))))


def thread_comments(call: Call, owner: str, name: str, number: str) -> Reply:
    found = _thread(call, _find(call, owner, name), int(number))
    since = call.since()
    comments = [comment for comment in found.comments if comment.updated_at >= since]
    return _list(call, comments, lambda comment: _issue_comment(call, comment))


def pull_request_comments(call: Call, owner: str, name: str, number: str) -> Reply:
    found = _pull_request(_find(call, owner, name), int(number))
    since = call.since()
    shown = [each for review in _shown_reviews(call, found) for each in review.comments if each.updated_at >= since]
    return _list(call, _sorted(call, shown), lambda comment: _review_comment(call, comment))


def pull_request_reviews(call: Call, owner: str, name: str, number: str) -> Reply:
    found = _pull_request(_find(call, owner, name), int(number))
    return _list(call, _shown_reviews(call, found), lambda review: _review(call, review))


ROUTES: list[tuple[re.Pattern[str], Callable[..., Reply]]] = [
    (re.compile(pattern.replace("{o}/{r}", r"([^/]+)/([^/]+)").replace("{n}", r"(\d+)")), route)
    for pattern, route in (
        ("/user", user),
        ("/repos/{o}/{r}", repository_by_name),
        ("/repositories/{n}", repository_by_id),
        ("/repos/{o}/{r}/issues/comments", issue_comments),
        ("/repos/{o}/{r}/pulls/comments", review_comments),
        ("/repos/{o}/{r}/issues/{n}", issue),
        ("/repos/{o}/{r}/pulls/{n}", pull_request),
        ("/repos/{o}/{r}/issues/{n}/comments", thread_comments),
        ("/repos/{o}/{r}/pulls/{n}/comments", pull_request_comments),
        ("/repos/{o}/{r}/pulls/{n}/reviews", pull_request_reviews),
    )
]


BY_ID = re.compile(r"/repositories/(\d+)(/.+)")
"""Where renamed repositories are redirected to."""


# --- finding


def _find(call: Call, owner: str, name: str) -> Repository:
    """By its name; 301 to its id if it had that name once."""
    found = call.world.find(f"{owner}/{name}")
    here = _here(call, found)
    if not call.world.is_present_name(f"{owner}/{name}"):
        rest = call.path.removeprefix(f"/repos/{owner}/{name}")
        query = f"?{urlencode(call.query)}" if call.query else ""
        url = f"{call.root}/repositories/{here.database_id}{rest}{query}"
        content = {"message": "Moved Permanently", "url": url, "documentation_url": "https://docs.github.com/rest"}
        raise Refusal(json_reply(301, content, Location=url))
    return here


def _here(call: Call, found: Repository | None) -> Repository:
    if found is None or found.state == "gone":
        raise Refusal(message_reply(404, "Not Found"))
    if found.state == "forbidden":
        raise Refusal(message_reply(403, "Resource not accessible by personal access token"))
    if found.state == "taken_down":
        url = "https://github.com/github/dmca/blob/master/README.md"
        block = {"reason": "dmca", "created_at": call.world.clock.stamp(), "html_url": url}
        raise Refusal(json_reply(451, {"message": "Repository access blocked", "block": block}))
    return found


def _thread(call: Call, repository: Repository, number: int) -> Thread:
    if number in repository.moved:
        to = repository.moved[number]
        url = f"{call.root}/repositories/{to.repository.database_id}/issues/{to.number}"
        raise Refusal(json_reply(301, {"message": "Moved Permanently", "url": url}, Location=url))
    if number in repository.pull_requests:
        return repository.pull_requests[number]
    if not repository.has_issues_enabled:
        raise Refusal(message_reply(410, "Issues are disabled for this repo"))
    if number in repository.deleted:
        raise Refusal(message_reply(410, "This issue was deleted"))
    if number not in repository.issues:
        raise Refusal(message_reply(404, "Not Found"))
    return repository.issues[number]


def _pull_request(repository: Repository, number: int) -> PullRequest:
    if number not in repository.pull_requests:
        raise Refusal(message_reply(404, "Not Found"))
    return repository.pull_requests[number]


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
    return _list(call, comments, shape)


def _sorted(call: Call, comments: list[ReviewComment]) -> list[ReviewComment]:
    key = ORDERS["updated_at" if call.query.get("sort") == "updated" else "created_at"]
    return sorted(comments, key=key, reverse=call.query.get("direction") == "desc")


def _list(call: Call, things: list[Any], shape: Callable[[Any], dict[str, Any]]) -> Reply:
    """One page, with the links to others."""
    size = min(call.number("per_page", 30), 100)
    page = call.number("page", 1)
    last = max(1, -(-len(things) // size))
    shown = things[(page - 1) * size : page * size]
    reply = json_reply(200, [shape(thing) for thing in shown])
    links = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    if page <= 1:
        del links["prev"], links["first"]
    if page >= last:
        del links["next"], links["last"]
    if links:
        reply.headers["Link"] = ", ".join(
            f'<{call.root}{call.path}?{urlencode(call.query | {"page": number})}>; rel="{name}"'
            for name, number in links.items()
        )
    return reply


# --- shapes


def _user(call: Call, account: Account) -> dict[str, Any]:
    return {
        "login": account.rest_login,
        "id": account.database_id,
        "node_id": account.node_id(call.new_ids),
        "avatar_url": account.avatar_url,
        "gravatar_id": "",
        "url": f"{call.root}/users/{account.rest_login}",
        "html_url": account.url,
        "type": account.typename,
        "user_view_type": "public",
        "site_admin": False,
    }


def _author(call: Call, account: Account | None) -> dict[str, Any]:
    """A deleted account is `ghost` where issues, pull requests and their conversation are concerned."""
    return _user(call, present(account) or call.world.ghost)


def _reviewer(call: Call, account: Account | None) -> dict[str, Any] | None:
    """A deleted account is null where reviews are concerned."""
    shown = present(account)
    return _user(call, shown) if shown else None


def _team(call: Call, team: Team) -> dict[str, Any]:
    return {
        "id": team.database_id,
        "node_id": team.node_id(call.new_ids),
        "name": team.name,
        "slug": team.slug,
        "html_url": team.url,
    }


def _repository(call: Call, found: Repository) -> dict[str, Any]:
    return {
        "id": found.database_id,
        "node_id": found.node_id(call.new_ids),
        "name": found.name,
        "full_name": found.name_with_owner,
        "private": found.is_private,
        "owner": _user(call, found.owner),
        "html_url": found.url,
        "description": found.description,
        "fork": found.is_fork,
        "url": _repository_url(call, found),
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "pushed_at": found.pushed_at,
        "has_issues": found.has_issues_enabled,
        "has_discussions": found.has_discussions_enabled,
        "archived": found.is_archived,
        "disabled": False,
        "visibility": found.visibility.lower(),
        "default_branch": found.default_branch,
        "open_issues_count": sum(not each.closed for each in [*found.issues.values(), *found.pull_requests.values()]),
    }


def _repository_url(call: Call, found: Repository) -> str:
    return f"{call.root}/repos/{found.name_with_owner}"


def _issue_comment(call: Call, comment: IssueComment) -> dict[str, Any]:
    repository_url = _repository_url(call, comment.repository)
    return {
        "url": f"{repository_url}/issues/comments/{comment.database_id}",
        "html_url": comment.url,
        "issue_url": f"{repository_url}/issues/{comment.thread.number}",
        "id": comment.database_id,
        "node_id": comment.node_id(call.new_ids),
        "user": _author(call, comment.account),
        "created_at": comment.created_at,
        "updated_at": comment.updated_at,
        "body": comment.body,
        "author_association": comment.author_association,
        "performed_via_github_app": None,
    }


def _review_comment(call: Call, comment: ReviewComment) -> dict[str, Any]:
    repository_url = _repository_url(call, comment.repository)
    url = f"{repository_url}/pulls/comments/{comment.database_id}"
    pull_request_url = f"{repository_url}/pulls/{comment.pull_request.number}"
    shape = {
        "url": url,
        "pull_request_review_id": comment.review.database_id,
        "id": comment.database_id,
        "node_id": comment.node_id(call.new_ids),
        "diff_hunk": comment.diff_hunk,
        "path": comment.path,
        "commit_id": comment.commit.oid,
        "original_commit_id": comment.original_oid,
        "user": _reviewer(call, comment.account),
        "body": comment.body,
        "created_at": comment.created_at,
        "updated_at": comment.updated_at,
        "html_url": comment.url,
        "pull_request_url": pull_request_url,
        "author_association": comment.author_association,
        "_links": {"self": {"href": url}, "html": {"href": comment.url}, "pull_request": {"href": pull_request_url}},
        "start_line": None,
        "original_start_line": None,
        "start_side": None,
        "line": comment.line,
        "original_line": comment.original_line,
        "side": "RIGHT",
        "original_position": comment.original_position,
        "position": comment.position,
        "subject_type": "line",
    }
    if comment.reply_to is not None:
        shape["in_reply_to_id"] = comment.reply_to.database_id
    return shape


def _review(call: Call, review: Review) -> dict[str, Any]:
    shape = {
        "id": review.database_id,
        "node_id": review.node_id(call.new_ids),
        "user": _reviewer(call, review.account),
        "body": review.body,
        "state": review.state,
        "html_url": review.url,
        "pull_request_url": f"{_repository_url(call, review.repository)}/pulls/{review.pull_request.number}",
        "author_association": review.author_association,
        "commit_id": review.oid,
    }
    if review.submitted_at is not None:
        shape["submitted_at"] = review.submitted_at
    return shape


def _label(call: Call, label: Label) -> dict[str, Any]:
    return {
        "id": label.database_id,
        "node_id": label.node_id(call.new_ids),
        "url": f"{_repository_url(call, label.repository)}/labels/{label.name.replace(' ', '%20')}",
        "name": label.name,
        "color": label.color,
        "default": label.is_default,
        "description": label.description,
    }


def _milestone(call: Call, milestone: Milestone) -> dict[str, Any]:
    return {
        "url": f"{_repository_url(call, milestone.repository)}/milestones/{milestone.number}",
        "html_url": milestone.url,
        "id": milestone.database_id,
        "node_id": milestone.node_id(call.new_ids),
        "number": milestone.number,
        "title": milestone.title,
        "description": milestone.description,
        "creator": _author(call, milestone.creator_account),
        "state": milestone.state.lower(),
        "created_at": milestone.created_at,
        "updated_at": milestone.updated_at,
        "due_on": milestone.due_on,
        "closed_at": milestone.closed_at,
    }


def _issue(call: Call, found: Thread) -> dict[str, Any]:
    repository_url = _repository_url(call, found.repository)
    shape = {
        "url": f"{repository_url}/issues/{found.number}",
        "repository_url": repository_url,
        "comments_url": f"{repository_url}/issues/{found.number}/comments",
        "html_url": found.url,
        "id": _issue_id(found),
        "node_id": found.node_id(call.new_ids),
        "number": found.number,
        "title": found.title,
        "user": _author(call, found.account),
        "labels": [_label(call, label) for label in found.labels],
        "state": "open" if found.state == "OPEN" else "closed",
        "state_reason": found.state_reason and found.state_reason.lower() if isinstance(found, Issue) else None,
        "locked": found.locked,
        "active_lock_reason": _lock_reason(found),
        "assignee": _user(call, found.assignees[0]) if found.assignees else None,
        "assignees": [_user(call, account) for account in found.assignees],
        "milestone": _milestone(call, found.milestone) if found.milestone else None,
        "comments": len(found.comments),
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "closed_at": found.closed_at,
        "closed_by": _closed_by(call, found),
        "author_association": found.author_association,
        "body": found.body or None,
    }
    if isinstance(found, PullRequest):
        url = f"{repository_url}/pulls/{found.number}"
        shape["draft"] = found.is_draft
        shape["pull_request"] = {"url": url, "html_url": found.url, "merged_at": found.merged_at}
    return shape


def _issue_id(found: Thread) -> int:
    """As an issue, a pull request has another id than as a pull request."""
    if isinstance(found, Issue):
        return found.database_id
    return 100_000_000 + spread(f"issue of {found.database_id}", 1_900_000_000)


def _lock_reason(found: Thread) -> str | None:
    return found.active_lock_reason.lower().replace("_", "-") if found.active_lock_reason else None


def _closed_by(call: Call, found: Thread) -> dict[str, Any] | None:
    closings = [event for event in found.events if event.typename == "ClosedEvent"]
    return _author(call, closings[-1].account) if found.closed and closings else None


SHARED = frozenset(
    (
        *("html_url", "number", "title", "user", "labels", "state", "locked", "active_lock_reason", "assignee"),
        *("assignees", "milestone", "comments", "created_at", "updated_at", "closed_at", "author_association"),
    )
)
"""What a pull request has in common with the issue that it is, too."""


def _pull(call: Call, found: PullRequest) -> dict[str, Any]:
    repository_url = _repository_url(call, found.repository)
    people = [each.reviewer for each in found.review_requests if isinstance(each.reviewer, Account)]
    teams = [each.reviewer for each in found.review_requests if isinstance(each.reviewer, Team)]
    issue_shape = _issue(call, found)
    return {name: issue_shape[name] for name in SHARED} | {
        "url": f"{repository_url}/pulls/{found.number}",
        "id": found.database_id,
        "node_id": found.node_id(call.new_ids),
        "issue_url": issue_shape["url"],
        "body": found.body or None,
        "draft": found.is_draft,
        "merged": found.merged,
        "merged_at": found.merged_at,
        "merge_commit_sha": found.merge_commit_oid,
        "merged_by": _author(call, found.merged_by_account) if found.merged else None,
        "requested_reviewers": [_user(call, person) for person in people if not person.deleted],
        "requested_teams": [_team(call, team) for team in teams],
        "head": _branch(call, found.head_ref_name, found.head_ref_oid, found.head_repository),
        "base": _branch(call, found.base_ref_name, found.base_ref_oid, found.repository),
        "review_comments": len(found.review_comments()),
        "commits": found.commit_count,
        "additions": found.additions,
        "deletions": found.deletions,
        "changed_files": found.changed_files,
    }


def _branch(call: Call, name: str, oid: str, repository: Repository | None) -> dict[str, Any]:
    owner = repository.owner if repository else None
    return {
        "label": f"{owner.login if owner else 'unknown'}:{name}",
        "ref": name,
        "sha": oid,
        "user": _user(call, owner) if owner else None,
        "repo": _repository(call, repository) if repository else None,
    }
