"""The graph of a repository's commits, and its branches. Branches change by pushes, merges, creations and deletions.

A commit never changes and never vanishes. After a force push it can still be requested by its oid. Its dates come from
its author's clock, so a commit may be older than its parent.
"""

import heapq
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, ClassVar, Literal, get_args

from sandbox.github.world import node_ids
from sandbox.github.world.accounts import Account, present
from sandbox.github.world.clock import Stamp, moment
from sandbox.github.world.identity import RepositoryIdentity

NOTHING = "0" * 40
"""The oid that stands for no commit: before a branch is created, and after it is deleted."""
HEADS = "refs/heads/"
ActivityType = Literal["push", "force_push", "branch_creation", "branch_deletion", "pr_merge", "merge_queue_merge"]
ACTIVITY_TYPES: tuple[str, ...] = get_args(ActivityType)
PUSHES = frozenset({"push", "force_push", "pr_merge", "merge_queue_merge"})
"""Types of activities that are pushes."""

happened = attrgetter("timestamp", "database_id")


@dataclass(slots=True, eq=False, repr=False)
class Commit:
    """A commit. `Git.commit` returns a commit with its oid alone if the repository does not have the commit.
    `author_name` is the author's name if the author has no account.
    """

    typename: ClassVar[str] = "Commit"

    repository: RepositoryIdentity
    oid: str
    message: str = ""
    authored_date: Stamp = "1970-01-01T00:00:00Z"
    author_account: Account | None = None
    committed_date: Stamp = field(default="", kw_only=True)
    """`authored_date` by default."""
    parents: "tuple[Commit, ...]" = field(default=(), kw_only=True)
    """The first parent is the branch's previous commit; a merge has a second."""
    author_name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self.committed_date = self.committed_date or self.authored_date

    def node_id(self, new: bool) -> str:
        if new:
            return node_ids.new("Commit", self.repository.database_id, self.oid)
        return node_ids.old("Commit", f"{self.repository.database_id}:{self.oid}")

    @property
    def abbreviated_oid(self) -> str:
        return self.oid[:7]

    @property
    def message_headline(self) -> str:
        return self.message.partition("\n")[0]

    @property
    def message_body(self) -> str:
        return self.message.partition("\n")[2].lstrip("\n")

    @property
    def resource_path(self) -> str:
        return f"{self.repository.resource_path}/commit/{self.oid}"

    @property
    def url(self) -> str:
        return f"https://github.com{self.resource_path}"

    @property
    def commit_resource_path(self) -> str:
        return self.resource_path

    @property
    def commit_url(self) -> str:
        return self.url

    def history(self) -> "list[Commit]":
        """Returns this commit and its ancestors, in the order of `git log`. The next commit is always the newest
        unlisted parent of the commits listed so far.
        """
        listed, queue, seen = [], [(_newest_first(self), 0, self)], {self.oid}
        while queue:
            commit = heapq.heappop(queue)[2]
            listed.append(commit)
            for parent in commit.parents:
                if parent.oid not in seen:
                    seen.add(parent.oid)
                    heapq.heappush(queue, (_newest_first(parent), len(seen), parent))
        return listed


def _newest_first(commit: Commit) -> float:
    return -moment(commit.committed_date).timestamp()


@dataclass(slots=True, eq=False, repr=False)
class Activity:
    """One change of a branch, as REST's `/activity` lists it. If the change is a push, the repository also has a
    `PushEvent` about it.
    """

    typename: ClassVar[str] = "Push"

    repository: RepositoryIdentity
    database_id: int
    account: Account | None
    before: str
    after: str
    ref: str
    timestamp: Stamp
    activity_type: ActivityType

    def node_id(self, new: bool) -> str:
        if new:
            return node_ids.new("Push", self.repository.database_id, self.database_id)
        return node_ids.old("Push", self.database_id)

    @property
    def actor(self) -> Account | None:
        return present(self.account)

    @property
    def branch(self) -> str:
        return self.ref.removeprefix(HEADS)

    @property
    def is_push(self) -> bool:
        return self.activity_type in PUSHES


