"""Computes the price of a query."""

from typing import Any

from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse

from sandbox.github.graphql.pricing import Price, price
from sandbox.github.graphql.schema import schema


def priced(text: str, **variables: Any) -> Price:
    definitions = parse(text).definitions
    operation = next(each for each in definitions if isinstance(each, OperationDefinitionNode))
    fragments = {each.name.value: each for each in definitions if isinstance(each, FragmentDefinitionNode)}
    return price(schema(), operation, fragments, variables)
