"""What REST shows of what the world holds, in GitHub's shapes."""

import re
from typing import Any

from sandbox.github.rest.calls import Call
from sandbox.github.world.accounts import Account, Team, present
from sandbox.github.world.chance import spread
from sandbox.github.world.commits import Commit
from sandbox.github.world.identity import RepositoryIdentity
from sandbox.github.world.labels import Label, Milestone
from sandbox.github.world.pull_requests import PullRequest, PullRequestCommit, Review, ReviewComment
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import Issue, IssueComment, Thread, TimelineEvent


def user_shape(call: Call, account: Account) -> dict[str, Any]:
    return {
        "login": account.rest_login,
        "id": account.database_id,
        "node_id": account.node_id(call.new_ids),
        "avatar_url": account.rest_avatar_url,
        "gravatar_id": "",
        "url": f"{call.root}/users/{account.rest_login}",
        "html_url": account.url,
        "type": account.typename,
        "user_view_type": "public",
        "site_admin": False,
    }


def profile_shape(call: Call, account: Account) -> dict[str, Any]:
    """Somebody alone, with what lists leave out."""
    more = {"name": account.name, "company": None, "blog": "", "location": None, "email": None, "hireable": None}
    times = {"created_at": account.created_at, "updated_at": account.updated_at}
    return user_shape(call, account) | more | {"bio": None, "followers": 0, "following": 0} | times


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
        "open_issues_count": found.kept("open issues", lambda: _open_issues(found)),
    }


def _open_issues(found: Repository) -> int:
    return sum(not each.closed for each in [*found.issues.values(), *found.pull_requests.values()])


def repository_url(call: Call, found: RepositoryIdentity) -> str:
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
        "reactions": no_reactions(f"{root}/issues/comments/{comment.database_id}"),
        "performed_via_github_app": None,
    }


def no_reactions(url: str) -> dict[str, Any]:
    """To what has this address. Nobody reacts to anything here."""
    kinds = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    return {"url": f"{url}/reactions", "total_count": 0} | dict.fromkeys(kinds, 0)


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
        "reactions": no_reactions(url),
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
"""What only a pull request alone is shown with, not one of a list."""


def listed_pull_shape(call: Call, found: PullRequest) -> dict[str, Any]:
    return {name: value for name, value in pull_shape(call, found).items() if name not in DETAILS}


def requested_shape(call: Call, found: PullRequest) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The people and the teams whose reviews are asked for."""
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


def issue_event_shape(call: Call, event: TimelineEvent) -> dict[str, Any]:
    """Something that happened to an issue or pull request, with the thread itself."""
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
    """An item of one thread's timeline. Comments and reviews say what they are in `event`; a commit has no id."""
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
    """REST's word for it: `LabeledEvent` is `labeled`."""
    words = re.findall("[A-Z][a-z]*", typename.removesuffix("Event"))
    return "_".join(words).lower().removesuffix("_title")


def commit_shape(call: Call, commit: Commit) -> dict[str, Any]:
    author = present(commit.author_account)
    url = f"{repository_url(call, commit.repository)}/commits/{commit.oid}"
    name = author.login if author else commit.author_name or ""
    signed = {"name": name, "email": f"{name}@users.noreply.github.com", "date": commit.authored_date}
    shown = user_shape(call, author) if author else None
    return {
        "sha": commit.oid,
        "node_id": commit.node_id(call.new_ids),
        "commit": {
            "author": signed,
            "committer": signed | {"date": commit.committed_date},
            "message": commit.message,
            "url": url.replace("/commits/", "/git/commits/"),
        },
        "url": url,
        "html_url": commit.url,
        "author": shown,
        "committer": shown,
        "parents": [{"sha": parent.oid} for parent in commit.parents],
    }
