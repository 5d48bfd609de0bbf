"""Events and timeline items of threads in REST's shapes."""

import re
from typing import Any

from sandbox.github.rest.calls import Call
from sandbox.github.rest.shapes.accounts import author_shape, reviewer_shape, team_shape
from sandbox.github.rest.shapes.comments import issue_comment_shape, review_shape
from sandbox.github.rest.shapes.repositories import commit_shape, repository_url
from sandbox.github.rest.shapes.threads import issue_shape
from sandbox.github.world.accounts import Team
from sandbox.github.world.pull_request_commits import PullRequestCommit
from sandbox.github.world.pull_requests import Review
from sandbox.github.world.threads import IssueComment, TimelineEvent


def issue_event_shape(call: Call, event: TimelineEvent) -> dict[str, Any]:
    """Returns an event of an issue or pull request. The issue or pull request is in the field `issue`."""
    data, root = event.data, repository_url(call, event.repository)
    oid = data.get("oid")
    shape: dict[str, Any] = {
        "id": event.database_id,
        "node_id": event.node_id(call.new_ids),
        "url": f"{root}/issues/events/{event.database_id}",
        "actor": reviewer_shape(call, event.account),
        "event": _event_name(event.typename),
        "commit_id": oid,
        "commit_url": f"{root}/commits/{oid}" if oid else None,
        "created_at": event.created_at,
    }
    if label := data.get("label"):
        shape["label"] = {"name": label.name, "color": label.color}
    if "assignee" in data:
        shape |= {"assignee": reviewer_shape(call, data["assignee"]), "assigner": shape["actor"]}
    if "milestone_title" in data:
        shape["milestone"] = {"title": data["milestone_title"]}
    if "previous_title" in data:
        shape["rename"] = {"from": data["previous_title"], "to": data["current_title"]}
    if "lock_reason" in data:
        shape["lock_reason"] = data["lock_reason"] and data["lock_reason"].lower().replace("_", "-")
    if "reviewer" in data:
        reviewer = data["reviewer"]
        shape["review_requester"] = shape["actor"]
        if isinstance(reviewer, Team):
            shape["requested_team"] = team_shape(call, reviewer)
        else:
            shape["requested_reviewer"] = reviewer_shape(call, reviewer)
    if event.typename in ("ClosedEvent", "ReopenedEvent"):
        shape["state_reason"] = data.get("state_reason") and data["state_reason"].lower()
    return shape | {"issue": issue_shape(call, event.thread), "performed_via_github_app": None}


def timeline_item_shape(call: Call, item: Any) -> dict[str, Any]:
    """Returns an item in the timeline of one thread. The field `event` says what the item is, also for comments,
    reviews and commits. A commit has no id.
    """
    if isinstance(item, IssueComment):
        return issue_comment_shape(call, item) | {"event": "commented", "actor": author_shape(call, item.account)}
    if isinstance(item, Review):
        return review_shape(call, item) | {"event": "reviewed"}
    if isinstance(item, PullRequestCommit):
        commit = commit_shape(call, item.commit)
        said = {name: commit["commit"][name] for name in ("author", "committer", "message")}
        shape = {name: commit[name] for name in ("sha", "node_id", "html_url", "parents")}
        return shape | said | {"url": commit["commit"]["url"], "event": "committed"}
    shape = {name: value for name, value in issue_event_shape(call, item).items() if name != "issue"}
    if item.typename == "CrossReferencedEvent":
        source = {"type": "issue", "issue": issue_shape(call, item.data["source"])}
        return {name: shape[name] for name in ("actor", "created_at")} | {
            "updated_at": item.created_at,
            "source": source,
            "event": "cross-referenced",
        }
    return shape


def _event_name(typename: str) -> str:
    """Returns the name that REST has for an event's type: `labeled` for `LabeledEvent`."""
    words = re.findall("[A-Z][a-z]*", typename.removesuffix("Event"))
    return "_".join(words).lower().removesuffix("_title")
