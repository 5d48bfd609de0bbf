"""Events, activity and releases in REST's shapes. Events have only the fields that GitHub has kept since October
2025.
"""

from collections.abc import Callable
from typing import Any

from sandbox.github.rest.calls import Call
from sandbox.github.rest.shapes.accounts import author_shape, user_shape
from sandbox.github.rest.shapes.comments import issue_comment_shape, review_comment_shape, review_shape
from sandbox.github.rest.shapes.repositories import label_shape, repository_shape, repository_url
from sandbox.github.rest.shapes.threads import issue_shape
from sandbox.github.world.accounts import Account
from sandbox.github.world.commits import HEADS, Activity
from sandbox.github.world.discussions import Discussion
from sandbox.github.world.events import Event
from sandbox.github.world.identity import RepositoryIdentity
from sandbox.github.world.pull_requests import PullRequest
from sandbox.github.world.releases import RawEvent, Release
from sandbox.github.world.threads import TimelineEvent


def event_shape(call: Call, event: Event) -> dict[str, Any]:
    repository = event.repository
    shape = {
        "id": str(event.id),
        "type": event.type,
        "actor": _actor(call, event.account),
        "repo": {
            "id": repository.database_id,
            "name": repository.name_with_owner,
            "url": repository_url(call, repository),
        },
        "payload": _payload(call, event),
        "public": not repository.is_private,
        "created_at": event.created_at,
    }
    if repository.is_in_organization:
        organization = _actor(call, repository.owner) | {"url": f"{call.root}/orgs/{repository.owner.login}"}
        del organization["display_login"]
        shape["org"] = organization
    return shape


def _actor(call: Call, account: Account) -> dict[str, Any]:
    return {
        "id": account.database_id,
        "login": account.rest_login,
        "display_login": account.login,
        "gravatar_id": "",
        "url": f"{call.root}/users/{account.rest_login}",
        "avatar_url": account.rest_avatar_url,
    }


def _payload(call: Call, event: Event) -> dict[str, Any]:
    if isinstance(event.source, RawEvent):
        return event.source.payload
    return PAYLOADS[event.type](call, event)


def _watch(_call: Call, event: Event) -> dict[str, Any]:
    return {"action": event.action}


def _fork(call: Call, event: Event) -> dict[str, Any]:
    fork = event.source
    return {"action": event.action, "forkee": repository_shape(call, fork) | {"public": not fork.is_private}}


def _push(_call: Call, event: Event) -> dict[str, Any]:
    activity: Activity = event.source
    return {
        "repository_id": event.repository.database_id,
        "push_id": activity.database_id,
        "ref": activity.ref,
        "head": activity.after,
        "before": activity.before,
    }


def _create(call: Call, event: Event) -> dict[str, Any]:
    repository = event.repository
    named = _delete(call, event)
    more = {"master_branch": repository.default_branch, "description": repository.description}
    return {key: named[key] for key in ("ref", "ref_type", "full_ref")} | more | {"pusher_type": "user"}


def _delete(_call: Call, event: Event) -> dict[str, Any]:
    source: Activity | Release = event.source
    name, prefix = (source.branch, HEADS) if isinstance(source, Activity) else (source.tag_name, "refs/tags/")
    return {"ref": name, "ref_type": event.action, "full_ref": prefix + name, "pusher_type": "user"}


def _release(call: Call, event: Event) -> dict[str, Any]:
    return {"action": event.action, "release": release_shape(call, event.source)}


def _issues(call: Call, event: Event) -> dict[str, Any]:
    issue = event.source.thread if isinstance(event.source, TimelineEvent) else event.source
    return {"action": event.action, "issue": issue_shape(call, issue)} | _changed(call, event)


def _pull_requests(call: Call, event: Event) -> dict[str, Any]:
    pull: Any = event.source.thread if isinstance(event.source, TimelineEvent) else event.source
    minimal = _pull(call, pull)
    return {"action": event.action, "number": pull.number, "pull_request": minimal} | _changed(call, event)


