"""Schemas of servers that lack something."""

from graphql import GraphQLSchema

from sandbox.github.graphql.schema import schema


def lacking(fields: set[tuple[str, str]], types: set[str]) -> GraphQLSchema:
    """Returns a server's schema that is GitHub's without these fields, and without these types of timeline items."""
    return schema(frozenset(types | {f"{of}.{field}" for of, field in fields}))
