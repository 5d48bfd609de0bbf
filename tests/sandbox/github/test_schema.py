"""The schema is GitHub's, and what the project asks is valid on it."""

import os
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLUnionType, build_schema, parse, validate

from sandbox.github.graphql import derive_schema
from sandbox.github.graphql.fields.resolvers import RESOLVERS
from sandbox.github.graphql.fields.timeline import item_type
from sandbox.github.graphql.schema import SCHEMA, enum_values, modelled, schema
from sandbox.github.world.node_ids import PREFIXES

FULL = os.environ.get("FULL_GITHUB_SCHEMA", "")
"""Path of the whole schema.graphql of @octokit/graphql-schema."""
QUERIES = Path(__file__).parents[3] / "github" / "queries"
UNIONS = ("PullRequestTimelineItems", "IssueTimelineItems")


def whole() -> str:
    if not FULL:
        pytest.skip("FULL_GITHUB_SCHEMA does not name the whole schema.graphql of @octokit/graphql-schema")
    return Path(FULL).read_text(encoding="utf-8")


def members(name: str, of: Any) -> set[str]:
    union = of.get_type(name)
    assert isinstance(union, GraphQLUnionType)
    return {member.name for member in union.types}


def test_the_file_is_what_the_whole_schema_derives() -> None:
    assert derive_schema.derive(whole()) == SCHEMA.read_text(encoding="utf-8")


def test_every_kept_field_is_githubs() -> None:
    full = build_schema(whole(), assume_valid=True, assume_valid_sdl=True)
    published = build_schema(SCHEMA.read_text(encoding="utf-8"), assume_valid=True, assume_valid_sdl=True)
    for name in UNIONS:
        assert members(name, published) == members(name, full)
    for name, type_ in published.type_map.items():
        for field_name, field in getattr(type_, "fields", {}).items():
            original: Any = full.type_map[name]
            assert str(field.type) == str(original.fields[field_name].type), f"{name}.{field_name}"


def test_the_queries_of_the_project_are_valid() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(QUERIES.glob("*.graphql")))
    assert text
    document = parse(text)
    assert validate(schema(), document) == []
    if FULL:
        assert validate(build_schema(whole(), assume_valid=True, assume_valid_sdl=True), document) == []


def test_the_item_types_are_the_unions_members() -> None:
    for name in UNIONS:
        # GitHub's enums have no name for a few members of the unions, and the other way round.
        assert enum_values(f"{name}ItemType") <= {item_type(member) for member in members(name, schema())}


def test_a_resolver_resolves_a_field_that_exists() -> None:
    for name in RESOLVERS:
        type_name, _, field_name = name.partition(".")
        type_: Any = schema().type_map[type_name]
        assert field_name in type_.fields, name


def test_what_the_queries_need_is_modelled() -> None:
    for name in (
        "PullRequest.fullDatabaseId",
        "PullRequest.reviewRequests",
        "PullRequestReviewComment.diffHunk",
        "Issue.closedByPullRequestsReferences",
        "PullRequestTimelineItemsConnection.filteredCount",
        "Milestone.dueOn",
        "Commit.history",
        "RateLimit.nodeCount",
    ):
        assert name in modelled()
    assert "Repository.diskUsage" not in modelled()


def test_every_event_of_the_contract_has_its_fields() -> None:
    kinds = (
        "Labeled Unlabeled Assigned Unassigned Closed Reopened Merged RenamedTitle Milestoned Demilestoned "
        "CrossReferenced Connected Disconnected Referenced Locked Unlocked Transferred ReviewRequested "
        "ReviewRequestRemoved ReadyForReview ConvertToDraft HeadRefDeleted HeadRefForcePushed Pinned Unpinned"
    )
    for kind in kinds.split():
        type_: Any = schema().type_map[f"{kind}Event"]
        missing = {f"{type_.name}.{name}" for name in type_.fields} - modelled()
        assert missing <= {"MergedEvent.mergeRef"}
        assert type_.name in PREFIXES


def test_it_says_what_it_is_and_stays_small() -> None:
    text = SCHEMA.read_text(encoding="utf-8")
    assert derive_schema.SOURCE in text.partition("\n")[0]
    assert "Permission is hereby granted" in text
    assert "@deprecated" in text
    assert '"""' not in text
    assert len(text) < 300_000
