"""The whole simulated GitHub. Accounts and repositories are found by name and by node id.

Tests change the world while the stand-in answers requests. Every change and every answer holds `lock`, so that no page
shows half of a change.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.github.world import node_ids
from sandbox.github.world.accounts import Account, Team
from sandbox.github.world.apps import App, Installation
from sandbox.github.world.chance import spread
from sandbox.github.world.clock import Clock, Stamp
from sandbox.github.world.ground import Numbered
from sandbox.github.world.repositories import Repository

GHOST = 10137
"""The database id of `ghost`, which REST shows as the author of a deleted account's content."""


class World:
    """All accounts and repositories. `sequences` holds the last database id of each type. A test sets a value of
    `sequences` to choose the next id. In this way two objects of different types get the same id, or an object gets an
    id above 2^31.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.lock = threading.RLock()
        self.sequences: dict[str, int] = {}
        self.accounts: dict[str, Account] = {}
        self.teams: dict[str, Team] = {}
        self.apps: dict[str, App] = {}
        """Apps by id."""
        self.repositories: dict[int, Repository] = {}
        self._names: dict[str, Repository] = {}
        self._former: dict[str, Repository] = {}
        self._nodes: dict[str, dict[int, Any]] = {}
        self.flagged: set[Account] = set()
        self.archive_gaps: set[str] = set()
        """Hours that GH Archive lost, by its names (`2026-03-01-9`)."""
        self.shows_pending_reviews = False
        """Whether others than its author see a pending review, which GitHub sometimes allows."""
        self.ghost = Account(self, "User", GHOST, "ghost", "Deleted user", "2008-05-13T06:14:25Z")

    @contextmanager
    def still(self) -> Iterator[None]:
        """Prevents all changes while the context is open."""
        with self.lock:
            yield

    def account(self, login: str, typename: str = "User", database_id: int | None = None) -> Account:
        """Returns the account with that login. If the account does not exist, creates it. Upper and lower case make no
        difference in logins.
        """
        with self.lock:
            key = login.lower()
            if key not in self.accounts:
                number = database_id or self.next_id("Account")
                while self.known(typename, number):
                    number += 1
                account = Account(self, typename, number, login, None, "2015-01-01T00:00:00Z")
                self.accounts[key] = account
                self.remember(account)
            return self.accounts[key]

    def mannequin(self, login: str) -> Account:
        """Creates a mannequin, which stands for a person of an imported repository. Its login may be the same as
        another account's. A mannequin cannot be found by its login (psf/gh-migration#11).
        """
        with self.lock:
            made = Account(self, "Mannequin", self.next_id("Account"), login, None, "2015-01-01T00:00:00Z")
            self.remember(made)
            return made

    def copilots(self) -> tuple[Account, Account]:
        """Returns Copilot's two accounts: first the reviewer, then the author of code. REST calls both of them
        `Copilot` (breferrari/vigia#132, idd-skill#2507).
        """
        reviewer = self.account("copilot-pull-request-reviewer", "Bot", 175728472)
        coder = self.account("copilot-swe-agent", "Bot", 198982749)
        reviewer.rest_name = coder.rest_name = "Copilot"
        return reviewer, coder

    def team(self, organization: str, slug: str) -> Team:
        """Returns the team. If the team or its organization does not exist, creates it."""
        with self.lock:
            owner = self.account(organization, "Organization")
            key = f"{owner.login}/{slug}".lower()
            if key not in self.teams:
                name = slug.replace("-", " ").title()
                self.teams[key] = Team(owner, self.next_id("Team"), slug, name, "2016-01-01T00:00:00Z")
                self.remember(self.teams[key])
            return self.teams[key]

    def add_app(self, public_key: str, *, app_id: int | None = None, slug: str = "backfill") -> App:
        """Creates a GitHub App that is not installed anywhere. `public_key` is in PEM format."""
        with self.lock:
            app = App(self, app_id or self.next_id("App"), slug, public_key, self.account(slug, "Bot"))
            self.apps[str(app.database_id)] = app
            return app

    def installation_of(self, token: str) -> Installation | None:
        """Returns the installation to which a token belongs. Returns None if the token has expired or is unknown."""
        with self.lock:
            now = self.clock.now()
            installations = [each for app in self.apps.values() for each in app.installations.values()]
            return next((each for each in installations if token in each.tokens and now < each.tokens[token]), None)

    def repository(self, name_with_owner: str) -> Repository:
        """Returns the repository that has the name now or had it earlier, whatever its state is. Raises `KeyError` if
        there is no such repository.
        """
        with self.lock:
            key = name_with_owner.lower()
            return self._names[key] if key in self._names else self._former[key]

    def find(self, name_with_owner: str) -> Repository | None:
        key = name_with_owner.lower()
        return self._names.get(key) or self._former.get(key)

    def is_present_name(self, name_with_owner: str) -> bool:
        return name_with_owner.lower() in self._names

    def add_repository(
        self, name_with_owner: str, *, database_id: int | None = None, created_at: Stamp | None = None, **fields: Any
    ) -> Repository:
        """Adds a repository. `fields` are fields of `Repository`. Raises `ValueError` if the name is taken."""
        with self.lock:
            if name_with_owner.lower() in self._names:
                raise ValueError(f"{name_with_owner} exists")
            owner, _, name = name_with_owner.partition("/")
            account = self.account(owner, "Organization")
            now = created_at or self.clock.stamp()
            number = database_id or self.next_id("Repository")
            repository = Repository(self, number, account, name, now, now, **fields)
            self.repositories[number] = repository
            self._names[name_with_owner.lower()] = repository
            self.remember(repository)
            return repository

    def rename_repository(self, repository: Repository, name_with_owner: str) -> None:
        with self.lock, repository.changed():
            if name_with_owner.lower() in self._names:
                raise ValueError(f"{name_with_owner} exists")
            former = repository.name_with_owner.lower()
            owner, _, name = name_with_owner.partition("/")
            repository.owner_account, repository.name = self.account(owner, "Organization"), name
            del self._names[former]
            self._former[former] = repository
            self._names[name_with_owner.lower()] = repository

    def rename_account(self, account: Account, login: str) -> None:
        with self.lock:
            if login.lower() in self.accounts:
                raise ValueError(f"{login} is taken")
            owned = [each for each in self.repositories.values() if each.owner_account is account]
            names = [each.name_with_owner.lower() for each in owned]
            del self.accounts[account.login.lower()]
            self.accounts[login.lower()] = account
            account.login = login
            for repository, former in zip(owned, names, strict=True):
                del self._names[former]
                self._former[former] = repository
                self._names[repository.name_with_owner.lower()] = repository

    def flag_account(self, account: Account, flagged: bool) -> None:
        with self.lock:
            account.flagged = flagged
            self.flagged = {each for each in {*self.flagged, account} if each.flagged}

    def hides(self, thing: Any) -> bool:
        """Returns whether the item is hidden because of a flagged account. This account wrote the item or its thread,
        starred the repository, or owns it.
        """
        if not self.flagged:
            return False
        holders = (getattr(thing, name, None) for name in ("thread", "pull_request", "discussion"))
        things = [thing, *(each for each in holders if each is not None)]
        accounts = (getattr(each, name, None) for each in things for name in ("account", "owner_account"))
        return any(account in self.flagged for account in accounts)

    def delete_account(self, account: Account) -> None:
        with self.lock:
            account.deleted = True
            self.accounts.pop(account.login.lower(), None)
            self.forget(account)
            for repository in self.repositories.values():
                with repository.changed():
                    repository.lose(account)
                    for thread in [*repository.pull_requests.values(), *repository.issues.values()]:
                        if account in thread.assignees:
                            thread.assignees.remove(account)

    def next_id(self, sequence: str) -> int:
        """Takes the next id of a type and returns it. The ids of each type begin at a number of their own, so that ids
        of different types are rarely equal.
        """
        with self.lock:
            if sequence not in self.sequences:
                self.sequences[sequence] = 1_000_000 + spread(sequence, 400) * 1_000_000
            self.sequences[sequence] += 1
            return self.sequences[sequence]

    def remember(self, thing: Numbered) -> None:
        """Registers an object, so that `node` finds it. Raises `ValueError` if another object of its type has the same
        id.
        """
        known = self._nodes.setdefault(thing.typename, {})
        if known.setdefault(thing.database_id, thing) is not thing:
            raise ValueError(f"two {thing.typename} have the id {thing.database_id}")

    def forget(self, thing: Numbered) -> None:
        self._nodes[thing.typename].pop(thing.database_id, None)

    def known(self, typename: str, database_id: int) -> bool:
        return database_id in self._nodes.get(typename, ())

    def node(self, node_id: str) -> Any:
        """Returns the object with that node id, which may be in either format. Returns None if there is no such
        object.
        """
        parsed = node_ids.parse(node_id)
        if parsed is None or not isinstance(parsed.key, int):
            return None
        thing = self._nodes.get(parsed.typename, {}).get(parsed.key)
        return thing if thing is not None and node_id in (thing.node_id(True), thing.node_id(False)) else None

    @staticmethod
    def oid(of: str) -> str:
        """Returns an oid for a commit. The oid is always the same for the same text `of`."""
        return hashlib.sha1(of.encode(), usedforsecurity=False).hexdigest()
