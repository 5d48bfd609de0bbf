"""Reads the commits of a repository's default branch, and derives pushes from them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from errors import TooLarge
from github.answers.mapping import mapped
from github.client import GitHub
from github.clock import time
from github.events.lists import Refused, ask
from github.events.payloads import GHOST
from github.nodes.actors import Node
from github.nodes.nulls import shown
from messages import RepositoryRef
from rows import FeedEvent

HEADS = "refs/heads/"
NOTHING = "0" * 40
"""The oid that stands for no commit: before a branch is created, and after it is deleted."""


class Commit(NamedTuple):
    oid: str
    committed_at: datetime
    actor_login: str
    author: str | None
    """The author's name in git."""
    headline: str
    parent: str | None
    """The oid of the first parent: the commit before this one on its branch; None for a first commit."""


@dataclass(slots=True)
class History:
    """The commits in one answer, by oid: the requested commit and some of its ancestors."""

    commits: dict[str, Commit]
    in_scope: int
    """How many of the commit and all its ancestors were committed since the requested date."""
    asked_at: datetime
    seconds: float
    cost: int


@mapped
async def read_head(github: GitHub, repository: RepositoryRef) -> tuple[str | None, str | None]:
    """Returns the name of the default branch and the oid of the commit at its head. Both are None if the repository is
    empty.
    """
    answer = await ask(github, "Head", repository, "defaultBranchRef", {})
    return branch_and_head(answer.data["repository"])


def branch_and_head(repository: Node) -> tuple[str | None, str | None]:
    """Returns the name of the default branch and the oid of the commit at its head. Both are None if the repository is
    empty. `repository` is from an answer that includes `defaultBranchRef`.
    """
    reference = repository["defaultBranchRef"]
    if reference is None or reference["target"] is None:
        return None, None
    return reference["name"], reference["target"]["oid"]


@mapped
async def read_history(
    github: GitHub, repository: RepositoryRef, oid: str, first: int, since: datetime
) -> History | None:
    """Returns up to `first` commits: the commit `oid` and some of its ancestors. Returns None if GitHub no longer has
    the commit. `since` limits only the count `History.in_scope`.

    GitHub does not order the ancestors by date, and may list a parent before its child. To read more commits, the
    caller follows the parents to a commit that no answer has listed yet. The next request begins at that commit. So no
    cursor is needed, and a push between two requests does no harm.
    """
    variables = {"oid": oid, "first": first, "since": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    try:
        answer = await ask(github, "CommitHistory", repository, "object", variables)
    except Refused as error:
        if error.code == "gone":
            return None
        raise
    commit = answer.data["repository"]["object"]
    if not commit:
        return None
    read = History({}, commit["inScope"]["totalCount"], answer.asked_at, answer.seconds, answer.cost)
    for node in shown(commit["history"]["nodes"], "commits").nodes:
        author = node["author"] or {}
        name = author.get("name")
        # A bot is no user there, and has its login for a name.
        login = author["user"]["login"] if author.get("user") else str(name) if str(name).endswith("[bot]") else GHOST
        parents = shown(node["parents"]["nodes"], "parents")
        if parents.hidden:
            # Without it the branch would end here.
            raise TooLarge("null_node", f"GitHub does not show the parent of {node['oid']}: {parents.hidden[0]}")
        parent = parents.nodes[0]["oid"] if parents.nodes else None
        read.commits[node["oid"]] = Commit(
            node["oid"], time(node["committedDate"]), login, name, node["messageHeadline"], parent
        )
    return read


def push_of(repository: RepositoryRef, ref: str, commit: Commit) -> FeedEvent:
    """Returns a push event that holds this commit alone, because GitHub no longer shows which commits were pushed
    together. `ref` is the full name of the branch.
    """
    before = commit.parent or NOTHING
    payload = {
        "ref": ref,
        "before": before,
        "head": commit.oid,
        "size": 1,
        "commits": [{"sha": commit.oid, "message": commit.headline, "author": {"name": commit.author}}],
    }
    event_id = push_id(repository, ref, before, commit.oid)
    return FeedEvent(event_id, "PushEvent", commit.actor_login, commit.committed_at, payload, "history")


def push_id(repository: RepositoryRef, ref: str, before: str, head: str) -> str:
    return f"PushEvent_{repository.github_id}_{ref}_{before}_{head}"
