"""Loads the GraphQL documents in `queries/*.graphql`, and makes requests for gql from them. Each operation comes with
the fragments that it uses.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from gql import GraphQLRequest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    NameNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    print_ast,
    visit,
)
from graphql.language.visitor import IDLE

from github.nodes.permissions import without

_QUERIES = Path(__file__).parent


@cache
def _definitions() -> tuple[dict[str, OperationDefinitionNode], dict[str, FragmentDefinitionNode]]:
    operations: dict[str, OperationDefinitionNode] = {}
    fragments: dict[str, FragmentDefinitionNode] = {}
    for path in sorted(_QUERIES.glob("*.graphql")):
        for definition in parse(path.read_text(), no_location=True).definitions:
            if isinstance(definition, OperationDefinitionNode) and definition.name:
                operations[definition.name.value] = definition
            elif isinstance(definition, FragmentDefinitionNode):
                fragments[definition.name.value] = definition
    return operations, fragments


def operations() -> tuple[str, ...]:
    """Returns the names of all operations in `queries/`."""
    return tuple(_definitions()[0])


def _with_fragments(operation: OperationDefinitionNode) -> DocumentNode:
    fragments = _definitions()[1]
    needed: dict[str, FragmentDefinitionNode] = {}

    class Collect(Visitor):
        def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
            name = node.name.value
            if name not in needed:
                needed[name] = fragments[name]
                visit(fragments[name], self)

    visit(operation, Collect())
    return DocumentNode(definitions=(operation, *needed.values()))


@cache
def document(name: str) -> DocumentNode:
    """Returns the operation `name` with its fragments. Raises KeyError if no file defines the operation."""
    return _with_fragments(_definitions()[0][name])


OWN_VARIABLES = {
    "node": ("id", "after"),
    "repository": (
        *("owner", "name", "pullRequests", "issues", "discussions"),
        *("withPullRequests", "withIssues", "withDiscussions", "withStars", "withForks", "withCommits"),
    ),
}
"""The field that `aliased` repeats -> the variables that each of the repeated fields has for itself."""


@cache
def aliased(name: str, count: int) -> DocumentNode:
    """Returns the operation `name` with one field repeated `count` times, under the aliases `n0`, `n1`, ... The
    repeated field is `node` or `repository`.

    Each copy has its own variables for the names in `OWN_VARIABLES`, such as `id0`, `after0` and `id1`. The copies
    share the other variables. So one request can fetch pages of many parents, each from its own cursor, or count the
    lists of many repositories.
    """
    template = _definitions()[0][name]
    names = {each.name.value for each in template.selection_set.selections if isinstance(each, FieldNode)}
    repeated = "node" if "node" in names else "repository"
    own = OWN_VARIABLES[repeated]

    def numbered(node: SelectionNode, index: int) -> SelectionNode:
        class Rename(Visitor):
            def enter_variable(self, node: VariableNode, *_: object) -> object:
                if node.name.value in own:
                    return VariableNode(name=NameNode(value=f"{node.name.value}{index}"))
                return IDLE

        renamed = visit(node, Rename())
        if not isinstance(renamed, FieldNode):
            raise TypeError(f"{name} is not a template: its `{repeated}` is not a field")
        return FieldNode(
            alias=NameNode(value=f"n{index}"),
            name=renamed.name,
            arguments=renamed.arguments,
            directives=renamed.directives,
            selection_set=renamed.selection_set,
        )

    selections: list[SelectionNode] = []
    for selection in template.selection_set.selections:
        if isinstance(selection, FieldNode) and selection.name.value == repeated:
            selections.extend(numbered(selection, index) for index in range(count))
        else:
            selections.append(selection)
    variables: list[VariableDefinitionNode] = []
    for variable in template.variable_definitions or ():
        of = variable.variable.name.value
        every = [f"{of}{index}" for index in range(count)] if of in own else [of]
        variables.extend(
            VariableDefinitionNode(
                variable=VariableNode(name=NameNode(value=each)),
                type=variable.type,
                default_value=variable.default_value,
            )
            for each in every
        )
    return _with_fragments(
        OperationDefinitionNode(
            operation=template.operation,
            name=template.name,
            directives=template.directives,
            variable_definitions=tuple(variables),
            selection_set=SelectionSetNode(selections=tuple(selections)),
        )
    )


@cache
def item_types(fragment: str) -> tuple[str, ...]:
    """Returns the values of `itemTypes` for the types that `fragment` selects, such as `LABELED_EVENT` for
    `LabeledEvent`.
    """
    fragments = _definitions()[1]
    names = []
    for selection in fragments[fragment].selection_set.selections:
        if isinstance(selection, InlineFragmentNode) and selection.type_condition:
            names.append(selection.type_condition.name.value)
        elif isinstance(selection, FragmentSpreadNode):
            names.append(fragments[selection.name.value].type_condition.name.value)
    return tuple(
        "PULL_REQUEST_REVIEW" if name == "PullRequestReview" else re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()
        for name in names
        if name != "Node"
    )


@cache
def request_document(name: str, aliases: int = 0, left_out: frozenset[str] = frozenset()) -> DocumentNode:
    """Returns the document of the operation `name` without the fields `left_out`, for which the account lacks a
    permission. If `aliases` is not 0, the operation's field `node` or `repository` is repeated that many times, under
    the aliases `n0`, `n1`, ... (see `aliased`).
    """
    return without(aliased(name, aliases) if aliases else document(name), left_out)


@cache
def text(name: str, aliases: int = 0, left_out: frozenset[str] = frozenset()) -> str:
    """Returns the text of the document that `request_document` returns. The text is cached, because printing a document
    costs more CPU than reading a page.
    """
    return print_ast(request_document(name, aliases, left_out))


class Printed(NamedTuple):
    """A document and its text."""

    document: DocumentNode
    text: str


class Request(GraphQLRequest):
    """An operation with its variables, as gql sends it. The document is printed once for all requests of the operation,
    because gql would print it for each request (decision 27).
    """

    def __init__(
        self, operation: str, variables: Mapping[str, Any], aliases: int = 0, printed: Printed | None = None
    ) -> None:
        """Makes the request. `aliases` is how often the document repeats the operation's field, or 0 for an operation
        without repetition. If `printed` is given, it is sent in place of the operation's own document.
        """
        self.operation = operation
        self.aliases = aliases
        self.variables = dict(variables)
        self.text = printed.text if printed else text(operation, aliases)
        document = printed.document if printed else request_document(operation, aliases)
        super().__init__(document, variable_values=self.variables, operation_name=operation)

    def without(self, left_out: frozenset[str]) -> "Request":
        """Returns the same request without the fields `left_out`, for which the account lacks a permission."""
        return self.sent_as(
            Printed(
                request_document(self.operation, self.aliases, left_out), text(self.operation, self.aliases, left_out)
            )
        )

    def sent_as(self, printed: Printed, variables: Mapping[str, Any] | None = None) -> "Request":
        """Returns the same request with another document, and with other variables if `variables` is given."""
        return Request(self.operation, self.variables if variables is None else variables, self.aliases, printed)

    @property
    def payload(self) -> dict[str, Any]:
        return {"query": self.text, "operationName": self.operation, "variables": self.variables}
