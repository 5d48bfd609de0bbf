"""GitHub's schema (`schema.graphql`), with a resolver for each field that the stand-in models."""

import re
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

from graphql import (
    ConstValueNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_ast_schema,
    parse,
)
from graphql.utilities import value_from_ast_untyped

from sandbox.github.exchange.pages import Edge, Page
from sandbox.github.exchange.refusals import NotModelled
from sandbox.github.graphql.context import Info, Rate
from sandbox.github.graphql.fields import common
from sandbox.github.graphql.fields.commits import GitActor, HistoryPage, Ref
from sandbox.github.graphql.fields.pull_requests import ReviewThread
from sandbox.github.graphql.fields.resolvers import RESOLVERS, Resolver
from sandbox.github.graphql.servers import reduced
from sandbox.github.world.accounts import Account, Team
from sandbox.github.world.clock import moment, stamp
from sandbox.github.world.commits import Commit
from sandbox.github.world.discussions import Discussion, DiscussionCategory, DiscussionComment
from sandbox.github.world.labels import Label, Milestone
from sandbox.github.world.projects import Deployment, IssueType, Project
from sandbox.github.world.pull_request_commits import PullRequestCommit
from sandbox.github.world.pull_requests import PullRequest, Review, ReviewComment
from sandbox.github.world.releases import Release
from sandbox.github.world.repositories import Repository
from sandbox.github.world.review_requests import ReviewRequest
from sandbox.github.world.threads import Issue, IssueComment, TimelineEvent

SCHEMA = Path(__file__).with_name("schema.graphql")
SINCE = Path(__file__).with_name("schema_since.graphql")
NOTHING: frozenset[str] = frozenset()
UNMODELLED = "unmodelled"
"""The key in `extensions` that marks a field as not modelled."""

MODELS: dict[str, type[Any]] = {
    "Bot": Account,
    "Commit": Commit,
    "CommitHistoryConnection": HistoryPage,
    "Deployment": Deployment,
    "Discussion": Discussion,
    "DiscussionCategory": DiscussionCategory,
    "DiscussionComment": DiscussionComment,
    "EnterpriseUserAccount": Account,
    "GitActor": GitActor,
    "Issue": Issue,
    "IssueComment": IssueComment,
    "IssueType": IssueType,
    "Label": Label,
    "Mannequin": Account,
    "Milestone": Milestone,
    "Organization": Account,
    "PageInfo": Page,
    "ProjectV2": Project,
    "PullRequest": PullRequest,
    "PullRequestCommit": PullRequestCommit,
    "PullRequestReview": Review,
    "PullRequestReviewComment": ReviewComment,
    "PullRequestReviewThread": ReviewThread,
    "RateLimit": Rate,
    "Ref": Ref,
    "Release": Release,
    "Repository": Repository,
    "ReviewRequest": ReviewRequest,
    "Team": Team,
    "User": Account,
}
ANY_TYPE: dict[str, Resolver] = {
    "id": common.node_id,
    "databaseId": common.database_id,
    "fullDatabaseId": common.full_database_id,
    "viewerDidAuthor": common.viewer_did_author,
    "includesCreatedEdit": common.includes_created_edit,
    "editor": common.editor,
}
"""Fields that mean the same on every type that has them."""
NEEDS = {
    "id": "node_id",
    "databaseId": "database_id",
    "fullDatabaseId": "database_id",
    "viewerDidAuthor": "account",
    "includesCreatedEdit": "last_edited_at",
    "editor": "last_edited_at",
}
ALIASES = {"bodyText": "body"}


@cache
def schema(lacks: frozenset[str] = NOTHING) -> GraphQLSchema:
    """Returns the schema with its resolvers, without the names in `lacks` (`servers.py`). Each variant is built once
    and cached. The schema is not validated, because GitHub's own schema breaks a rule about deprecations.
    """
    text = "\n".join(path.read_text(encoding="utf-8") for path in (SCHEMA, SINCE))
    document = parse(text, no_location=True)
    built = build_ast_schema(reduced(document, lacks) if lacks else document, assume_valid=True, assume_valid_sdl=True)
    unions = ("PullRequestTimelineItems", "IssueTimelineItems")
    events = {
        member.name
        for union in map(built.get_type, unions)
        if isinstance(union, GraphQLUnionType)
        for member in union.types
        if member.name not in MODELS
    }
    for name, type_ in built.type_map.items():
        if name.startswith("__"):
            continue
        if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
            type_.resolve_type = lambda value, _info, _type: value.typename
        elif isinstance(type_, GraphQLObjectType):
            model = TimelineEvent if name in events else _model(name)
            for field_name, field in type_.fields.items():
                _bind(type_, field_name, field, model)
        elif isinstance(type_, GraphQLScalarType) and name in ("DateTime", "GitTimestamp"):
            type_.coerce_input_value = _moment
            type_.coerce_input_literal = _moment_literal
    return built


def modelled() -> set[str]:
    """Returns every `Type.field` that the stand-in answers."""
    return {
        f"{type_.name}.{name}"
        for type_ in schema().type_map.values()
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
        for name, field in type_.fields.items()
        if UNMODELLED not in field.extensions
    }


def enum_values(name: str) -> set[str]:
    type_ = schema().get_type(name)
    assert isinstance(type_, GraphQLEnumType)
    return set(type_.values)


def is_connection(type_: Any) -> bool:
    return isinstance(type_, GraphQLObjectType) and type_.name.endswith("Connection") and "pageInfo" in type_.fields


def _model(name: str) -> type[Any] | None:
    if name in MODELS:
        return MODELS[name]
    if name.endswith("Connection"):
        return Page
    return Edge if name.endswith("Edge") else None


def _bind(type_: GraphQLObjectType, name: str, field: GraphQLField, model: type[Any] | None) -> None:
    full_name = f"{type_.name}.{name}"
    attribute = ALIASES.get(name, _snake(name))
    if full_name in RESOLVERS:
        field.resolve = RESOLVERS[full_name]
    elif model is Page and name == "nodes":
        field.resolve = lambda page, _info: page.shown or page.nodes
    elif model is not None and name in ANY_TYPE and hasattr(model, NEEDS[name]):
        field.resolve = ANY_TYPE[name]
    elif model is not None and hasattr(model, attribute) and not callable(getattr(model, attribute)):
        field.resolve = _getter(attribute)
    else:
        field.extensions[UNMODELLED] = True
        field.resolve = _refuse(full_name)


def _getter(attribute: str) -> Resolver:
    get = attrgetter(attribute)
    return lambda source, _info, **_args: get(source)


def _refuse(full_name: str) -> Resolver:
    def resolve(_source: Any, _info: Info, **_args: Any) -> Any:
        raise NotModelled(full_name)

    return resolve


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _moment(value: Any) -> str:
    """Converts the value of a time argument to the format that the world uses. Raises `GraphQLError` if the value is
    not a time.
    """
    try:
        return stamp(moment(value))
    except (TypeError, ValueError) as error:
        raise GraphQLError(f"{value!r} is not a valid ISO-8601 moment") from error


def _moment_literal(node: ConstValueNode) -> str:
    return _moment(value_from_ast_untyped(node))
