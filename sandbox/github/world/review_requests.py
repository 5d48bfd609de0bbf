"""The requested reviewers of a pull request."""

from dataclasses import dataclass
from typing import ClassVar

from sandbox.github.world import node_ids
from sandbox.github.world.accounts import Reviewer
from sandbox.github.world.threads import RepositoryIssues, Thread


@dataclass(slots=True, eq=False, repr=False)
class ReviewRequest:
    typename: ClassVar[str] = "ReviewRequest"

    pull_request: Thread
    database_id: int
    reviewer: Reviewer
    as_code_owner: bool = False

    def node_id(self, new: bool) -> str:
        return node_ids.of(self, new, self.pull_request.repository.database_id)

    @property
    def repository(self) -> RepositoryIssues:
        return self.pull_request.repository

    @property
    def requested_reviewer(self) -> Reviewer | None:
        return None if self.reviewer.deleted else self.reviewer
