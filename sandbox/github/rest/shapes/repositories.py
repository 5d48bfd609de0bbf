"""Repositories, their labels, milestones and commits in REST's shapes."""

from typing import Any

from sandbox.github.rest.calls import Call
from sandbox.github.rest.shapes.accounts import author_shape, user_shape
from sandbox.github.world.accounts import present
from sandbox.github.world.commits import Commit
from sandbox.github.world.identity import RepositoryIdentity
from sandbox.github.world.labels import Label, Milestone
from sandbox.github.world.repositories import Repository


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
