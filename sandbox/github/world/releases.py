"""Stars and releases, and events that do not come from any other object of the world."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from sandbox.github.world import node_ids
from sandbox.github.world.accounts import Account, present
from sandbox.github.world.clock import Stamp
from sandbox.github.world.commits import Commit
from sandbox.github.world.discussions import RepositoryDiscussions
from sandbox.github.world.identity import RepositoryIdentity
from sandbox.github.world.threads import created


@dataclass(slots=True, eq=False, repr=False)
class Star:
    typename: ClassVar[str] = "Star"

    repository: RepositoryIdentity
    database_id: int
    account: Account
    starred_at: Stamp


@dataclass(slots=True, eq=False, repr=False)
class Release:
    """A release. A draft has no `published_at`, and neither GraphQL nor REST lists it."""

    typename: ClassVar[str] = "Release"

    repository: "RepositoryReleases"
    database_id: int
    tag_name: str
    author_account: Account | None
    created_at: Stamp
    updated_at: Stamp
    tag_commit: Commit | None = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)
    body: str | None = field(default=None, kw_only=True)
    is_draft: bool = field(default=False, kw_only=True)
    is_prerelease: bool = field(default=False, kw_only=True)
    published_at: Stamp | None = field(default=None, kw_only=True)

    def node_id(self, new: bool) -> str:
        if new:
            return node_ids.new("Release", self.repository.database_id, self.database_id)
        return node_ids.old("Release", self.database_id)

    @property
    def author(self) -> Account | None:
        return present(self.author_account)

    @property
    def description(self) -> str | None:
        return self.body

    @property
    def is_latest(self) -> bool:
        return self.repository.latest_release is self

    @property
    def resource_path(self) -> str:
        return f"{self.repository.resource_path}/releases/tag/{self.tag_name}"

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"

    def publish(self, at: Stamp | None = None) -> None:
        """Publishes a draft. Its `created_at` stays."""
        with self.repository.changed():
            self.is_draft = False
            self.published_at = self.updated_at = at or self.repository.world.clock.stamp()

    def edit(self, *, name: str | None = None, body: str | None = None) -> None:
        with self.repository.changed():
            self.name, self.body = name or self.name, body or self.body
            self.updated_at = self.repository.world.clock.stamp()

    def delete(self) -> None:
        """Deletes the release and the events about it."""
        with self.repository.changed():
            del self.repository.releases[self.database_id]
            self.repository.world.forget(self)


@dataclass(slots=True, eq=False, repr=False)
class RawEvent:
    """An event that is stored exactly as it is shown. `archived` says that only GH Archive has the event, because the
    API no longer shows it.
    """

    typename: ClassVar[str] = "RawEvent"

    repository: RepositoryIdentity
    database_id: int
    type: str
    account: Account | None
    created_at: Stamp
    payload: dict[str, Any]
    archived: bool = False


@dataclass(slots=True, eq=False, repr=False)
class RepositoryReleases(RepositoryDiscussions):
    """A repository's releases."""

    releases: dict[int, Release] = field(default_factory=dict)
    """Releases by id, including drafts."""

    def shown_releases(self) -> list[Release]:
        """Returns the published releases, in order of creation."""
        shown = (each for each in self.releases.values() if not each.is_draft)
        return self.kept("shown releases", lambda: sorted(shown, key=created))

    def release(self, author: Account | None, tag_name: str, at: Stamp | None = None, **fields: Any) -> Release:
        """Creates a release of the default branch's head, and returns it. The release is published at once, unless
        `is_draft` is given. `fields` are fields of `Release`. Raises `ValueError` if there is no commit to release.
        """
        if self.is_empty and not fields.get("is_draft"):
            raise ValueError("GitHub refuses to publish a release of a repository without commits")
        with self.changed():
            now = at or self.world.clock.stamp()
            fields.setdefault("published_at", None if fields.get("is_draft") else now)
            number = fields.pop("database_id", None) or self.world.next_id("Release")
            release = Release(self, number, tag_name, author, now, now, tag_commit=self.git.root(), **fields)
            self.releases[number] = release
            self.world.remember(release)
            return release

    @property
    def latest_release(self) -> Release | None:
        found = [each for each in self.shown_releases() if not each.is_prerelease]
        return found[-1] if found else None
