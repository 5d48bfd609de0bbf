"""A repository without its contents: its names, its state, who may see it, and a cache that each change discards."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, Self, TypeVar

from sandbox.github.world import node_ids
from sandbox.github.world.accounts import Account
from sandbox.github.world.clock import Stamp
from sandbox.github.world.ground import Ground

T = TypeVar("T")
State = Literal["here", "gone", "forbidden", "taken_down"]
Refusal = Literal["forbidden", "not_found", "empty"]


class Grant(Protocol):
    """The rights of an App's installation: its permissions, and the repositories that it covers."""

    permissions: dict[str, str]

    def covers(self, repository: "RepositoryIdentity") -> bool: ...


@dataclass(slots=True, eq=False, repr=False)
class RepositoryIdentity:
    """A repository without its contents. A private repository is visible to its owner, to `collaborators`, and to
    installations that cover it. Everybody else gets the same answer as for a repository in the state `gone`.

    `stargazers_refusal` says how GitHub hides the list of stargazers from viewers without write access. If it is None,
    everybody may see the list. The number of stargazers is always public.
    """

    typename: ClassVar[str] = "Repository"

    world: Ground
    database_id: int
    owner_account: Account
    name: str
    created_at: Stamp
    updated_at: Stamp
    description: str | None = None
    is_private: bool = False
    is_archived: bool = False
    is_empty: bool = False
    is_fork: bool = False
    state: State = "here"
    block_reason: str = "dmca"
    """Why GitHub took it down, if `state` is `taken_down`: `dmca` (451), or `tos`, `sensitive_data`, `unavailable`
    (403); PyGithub#1015, hecat#79."""
    parent: "RepositoryIdentity | None" = None
    modern: bool = False
    stargazers_refusal: Refusal | None = None
    collaborators: list[Account] = field(default_factory=list)
    revision: int = 0
    """Counts changes; cached values of earlier revisions are stale."""
    _kept: dict[Any, Any] = field(default_factory=dict)
    _kept_at: int = -1

    default_branch: str = "main"

    def node_id(self, new: bool) -> str:
        if new or self.modern:
            return node_ids.new("Repository", self.database_id)
        return node_ids.old("Repository", self.database_id)

    @property
    def repository(self) -> Self:
        return self

    @property
    def owner(self) -> Account:
        return self.owner_account

    @property
    def name_with_owner(self) -> str:
        return f"{self.owner_account.login}/{self.name}"

    @property
    def resource_path(self) -> str:
        return f"/{self.name_with_owner}"

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"

    @property
    def visibility(self) -> str:
        return "PRIVATE" if self.is_private else "PUBLIC"

    @property
    def is_in_organization(self) -> bool:
        return self.owner_account.typename == "Organization"

    @property
    def archived_at(self) -> Stamp | None:
        return self.updated_at if self.is_archived else None

    @contextmanager
    def changed(self) -> Iterator[None]:
        """A context for every change. It holds the world's lock during the change, and then discards the cached
        lists.
        """
        with self.world.lock:
            yield
            self.revision += 1

    def kept(self, key: Any, make: Callable[[], T]) -> T:
        """Returns the result of `make`, cached under `key` until the next change. The caller must not change the
        result.
        """
        if self._kept_at != self.revision:
            self._kept.clear()
            self._kept_at = self.revision
        if key not in self._kept:
            self._kept[key] = make()
        made: T = self._kept[key]
        return made

    def shows_to(self, account: Account, installation: Grant | None = None) -> bool:
        """Returns whether the repository is visible to the account. If `installation` is given, only the installation's
        rights count, not the rights of its bot.
        """
        return not self.is_private or self._is_theirs(account, installation)

    def shows_stargazers_to(self, account: Account, installation: Grant | None = None) -> bool:
        if self.stargazers_refusal is None:
            return True
        writes = installation is None or installation.permissions["contents"] == "write"
        return writes and self._is_theirs(account, installation)

    def _is_theirs(self, account: Account, installation: Grant | None) -> bool:
        if installation is not None:
            return installation.covers(self)
        return account in (self.owner_account, *self.collaborators)

    def rename(self, name_with_owner: str) -> None:
        """Renames the repository. GraphQL and REST still find it under its old name, until another repository takes the
        old name. Raises `ValueError` if the new name is taken.
        """
        self.world.rename_repository(self, name_with_owner)

    def become(self, state: State) -> None:
        """Sets the repository's state. If the repository is a fork, its parent counts as changed, too."""
        with self.changed():
            self.state = state
            if self.parent is not None:
                self.parent.revision += 1
