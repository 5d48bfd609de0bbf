"""Records which names a server's schema has, so that documents can leave out the names that it lacks.

github.com gains fields, and a GitHub Enterprise Server of two years ago lacks some fields that every page requests. A
server refuses a whole document if the document names an unknown field, type or value. After the first such refusal, the
server's schema is requested once, and documents leave out the unknown names (`fitted_document`). Sources: GraphQL,
"Introspection"; graphql-ruby's error codes (`undefinedField`, ...), which are in GitHub's answers.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

INTROSPECTION = """query Introspection { __schema { queryType { name } types { name
  fields(includeDeprecated: true) { name args { name } type { ...Named } }
  enumValues(includeDeprecated: true) { name } } } }
fragment Named on __Type { name ofType { name ofType { name ofType { name } } } }"""
NEWER = frozenset(
    [
        *(".assignedActors", "IssueTypeAddedEvent", "IssueTypeChangedEvent", "IssueTypeRemovedEvent"),
        *("BlockedByAddedEvent", "BlockedByRemovedEvent", "BlockingAddedEvent", "BlockingRemovedEvent"),
        *("ISSUE_TYPE_ADDED_EVENT", "ISSUE_TYPE_CHANGED_EVENT", "ISSUE_TYPE_REMOVED_EVENT"),
        *("BLOCKED_BY_ADDED_EVENT", "BLOCKED_BY_REMOVED_EVENT", "BLOCKING_ADDED_EVENT", "BLOCKING_REMOVED_EVENT"),
    ]
)
"""Names that our documents use and GitHub's published schema of 2026 (@octokit/graphql-schema 15.26.1) lacks."""

_CODES = frozenset(
    [
        *("undefinedField", "undefinedType", "undefinedFragment", "argumentNotAccepted", "variableMismatch"),
        *("argumentLiteralsIncompatible", "selectionMismatch", "fragmentOnNonCompositeType"),
    ]
)
_WORDS = re.compile(
    r"doesn't exist on type|No such type|isn't a defined input type|doesn't accept argument"
    r"|(provided|got) invalid value|does not exist in|Cannot query field|Unknown (type|argument)|has an invalid value"
)
_FIELD = re.compile(r"[Ff]ield ['\"](\w+)['\"] (?:doesn't exist )?on type ['\"](\w+)['\"]")
_TYPE = re.compile(r"No such type (\w+)|(\w+) isn't a defined input type|Unknown type ['\"](\w+)['\"]")
_VALUE = re.compile(r"Expected ['\"](\w+)['\"] to be one of|[Vv]alue ['\"](\w+)['\"] does not exist")


def is_mismatch(error: Mapping[str, Any]) -> bool:
    """Returns whether an entry of `errors` says that the document does not fit the server's schema."""
    if error.get("type"):
        return False
    code = (error.get("extensions") or {}).get("code")
    return code in _CODES or bool(_WORDS.search(str(error.get("message") or "")))


@dataclass(frozen=True, slots=True)
class _Type:
    fields: Mapping[str, str]
    """Field -> the name of its type, without `[]` and `!`."""
    arguments: Mapping[str, frozenset[str]]
    values: frozenset[str]


