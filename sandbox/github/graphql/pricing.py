"""Computes what a query costs and how many nodes it may return, as GitHub documents the computation. It needs only the
query's text and variables.

The cost is the number of requests that would fill every connection up to its `first` or `last`, divided by 100 and
rounded. It is at least 1. A nested connection needs one request for each of its parents. A connection of which only
counts are requested is priced, too, because too high a price is safer than too low a price.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import floor
from typing import Any

from graphql import (
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Undefined,
    get_named_type,
)
from graphql.utilities import value_from_ast_untyped

from sandbox.github.exchange.refusals import GitHubError
from sandbox.github.graphql.schema import is_connection

NODE_LIMIT = 500_000
PAGE_LIMIT = 100


class PricingError(GitHubError):
    """Raised if GitHub refuses the query because of its pages. Either the query may return too many nodes, or a
    connection has neither `first` nor `last`, has both, or has a value outside 1 to 100.
    """

    def __init__(self, type_: str, message: str, path: list[str | int] | None = None, at: FieldNode | None = None):
        super().__init__(type_, message)
        self.path = path
        self.at = at

    def entry(self, path: list[str | int] | None = None, locations: Any = None) -> dict[str, Any]:
        token = self.at.loc.start_token if self.at is not None and self.at.loc is not None else None
        here = [{"line": token.line, "column": token.column}] if token is not None else locations
        return super().entry(path or self.path, here)


@dataclass(slots=True)
class Price:
    """The price of a query. `requests` is the number of requests by GitHub's formula. `page_size` is the size of the
    largest page among the outermost connections and lists of nodes.

    `asked` names the connections whose nodes are requested, at any depth.
    """

    requests: int = 0
    node_count: int = 0
    page_size: int = 0
    asked: set[str] = field(default_factory=set)

    @property
    def cost(self) -> int:
        return points(self.requests)


def points(requests: int) -> int:
    """Returns the price in points: a hundredth of `requests`, at least 1. Halves are rounded up: 150 cost 2 points."""
    return max(1, floor(requests / 100 + 0.5))


def price(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: dict[str, FragmentDefinitionNode],
    variables: dict[str, Any],
) -> Price:
    """Returns what an operation costs. Raises `PricingError` if GitHub would refuse to run the query."""
    walk = _Walk(schema, fragments, variables)
    assert schema.query_type is not None
    walk.selections(operation.selection_set, schema.query_type, 1, [], 0)
    if walk.price.node_count > NODE_LIMIT:
        raise PricingError(
            "MAX_NODE_LIMIT_EXCEEDED",
            f"This query requests up to {walk.price.node_count:,} possible nodes which exceeds the maximum limit of "
            f"{NODE_LIMIT:,}.",
        )
    return walk.price


@dataclass(slots=True)
class _Walk:
    schema: GraphQLSchema
    fragments: dict[str, FragmentDefinitionNode]
    variables: dict[str, Any]
    price: Price = field(default_factory=Price)

    def selections(self, selected: SelectionSetNode, type_: Any, parents: int, path: list[str], depth: int) -> None:
        """Adds to `price` what a selection costs if it is made on `parents` objects. Fields that GraphQL merges,
        because type and response key are equal, count once.
        """
        merged: dict[tuple[str, str], list[FieldNode]] = {}
        types: dict[str, Any] = {}
        for parent, node in self._fields(selected, type_):
            types[parent.name] = parent
            key = node.alias.value if node.alias else node.name.value
            merged.setdefault((parent.name, key), []).append(node)
        for (parent_name, key), nodes in merged.items():
            self._field(nodes, types[parent_name], parents, [*path, key], depth)

    def _fields(self, selected: SelectionSetNode, type_: Any) -> Iterator[tuple[Any, FieldNode]]:
        for node in selected.selections:
            if not included(node.directives, self.variables):
                continue
            if isinstance(node, FieldNode):
                if not node.name.value.startswith("__"):
                    yield type_, node
            elif isinstance(node, InlineFragmentNode):
                condition = self.schema.get_type(node.type_condition.name.value) if node.type_condition else type_
                yield from self._fields(node.selection_set, condition)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                yield from self._fields(
                    fragment.selection_set, self.schema.get_type(fragment.type_condition.name.value)
                )

    def _field(self, nodes: list[FieldNode], type_: Any, parents: int, path: list[str], depth: int) -> None:
        assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
        first = nodes[0]
        definition: GraphQLField = type_.fields[first.name.value]
        inner = get_named_type(definition.type)
        if is_connection(inner):
            self._connection(nodes, inner, parents, path, depth)
            return
        if type_.name == "Query" and first.name.value == "nodes":
            size = len(self._argument(first, "ids") or ())
            self.price.node_count += size
            self._page(size, depth)
            parents, depth = parents * size, depth + 1
        for node in nodes:
            if node.selection_set:
                self.selections(node.selection_set, inner, parents, path, depth)

    def _connection(self, nodes: list[FieldNode], type_: Any, parents: int, path: list[str], depth: int) -> None:
        first = nodes[0]
        self.price.requests += parents
        inside: dict[str, list[FieldNode]] = {}
        for node in nodes:
            for _, child in self._fields(node.selection_set or SelectionSetNode(selections=()), type_):
                inside.setdefault(child.name.value, []).append(child)
        paged = inside.get("nodes", []) + inside.get("edges", [])
        size = self._size(first, path, required=bool(paged))
        if not paged:
            return
        self.price.asked.add(first.name.value)
        self.price.node_count += parents * size
        self._page(size, depth)
        for child in paged:
            if child.selection_set:
                items = get_named_type(type_.fields[child.name.value].type)
                self.selections(child.selection_set, items, parents * size, path, depth + 1)

    def _page(self, size: int, depth: int) -> None:
        if depth == 0:
            self.price.page_size = max(self.price.page_size, size)

    def _size(self, node: FieldNode, path: list[str], *, required: bool) -> int:
        name = node.name.value
        first, last = self._argument(node, "first"), self._argument(node, "last")
        if first is not None and last is not None:
            message = f"Passing both `first` and `last` to paginate the `{name}` connection is not supported."
            raise PricingError("INVALID_PAGINATION_BOUNDARIES", message, [*path], node)
        if first is None and last is None:
            if required:
                message = f"You must provide a `first` or `last` value to properly paginate the `{name}` connection."
                raise PricingError("MISSING_PAGINATION_BOUNDARIES", message, [*path], node)
            return 0
        argument, size = ("first", first) if first is not None else ("last", last)
        if size > PAGE_LIMIT:
            message = (
                f"Requesting {size} records on the `{name}` connection exceeds the `{argument}` limit of "
                f"{PAGE_LIMIT} records."
            )
            raise PricingError("EXCESSIVE_PAGINATION", message, [*path], node)
        if size < 1:
            message = f"`{argument}` on the `{name}` connection cannot be less than one."
            raise PricingError("INVALID_PAGINATION_BOUNDARIES", message, [*path], node)
        return int(size)

    def _argument(self, node: FieldNode, name: str) -> Any:
        for argument in node.arguments or ():
            if argument.name.value == name:
                value = value_from_ast_untyped(argument.value, self.variables)
                return None if value is Undefined else value
        return None


def included(directives: tuple[DirectiveNode, ...] | None, variables: dict[str, Any]) -> bool:
    """Returns whether the directives `@include` and `@skip` keep a selection."""
    for directive in directives or ():
        condition = next((each.value for each in directive.arguments or () if each.name.value == "if"), None)
        if condition is not None and value_from_ast_untyped(condition, variables) == (directive.name.value == "skip"):
            return False
    return True
