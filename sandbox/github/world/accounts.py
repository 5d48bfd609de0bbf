"""The accounts of GitHub: users, bots, mannequins, organizations and teams."""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from sandbox.github.world import node_ids
from sandbox.github.world.clock import Stamp


class Register(Protocol):
    """The part of a world that accounts use. An account tells the world that it is renamed, deleted or flagged."""

    def rename_account(self, account: "Account", login: str) -> None: ...

    def delete_account(self, account: "Account") -> None: ...

    def flag_account(self, account: "Account", flagged: bool) -> None: ...


@dataclass(slots=True, eq=False, repr=False)
class Account:
    """An account. `typename` is User, Bot, Mannequin, Organization or EnterpriseUserAccount.

    `login` is the login that GraphQL shows. REST shows `dependabot[bot]` for the bot `dependabot`. The content of a
    deleted account is served without an author.
    """

    world: Register
    typename: str
    database_id: int
    login: str
    name: str | None
    created_at: Stamp
    deleted: bool = False
    flagged: bool = field(default=False, init=False)
    """Whether the account is flagged as spam: its content is counted and shown to nobody."""
    rest_name: str = field(default="", kw_only=True)
    """Its login in REST, if that differs from GraphQL's."""
    picture: str = field(default="", kw_only=True)
    """Its name in GraphQL's avatar address (`?u=`), which REST's address lacks."""

    def node_id(self, new: bool) -> str:
        if new:
            return node_ids.new(self.typename, self.database_id)
        return node_ids.old(self.typename, self.database_id)

    @property
    def updated_at(self) -> Stamp:
        return self.created_at

    @property
    def rest_login(self) -> str:
        return self.rest_name or (f"{self.login}[bot]" if self.typename == "Bot" else self.login)

    @property
    def resource_path(self) -> str:
        return f"/apps/{self.login}" if self.typename == "Bot" else f"/{self.login}"

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"

    @property
    def avatar_url(self) -> str:
        picture = f"u={self.picture}&" if self.picture else ""
        return f"https://avatars.githubusercontent.com/u/{self.database_id}?{picture}v=4"

    @property
    def rest_avatar_url(self) -> str:
        return f"https://avatars.githubusercontent.com/u/{self.database_id}?v=4"

    def rename(self, login: str) -> None:
        """Renames the account. Its old login is free at once. Raises `ValueError` if the new login is taken."""
        self.world.rename_account(self, login)

    def delete(self) -> None:
        self.world.delete_account(self)

    def flag(self) -> None:
        """Flags the account as spam, until `unflag`. The account's content and stars are counted but not shown. Its
        threads are missing from every list and from `node`. No `updated_at` changes (PyGithub#631, dcoapp/app#58,
        streamlink#622).
        """
        self.world.flag_account(self, True)

    def unflag(self) -> None:
        self.world.flag_account(self, False)


@dataclass(slots=True, eq=False, repr=False)
class Team:
    typename: ClassVar[str] = "Team"

    organization: Account
    database_id: int
    slug: str
    name: str
    created_at: Stamp
    deleted: bool = False

    def node_id(self, new: bool) -> str:
        if new:
            return node_ids.new("Team", self.organization.database_id, self.database_id)
        return node_ids.old("Team", self.database_id)

    @property
    def updated_at(self) -> Stamp:
        return self.created_at

    @property
    def combined_slug(self) -> str:
        return f"{self.organization.login}/{self.slug}"

    @property
    def resource_path(self) -> str:
        return f"/orgs/{self.organization.login}/teams/{self.slug}"

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"

    @property
    def avatar_url(self) -> str:
        return f"https://avatars.githubusercontent.com/t/{self.database_id}?s=400&v=4"


Reviewer = Account | Team


def present(account: Account | None) -> Account | None:
    """Returns the account as GitHub shows it. Returns None if the account was deleted."""
    return None if account is None or account.deleted else account
