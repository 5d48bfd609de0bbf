"""Objects other than threads that timelines refer to: projects, issue types and deployments."""

from dataclasses import dataclass
from typing import ClassVar

from sandbox.github.world import node_ids
from sandbox.github.world.accounts import Account
from sandbox.github.world.clock import Stamp
from sandbox.github.world.identity import RepositoryIdentity


@dataclass(slots=True, eq=False, repr=False)
class Project:
    """A project of an organization, `ProjectV2` in GraphQL."""

    typename: ClassVar[str] = "ProjectV2"

    organization: Account
    database_id: int
    number: int
    title: str
    created_at: Stamp
    closed: bool = False
    public: bool = True

    def node_id(self, new: bool) -> str:
        if new:
            return node_ids.new("ProjectV2", self.organization.database_id, self.database_id)
        return node_ids.old("ProjectV2", self.database_id)

    @property
    def updated_at(self) -> Stamp:
        return self.created_at

    @property
    def resource_path(self) -> str:
        return f"/orgs/{self.organization.login}/projects/{self.number}"

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"


@dataclass(slots=True, eq=False, repr=False)
class IssueType:
    """An issue type of an organization, such as Bug or Task."""

    typename: ClassVar[str] = "IssueType"

    organization: Account
    database_id: int
    name: str
    description: str | None = None
    is_enabled: bool = True
    is_private: bool = False

    def node_id(self, new: bool) -> str:
        if new:
            return node_ids.new("IssueType", self.organization.database_id, self.database_id)
        return node_ids.old("IssueType", self.database_id)


@dataclass(slots=True, eq=False, repr=False)
class Deployment:
    typename: ClassVar[str] = "Deployment"

    repository: RepositoryIdentity
    database_id: int
    environment: str
    creator: Account
    created_at: Stamp

    def node_id(self, new: bool) -> str:
        if new:
            return node_ids.new("Deployment", self.repository.database_id, self.database_id)
        return node_ids.old("Deployment", self.database_id)

    @property
    def updated_at(self) -> Stamp:
        return self.created_at
