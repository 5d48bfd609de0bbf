"""The context of a request, which each resolver gets."""

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
    """The values of the GraphQL type `RateLimit`: the price of a query, and the account's window after the query."""

    limit: int
    cost: int
    remaining: int
    used: int
    reset_at: Stamp
    node_count: int


class Field(NamedTuple):
    """A field that is being resolved. `name` is `Type.field`, `source` is the object that the field belongs to."""

    name: str
    source: Any
    arguments: dict[str, Any]
    path: list[str | int]
    type: Any
    """The field's type in the schema."""


@dataclass(slots=True)
class Context:
    """The context of one request. `spoilt`, `resolved` and `selected` are None unless a fault needs them.

    `spoilt` is called for each item that faults may replace (`Effect.spoil`). It gets the item, the item's place on the
    page, the page's size and the response key of the connection. If it returns an error, the item is null. `resolved`
    is called for each field, and `selected` for each item of a list.
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
