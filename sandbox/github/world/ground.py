"""The clock, the lock and the ids that the objects of a world share."""

from contextlib import AbstractContextManager
from typing import Any, Protocol

from sandbox.github.world.accounts import Account, Team
from sandbox.github.world.clock import Clock


class Numbered(Protocol):
    """An object that has a node id."""

    @property
    def typename(self) -> str: ...

    @property
    def database_id(self) -> int: ...

    def node_id(self, new: bool) -> str: ...


class Ground(Protocol):
    clock: Clock
    accounts: dict[str, Account]
    """Accounts by login, in lower case."""
    sequences: dict[str, int]

    @property
    def lock(self) -> Any: ...

    def account(self, login: str, typename: str = "User", database_id: int | None = None) -> Account: ...

    def team(self, organization: str, slug: str) -> Team: ...

    def still(self) -> AbstractContextManager[None]: ...

    def find(self, name_with_owner: str) -> Any: ...

    def next_id(self, sequence: str) -> int: ...

    def remember(self, thing: Numbered) -> None: ...

    def forget(self, thing: Numbered) -> None: ...

    def hides(self, thing: Any) -> bool: ...

    def is_present_name(self, name_with_owner: str) -> bool: ...

    def add_repository(self, name_with_owner: str, **how: Any) -> Any: ...

    def rename_repository(self, repository: Any, name_with_owner: str) -> None: ...

    @staticmethod
    def oid(of: str) -> str: ...
