"""The context of a request, which resolvers get."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphql import GraphQLResolveInfo

from sandbox.github.world.accounts import Account
from sandbox.github.world.apps import Installation
from sandbox.github.world.clock import Stamp
from sandbox.github.world.world import World


@dataclass(slots=True, frozen=True)
class Rate:
    """What the type `RateLimit` shows: the price of a query, and the account's window after it."""

    limit: int
    cost: int
    remaining: int
    used: int
    reset_at: Stamp
    node_count: int


class Field(NamedTuple):
    """A field that is being resolved: `Type.field`, the object that it belongs to, and its arguments."""

    name: str
    source: Any
    arguments: dict[str, Any]
    path: list[str | int]
    type: Any
    """The field's type in the schema."""


@dataclass(slots=True)
class Context:
    """The context of one request. `spoilt` is called for each thread of a page, with the thread, its place, the page's
    size and the response key of its connection; if it returns an error, the thread is null. `resolved` is called for
    each field and `selected` for each item of a list, if a fault needs it.
    """

    world: World
    viewer: Account
    installation: Installation | None
    new_ids: bool
    rate: Rate
    refused_cursors: frozenset[str] = frozenset()
    spoilt: Callable[[Any, int, int, str], Exception | None] | None = None
    resolved: Callable[[Field, Any], Any] | None = None
    selected: Callable[[Any], bool] | None = None
    connections_served: int = field(default=0)
    nodes_served: int = field(default=0)


Info = GraphQLResolveInfo[Context]
