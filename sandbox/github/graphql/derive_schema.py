"""Derives `schema.graphql` from GitHub's whole public schema. It keeps the types that `NAMED` lists, and the members of
timelines, and drops all descriptions.

A kept type has every field and argument whose own types are kept. Scalars, enums, inputs, connections and edges need
not be listed, because they are kept if a kept type mentions them. Run the program again when GitHub's schema has
changed:

    python -m sandbox.github.graphql.derive_schema path/to/@octokit/graphql-schema/schema.graphql
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from graphql import parse, print_ast
from graphql.language import (
    DefinitionNode,
    EnumTypeDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    ListTypeNode,
    NamedTypeNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    TypeDefinitionNode,
    TypeNode,
    UnionTypeDefinitionNode,
)

SOURCE = "@octokit/graphql-schema 15.26.1"
DERIVED = Path(__file__).with_name("schema.graphql")

NAMED = frozenset(
    """
    Query RateLimit PageInfo

    Actor Assignable Closable Comment Deletable GitObject Labelable Lockable Minimizable Node Reactable RepositoryInfo
    RepositoryNode RepositoryOwner Starrable Subscribable UniformResourceLocatable Updatable UpdatableComment Votable

    Bot EnterpriseUserAccount Mannequin Organization Team User
    Commit GitActor PullRequestCommit PullRequestCommitCommentThread CommitComment Ref Tag Deployment DeploymentStatus
    Label Milestone ReactionGroup Reaction Release Repository UserContentEdit

    Issue IssueComment SubIssuesSummary
    PullRequest PullRequestChangedFile PullRequestReview PullRequestReviewComment PullRequestReviewThread
    PullRequestRevisionMarker ReviewRequest
    Discussion DiscussionCategory DiscussionComment

    Assignee Closer IssueOrPullRequest IssueTimelineItems MilestoneItem PullRequestTimelineItems ReferencedSubject
    RenamedTitleSubject RequestedReviewer
    """.split()  # noqa: SIM905 (a list of quoted words hides the groups)
)
BUILT_IN = frozenset({"Boolean", "Float", "ID", "Int", "String"})
TIMELINES = ("PullRequestTimelineItems", "IssueTimelineItems")


def derive(source: str) -> str:
    """Returns the text of `schema.graphql`, with its header. `source` is the text of GitHub's whole schema. Raises
    `ValueError` if `source` lacks a type of `NAMED`.
    """
    types: dict[str, TypeDefinitionNode] = {
        definition.name.value: definition
        for definition in parse(source, no_location=True).definitions
        if isinstance(definition, TypeDefinitionNode)
    }
    if missing := NAMED - types.keys():
        raise ValueError(f"not in the source: {', '.join(sorted(missing))}")
    kept = _kept(types)
    printed = "\n\n".join(print_ast(_trimmed(types[name], kept)) for name in sorted(kept))
    return f"{_header()}\n{printed}\n"


def _kept(types: dict[str, TypeDefinitionNode]) -> set[str]:
    kept = set(NAMED)
    for timeline in TIMELINES:
        union = types[timeline]
        assert isinstance(union, UnionTypeDefinitionNode)
        kept |= {member.name.value for member in union.types or ()}
    while found := {
        name
        for keeper in kept
        for name in _mentioned(types[keeper], kept)
        if name in types and name not in kept and _follows(types[name], types, kept)
    }:
        kept |= found
    return kept


def _follows(definition: DefinitionNode, types: dict[str, TypeDefinitionNode], kept: set[str]) -> bool:
    """Returns whether a type that `NAMED` does not list is kept as soon as a kept type mentions it."""
    if isinstance(definition, ScalarTypeDefinitionNode | EnumTypeDefinitionNode | InputObjectTypeDefinitionNode):
        return True
    if not isinstance(definition, ObjectTypeDefinitionNode):
        return False
    fields = {field.name.value: named(field.type) for field in definition.fields or ()}
    if definition.name.value.endswith("Connection") and "pageInfo" in fields:
        node = fields.get("nodes")
        return node in kept if node else _follows(types[fields["edges"]], types, kept)
    return definition.name.value.endswith("Edge") and fields.get("node") in kept


def _mentioned(definition: TypeDefinitionNode, kept: set[str]) -> Iterator[str]:
    """Yields the types of the definition's fields. If a field is kept, also yields the types of the field's
    arguments.
    """
    if isinstance(definition, InputObjectTypeDefinitionNode):
        yield from (named(field.type) for field in definition.fields or ())
    elif isinstance(definition, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
        for field in definition.fields or ():
            yield named(field.type)
            if named(field.type) in kept | BUILT_IN:
                yield from (named(argument.type) for argument in field.arguments or ())


def _trimmed(definition: TypeDefinitionNode, kept: set[str]) -> DefinitionNode:
    """Returns the definition without descriptions, and without the fields, interfaces and union members whose types are
    not kept.
    """
    match definition:
        case ObjectTypeDefinitionNode() | InterfaceTypeDefinitionNode():
            return replace(
                definition,
                description=None,
                interfaces=tuple(each for each in definition.interfaces or () if each.name.value in kept),
                fields=tuple(
                    replace(field, description=None, arguments=_undescribed(field.arguments))
                    for field in definition.fields or ()
                    if named(field.type) in kept | BUILT_IN
                ),
            )
        case InputObjectTypeDefinitionNode():
            return replace(definition, description=None, fields=_undescribed(definition.fields))
        case EnumTypeDefinitionNode():
            values = tuple(replace(value, description=None) for value in definition.values or ())
            return replace(definition, description=None, values=values)
        case UnionTypeDefinitionNode():
            members = tuple(member for member in definition.types or () if member.name.value in kept)
            return replace(definition, description=None, types=members)
    return replace(definition, description=None)


def _undescribed(values: Iterable[InputValueDefinitionNode] | None) -> tuple[InputValueDefinitionNode, ...]:
    return tuple(replace(value, description=None) for value in values or ())


def named(node: TypeNode) -> str:
    """Returns the name of a type without the marks for lists and for non-null."""
    while isinstance(node, ListTypeNode | NonNullTypeNode):
        node = node.type
    assert isinstance(node, NamedTypeNode)
    return node.name.value


def _header() -> str:
    return f"""\
# Derived from GitHub's public GraphQL schema as published in {SOURCE} (npm); do not edit, run
#     python -m sandbox.github.graphql.derive_schema path/to/@octokit/graphql-schema/schema.graphql
#
# Copyright (c) GitHub 2025 - Licensed as MIT.
#
# Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
# documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
# rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
# persons to whom the Software is furnished to do so, subject to the following conditions:
#
# The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
# Software.
#
# THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
# WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
# COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
# OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m sandbox.github.graphql.derive_schema SCHEMA", file=sys.stderr)
        return 2
    DERIVED.write_text(derive(Path(arguments[0]).read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
