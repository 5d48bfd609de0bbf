"""Removes from documents the fields, arguments, types and enum values that a server's schema lacks. Adds the removed
fields to the answers, as None or as empty connections.
"""

from collections.abc import Mapping
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    NameNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    TypeNode,
    VariableNode,
    Visitor,
    value_from_ast_untyped,
    visit,
)

from github.queries.server_schema import ServerSchema

OLDER = {"fullDatabaseId": "databaseId", "assignedActors": "assignees"}
"""Newer field -> the older field that is requested in its place from a server without the newer one. An alias gives the
older field the newer name, which the mappers read.
"""


def fit(document: DocumentNode, schema: ServerSchema) -> DocumentNode:
    """Returns the document without the names that `schema` lacks. Fragments and variables that become unused are
    removed, too.
    """
    return _Fitting(document, schema).document()


def fit_variables(document: DocumentNode, variables: Mapping[str, Any], schema: ServerSchema) -> dict[str, Any]:
    """Returns the variables without the timeline item types that `schema` lacks."""
    fitted = dict(variables)
    for operation in _operations(document):
        for definition in operation.variable_definitions or ():
            name, of = definition.variable.name.value, _type_name(definition.type)
            if isinstance(fitted.get(name), list | tuple) and of.endswith("ItemType"):
                fitted[name] = [each for each in fitted[name] if not schema.lacks_value(of, each)]
    return fitted


def fill(data: Any, document: DocumentNode, variables: Mapping[str, Any]) -> None:
    """Adds to the answer `data` each field of `document` that the answer lacks, as None or as an empty connection. So
    mappers find every field that they read.

    A field that `@include` excludes for these variables is not added.
    """
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    for operation in _operations(document):
        defaults = {
            each.variable.name.value: value_from_ast_untyped(each.default_value)
            for each in operation.variable_definitions or ()
            if each.default_value is not None
        }
        _Filling(fragments, defaults | dict(variables)).fill(data, operation.selection_set)


def _empty(field: FieldNode) -> Any:
    """Returns the value for a field that was left out of a request. If the query requests only `totalCount` and `nodes`
    of the field, the value is a connection without items. Otherwise it is None.
    """
    # A query that does not ask for `pageInfo` takes the first page for the whole list.
    inner = field.selection_set.selections if field.selection_set is not None else ()
    names = {each.name.value for each in inner if isinstance(each, FieldNode)}
    return {"totalCount": 0, "nodes": []} if names == {"totalCount", "nodes"} and len(inner) == len(names) else None