def _changed(call: Call, event: Event) -> dict[str, Any]:
    """Returns the label or the assignee that the event added or removed, as a field of the payload. Returns an empty
    dict for other events.
    """
    data = event.source.data if isinstance(event.source, TimelineEvent) else {}
    changed = {}
    if event.action in ("labeled", "unlabeled") and "label" in data:
        changed["label"] = label_shape(call, data["label"])
    if event.action in ("assigned", "unassigned") and data.get("assignee") is not None:
        changed["assignee"] = author_shape(call, data["assignee"])
    return changed


def _comment(call: Call, event: Event) -> dict[str, Any]:
    comment = event.source
    issue = issue_shape(call, comment.thread)
    return {"action": event.action, "issue": issue, "comment": issue_comment_shape(call, comment)}


def _review(call: Call, event: Event) -> dict[str, Any]:
    pull = _pull(call, event.source.pull_request)
    return {"action": event.action, "review": review_shape(call, event.source), "pull_request": pull}


def _review_comment(call: Call, event: Event) -> dict[str, Any]:
    pull = _pull(call, event.source.pull_request)
    return {"action": event.action, "pull_request": pull, "comment": review_comment_shape(call, event.source)}


def _discussion(call: Call, event: Event) -> dict[str, Any]:
    discussion: Discussion = event.source
    shape = {
        "id": discussion.database_id,
        "node_id": discussion.node_id(call.new_ids),
        "number": discussion.number,
        "title": discussion.title,
        "user": author_shape(call, discussion.account),
        "state": "open",
        "locked": discussion.locked,
        "comments": len(discussion.comments),
        "body": discussion.body,
        "html_url": discussion.url,
        "created_at": discussion.created_at,
        "updated_at": discussion.updated_at,
    }
    return {"action": event.action, "discussion": shape}


PAYLOADS: dict[str, Callable[[Call, Event], dict[str, Any]]] = {
    "WatchEvent": _watch,
    "ForkEvent": _fork,
    "PushEvent": _push,
    "CreateEvent": _create,
    "DeleteEvent": _delete,
    "ReleaseEvent": _release,
    "IssuesEvent": _issues,
    "PullRequestEvent": _pull_requests,
    "IssueCommentEvent": _comment,
    "PullRequestReviewEvent": _review,
    "PullRequestReviewCommentEvent": _review_comment,
    "DiscussionEvent": _discussion,
}


def _pull(call: Call, pull: PullRequest) -> dict[str, Any]:
    """Returns the pull request as an event contains it: without title and state, and without a sign of whether it was
    merged.
    """
    return {
        "url": f"{repository_url(call, pull.repository)}/pulls/{pull.number}",
        "id": pull.database_id,
        "number": pull.number,
        "head": _side(call, pull.head_ref_name, pull.head_ref_oid, pull.head_repository),
        "base": _side(call, pull.base_ref_name, pull.base_ref_oid, pull.repository),
    }


def _side(call: Call, ref: str, oid: str, repository: RepositoryIdentity | None) -> dict[str, Any]:
    named = None
    if repository is not None:
        url = repository_url(call, repository)
        named = {"id": repository.database_id, "url": url, "name": repository.name}
    return {"ref": ref, "sha": oid, "repo": named}


def activity_shape(call: Call, activity: Activity) -> dict[str, Any]:
    return {
        "id": activity.database_id,
        "node_id": activity.node_id(call.new_ids),
        "before": activity.before,
        "after": activity.after,
        "ref": activity.ref,
        "timestamp": activity.timestamp,
        "activity_type": activity.activity_type,
        "actor": user_shape(call, activity.actor) if activity.actor else None,
    }


def release_shape(call: Call, release: Release) -> dict[str, Any]:
    url = repository_url(call, release.repository)
    return {
        "url": f"{url}/releases/{release.database_id}",
        "html_url": release.url,
        "id": release.database_id,
        "node_id": release.node_id(call.new_ids),
        "tag_name": release.tag_name,
        "target_commitish": release.repository.default_branch,
        "name": release.name,
        "body": release.body,
        "draft": release.is_draft,
        "prerelease": release.is_prerelease,
        "created_at": release.created_at,
        "published_at": release.published_at,
        "updated_at": release.updated_at,
        "author": author_shape(call, release.author_account),
        "assets": [],
    }
