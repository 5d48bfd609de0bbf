"""What REST shows of what the world holds, in GitHub's shapes."""

from typing import Any

from sandbox.github.accounts import Account, Team, present
from sandbox.github.calls import Call
from sandbox.github.chance import spread
from sandbox.github.repositories import Repository
from sandbox.github.threads import Issue, IssueComment, Label, Milestone, PullRequest, Review, ReviewComment, Thread


def user_shape(call: Call, account: Account) -> dict[str, Any]:
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


def author_shape(call: Call, account: Account | None) -> dict[str, Any]:
    """A deleted account is `ghost` where issues, pull requests and their conversation are concerned."""
    return user_shape(call, present(account) or call.world.ghost)


def reviewer_shape(call: Call, account: Account | None) -> dict[str, Any] | None:
    """A deleted account is null where reviews are concerned."""
    shown = present(account)
    return user_shape(call, shown) if shown else None


def team_shape(call: Call, team: Team) -> dict[str, Any]:
    return {
        "id": team.database_id,
        "node_id": team.node_id(call.new_ids),
        "name": team.name,
        "slug": team.slug,
        "html_url": team.url,
    }


def repository_shape(call: Call, found: Repository) -> dict[str, Any]:
    return {
        "id": found.database_id,
        "node_id": found.node_id(call.new_ids),
        "name": found.name,
        "full_name": found.name_with_owner,
        "private": found.is_private,
        "owner": user_shape(call, found.owner),
        "html_url": found.url,
        "description": found.description,
        "fork": found.is_fork,
        "url": repository_url(call, found),
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "pushed_at": found.pushed_at,
        "stargazers_count": found.stargazer_count,
        "watchers_count": found.stargazer_count,
        "forks_count": found.fork_count,
        "has_issues": found.has_issues_enabled,
        "has_discussions": found.has_discussions_enabled,
        "archived": found.is_archived,
        "disabled": False,
        "visibility": found.visibility.lower(),
        "default_branch": found.default_branch,
        "open_issues_count": sum(not each.closed for each in [*found.issues.values(), *found.pull_requests.values()]),
    }


def repository_url(call: Call, found: Repository) -> str:
    return f"{call.root}/repos/{found.name_with_owner}"


def issue_comment_shape(call: Call, comment: IssueComment) -> dict[str, Any]:
    root = repository_url(call, comment.repository)
    return {
        "url": f"{root}/issues/comments/{comment.database_id}",
        "html_url": comment.url,
        "issue_url": f"{root}/issues/{comment.thread.number}",
        "id": comment.database_id,
        "node_id": comment.node_id(call.new_ids),
        "user": author_shape(call, comment.account),
        "created_at": comment.created_at,
        "updated_at": comment.updated_at,
        "body": comment.body,
        "author_association": comment.author_association,
        "performed_via_github_app": None,
    }


def review_comment_shape(call: Call, comment: ReviewComment) -> dict[str, Any]:
    root = repository_url(call, comment.repository)
    url = f"{root}/pulls/comments/{comment.database_id}"
    pull_request_url = f"{root}/pulls/{comment.pull_request.number}"
    shape = {
        "url": url,
        "pull_request_review_id": comment.review.database_id,
        "id": comment.database_id,
        "node_id": comment.node_id(call.new_ids),
        "diff_hunk": comment.diff_hunk,
        "path": comment.path,
        "commit_id": comment.commit.oid,
        "original_commit_id": comment.original_oid,
        "user": reviewer_shape(call, comment.account),
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


def review_shape(call: Call, review: Review) -> dict[str, Any]:
    shape = {
        "id": review.database_id,
        "node_id": review.node_id(call.new_ids),
        "user": reviewer_shape(call, review.account),
        "body": review.body,
        "state": review.state,
        "html_url": review.url,
        "pull_request_url": f"{repository_url(call, review.repository)}/pulls/{review.pull_request.number}",
        "author_association": review.author_association,
        "commit_id": review.oid,
    }
    if review.submitted_at is not None:
        shape["submitted_at"] = review.submitted_at
    return shape


def label_shape(call: Call, label: Label) -> dict[str, Any]:
    return {
        "id": label.database_id,
        "node_id": label.node_id(call.new_ids),
        "url": f"{repository_url(call, label.repository)}/labels/{label.name.replace(' ', '%20')}",
        "name": label.name,
        "color": label.color,
        "default": label.is_default,
        "description": label.description,
    }


def milestone_shape(call: Call, milestone: Milestone) -> dict[str, Any]:
    return {
        "url": f"{repository_url(call, milestone.repository)}/milestones/{milestone.number}",
        "html_url": milestone.url,
        "id": milestone.database_id,
        "node_id": milestone.node_id(call.new_ids),
        "number": milestone.number,
        "title": milestone.title,
        "description": milestone.description,
        "creator": author_shape(call, milestone.creator_account),
        "state": milestone.state.lower(),
        "created_at": milestone.created_at,
        "updated_at": milestone.updated_at,
        "due_on": milestone.due_on,
        "closed_at": milestone.closed_at,
    }


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
        "comments": len(found.comments),
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "closed_at": found.closed_at,
        "closed_by": _closed_by(call, found),
        "author_association": found.author_association,
        "body": found.body or None,
    }
    if isinstance(found, PullRequest):
        url = f"{root}/pulls/{found.number}"
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
    return author_shape(call, closings[-1].account) if found.closed and closings else None


SHARED = frozenset(
    (
        *("html_url", "number", "title", "user", "labels", "state", "locked", "active_lock_reason", "assignee"),
        *("assignees", "milestone", "comments", "created_at", "updated_at", "closed_at", "author_association"),
    )
)
"""What a pull request has in common with the issue that it is, too."""


def pull_shape(call: Call, found: PullRequest) -> dict[str, Any]:
    root = repository_url(call, found.repository)
    people = [each.reviewer for each in found.review_requests if isinstance(each.reviewer, Account)]
    teams = [each.reviewer for each in found.review_requests if isinstance(each.reviewer, Team)]
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
        "requested_reviewers": [user_shape(call, person) for person in people if not person.deleted],
        "requested_teams": [team_shape(call, team) for team in teams],
        "head": branch_shape(call, found.head_ref_name, found.head_ref_oid, found.head_repository),
        "base": branch_shape(call, found.base_ref_name, found.base_ref_oid, found.repository),
        "review_comments": len(found.review_comments()),
        "commits": found.commit_count,
        "additions": found.additions,
        "deletions": found.deletions,
        "changed_files": found.changed_files,
    }


def branch_shape(call: Call, name: str, oid: str, repository: Repository | None) -> dict[str, Any]:
    owner = repository.owner if repository else None
    return {
        "label": f"{owner.login if owner else 'unknown'}:{name}",
        "ref": name,
        "sha": oid,
        "user": user_shape(call, owner) if owner else None,
        "repo": repository_shape(call, repository) if repository else None,
    }
