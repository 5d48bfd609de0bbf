"""Resolvers of a repository's stars, forks and releases."""

from typing import Any

from sandbox.github.exchange.pages import Edge, Page
from sandbox.github.exchange.refusals import GitHubError, NotModelled
from sandbox.github.graphql.context import Info
from sandbox.github.graphql.fields.commits import Ref, a_user
from sandbox.github.graphql.fields.resolvers import field, refuse_arguments, serve, spoil
from sandbox.github.world.accounts import Account
from sandbox.github.world.releases import Release, Star
from sandbox.github.world.repositories import ORDERS, Repository

TAGS = "refs/tags/"

# --- stars


@field("Repository.stargazers")
def stargazers(source: Repository, info: Info, **args: Any) -> Page:
    """Returns a page of the repository's stars. Since July 2026 GitHub shows stars to collaborators only;
    `stargazers_refusal` says what other viewers get. The field cannot be null, so an error in it makes the whole
    repository null.
    """
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


def item_or_raise(thing: Any) -> Any:
    """Returns `thing` if it is an item. Raises `thing` if it is an exception, which stands for an item that GitHub
    fails to answer.
    """
    if isinstance(thing, Exception):
        raise thing
    return thing


@field("StargazerConnection.nodes")
def stargazer_nodes(source: Page, _info: Info) -> list[Any]:
    return [each.account if isinstance(each, Star) else each for each in source.shown or source.nodes]


@field("StargazerEdge.node")
def stargazer(source: Edge, _info: Info) -> Account:
    star: Star = item_or_raise(source.node)
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
    return source.latest_release


@field("Release.author")
def release_author(source: Release, _info: Info) -> Account | None:
    """Returns the release's author if the author is a User. Returns None for a bot, because the field's type does not
    allow bots.
    """
    return a_user(source.author_account)


@field("Release.tag")
def release_tag(source: Release, _info: Info) -> Ref | None:
    return Ref(source.repository, source.tag_name, source.tag_commit, TAGS) if source.tag_commit else None
