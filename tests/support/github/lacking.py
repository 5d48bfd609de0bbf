"""Schemas that lack something."""

from graphql import GraphQLSchema

from sandbox.github.graphql.schema import schema


def lacking(fields: set[tuple[str, str]], types: set[str]) -> GraphQLSchema:
    """A server with GitHub's schema but for these fields, and for these types of timeline items."""
    return schema(frozenset(types | {f"{of}.{field}" for of, field in fields}))
