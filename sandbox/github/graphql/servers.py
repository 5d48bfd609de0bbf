"""Simulates GitHub servers whose schema is smaller than that of today's github.com, such as older releases of GitHub
Enterprise Server.

A server can lack types (`IssueType`), fields (`Issue.assignedActors`), arguments (`Issue.timelineItems.skip`) and enum
values (`IssueTimelineItemsItemType.PINNED_EVENT`). Fields and arguments of a missing type are missing as well.
"""

from dataclasses import replace
from typing import Any

from graphql import DefinitionNode, DocumentNode

from sandbox.github.graphql.derive_schema import named
from sandbox.github.graphql.fields.timeline import item_type

ENTERPRISE_2024 = frozenset(
    """
    Issue.fullDatabaseId PullRequest.fullDatabaseId IssueComment.fullDatabaseId PullRequestReview.fullDatabaseId
    PullRequestReviewComment.fullDatabaseId Issue.closedByPullRequestsReferences

    AddedToProjectV2Event RemovedFromProjectV2Event ProjectV2ItemStatusChangedEvent ConvertedFromDraftEvent ProjectV2
    ProjectV2Event AssigneeConnection AssigneeEdge

    SubIssueAddedEvent SubIssueRemovedEvent ParentIssueAddedEvent ParentIssueRemovedEvent SubIssuesSummary
    Issue.parent Issue.subIssues

    IssueType IssueTypeAddedEvent IssueTypeChangedEvent IssueTypeRemovedEvent
    BlockedByAddedEvent BlockedByRemovedEvent BlockingAddedEvent BlockingRemovedEvent
    """.split()  # noqa: SIM905 (a list of quoted words hides the groups)
)
"""What a GitHub Enterprise Server of two years ago lacks, roughly: no release lacked exactly these names, but each
name was once lacking."""


def reduced(document: DocumentNode, lacks: frozenset[str]) -> DocumentNode:
    """Returns the schema's document without the names in `lacks`, and without the fields, arguments and members that
    need one of these names.
    """
    kept = [each for each in document.definitions if _name(each) not in lacks]
    return replace(document, definitions=tuple(_without(each, lacks) for each in kept))


def _name(definition: DefinitionNode) -> str:
    return str(getattr(getattr(definition, "name", None), "value", ""))


def _without(definition: Any, lacks: frozenset[str]) -> Any:
    kept: dict[str, Any] = {}
    of = _name(definition)
    if fields := getattr(definition, "fields", None):
        kept["fields"] = tuple(
            _field(each, of, lacks)
            for each in fields
            if f"{of}.{each.name.value}" not in lacks and named(each.type) not in lacks
        )
    for what in ("types", "interfaces"):
        if members := getattr(definition, what, None):
            kept[what] = tuple(each for each in members if each.name.value not in lacks)
    if values := getattr(definition, "values", None):
        gone = {item_type(each) for each in lacks if "." not in each} if of.endswith("TimelineItemsItemType") else set()
        names = [each.name.value for each in values]
        kept["values"] = tuple(
            each for each, name in zip(values, names, strict=True) if name not in gone and f"{of}.{name}" not in lacks
        )
    return replace(definition, **kept) if kept else definition


def _field(field: Any, of: str, lacks: frozenset[str]) -> Any:
    arguments = getattr(field, "arguments", None)
    if not arguments:
        return field
    kept = [
        each
        for each in arguments
        if f"{of}.{field.name.value}.{each.name.value}" not in lacks and named(each.type) not in lacks
    ]
    return replace(field, arguments=tuple(kept))
