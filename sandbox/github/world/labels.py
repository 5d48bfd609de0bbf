"""Labels and milestones."""

from dataclasses import dataclass
from typing import ClassVar

from sandbox.github.world import node_ids
from sandbox.github.world.accounts import Account, present
from sandbox.github.world.clock import Stamp
from sandbox.github.world.identity import RepositoryIdentity


@dataclass(slots=True, eq=False, repr=False)
class Label:
    typename: ClassVar[str] = "Label"

    repository: RepositoryIdentity
    database_id: int
    name: str
    color: str
    description: str | None
    created_at: Stamp
    is_default: bool = False

    def node_id(self, new: bool) -> str:
        return node_ids.of(self, new, self.repository.database_id)

    @property
    def updated_at(self) -> Stamp:
        return self.created_at

    @property
    def resource_path(self) -> str:
        return f"{self.repository.resource_path}/labels/{self.name.replace(' ', '%20')}"

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"


@dataclass(slots=True, eq=False, repr=False)
class Milestone:
    typename: ClassVar[str] = "Milestone"

    repository: RepositoryIdentity
    database_id: int
    number: int
    title: str
    description: str | None
    state: str
    creator_account: Account | None
    created_at: Stamp
    updated_at: Stamp
    due_on: Stamp | None = None
    closed_at: Stamp | None = None

    def node_id(self, new: bool) -> str:
        return node_ids.of(self, new, self.repository.database_id)

    @property
    def closed(self) -> bool:
        return self.state == "CLOSED"

    @property
    def creator(self) -> Account | None:
        return present(self.creator_account)

    @property
    def resource_path(self) -> str:
        return f"{self.repository.resource_path}/milestone/{self.number}"

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"
