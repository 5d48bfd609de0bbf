"""Documents for servers that lack part of GitHub's schema: whatever one lacks, it accepts what it is asked."""

import re
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    EnumTypeDefinitionNode,
    GraphQLSchema,
    ObjectTypeDefinitionNode,
    UnionTypeDefinitionNode,
    build_ast_schema,
    execute_sync,
    parse,
    print_ast,
    validate,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from github import documents
from github.fitted_document import fill, fit, fit_variables
from github.server_schema import INTROSPECTION, ServerSchema, is_mismatch
from sandbox.github.derive_schema import DERIVED

WHOLE = parse(DERIVED.read_text(), no_location=True)
UNNAMED = {"Query", "RateLimit", "PageInfo"}
ASKED = set(re.findall(r"\w+", "".join(print_ast(documents.document(each)) for each in documents.operations())))
FIELDS = sorted(
    (each.name.value, one.name.value)
    for each in WHOLE.definitions
    if isinstance(each, ObjectTypeDefinitionNode) and each.name.value not in UNNAMED
    for one in each.fields or ()
    if one.name.value in ASKED
)
EVENTS = sorted(
    {
        one.name.value
        for each in WHOLE.definitions
        if isinstance(each, UnionTypeDefinitionNode)
        for one in each.types or ()
        if one.name.value.endswith("Event")
    }
)


def value_of(event: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", event).upper()


def lacking(fields: set[tuple[str, str]], types: set[str]) -> GraphQLSchema:
    """A server with GitHub's schema but for these fields, and for these types of timeline items."""
    definitions: list[Any] = []
    for each in WHOLE.definitions:
        if isinstance(each, ObjectTypeDefinitionNode):
            if each.name.value in types:
                continue
            left = tuple(one for one in each.fields or () if (each.name.value, one.name.value) not in fields)
            definitions.append(ObjectTypeDefinitionNode(name=each.name, fields=left, interfaces=each.interfaces))
        elif isinstance(each, UnionTypeDefinitionNode):
            members = tuple(one for one in each.types or () if one.name.value not in types)
            definitions.append(UnionTypeDefinitionNode(name=each.name, types=members))
        elif isinstance(each, EnumTypeDefinitionNode):
            named = {value_of(name) for name in types}
            values = tuple(one for one in each.values or () if one.name.value not in named)
            definitions.append(EnumTypeDefinitionNode(name=each.name, values=values))
        else:
            definitions.append(each)
    return build_ast_schema(DocumentNode(definitions=tuple(definitions)), assume_valid=True)


def told_by(server: GraphQLSchema) -> ServerSchema:
    answer = execute_sync(server, parse(INTROSPECTION))
    assert answer.data is not None, answer.errors
    return ServerSchema.of(answer.data)


def whole(operation: str) -> DocumentNode:
    template = any("$id" in line for line in print_ast(documents.document(operation)).splitlines()[:3])
    return documents.aliased(operation, 2) if template else documents.document(operation)


@settings(max_examples=6, deadline=None)
@given(st.sets(st.sampled_from(FIELDS), max_size=8), st.sets(st.sampled_from(EVENTS), max_size=5))
def test_whatever_a_server_lacks_every_document_is_valid_there(fields: set[tuple[str, str]], types: set[str]) -> None:
    server = lacking(fields, types)
    schema = told_by(server)
    for operation in documents.operations():
        errors = validate(server, fit(whole(operation), schema))
        assert not errors, f"{operation}: {errors[0].message}"


def test_a_server_that_lacks_nothing_is_sent_the_document_as_it_is() -> None:
    schema = told_by(lacking(set(), set()))
    for operation in documents.operations():
        fitted, sent = (
            {print_ast(each) for each in document.definitions}
            for document in (fit(whole(operation), schema), whole(operation))
        )
        assert fitted == sent
    assert not schema.left_out


def test_what_is_left_out_is_named() -> None:
    schema = told_by(lacking({("PullRequest", "isDraft"), ("Issue", "fullDatabaseId")}, {"PinnedEvent"}))
    fitted = print_ast(fit(documents.document("PullRequests"), schema))
    assert "isDraft" not in fitted
    assert "PinnedEvent" not in fitted
    assert "fullDatabaseId: databaseId" in print_ast(fit(documents.document("Issues"), schema))
    assert schema.left_out == {"PullRequest.isDraft", "Issue.fullDatabaseId", "PinnedEvent"}
    items = fit_variables(documents.document("Issues"), {"itemTypes": ("PINNED_EVENT", "CLOSED_EVENT")}, schema)
    assert items == {"itemTypes": ["CLOSED_EVENT"]}
    assert "IssueTimelineItemsItemType.PINNED_EVENT" in schema.left_out


def test_a_mapper_finds_every_field_that_it_names() -> None:
    data: Any = {"repository": {"threads": {"nodes": [{"__typename": "PullRequest", "number": 7}]}}}
    fill(data, documents.document("PullRequests"))
    [node] = data["repository"]["threads"]["nodes"]
    assert (node["number"], node["isDraft"]) == (7, None)


MISMATCHES: dict[str, tuple[dict[str, Any], str]] = {
    "a field": (
        {
            "message": "Field 'isDraft' doesn't exist on type 'PullRequest'",
            "extensions": {"code": "undefinedField", "typeName": "PullRequest", "fieldName": "isDraft"},
        },
        "PullRequest.isDraft",
    ),
    "a type": ({"message": "No such type PinnedEvent, so it can't be a fragment condition"}, "PinnedEvent"),
    "another server's words": (
        {"message": "Cannot query field 'isDraft' on type 'PullRequest'."},
        "PullRequest.isDraft",
    ),
}


@pytest.mark.parametrize("name", MISMATCHES)
def test_a_server_that_does_not_tell_its_schema_is_believed_in_its_errors(name: str) -> None:
    error, unknown = MISMATCHES[name]
    assert is_mismatch(error)
    schema = ServerSchema()
    assert schema.learn([error]), "it is news"
    assert not schema.learn([error]), "once"
    assert schema.unknown == {unknown}
    assert unknown.rpartition(".")[2] not in print_ast(fit(documents.document("PullRequests"), schema))


def test_an_error_with_a_type_is_no_mismatch() -> None:
    assert not is_mismatch({"type": "FORBIDDEN", "message": "Resource not accessible"})
    assert not is_mismatch({"message": "Something went wrong while executing your query."})