@dataclass(slots=True, eq=False, repr=False)
class Git:
    """A repository's commits by oid, the heads of its branches by name, and its activity, oldest first.

    Only the repository's methods may change a `Git`, because they hold the world's lock.
    """

    repository: RepositoryIdentity
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, Commit] = field(default_factory=dict)
    activity: list[Activity] = field(default_factory=list)

    def commit(self, oid: str) -> Commit:
        """Returns the commit with that oid. If the repository does not have the commit, returns a new `Commit` with the
        oid alone.
        """
        return self.commits.get(oid) or Commit(self.repository, oid)

    def add(self, commit: Commit) -> Commit:
        """Adds a commit. Raises `ValueError` if another commit has the same oid."""
        if self.commits.setdefault(commit.oid, commit) is not commit:
            raise ValueError(f"two commits have the oid {commit.oid}")
        return commit

    def head(self, branch: str) -> Commit | None:
        return self.branches.get(branch)

    def root(self) -> Commit:
        """Returns the head of the default branch. If the branch has no commit yet, creates its first commit."""
        repository = self.repository
        if repository.default_branch not in self.branches:
            oid = repository.world.oid(f"root of {repository.database_id}")
            commit = Commit(repository, oid, "Initial commit", repository.created_at, repository.owner)
            self.branches[repository.default_branch] = self.commits.setdefault(oid, commit)
        return self.branches[repository.default_branch]

    def chain(self, onto: Commit | None, commits: int | Sequence[str], author: Account | None, at: Stamp) -> Commit:
        """Adds commits on top of `onto`, and returns the last one. `commits` is the number of new commits, or a list of
        their oids. If `onto` is None, the first commit has no parent. Raises `ValueError` if there is no commit to
        return.
        """
        world = self.repository.world
        if isinstance(commits, int):
            start = len(self.commits)
            name = self.repository.database_id
            commits = [world.oid(f"commit {start + place} of {name}") for place in range(commits)]
        for oid in commits:
            onto = self.add(
                Commit(self.repository, oid, f"Change {oid[:7]}", at, author, parents=(onto,) if onto else ())
            )
        if onto is None:
            raise ValueError("no commit to push")
        return onto

    def merge(self, base: str, head: Commit, oid: str, message: str, author: Account | None, at: Stamp) -> Commit:
        """Adds a commit that merges `head` into the branch `base`, and returns the commit. The branch itself does not
        move.
        """
        before = self.branches.get(base) or self.root()
        return self.add(Commit(self.repository, oid, message, at, author, parents=(before, head)))

    def move(
        self, branch: str, to: Commit | None, account: Account | None, at: Stamp, activity_type: ActivityType
    ) -> Activity:
        """Moves the branch to the commit `to`, or deletes the branch if `to` is None. Records the activity and returns
        it.
        """
        before = self.branches.get(branch)
        if to is None:
            self.branches.pop(branch, None)
        else:
            self.branches[branch] = to
        return self.record(branch, before, to, account, at, activity_type)

    def record(
        self,
        branch: str,
        before: Commit | None,
        after: Commit | None,
        account: Account | None,
        at: Stamp,
        activity_type: ActivityType,
    ) -> Activity:
        """Records an activity and returns it. Does not move the branch."""
        number = self.repository.world.next_id("Push")
        oids = before.oid if before else NOTHING, after.oid if after else NOTHING
        made = Activity(self.repository, number, account, *oids, HEADS + branch, at, activity_type)
        insort(self.activity, made, key=happened)
        return made

    def clear(self) -> None:
        self.commits.clear()
        self.branches.clear()
        self.activity.clear()


@dataclass(slots=True, eq=False, repr=False)
class RepositoryCode(RepositoryIdentity):
    """A repository's commits and branches, with the methods that change them."""

    git: Git = field(init=False)
    """The repository's commits, its branches and their activity."""

    def __post_init__(self) -> None:
        self.git = Git(self)

    @property
    def pushed_at(self) -> Stamp | None:
        pushes = self.git.activity
        return None if self.is_empty else pushes[-1].timestamp if pushes else self.updated_at

    @property
    def commits(self) -> list[Commit]:
        """The history of the default branch, as `git log` lists it."""
        head = self.git.head(self.default_branch)
        return self.kept(("history", head.oid), head.history) if head else []

    def push(
        self,
        account: Account | None,
        ref: str | None = None,
        commits: int | Sequence[str] = 1,
        *,
        at: Stamp | None = None,
        force: bool = False,
    ) -> Activity:
        """Pushes commits to a branch, which is the default branch if `ref` is None. `commits` is the number of commits,
        or a list of their oids. If the branch does not exist, it is created. With `force`, the new commits replace the
        branch's head.
        """
        with self.changed():
            now, branch = at or self.world.clock.stamp(), self.branch(ref)
            if branch == self.default_branch and not self.is_empty:
                self.git.root()
            self.is_empty = False
            before = self.git.head(branch)
            onto = before or (self.git.root() if branch != self.default_branch else None)
            if force and onto is not None:
                onto = onto.parents[0] if onto.parents else None
            to = self.git.chain(onto, commits, account, now)
            kind: Any = "branch_creation" if before is None else "force_push" if force else "push"
            return self.git.move(branch, to, account, now, kind)

    def create_branch(
        self, account: Account | None, ref: str, oid: str | None = None, *, at: Stamp | None = None
    ) -> Activity:
        """Creates a branch at the commit `oid`, or at the head of the default branch if `oid` is None. Raises
        `ValueError` if the branch exists, and `KeyError` if the commit does not exist.
        """
        with self.changed():
            branch = self.branch(ref)
            if self.git.head(branch):
                raise ValueError(f"{branch} exists")
            to = self.git.commits[oid] if oid else self.git.root()
            return self.git.move(branch, to, account, at or self.world.clock.stamp(), "branch_creation")

    def delete_branch(self, account: Account | None, ref: str, *, at: Stamp | None = None) -> Activity:
        """Deletes a branch. Its commits can still be requested by their oids. Raises `KeyError` if the branch does not
        exist.
        """
        with self.changed():
            branch = self.branch(ref)
            if not self.git.head(branch):
                raise KeyError(branch)
            return self.git.move(branch, None, account, at or self.world.clock.stamp(), "branch_deletion")

    def branch(self, ref: str | None) -> str:
        """Returns the name of a branch without `refs/heads/`. Returns the name of the default branch if `ref` is
        None.
        """
        return ref.removeprefix(HEADS) if ref else self.default_branch
