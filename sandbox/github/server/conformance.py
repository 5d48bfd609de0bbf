"""Checks whether GitHub could have sent an answer to a request.

The check is for answers that a fault has changed. It ensures that no test relies on an answer that cannot exist. An
answer that the stand-in itself makes needs no check, because it is the result of executing the query.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLObjectType,
    InlineFragmentNode,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.utilities import value_from_ast_untyped

from sandbox.github.graphql.execution import Query
from sandbox.github.graphql.pricing import included
from sandbox.github.graphql.schema import is_connection

Path = tuple[str | int, ...]
ERROR_KEYS = frozenset({"type", "path", "locations", "message", "extensions"})
ERROR_TYPE = re.compile(r"[A-Z][A-Z0-9_]*")
ALWAYS_THERE = frozenset({"id", "node_id", "url", "html_url", "created_at", "updated_at"})
"""REST's fields that the stand-in never serves as null."""


class ImpossibleAnswer(Exception):
    """Raised for an answer that GitHub could not have sent. `path` leads to the impossible part."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"GitHub cannot send this: {'.'.join(map(str, path)) or 'the answer'} {why}")
        self.path = path


def check_graphql(query: Query, body: Any) -> None:
    """Raises `ImpossibleAnswer` unless GitHub could answer `query` with `body`."""
    if not isinstance(body, dict) or body.keys() - {"data", "errors", "extensions"}:
        raise ImpossibleAnswer((), "is no object with data and errors")
    errors = body.get("errors", [])
    if not isinstance(errors, list) or ("errors" in body and not errors):
        raise ImpossibleAnswer(("errors",), "is no list, or an empty one")
    for place, error in enumerate(errors):
        _check_error(("errors", place), error)
    data = body.get("data")
    if data is None:
        if not errors:
            raise ImpossibleAnswer(("data",), "is missing, and no error says why")
        return
    answer = _Answer(query)
    answer.check(data)
    answer.check_paths(data, [tuple(error["path"]) for error in errors if "path" in error])


def check_rest(genuine: Any, edited: Any) -> None:
    """Raises `ImpossibleAnswer` unless an edited REST answer has the same keys as the genuine answer, with values of
    the same types. In a list, each object has to match an object of the genuine list. Objects inside objects are not
    compared.

    A value may become null, unless GitHub never sends null for its key. A list may be longer or shorter, and in another
    order.
    """
    if type(genuine) is not type(edited):
        raise ImpossibleAnswer((), f"is {_kind(edited)}, and not {_kind(genuine)}")
    pairs: list[tuple[Path, Any, Any]] = [((), genuine, edited)] if isinstance(genuine, dict) else []
    if isinstance(genuine, list):
        known = [each for each in genuine if isinstance(each, dict)]
        for place, each in enumerate(edited):
            if not isinstance(each, dict):
                raise ImpossibleAnswer((place,), "is no object")
            like = next((other for other in known if other.keys() == each.keys()), None)
            if like is None:
                raise ImpossibleAnswer((place,), f"has other keys than what was listed: {sorted(each)}")
            pairs.append(((place,), like, each))
    for path, wanted, found in pairs:
        if wanted.keys() != found.keys():
            raise ImpossibleAnswer(path, f"lacks or gained {sorted(wanted.keys() ^ found.keys())}")
        for key, value in found.items():
            if value is None and key in ALWAYS_THERE:
                raise ImpossibleAnswer((*path, key), "is never null")
            if None not in (value, wanted[key]) and type(value) is not type(wanted[key]):
                raise ImpossibleAnswer((*path, key), f"is {_kind(value)}, and not {_kind(wanted[key])}")


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a string", type(None): "null"}.get(type(value), "a scalar")


def _check_error(path: Path, error: Any) -> None:
    if not isinstance(error, dict) or error.keys() - ERROR_KEYS:
        raise ImpossibleAnswer(path, f"is no entry of errors, which have {', '.join(sorted(ERROR_KEYS))}")
    if not isinstance(error.get("message"), str) or not error["message"]:
        raise ImpossibleAnswer((*path, "message"), "is no text")
    if "type" in error and not (isinstance(error["type"], str) and ERROR_TYPE.fullmatch(error["type"])):
        raise ImpossibleAnswer((*path, "type"), "is no type of an error, like FORBIDDEN")
    if "extensions" in error and not isinstance(error["extensions"], dict):
        raise ImpossibleAnswer((*path, "extensions"), "is no object")
    steps = error.get("path", ["data"])
    if not isinstance(steps, list) or not steps or not all(isinstance(each, str | int) for each in steps):
        raise ImpossibleAnswer((*path, "path"), "is no path of names and places")


@dataclass(slots=True)
class _Answer:
    """Compares an answer with what the query selects."""

    query: Query
    _possible: dict[str, list[GraphQLObjectType]] = field(default_factory=dict)

    def check(self, data: Any) -> None:
        root = self.query.schema.query_type
        assert root is not None
        self._object(root, [self.query.operation.selection_set], data, ())

    def check_paths(self, data: Any, paths: list[Path]) -> None:
        """Checks that each error has its null. Raises `ImpossibleAnswer` if the path of an error leads to a value, or
        to a null that no error explains.

        If a failed field cannot be null, GraphQL moves the null up to the nearest place on the path that can be null
        (`_reaches`). The null therefore has to be at that place for this error, or for another error of the answer.
        """
        nulls = {path: self._reaches(data, path) for path in paths}
        for path, reach in nulls.items():
            found = self._null_on(data, path)
            if found is None:
                raise ImpossibleAnswer(path, "has an error, and a value")
            if found != reach and found not in nulls.values():
                raise ImpossibleAnswer(found, f"is null, which an error at {'.'.join(map(str, path))} does not explain")

    # --- the data

    def _value(self, type_: Any, selections: list[SelectionSetNode], value: Any, path: Path) -> None:
        if is_non_null_type(type_):
            if value is None:
                raise ImpossibleAnswer(path, f"is null, and its type is {type_}: the null belongs above it")
            type_ = type_.of_type
        if value is None:
            return
        if is_list_type(type_):
            if not isinstance(value, list):
                raise ImpossibleAnswer(path, f"is no list, and its type is {type_}")
            for place, each in enumerate(value):
                self._value(type_.of_type, selections, each, (*path, place))
        elif is_leaf_type(type_):
            if not _is_of(type_, value):
                raise ImpossibleAnswer(path, f"is {value!r}, and its type is {type_}")
        elif not isinstance(value, dict):
            raise ImpossibleAnswer(path, f"is no object, and its type is {type_}")
        else:
            self._object(type_, selections, value, path)

    def _object(self, type_: Any, selections: list[SelectionSetNode], value: dict[str, Any], path: Path) -> None:
        """Checks an object. If `type_` is an interface or a union, the object has to fit one of the types that `type_`
        can be.
        """
        problems = [ImpossibleAnswer(path, f"is of none of the types of {type_}")]
        for possible in self._types(type_, value, selections):
            try:
                return self._fields(possible, selections, value, path)
            except ImpossibleAnswer as error:
                problems.append(error)
        raise max(problems, key=lambda each: len(each.path))

    def _types(self, type_: Any, value: dict[str, Any], selections: list[SelectionSetNode]) -> list[GraphQLObjectType]:
        possible = self._possible_types(type_)
        asked = {
            key
            for each in possible[:1]
            for key, nodes in self._merged(each, selections).items()
            if nodes[0].name.value == "__typename"
        }
        named = next((value[key] for key in asked if key in value), None)
        return [each for each in possible if named in (None, each.name)]

    def _fields(
        self, type_: GraphQLObjectType, selections: list[SelectionSetNode], value: dict[str, Any], path: Path
    ) -> None:
        merged = self._merged(type_, selections)
        for key in merged.keys() ^ value.keys():
            raise ImpossibleAnswer(
                (*path, key), "was asked for and is missing" if key in merged else "was not asked for"
            )
        for key, nodes in merged.items():
            name = nodes[0].name.value
            if name == "__typename":
                if value[key] != type_.name:
                    raise ImpossibleAnswer((*path, key), f"is {value[key]!r}, and not {type_.name}")
                continue
            if name in ("__schema", "__type"):
                continue
            inner = type_.fields[name].type
            below = [node.selection_set for node in nodes if node.selection_set]
            self._value(inner, below, value[key], (*path, key))
            if is_connection(get_named_type(inner)) and value[key] is not None:
                self._page(nodes[0], value[key], (*path, key))

    def _page(self, node: FieldNode, value: dict[str, Any], path: Path) -> None:
        given = {
            each.name.value: value_from_ast_untyped(each.value, self.query.coerced) for each in node.arguments or ()
        }
        size = next((given[name] for name in ("first", "last") if isinstance(given.get(name), int)), None)
        for key, listed in value.items():
            if isinstance(listed, list) and size is not None and len(listed) > size:
                raise ImpossibleAnswer((*path, key), f"has {len(listed)} things, and {size} were asked for")

    def _merged(self, type_: GraphQLObjectType, selections: list[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        """Returns the fields that the query selects on this type, by response key."""
        merged: dict[str, list[FieldNode]] = {}
        for selected in selections:
            for node in self._selected(type_, selected):
                merged.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
        return merged

    def _selected(self, type_: GraphQLObjectType, selected: SelectionSetNode) -> Iterator[FieldNode]:
        for node in selected.selections:
            if not included(node.directives, self.query.coerced):
                continue
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or self._applies(node.type_condition.name.value, type_):
                    yield from self._selected(type_, node.selection_set)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self.query.document.fragments[node.name.value]
                if self._applies(fragment.type_condition.name.value, type_):
                    yield from self._selected(type_, fragment.selection_set)

    def _applies(self, condition: str, type_: GraphQLObjectType) -> bool:
        named = self.query.schema.get_type(condition)
        return named is type_ or (is_abstract_type(named) and self.query.schema.is_sub_type(named, type_))

    def _possible_types(self, type_: Any) -> list[GraphQLObjectType]:
        if is_object_type(type_):
            return [type_]
        if type_.name not in self._possible:
            self._possible[type_.name] = list(self.query.schema.get_possible_types(type_))
        return self._possible[type_.name]

    # --- the paths of errors

    @staticmethod
    def _null_on(data: Any, path: Path) -> Path | None:
        """Returns the path of the first null on the way to `path`, or None if there is no null. Raises
        `ImpossibleAnswer` if `path` leads nowhere.
        """
        value = data
        for place, step in enumerate(path):
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                raise ImpossibleAnswer(path, "has an error, and is nowhere in the data") from None
            if value is None:
                return path[: place + 1]
        return None

    def _reaches(self, data: Any, path: Path) -> Path:
        """Returns the place of the null that an error at `path` causes. This is the place on the path that is nearest
        to the failed field and can be null.
        """
        reach: Path = ()
        type_: Any = self.query.schema.query_type
        selections = [self.query.operation.selection_set]
        value = data
        for place, step in enumerate(path):
            inner = type_.of_type if is_non_null_type(type_) else type_
            if isinstance(step, int):
                if not is_list_type(inner):
                    raise ImpossibleAnswer(path, "has an error, and is no place of a list")
                type_ = inner.of_type
            else:
                type_, selections = self._named(inner, selections, value, step, path)
            value = _inside(value, step)
            if not is_non_null_type(type_):
                reach = path[: place + 1]
        return reach

    def _named(
        self, type_: Any, selections: list[SelectionSetNode], value: Any, key: str, path: Path
    ) -> tuple[Any, list[SelectionSetNode]]:
        """Returns the type of the value under the response key `key`, and what the query selects in that value."""
        if is_list_type(type_) or is_leaf_type(type_):
            raise ImpossibleAnswer(path, "has an error, and was not asked for")
        possible = self._possible_types(type_)
        if isinstance(value, dict):
            possible = self._types(type_, value, selections)
        for each in possible:
            if nodes := self._merged(each, selections).get(key):
                below = [node.selection_set for node in nodes if node.selection_set]
                return each.fields[nodes[0].name.value].type, below
        raise ImpossibleAnswer(path, "has an error, and was not asked for")


def _inside(value: Any, step: str | int) -> Any:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        return None


def _is_of(type_: Any, value: Any) -> bool:
    if isinstance(type_, GraphQLEnumType):
        return value in type_.values
    if type_.name == "Boolean":
        return isinstance(value, bool)
    if type_.name == "Int":
        return isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31
    if type_.name == "Float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, str):
        return False
    if type_.name in ("DateTime", "GitTimestamp"):
        return _is_moment(value)
    if type_.name == "BigInt":
        return value.removeprefix("-").isdigit()
    if type_.name == "GitObjectID":
        return re.fullmatch("[0-9a-f]{40}", value) is not None
    return type_.name != "URI" or value.startswith(("http://", "https://", "/"))


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
