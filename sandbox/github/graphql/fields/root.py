"""Resolvers of the root: the viewer, repositories and accounts by name, nodes by id."""

from typing import Any

from sandbox.github.exchange.refusals import GitHubError, NotModelled
from sandbox.github.graphql.context import Context, Info
from sandbox.github.graphql.fields.resolvers import field, spoil
from sandbox.github.graphql.fields.visibility import may_see, visible
from sandbox.github.world.accounts import Account, Team
from sandbox.github.world.pull_requests import Review
from sandbox.github.world.repositories import Repository

NODES_LIMIT = 100


# --- the root


@field("Query.viewer")
def viewer(_source: Any, info: Info) -> Account:
    account: Account = info.context.viewer
    return account


@field("User.login")
def user_login(source: Account, _info: Info) -> str:
    """Returns the login as REST shows it. GitHub serves the viewer as a User even if the viewer is an App's bot, and
    shows the bot's REST login in this case.
    """
    return source.rest_login


@field("Query.relay")
def relay(_source: Any, _info: Info) -> dict[str, Any]:
    return {}


@field("Query.rateLimit")
def rate_limit(_source: Any, info: Info, **args: Any) -> Any:
    if args.get("dryRun"):
        raise NotModelled("rateLimit(dryRun: true)")
    return info.context.rate


@field("Query.repository")
def repository(_source: Any, info: Info, **args: Any) -> Repository:
    name = f"{args['owner']}/{args['name']}"
    world = info.context.world
    found: Repository | None = world.find(name)
    if found is None or (args.get("followRenames") is False and not world.is_present_name(name)):
        raise GitHubError("NOT_FOUND", f"Could not resolve to a Repository with the name '{name}'.")
    return visible(info.context, found, f"Could not resolve to a Repository with the name '{name}'.")


@field("Query.node")
def node(_source: Any, info: Info, **args: Any) -> Any:
    thing = spoil(info, [resolve_node(info.context, args["id"])])[0]
    info.context.nodes_served += 1
    return thing


@field("Query.nodes")
def nodes(_source: Any, info: Info, **args: Any) -> list[Any]:
    wanted = args["ids"]
    if len(wanted) > NODES_LIMIT:
        message = f"You may not provide more than {NODES_LIMIT} node ids; you provided {len(wanted)}."
        raise GitHubError("ARGUMENT_LIMIT", message)
    info.context.nodes_served += len(wanted)
    return spoil(info, [resolve_node(info.context, each) for each in wanted])


def resolve_node(context: Context, identifier: str) -> Any:
    """Returns the object with that node id. Returns a `GitHubError` if there is no such object, or if the viewer may
    not see it.
    """
    thing = context.world.node(identifier)
    missing = f"Could not resolve to a node with the global id of '{identifier}'"
    if thing is None or (isinstance(thing, Review) and not may_see(context, thing)) or context.world.hides(thing):
        return GitHubError("NOT_FOUND", missing)
    home = getattr(thing, "repository", None)
    try:
        if home is not None:
            visible(context, home, missing)
    except GitHubError as error:
        return error
    return thing


@field("Query.user")
def user(_source: Any, info: Info, **args: Any) -> Account:
    return find_account(info, args["login"], "User", "a User")


@field("Query.organization")
def organization(_source: Any, info: Info, **args: Any) -> Account:
    return find_account(info, args["login"], "Organization", "an Organization")


@field("Query.repositoryOwner")
def repository_owner(_source: Any, info: Info, **args: Any) -> Account | None:
    account: Account | None = info.context.world.accounts.get(args["login"].lower())
    return account if account is not None and account.typename in ("User", "Organization") else None


def find_account(info: Info, login: str, typename: str, called: str) -> Account:
    account: Account | None = info.context.world.accounts.get(login.lower())
    if account is None or account.typename != typename:
        raise GitHubError("NOT_FOUND", f"Could not resolve to {called} with the login of '{login}'.")
    return account


@field("Team.organization")
def team_organization(source: Team, _info: Info) -> Account:
    return source.organization