@dataclass(slots=True)
class ServerSchema:
    """The types of a server's schema. `left_out` collects the names that documents use although the schema lacks them,
    such as `PullRequest.isDraft` or `Team`.

    If the server hides its schema, `types` is empty. In that case, missing names are learned from the server's errors
    and collected in `unknown`.
    """

    types: Mapping[str, _Type] = field(default_factory=dict)
    query: str = "Query"
    unknown: set[str] = field(default_factory=set)
    left_out: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, introspection: Mapping[str, Any]) -> "ServerSchema":
        """Returns the schema that a server described. `introspection` is the `data` of the server's answer to
        `INTROSPECTION`. Raises KeyError or TypeError if it is anything else.
        """
        types = {}
        for each in introspection["__schema"]["types"]:
            fields = each["fields"] or ()
            types[each["name"]] = _Type(
                {one["name"]: _named(one["type"]) for one in fields},
                {one["name"]: frozenset(argument["name"] for argument in one["args"]) for one in fields},
                frozenset(value["name"] for value in each["enumValues"] or ()),
            )
        return cls(types, introspection["__schema"]["queryType"]["name"])

    def learn(self, errors: Iterable[Mapping[str, Any]]) -> bool:
        """Finds names that the schema lacks in the `errors` of a refusal, and records these names. Returns whether a
        name was new. If the errors show no new name, the names in `NEWER` are recorded as lacking.
        """
        before = len(self.unknown)
        for error in errors:
            message, extensions = str(error.get("message") or ""), error.get("extensions") or {}
            if found := _FIELD.search(message):
                self.unknown.add(f"{found[2]}.{found[1]}")
            elif extensions.get("fieldName"):
                self.unknown.add(f"{extensions.get('typeName', '')}.{extensions['fieldName']}")
            self.unknown.update(name for match in _TYPE.finditer(message) for name in match.groups() if name)
            self.unknown.update(name for match in _VALUE.finditer(message) for name in match.groups() if name)
            for problem in extensions.get("problems") or ():
                explained = _VALUE.search(str(problem.get("explanation") or ""))
                if explained:
                    self.unknown.update(name for name in explained.groups() if name)
        if len(self.unknown) == before:
            # It says that something is lacking, in words that nobody here knows.
            self.unknown |= NEWER
        return len(self.unknown) > before

    def has(self, what: str) -> bool:
        """Returns whether the schema has `what`: a type, `Type.field`, `Type.field(argument)` or `Enum.VALUE`."""
        name = what.partition("(")[0]
        on, _, called = name.rpartition(".")
        known = self.types.get(on or name)
        if known is None:
            return False
        if argument := what.partition("(")[2].rstrip(")"):
            return argument in known.arguments.get(called, ())
        return not on or called in known.fields or called in known.values

    def lacks_type(self, name: str) -> bool:
        return self._noted(name, lacks=name in self.unknown or (bool(self.types) and name not in self.types))

    def lacks_field(self, on: str, name: str) -> bool:
        """Returns whether the type `on` lacks the field `name`. An empty `on` means that the type is unknown."""
        if name.startswith("__"):
            return False
        known = self.types.get(on)
        lacks = known is not None and name not in known.fields
        return self._noted(f"{on}.{name}", lacks=lacks or any(_is_named(each, on, name) for each in self.unknown))

    def lacks_argument(self, on: str, name: str, argument: str) -> bool:
        known = self.types.get(on)
        lacks = known is not None and name in known.arguments and argument not in known.arguments[name]
        return self._noted(f"{on}.{name}({argument})", lacks=lacks)

    def lacks_value(self, of: str, value: str) -> bool:
        """Returns whether the enum `of` lacks `value`."""
        known = self.types.get(of)
        lacks = known is not None and bool(known.values) and value not in known.values
        return self._noted(f"{of}.{value}", lacks=lacks or value in self.unknown)

    def type_of(self, on: str, name: str) -> str:
        """Returns the type of the field `name` of the type `on`, as a name without `[]` and `!`. Returns an empty text
        if the field is unknown.
        """
        known = self.types.get(on)
        return known.fields.get(name, "") if known else ""

    def _noted(self, what: str, *, lacks: bool) -> bool:
        if lacks:
            self.left_out.add(what)
        return lacks


def _is_named(unknown: str, on: str, name: str) -> bool:
    """Returns whether `unknown`, a name from a server's error, may mean the field `name` of the type `on`. `unknown` is
    `Type.field`, or only the field's name. `on` is empty if the type is unknown. The types are compared only if both
    are known.
    """
    of, _, called = unknown.rpartition(".")
    return called == name and (not of or not on or of == on)


def _named(found: Mapping[str, Any]) -> str:
    """Returns the name of a type, without `[]` and `!`."""
    here: Any = found
    while here and not here.get("name"):
        here = here.get("ofType")
    return str(here["name"]) if here else ""
