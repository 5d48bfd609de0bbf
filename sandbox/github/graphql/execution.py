"""Runs GraphQL queries as GitHub does. A query is parsed, validated and priced. GitHub then answers it with HTTP status
200, even if the answer has errors.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values

from sandbox.github.exchange.refusals import GitHubError, NotModelled, something_went_wrong
from sandbox.github.graphql.context import Context, Field, Info
from sandbox.github.graphql.pricing import Price, PricingError, price
from sandbox.github.graphql.schema import NOTHING, schema
from sandbox.github.graphql.validation import syntax_entry, validation_entry, variable_entries


class Refused(Exception):
    """Raised for a query that GitHub refuses to run. `body` is the whole answer."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors[0]["message"])
        self.body = {"errors": errors}


@dataclass(slots=True, frozen=True)
class Document:
    """A valid query, parsed. Documents are cached by their text, so that a repeated query is parsed and validated
    once.
    """

    tree: DocumentNode
    operations: dict[str, OperationDefinitionNode]
    fragments: dict[str, FragmentDefinitionNode]


@dataclass(slots=True)
class Query:
    """A query that is priced and ready to run. `name` is the name of its operation, or empty. `coerced` are the query's
    variables, with defaults filled in.
    """

    schema: GraphQLSchema
    document: Document
    operation: OperationDefinitionNode
    variables: dict[str, Any]
    coerced: dict[str, Any] = field(default_factory=dict)
    price: Price = field(default_factory=Price)

    @property
    def name(self) -> str:
        return self.operation.name.value if self.operation.name else ""


def prepare(text: str, operation_name: str | None, variables: dict[str, Any], lacks: frozenset[str] = NOTHING) -> Query:
    """Parses, validates and prices a query. `lacks` names what the server's schema does not have (`servers.py`).

    Raises `Refused` if GitHub would not run the query, and `NotModelled` if the stand-in cannot run it.
    """
    document = _document(text, lacks)
    if isinstance(document, Refused):
        raise Refused(document.body["errors"])
    query = Query(schema(lacks), document, _operation(document, operation_name), variables)
    signatures = query.operation.variable_definitions or ()
    coerced = get_variable_values(query.schema, signatures, variables)
    if isinstance(coerced, list):
        raise Refused(variable_entries(coerced, query.schema, query.operation, variables))
    query.coerced = coerced.coerced
    try:
        query.price = price(query.schema, query.operation, document.fragments, query.coerced)
    except PricingError as error:
        raise Refused([error.entry()]) from error
    return query


def run(query: Query, context: Context, request_id: str) -> dict[str, Any]:
    """Runs the query and returns the body of the answer. Raises `NotModelled` if the query needs a field or an argument
    that the stand-in does not have. Any other exception is a bug of the stand-in.
    """
    with context.world.lock:
        result = execute_sync(
            query.schema,
            query.document.tree,
            {},
            context,
            query.variables,
            query.name or None,
            middleware=None if context.resolved is None else [_asking(context.resolved)],
        )
    assert isinstance(result, ExecutionResult)
    body: dict[str, Any] = {"data": result.data}
    if result.errors:
        body["errors"] = [_entry(error, request_id) for error in result.errors]
    return body


def _asking(resolved: Callable[[Field, Any], Any]) -> Callable[..., Any]:
    """Returns a function that graphql-core calls for each field. The function calls the field's resolver, and then
    passes the field and its value to `resolved`, which returns the final value.
    """

    def resolve(resolver: Callable[..., Any], source: Any, info: Info, **arguments: Any) -> Any:
        value = resolver(source, info, **arguments)
        if info.parent_type.name.startswith("__") or info.field_name.startswith("__"):
            return value
        name = f"{info.parent_type.name}.{info.field_name}"
        return resolved(Field(name, source, arguments, info.path.as_list(), info.return_type), value)

    return resolve


@lru_cache(maxsize=500)
def _document(text: str, lacks: frozenset[str]) -> "Document | Refused":
    try:
        tree = parse(text)
    except GraphQLSyntaxError as error:
        return Refused([syntax_entry(error)])
    errors = validate(schema(lacks), tree)
    if errors:
        return Refused([validation_entry(error, tree) for error in errors])
    operations = [each for each in tree.definitions if isinstance(each, OperationDefinitionNode)]
    if any(each.operation is not OperationType.QUERY for each in operations):
        raise NotModelled("mutations and subscriptions")
    fragments = {each.name.value: each for each in tree.definitions if isinstance(each, FragmentDefinitionNode)}
    return Document(tree, {each.name.value if each.name else "": each for each in operations}, fragments)


def _operation(document: Document, name: str | None) -> OperationDefinitionNode:
    operations = document.operations
    if name:
        if name not in operations:
            raise Refused([{"message": f"No operation named `{name}`"}])
        return operations[name]
    if len(operations) != 1:
        raise Refused([{"message": "An operation name is required"}])
    return next(iter(operations.values()))


def _entry(error: GraphQLError, request_id: str) -> dict[str, Any]:
    original = error.original_error
    locations = [{"line": each.line, "column": each.column} for each in error.locations or ()]
    if isinstance(original, GitHubError):
        return original.entry(list(error.path or ()), locations)
    if isinstance(original, Broken):
        return {"path": list(error.path or ()), "locations": locations, "message": something_went_wrong(request_id)}
    raise original or error


class Broken(Exception):
    """Raised for a node or field that GitHub fails to answer. In the answer the node or field is null, and `errors` has
    an entry "Something went wrong".
    """
