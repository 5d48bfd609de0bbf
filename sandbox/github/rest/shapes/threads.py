"""Issues and pull requests in REST's shapes."""

from typing import Any

from sandbox.github.rest.calls import Call
from sandbox.github.rest.shapes.accounts import author_shape, team_shape, user_shape
from sandbox.github.rest.shapes.comments import no_reactions
from sandbox.github.rest.shapes.repositories import label_shape, milestone_shape, repository_shape, repository_url
from sandbox.github.world.accounts import Account, Team
from sandbox.github.world.chance import spread
from sandbox.github.world.identity import RepositoryIdentity
from sandbox.github.world.pull_requests import PullRequest
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import Issue, Thread


def issue_shape(call: Call, found: Thread) -> dict[str, Any]:
    root = repository_url(call, found.repository)
    shape = {
        "url": f"{root}/issues/{found.number}",
        "repository_url": root,
        "comments_url": f"{root}/issues/{found.number}/comments",
        "html_url": found.url,
        "id": _issue_id(found),
        "node_id": found.node_id(call.new_ids),
        "number": found.number,
        "title": found.title,
        "user": author_shape(call, found.account),
        "labels": [label_shape(call, label) for label in found.labels],
        "state": "open" if found.state == "OPEN" else "closed",
        "state_reason": found.state_reason and found.state_reason.lower() if isinstance(found, Issue) else None,
        "locked": found.locked,
        "active_lock_reason": _lock_reason(found),
        "assignee": user_shape(call, found.assignees[0]) if found.assignees else None,
        "assignees": [user_shape(call, account) for account in found.assignees],
        "milestone": milestone_shape(call, found.milestone) if found.milestone else None,
        "comments": len(call.chosen(found.comments)),
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "closed_at": found.closed_at,
        "closed_by": _closed_by(call, found),
        "author_association": found.author_association,
        "body": found.body or None,
        "reactions": no_reactions(f"{root}/issues/{found.number}"),
        "type": None,
    }
    if isinstance(found, PullRequest):
        url = f"{root}/pulls/{found.number}"
        shape["draft"] = found.is_draft
        shape["pull_request"] = {"url": url, "html_url": found.url, "merged_at": found.merged_at}
    return shape


def _issue_id(found: Thread) -> int:
    """Returns the thread's id in the lists of issues. A pull request has another id there than in the lists of pull
    requests.
    """
    if isinstance(found, Issue):
        return found.database_id
    return 100_000_000 + spread(f"issue of {found.database_id}", 1_900_000_000)


def _lock_reason(found: Thread) -> str | None:
    return found.active_lock_reason.lower().replace("_", "-") if found.active_lock_reason else None


def _closed_by(call: Call, found: Thread) -> dict[str, Any] | None:
    closings = [event for event in found.events if event.typename == "ClosedEvent"]
    return author_shape(call, closings[-1].account) if found.closed and closings else None


SHARED = frozenset(
    (
        *("html_url", "number", "title", "user", "labels", "state", "locked", "active_lock_reason", "assignee"),
        *("assignees", "milestone", "comments", "created_at", "updated_at", "closed_at", "author_association"),
    )
)
"""Fields that a pull request shares with its issue."""


def pull_shape(call: Call, found: PullRequest) -> dict[str, Any]:
    root = repository_url(call, found.repository)
    people, teams = requested_shape(call, found)
    issue = issue_shape(call, found)
    return {name: issue[name] for name in SHARED} | {
        "url": f"{root}/pulls/{found.number}",
        "id": found.database_id,
        "node_id": found.node_id(call.new_ids),
        "issue_url": issue["url"],
        "body": found.body or None,
        "draft": found.is_draft,
        "merged": found.merged,
        "merged_at": found.merged_at,
        "merge_commit_sha": found.merge_commit_oid,
        "merged_by": author_shape(call, found.merged_by_account) if found.merged else None,
        "requested_reviewers": people,
        "requested_teams": teams,
        "head": branch_shape(call, found.head_ref_name, found.head_ref_oid, found.head_repository),
        "base": branch_shape(call, found.base_ref_name, found.base_ref_oid, found.repository),
        "review_comments": len(call.chosen(found.review_comments())),
        "commits": found.commit_count,
        "additions": found.additions,
        "deletions": found.deletions,
        "changed_files": found.changed_files,
    }


DETAILS = frozenset(
    (
        *("merged", "merged_by", "comments", "review_comments", "commits", "additions", "deletions"),
        "changed_files",
    )
)
"""Fields that only a single pull request shows, and lists omit."""


def listed_pull_shape(call: Call, found: PullRequest) -> dict[str, Any]:
    return {name: value for name, value in pull_shape(call, found).items() if name not in DETAILS}


def requested_shape(call: Call, found: PullRequest) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns the requested reviewers of a pull request as two lists: people and teams."""
    reviewers = [each.requested_reviewer for each in found.review_requests]
    people = [user_shape(call, each) for each in reviewers if isinstance(each, Account)]
    return people, [team_shape(call, each) for each in reviewers if isinstance(each, Team)]


def branch_shape(call: Call, name: str, oid: str, repository: RepositoryIdentity | None) -> dict[str, Any]:
    owner = repository.owner if repository else None
    return {
        "label": f"{owner.login if owner else 'unknown'}:{name}",
        "ref": name,
        "sha": oid,
        "user": user_shape(call, owner) if owner else None,
        "repo": repository_shape(call, repository) if isinstance(repository, Repository) else None,
    }
