"""The common base of all texts that people write."""

from dataclasses import dataclass, field
from typing import ClassVar

from sandbox.github.world import node_ids
from sandbox.github.world.accounts import Account, present
from sandbox.github.world.clock import Stamp
from sandbox.github.world.ground import Ground
from sandbox.github.world.identity import RepositoryIdentity


@dataclass(slots=True, eq=False, repr=False)
class Written:
    """A text that somebody wrote. With `modern`, its node id is always in the new format. On GitHub this is so for all
    recent texts.
    """

    typename: ClassVar[str]

    database_id: int
    account: Account | None
    author_association: str
    body: str
    created_at: Stamp
    updated_at: Stamp
    last_edited_at: Stamp | None = field(default=None, kw_only=True)
    modern: bool = field(default=False, kw_only=True)

    @property
    def repository(self) -> RepositoryIdentity:
        raise NotImplementedError

    def node_id(self, new: bool) -> str:
        return node_ids.of(self, new or self.modern, self.repository.database_id)

    @property
    def world(self) -> Ground:
        return self.repository.world

    @property
    def author(self) -> Account | None:
        return present(self.account)

    @property
    def published_at(self) -> Stamp | None:
        return self.created_at

    @property
    def resource_path(self) -> str:
        raise NotImplementedError

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"
