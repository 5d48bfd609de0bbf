"""Resolvers of a repository's stars, forks, releases and commits."""

from dataclasses import dataclass
from typing import Any

from sandbox.github.exchange.pages import Edge, Page
from sandbox.github.exchange.refusals import GitHubError, NotModelled
from sandbox.github.graphql.context import Info
from sandbox.github.graphql.fields import (
    GitActor,
    Ref,
    constant,
    field,
    refuse_arguments,
    refuse_contents,
    serve,
    spoil,
)
from sandbox.github.world.accounts import Account, present
from sandbox.github.world.commits import Commit
from sandbox.github.world.events import Release, Star, latest_release
from sandbox.github.world.repositories import ORDERS, Repository

TAGS = "refs/tags/"

# --- stars


@field("Repository.stargazers")
def stargazers(source: Repository, info: Info, **args: Any) -> Page:
    """Since July 2026 only those who work on a repository are shown them. The field cannot be null, so an error here
    takes the whole repository with it."""
    shown = source.ordered("stars", "starred_at")
    if not source.shows_stargazers_to(info.context.viewer, info.context.installation):
        if source.stargazers_refusal == "forbidden":
            raise GitHubError("FORBIDDEN", "You do not have permission to view stargazers on this repository.")
        if source.stargazers_refusal == "not_found":
            raise GitHubError("NOT_FOUND", "Could not resolve to the stargazers of this repository.")
        shown = []
    order = args.get("orderBy") or {"direction": "ASC"}
    return spoilt(info, serve(info, shown, ORDERS["starred_at"], args, descending=order["direction"] == "DESC"))


def spoilt(info: Info, served: Page) -> Page:
    served.shown = spoil(info, served.nodes)
    return served


def whole(thing: Any) -> Any:
    """A node, unless GitHub fails to answer it."""
    if isinstance(thing, Exception):
        raise thing
    return thing


@field("StargazerConnection.nodes")
def stargazer_nodes(source: Page, _info: Info) -> list[Any]:
    return [each.account if isinstance(each, Star) else each for each in source.shown or source.nodes]


@field("StargazerEdge.node")
def stargazer(source: Edge, _info: Info) -> Account:
    star: Star = whole(source.node)
    return star.account


@field("StargazerEdge.starredAt")
def starred_at(source: Edge, _info: Info) -> str:
    star: Star = source.thing
    return star.starred_at


# --- forks


@field("Repository.forks")
def forks(source: Repository, info: Info, **args: Any) -> Page:
    refuse_arguments("Repository.forks", args, "affiliations", "hasIssuesEnabled", "isLocked", "privacy", "visibility")
    order = args.get("orderBy") or {"field": "CREATED_AT", "direction": "ASC"}
    if order["field"] != "CREATED_AT":
        raise NotModelled(f"Repository.forks by {order['field']}")
    served = serve(info, source.shown_forks(), ORDERS["created_at"], args, descending=order["direction"] == "DESC")
    return spoilt(info, served)


# --- releases


@field("Repository.releases")
def releases(source: Repository, info: Info, **args: Any) -> Page:
    order = args.get("orderBy") or {"field": "CREATED_AT", "direction": "ASC"}
    if order["field"] != "CREATED_AT":
        raise NotModelled(f"Repository.releases by {order['field']}")
    shown = source.shown_releases()
    return spoilt(info, serve(info, shown, ORDERS["created_at"], args, descending=order["direction"] == "DESC"))


@field("Repository.release")
def release(source: Repository, _info: Info, **args: Any) -> Release | None:
    return next((each for each in source.shown_releases() if each.tag_name == args["tagName"]), None)


@field("Repository.latestRelease")
def newest_release(source: Repository, _info: Info) -> Release | None:
    return latest_release(source)


@field("Release.author")
def release_author(source: Release, _info: Info) -> Account | None:
    """Of the type User: there is no place for a bot."""
    return a_user(source.author_account)


@field("Release.tag")
def release_tag(source: Release, _info: Info) -> Ref | None:
    return Ref(source.repository, source.tag_name, source.tag_commit, TAGS) if source.tag_commit else None


# --- commits


@field("Repository.defaultBranchRef")
def default_branch_ref(source: Repository, _info: Info) -> Ref | None:
    return None if source.is_empty else Ref(source, source.default_branch, source.git.root())


@field("Repository.object")
def git_object(source: Repository, info: Info, **args: Any) -> Commit | None:
    """A commit by its oid, also one that no branch leads to any longer."""
    refuse_contents(info.context)
    refuse_arguments("Repository.object", args, "expression")
    return source.git.commits.get(args.get("oid") or "")


@dataclass(slots=True, eq=False)
class HistoryPage:
    """A page of a history, which is its own `pageInfo`. Its cursors are the commit it starts from and a place in it."""

    start: Commit
    nodes: list[Any]
    """Commits, an exception in the place of each that GitHub fails to answer."""
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
    """In `git log`'s order, which is not that of dates. A cursor is of the commit that the history starts from, and of
    no other: one who goes on from a branch's new head with it is told so."""
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
    """The name stays when the account goes."""
    account = source.author_account
    name = source.author_name or (account.rest_login if account else None)
    domain = "users.noreply.github.com" if account else "example.org"
    email = f"{name.replace(' ', '.').lower()}@{domain}" if name else None
    return GitActor(name, email, a_user(account), date)


def a_user(account: Account | None) -> Account | None:
    """Null for a bot and for a deleted account, where the type is User."""
    shown = present(account)
    return shown if shown is not None and shown.typename == "User" else None


constant(False, "Release.viewerCanReact")
