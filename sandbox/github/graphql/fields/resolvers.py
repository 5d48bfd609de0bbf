"""Registers resolvers, and holds what resolvers share: pages, sort keys and refusals."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sandbox.github.exchange.pages import Key, Page, page
from sandbox.github.exchange.refusals import GitHubError, NotModelled
from sandbox.github.graphql.context import Context, Info
from sandbox.github.world.accounts import Account

T = TypeVar("T")
Resolver = Callable[..., Any]
RESOLVERS: dict[str, Resolver] = {}


def field(*names: str) -> Callable[[Resolver], Resolver]:
    def register(resolver: Resolver) -> Resolver:
        for name in names:
            assert name not in RESOLVERS, name
            RESOLVERS[name] = resolver
        return resolver

    return register


def constant(value: Any, *names: str) -> None:
    field(*names)(lambda _source, _info, **_args: value)


def serve(info: Info, items: Sequence[Any], key: Key, args: dict[str, Any], **how: Any) -> Page:
    """Returns the page of `items` that `args` request, and counts its nodes for the duration of the answer (`Pace`).
    `how` is passed on to `page`: `descending`, `total_count`. Raises `GitHubError` for a cursor that
    `Faults.refuse_cursor` named.
    """
    context: Context = info.context
    items, hidden = listed(context, items)
    how.setdefault("total_count", len(items) + hidden)
    for cursor in (args.get("after"), args.get("before")):
        if cursor in context.refused_cursors:
            raise GitHubError("INVALID_CURSOR_ARGUMENTS", f"`{cursor}` does not appear to be a valid cursor.")
    served = page(
        items,
        key,
        first=args.get("first"),
        last=args.get("last"),
        after=args.get("after"),
        before=args.get("before"),
        **how,
    )
    context.connections_served += 1
    context.nodes_served += len(served.nodes)
    return served


def listed(context: Context, items: Sequence[T]) -> tuple[Sequence[T], int]:
    """Returns the items that the viewer sees. Also returns the number of hidden items, which GitHub counts but shows to
    nobody, because they belong to flagged accounts.
    """
    if context.selected is not None:
        items = [each for each in items if context.selected(each)]
    if not context.world.flagged:
        return items, 0
    shown = [each for each in items if not context.world.hides(each)]
    return shown, len(items) - len(shown)


def spoil(info: Info, things: list[Any]) -> list[Any]:
    """Returns the items, with an exception in place of each item that GitHub fails to answer because of a fault."""
    spoilt = info.context.spoilt
    if spoilt is None:
        return things
    key = str(info.path.key)
    return [spoilt(thing, place, len(things), key) or thing for place, thing in enumerate(things)]


def refuse_arguments(where: str, args: dict[str, Any], *names: str) -> None:
    for name in names:
        if args.get(name):
            raise NotModelled(f"the argument {name} of {where}")


def by_name(thing: Any) -> tuple[str, int]:
    return thing.name.lower(), thing.database_id


def by_login(account: Account) -> tuple[str, int]:
    return account.login.lower(), account.database_id


def by_id(thing: Any) -> tuple[int]:
    return (thing.database_id,)


def one(info: Info, thing: T) -> T:
    thing = spoil(info, [thing])[0]
    if isinstance(thing, Exception):
        raise thing
    return thing


def refuse_contents(context: Context) -> None:
    """Raises a `GitHubError` FORBIDDEN if the viewer is an App without the permission Contents: read
    (policy-bot#42).
    """
    if context.installation is not None and not context.installation.reads("contents"):
        raise GitHubError("FORBIDDEN", "Resource not accessible by integration")