class _Filling:
    """Adds to one answer the fields that were left out of its request, as None or as empty connections."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]) -> None:
        self._fragments = fragments
        self._variables = variables

    def fill(self, value: Any, selections: SelectionSetNode) -> None:
        if isinstance(value, list):
            for each in value:
                self.fill(each, selections)
        if not isinstance(value, dict):
            return
        for selection in selections.selections:
            if not self._is_asked(selection):
                continue
            if isinstance(selection, FieldNode):
                name = selection.alias.value if selection.alias else selection.name.value
                inner = value.setdefault(name, _empty(selection))
                if selection.selection_set is not None:
                    self.fill(inner, selection.selection_set)
                continue
            fragment = self._fragments[selection.name.value] if isinstance(selection, FragmentSpreadNode) else selection
            if isinstance(fragment, InlineFragmentNode | FragmentDefinitionNode):
                condition = fragment.type_condition.name.value if fragment.type_condition else None
                if condition in (None, value.get("__typename")) or "__typename" not in value:
                    self.fill(value, fragment.selection_set)

    def _is_asked(self, selection: SelectionNode) -> bool:
        conditions = [
            argument.value
            for directive in selection.directives or ()
            if directive.name.value == "include"
            for argument in directive.arguments or ()
        ]
        return all(value_from_ast_untyped(each, dict(self._variables)) for each in conditions)


class _Fitting:
    """Removes from one document the names that one server's schema lacks. If the schema has an older field with the
    same meaning, the older field is requested instead.
    """

    def __init__(self, document: DocumentNode, schema: ServerSchema) -> None:
        self._document = document
        self._schema = schema
        self._fragments = {
            each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)
        }
        self._fitted: dict[str, FragmentDefinitionNode | None] = {}

    def document(self) -> DocumentNode:
        operations = []
        for operation in _operations(self._document):
            selections = self._selections(operation.selection_set, self._schema.query)
            operations.append(_operation(operation, selections or operation.selection_set))
        used = _used_variables([*operations, *self._used()])
        for place, operation in enumerate(operations):
            definitions = [each for each in operation.variable_definitions or () if each.variable.name.value in used]
            operations[place] = _operation(operation, operation.selection_set, tuple(definitions))
        return DocumentNode(definitions=(*operations, *self._used()))

    def _used(self) -> list[FragmentDefinitionNode]:
        return [each for each in self._fitted.values() if each is not None]

    def _selections(self, selections: SelectionSetNode, on: str) -> SelectionSetNode | None:
        """Removes from the selections every name that the server's schema lacks, and returns the rest. `on` is the name
        of the GraphQL type whose fields are selected. Returns None if nothing remains.
        """
        kept = [fitted for each in selections.selections if (fitted := self._selection(each, on)) is not None]
        return SelectionSetNode(selections=tuple(kept)) if kept else None

    def _selection(self, selection: SelectionNode, on: str) -> SelectionNode | None:
        if isinstance(selection, FieldNode):
            return self._field(selection, on)
        if isinstance(selection, FragmentSpreadNode):
            return selection if self._fragment(selection.name.value) is not None else None
        assert isinstance(selection, InlineFragmentNode), "GraphQL has three kinds of selections"
        of = selection.type_condition.name.value if selection.type_condition else on
        selections = None if self._schema.lacks_type(of) else self._selections(selection.selection_set, of)
        if selections is None:
            return None
        return InlineFragmentNode(
            type_condition=selection.type_condition, directives=selection.directives, selection_set=selections
        )

    def _fragment(self, name: str) -> FragmentDefinitionNode | None:
        if name not in self._fitted:
            fragment = self._fragments[name]
            on = fragment.type_condition.name.value
            selections = None if self._schema.lacks_type(on) else self._selections(fragment.selection_set, on)
            self._fitted[name] = None
            if selections is not None:
                self._fitted[name] = FragmentDefinitionNode(
                    name=fragment.name, type_condition=fragment.type_condition, selection_set=selections
                )
        return self._fitted[name]

    def _field(self, asked: FieldNode, on: str) -> FieldNode | None:
        name, alias = asked.name, asked.alias
        if self._schema.lacks_field(on, name.value):
            older = OLDER.get(name.value)
            if older is None or self._schema.lacks_field(on, older):
                return None
            name, alias = NameNode(value=older), alias or asked.name
        selections = asked.selection_set
        if selections is not None:
            selections = self._selections(selections, self._schema.type_of(on, name.value))
            if selections is None:
                return None
        arguments: list[ArgumentNode] = [
            each for each in asked.arguments or () if not self._schema.lacks_argument(on, name.value, each.name.value)
        ]
        return FieldNode(
            alias=alias, name=name, arguments=tuple(arguments), directives=asked.directives, selection_set=selections
        )


def _operations(document: DocumentNode) -> list[OperationDefinitionNode]:
    return [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]


def _operation(
    operation: OperationDefinitionNode, selections: SelectionSetNode, variables: tuple[Any, ...] | None = None
) -> OperationDefinitionNode:
    return OperationDefinitionNode(
        operation=operation.operation,
        name=operation.name,
        directives=operation.directives,
        variable_definitions=operation.variable_definitions if variables is None else variables,
        selection_set=selections,
    )


def _used_variables(definitions: list[Any]) -> set[str]:
    """Returns the names of the variables that `definitions` use. A document may declare only these, because GraphQL
    refuses unused variables.
    """
    used: set[str] = set()

    class Collect(Visitor):
        def enter_variable(self, node: VariableNode, *_: object) -> None:
            used.add(node.name.value)

    for definition in definitions:
        visit(definition.selection_set, Collect())
        for directive in definition.directives or ():
            visit(directive, Collect())
    return used


def _type_name(node: TypeNode) -> str:
    here: Any = node
    while not hasattr(here, "name"):
        here = here.type
    return str(here.name.value)
