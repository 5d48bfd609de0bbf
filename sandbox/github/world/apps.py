"""GitHub Apps, their installations, and what each installation may see. An installation has tokens of its own."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sandbox.github.world.accounts import Account
from sandbox.github.world.clock import Stamp, moment, stamp
from sandbox.github.world.ground import Ground
from sandbox.github.world.identity import RepositoryIdentity

READS = {
    "contents": "read",
    "discussions": "read",
    "issues": "read",
    "metadata": "read",
    "pull_requests": "read",
}


@dataclass(slots=True, eq=False, repr=False)
class App:
    """A GitHub App. It signs its JSON web tokens with the private key that belongs to `public_key` (PEM). Tokens of its
    installations are valid for `token_seconds`.
    """

    world: Ground
    database_id: int
    slug: str
    public_key: str
    bot: Account
    token_seconds: float = 3_600
    installations: "dict[int, Installation]" = field(default_factory=dict)

    def install(self, login: str, *repositories: RepositoryIdentity, **permissions: str) -> "Installation":
        """Installs the App for the account `login`, and returns the installation. The installation covers
        `repositories`. If none are given, it covers all present and future repositories of the account. `permissions`
        such as `contents="write"` are added to those in `READS`.

        Raises `ValueError` if the App is already installed for the account.
        """
        with self.world.lock:
            owner = self.world.account(login, "Organization")
            if any(each.account is owner for each in self.installations.values()):
                raise ValueError(f"{self.slug} is installed for {login}")
            number, now = self.world.next_id("Installation"), self.world.clock.stamp()
            made = Installation(self, number, owner, now, list(repositories) or None, READS | permissions)
            self.installations[number] = made
            return made


@dataclass(slots=True, eq=False, repr=False)
class Installation:
    """One installation of the App, with a budget of its own. `repositories` are the selected repositories. None means
    all repositories of the account.
    """

    app: App
    database_id: int
    account: Account
    created_at: Stamp
    repositories: list[RepositoryIdentity] | None
    permissions: dict[str, str]
    suspended_at: Stamp | None = None
    tokens: dict[str, datetime] = field(default_factory=dict)
    """When each token expires, by token."""

    @property
    def payer(self) -> str:
        """The owner of the installation's budget, as in `Request.payer`."""
        return f"installation:{self.database_id}"

    @property
    def repository_selection(self) -> str:
        return "all" if self.repositories is None else "selected"

    def reads(self, permission: str) -> bool:
        """Returns whether the installation may read what the permission covers, such as `contents`. To test an
        installation that may not read contents, install the App with `contents="none"`.
        """
        return self.permissions.get(permission) in ("read", "write")

    def covers(self, repository: RepositoryIdentity) -> bool:
        mine = repository.owner_account is self.account
        return mine and (self.repositories is None or repository in self.repositories)

    def create_token(self) -> tuple[str, Stamp]:
        """Creates a token. Returns the token and the time at which it expires. Earlier tokens stay valid."""
        with self.app.world.lock:
            token = f"ghs_{secrets.token_hex(18)}"
            expires_at = stamp(self.app.world.clock.now() + timedelta(seconds=self.app.token_seconds))
            self.tokens[token] = moment(expires_at)
            return token, expires_at

    def suspend(self) -> None:
        """Suspends the installation until `unsuspend`. GitHub then refuses the installation's tokens (403) and creates
        no new tokens.
        """
        with self.app.world.lock:
            self.suspended_at = self.app.world.clock.stamp()

    def unsuspend(self) -> None:
        with self.app.world.lock:
            self.suspended_at = None

    def uninstall(self) -> None:
        """Removes the installation; its tokens then get a 401. If the App is installed again, the new installation has
        another id.
        """
        with self.app.world.lock:
            del self.app.installations[self.database_id]
