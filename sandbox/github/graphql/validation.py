"""GitHub's errors for a query that does not fit the server's schema. Such an error has `extensions.code`, not `type`.

The messages are those of the library graphql-ruby, because GitHub uses graphql-ruby. An error that is not translated
here keeps the message of graphql-core.
"""

import re
from collections.abc import Iterator
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    ObjectFieldNode,
    OperationDefinitionNode,
    VariableDefinitionNode,
    get_named_type,
    print_ast,
    type_from_ast,
)

Entry = dict[str, Any]
CODES = (
    ("Unknown fragment", "useAndDefineFragment"),
    ("is never used", "useAndDefineFragment"),
    ("is required, but it was not provided", "missingRequiredArguments"),
    ("is not defined", "variableNotDefined"),
    ("must not have a selection", "selectionMismatch"),
    ("must have a selection", "selectionMismatch"),
    ("used in position expecting type", "variableMismatch"),
    ("cannot represent", "argumentLiteralsIncompatible"),
    ("Expected value of type", "argumentLiteralsIncompatible"),
)
"""GitHub's `extensions.code` by graphql-core's message, for errors that keep that message."""


def validation_entry(error: GraphQLError, document: DocumentNode) -> Entry:
    """Returns the entry of `errors` for a mistake in the text of a query."""
    node = error.nodes[0] if error.nodes else None
    above = list(_above(document, node)) if node is not None else []
    message, extensions = _translated(error, node, above)
    return {"path": _path(above), "locations": _locations(error), "message": message, "extensions": extensions}


def syntax_entry(error: GraphQLError) -> Entry:
    message = "Parse error: " + error.message.removeprefix("Syntax Error: ")
    return {"path": ["query"], "locations": _locations(error), "message": message}


def variable_entries(
    errors: list[GraphQLError], schema: GraphQLSchema, operation: OperationDefinitionNode, variables: dict[str, Any]
) -> list[Entry]:
    """Returns one entry of `errors` for each variable with a wrong value. The entry lists all mistakes in the value."""
    entries = []
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        own = [error for error in errors if f"'${name}'" in error.message]
        if own:
            entries.append(_variable_entry(own, schema, definition, variables.get(name)))
    return entries


def _variable_entry(
    errors: list[GraphQLError], schema: GraphQLSchema, definition: VariableDefinitionNode, value: Any
) -> Entry:
    type_ = get_named_type(type_from_ast(schema, definition.type))
    problems = []
    for error in errors:
        place = re.search(r"at \[(\d+)\]", error.message)
        wrong = re.search(r"Value '(\w+)' does not exist in", error.message)
        explanation = error.message.rpartition(": ")[2]
        if wrong and isinstance(type_, GraphQLEnumType):
            explanation = f'Expected "{wrong[1]}" to be one of: {", ".join(type_.values)}'
        problems.append({"path": [int(place[1])] if place else [], "explanation": explanation})
    told = ", ".join(f"for {each['path'][0]} ({each['explanation']})" for each in problems if each["path"])
    told = told or f"({problems[0]['explanation']})"
    name, written = definition.variable.name.value, print_ast(definition.type)
    return {
        "locations": _locations(errors[0]),
        "message": f"Variable ${name} of type {written} was provided invalid value {told}",
        "extensions": {"value": value, "problems": problems},
    }


def _translated(error: GraphQLError, node: Node | None, above: list[Node]) -> tuple[str, dict[str, Any]]:
    said = error.message
    if found := re.match(r"Cannot query field '(\w+)' on type '(\w+)'", said):
        message = f"Field '{found[1]}' doesn't exist on type '{found[2]}'"
        return message, {"code": "undefinedField", "typeName": found[2], "fieldName": found[1]}
    if found := re.match(r"Unknown argument '(\w+)' on field '\w+\.(\w+)'", said):
        message = f"Field '{found[2]}' doesn't accept argument '{found[1]}'"
        wanted = {"name": found[2], "typeName": "Field", "argumentName": found[1]}
        return message, {"code": "argumentNotAccepted"} | wanted
    if found := re.match(r"Unknown type '(\w+)'", said):
        variable = next((each for each in above if isinstance(each, VariableDefinitionNode)), None)
        if variable is not None:
            name = variable.variable.name.value
            wanted = {"typeName": found[1], "variableName": name}
            return f"{found[1]} isn't a defined input type (on ${name})", {
                "code": "variableRequiresValidType",
                **wanted,
            }
        message = f"No such type {found[1]}, so it can't be a fragment condition"
        return message, {"code": "undefinedType", "typeName": found[1]}
    if found := re.match(r"Fragment.* spread here as objects of type '(\w+)' can never be of type '(\w+)'", said):
        message = f"Fragment on {found[2]} can't be spread inside {found[1]}"
        wanted = {"typeName": found[2], "fragmentName": "unknown", "parentName": found[1]}
        return message, {"code": "cannotSpreadFragment"} | wanted
    if found := re.match(r"Value '(\w+)' does not exist in '(\w+)' enum", said):
        return _wrong_literal(found[2], node, above)
    return said, {"code": next((code for words, code in CODES if words in said), "invalid")}


def _wrong_literal(enum: str, node: Node | None, above: list[Node]) -> tuple[str, dict[str, Any]]:
    argument: Any = next(
        (each for each in reversed(above) if isinstance(each, ArgumentNode | ObjectFieldNode)),
        None,
    )
    name = argument.name.value if argument else ""
    holder = next((each for each in reversed(above) if isinstance(each, FieldNode)), None)
    value = print_ast(argument.value) if argument else print_ast(node) if node else ""
    type_ = f"[{enum}!]" if value.startswith("[") else enum
    of, called = ("Field", holder.name.value if holder else "")
    if isinstance(argument, ObjectFieldNode):
        of, called = "InputObject", next((each.name.value for each in above if isinstance(each, ArgumentNode)), "")
    message = f"Argument '{name}' on {of} '{called}' has an invalid value ({value}). Expected type '{type_}'."
    return message, {"code": "argumentLiteralsIncompatible", "typeName": of, "argumentName": name}


def _above(document: DocumentNode, wanted: Node) -> Iterator[Node]:
    """Yields the nodes from the definition that encloses `wanted` down to `wanted` itself."""

    def search(node: Node, above: list[Node]) -> list[Node] | None:
        here = [*above, node]
        if node is wanted:
            return here
        for key in node.keys:
            value = getattr(node, key, None)
            for each in value if isinstance(value, list | tuple) else (value,):
                if isinstance(each, Node) and (found := search(each, here)) is not None:
                    return found
        return None

    for definition in document.definitions:
        if (found := search(definition, [])) is not None:
            yield from found
            return


def _path(above: list[Node]) -> list[str]:
    """Returns the path of an error as GitHub writes it. It leads from the operation or fragment through fields and
    inline fragments. If an argument is wrong, the path ends with the argument.
    """
    path = []
    for node in above:
        if isinstance(node, OperationDefinitionNode):
            path.append(f"query {node.name.value}" if node.name else "query")
        elif isinstance(node, FragmentDefinitionNode):
            path.append(f"fragment {node.name.value}")
        elif isinstance(node, FieldNode):
            path.append(node.alias.value if node.alias else node.name.value)
        elif isinstance(node, InlineFragmentNode):
            path.append(f"... on {node.type_condition.name.value}" if node.type_condition else "...")
        elif isinstance(node, ArgumentNode | ObjectFieldNode):
            path.append(node.name.value)
    return path or ["query"]


def _locations(error: GraphQLError) -> list[dict[str, int]]:
    return [{"line": each.line, "column": each.column} for each in error.locations or ()]
