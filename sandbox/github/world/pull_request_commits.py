"""The commits of a pull request."""

from dataclasses import dataclass
from typing import ClassVar

from sandbox.github.world import node_ids
from sandbox.github.world.clock import Stamp, after
from sandbox.github.world.commits import Commit
from sandbox.github.world.pull_requests import PullRequest


@dataclass(slots=True, eq=False, repr=False)
class PullRequestCommit:
    """One commit of a pull request. These objects are created only when a request needs them, because there are many
    and they never change.
    """

    typename: ClassVar[str] = "PullRequestCommit"

    pull_request: PullRequest
    commit: Commit
    created_at: Stamp
    database_id: int

    def node_id(self, new: bool) -> str:
        key = f"{self.pull_request.database_id}:{self.commit.oid}"
        if new:
            return node_ids.new("PullRequestCommit", self.pull_request.repository.database_id, key)
        return node_ids.old("PullRequestCommit", key)

    @property
    def resource_path(self) -> str:
        return f"{self.pull_request.resource_path}/commits/{self.commit.oid}"

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"


def commits_of(pull: PullRequest) -> list[PullRequestCommit]:
    """Returns the pull request's commits, `commit_count` of them. The last one is the head of the pull request. Each
    call creates the objects anew.
    """
    oid = pull.repository.world.oid
    found = []
    for place in range(pull.commit_count):
        is_head = place == pull.commit_count - 1
        commit = Commit(
            pull.repository,
            pull.head_ref_oid if is_head else oid(f"{pull.repository.database_id}#{pull.number} {place}"),
            f"{pull.title} {place}",
            after(pull.created_at, place - pull.commit_count),
            pull.account,
        )
        found.append(PullRequestCommit(pull, commit, commit.authored_date, place))
    return found
