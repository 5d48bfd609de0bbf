"""Documents for servers that lack part of GitHub's schema: whatever one lacks, it accepts what it is asked."""

import re
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    GraphQLObjectType,
    GraphQLSchema,
    execute_sync,
    parse,
    print_ast,
    validate,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from github.queries import documents
from github.queries.fitted_document import fill, fit, fit_variables
from github.queries.server_schema import INTROSPECTION, ServerSchema, is_mismatch
from sandbox.github.graphql.schema import schema
from tests.support.github.lacking import lacking
from tests.support.thoroughness import examples

UNNAMED = {"Query", "RateLimit", "PageInfo"}
ASKED = set(re.findall(r"\w+", "".join(print_ast(documents.document(each)) for each in documents.operations())))
FIELDS = sorted(
    (name, field)
    for name, of in schema().type_map.items()
    if isinstance(of, GraphQLObjectType) and name not in UNNAMED and not name.startswith("__")
    for field in of.fields
    if field in ASKED
)
EVENTS = sorted(name for name in schema().type_map if name.endswith("Event") and name in ASKED)


def told_by(server: GraphQLSchema) -> ServerSchema:
    answer = execute_sync(server, parse(INTROSPECTION))
    assert answer.data is not None, answer.errors
    return ServerSchema.of(answer.data)


def whole(operation: str) -> DocumentNode:
    variables = print_ast(documents.document(operation)).partition("{")[0]
    template = "$id:" in variables or operation in ("Survey", "SmallRepositories")
    return documents.aliased(operation, 2) if template else documents.document(operation)


@settings(max_examples=examples(2, 50))
@given(st.sets(st.sampled_from(FIELDS), max_size=8), st.sets(st.sampled_from(EVENTS), max_size=5))
def test_whatever_a_server_lacks_every_document_is_valid_there(fields: set[tuple[str, str]], types: set[str]) -> None:
    server = lacking(fields, types)
    told = told_by(server)
    for operation in documents.operations():
        errors = validate(server, fit(whole(operation), told))
        assert not errors, f"{operation}: {errors[0].message}"


def test_a_server_that_lacks_nothing_is_sent_the_document_as_it_is() -> None:
    told = told_by(lacking(set(), set()))
    for operation in documents.operations():
        fitted, sent = (
            {print_ast(each) for each in document.definitions}
            for document in (fit(whole(operation), told), whole(operation))
        )
        assert fitted == sent
    assert not told.left_out


def test_what_is_left_out_is_named() -> None:
    told = told_by(lacking({("PullRequest", "isDraft"), ("Issue", "fullDatabaseId")}, {"PinnedEvent"}))
    fitted = print_ast(fit(documents.document("PullRequests"), told))
    assert "isDraft" not in fitted
    assert "PinnedEvent" not in fitted
    assert "fullDatabaseId: databaseId" in print_ast(fit(documents.document("Issues"), told))
    assert told.left_out == {"PullRequest.isDraft", "Issue.fullDatabaseId", "PinnedEvent"}
    items = fit_variables(documents.document("Issues"), {"issueItems": ("PINNED_EVENT", "CLOSED_EVENT")}, told)
    assert items == {"issueItems": ["CLOSED_EVENT"]}
    assert "IssueTimelineItemsItemType.PINNED_EVENT" in told.left_out


def test_a_mapper_finds_every_field_that_it_names() -> None:
    data: Any = {"repository": {"threads": {"nodes": [{"__typename": "PullRequest", "number": 7}]}}}
    fill(data, documents.document("PullRequests"), {})
    [node] = data["repository"]["threads"]["nodes"]
    assert (node["number"], node["isDraft"]) == (7, None)


@pytest.mark.parametrize("asked", [True, False])
def test_a_field_that_was_not_asked_for_is_not_filled(asked: bool) -> None:
    data: Any = {"repository": {"threads": {"edges": [{"node": {"__typename": "PullRequest", "number": 7}}]}}}
    fill(data, documents.document("PullRequestListing"), {"comments": True} if asked else {})
    [edge] = data["repository"]["threads"]["edges"]
    assert ("comments" in edge["node"]) == asked


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
    told = ServerSchema()
    assert told.learn([error]), "it is news"
    assert told.unknown == {unknown}
    assert unknown.rpartition(".")[2] not in print_ast(fit(documents.document("PullRequests"), told))


def test_an_error_with_a_type_is_no_mismatch() -> None:
    assert not is_mismatch({"type": "FORBIDDEN", "message": "Resource not accessible"})
    assert not is_mismatch({"message": "Something went wrong while executing your query."})
