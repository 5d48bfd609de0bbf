"""Resolvers of commits and refs, and of the history of a branch."""

from dataclasses import dataclass
from typing import Any, ClassVar

from sandbox.github.exchange.pages import Page
from sandbox.github.exchange.refusals import GitHubError
from sandbox.github.graphql.context import Info
from sandbox.github.graphql.fields.resolvers import constant, field, refuse_arguments, refuse_contents, serve, spoil
from sandbox.github.world import node_ids
from sandbox.github.world.accounts import Account, present
from sandbox.github.world.clock import Stamp
from sandbox.github.world.commits import Commit
from sandbox.github.world.identity import RepositoryIdentity
from sandbox.github.world.repositories import Repository


@dataclass(slots=True, eq=False)
class Ref:
    typename: ClassVar[str] = "Ref"

    repository: RepositoryIdentity
    name: str
    target: Commit | None
    prefix: str = "refs/heads/"

    def node_id(self, new: bool) -> str:
        key = f"{self.repository.database_id}:{self.prefix}{self.name}"
        return node_ids.new("Ref", self.repository.database_id, key) if new else node_ids.old("Ref", key)


@dataclass(slots=True, eq=False)
class GitActor:
    """The author or committer that a commit names. `user` is None if GitHub knows no user for that person."""

    name: str | None
    email: str | None
    user: Account | None
    date: Stamp


@field("Repository.defaultBranchRef")
def default_branch_ref(source: Repository, _info: Info) -> Ref | None:
    return None if source.is_empty else Ref(source, source.default_branch, source.git.root())


@field("Repository.object")
def git_object(source: Repository, info: Info, **args: Any) -> Commit | None:
    """Returns the commit with the given oid, even if no branch contains it any longer. Returns None if there is
    none.
    """
    refuse_contents(info.context)
    refuse_arguments("Repository.object", args, "expression")
    return source.git.commits.get(args.get("oid") or "")


@dataclass(slots=True, eq=False)
class HistoryPage:
    """A page of a commit history. The same object serves as the connection's `pageInfo`. A cursor holds the oid of the
    commit at which the history starts, and a place in the history.
    """

    start: Commit
    nodes: list[Any]
    """Commits, with an exception in place of each that GitHub fails to answer."""
    place: int
    total_count: int

    @property
    def page_info(self) -> "HistoryPage":
        return self

    def cursor(self, place: int) -> str:
        return f"{self.start.oid} {self.place + place}"

    @property
    def edges(self) -> "list[HistoryEdge]":
        return [HistoryEdge(node, self.cursor(place)) for place, node in enumerate(self.nodes)]

    @property
    def start_cursor(self) -> str | None:
        return self.cursor(0) if self.nodes else None

    @property
    def end_cursor(self) -> str | None:
        return self.cursor(len(self.nodes) - 1) if self.nodes else None

    @property
    def has_next_page(self) -> bool:
        return self.place + len(self.nodes) < self.total_count

    @property
    def has_previous_page(self) -> bool:
        return self.place > 0


@dataclass(slots=True, eq=False)
class HistoryEdge:
    node: Any
    cursor: str


@field("Commit.history")
def history(source: Commit, info: Info, **args: Any) -> HistoryPage:
    """Returns a page of the commit's history, in the order of `git log`, which is not the order of dates. A cursor is
    valid only for the commit at which its history starts. It is refused for any other commit, such as the branch's new
    head.
    """
    refuse_arguments("Commit.history", args, "author", "path", "last", "before")
    since, until = args.get("since") or "", args.get("until") or "9999"
    commits = source.repository.kept(("history", source.oid), source.history)
    if since or args.get("until"):
        key = ("history", source.oid, since, until)
        within = commits
        commits = source.repository.kept(
            key, lambda: [each for each in within if since <= each.committed_date <= until]
        )
    start = 0
    if cursor := args.get("after"):
        oid, _, place = cursor.partition(" ")
        if oid != source.oid or not place.isdigit() or cursor in info.context.refused_cursors:
            raise GitHubError("INVALID_CURSOR_ARGUMENTS", f"`{cursor}` does not appear to be a valid cursor.")
        start = int(place) + 1
    nodes = commits[start : start + (args.get("first") or 0)]
    info.context.connections_served += 1
    info.context.nodes_served += len(nodes)
    return HistoryPage(source, spoil(info, nodes), start, len(commits))


@field("Commit.parents")
def parents(source: Commit, info: Info, **args: Any) -> Page:
    places = {parent.oid: place for place, parent in enumerate(source.parents)}
    return serve(info, source.parents, lambda parent: (places[parent.oid],), args)


@field("Commit.author")
def commit_author(source: Commit, _info: Info) -> GitActor:
    return git_actor(source, source.authored_date)


@field("Commit.committer")
def commit_committer(source: Commit, _info: Info) -> GitActor:
    return git_actor(source, source.committed_date)


def git_actor(source: Commit, date: str) -> GitActor:
    """Returns the author of the commit, with the time `date`. The author's name stays when the account is deleted."""
    account = source.author_account
    name = source.author_name or (account.rest_login if account else None)
    domain = "users.noreply.github.com" if account else "example.org"
    email = f"{name.replace(' ', '.').lower()}@{domain}" if name else None
    return GitActor(name, email, a_user(account), date)


def a_user(account: Account | None) -> Account | None:
    """Returns the account if it is a User. Returns None for a bot and for a deleted account."""
    shown = present(account)
    return shown if shown is not None and shown.typename == "User" else None


constant(False, "Release.viewerCanReact")
