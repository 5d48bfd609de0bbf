"""Asks GitHub whether nodes still exist, by their node ids. The nodes are stored, but a list of GitHub's lacks them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from github.answers.mapping import mapped
from github.client import GitHub
from github.nodes.nulls import GoneNode, Hidden

MOST = 100
"""Node ids that GitHub accepts in one request."""


@dataclass(frozen=True, slots=True)
class Existence:
    """GitHub's answer to the question which nodes exist: the nodes that are found, gone, or refused. GitHub gave no
    answer about a node that is in none of the three sets.
    """

    gone: frozenset[str]
    found: frozenset[str]
    refused: Mapping[str, str]
    """Refused node ids, with GitHub's words."""
    account: str
    """The account that was asked. Another account may see more."""
    asked_at: datetime
    cost: int


@mapped
async def read_existence(github: GitHub, node_ids: Sequence[str]) -> Existence:
    """Asks GitHub which of these nodes exist, at most `MOST` nodes in one request. Raises as `GitHub.graphql` does."""
    answer = await github.graphql("Existing", {"ids": list(node_ids)})
    gone, found, refused = set(), set(), {}
    for node_id, node in zip(node_ids, answer.data["nodes"], strict=True):
        if isinstance(node, GoneNode):
            gone.add(node_id)
        elif isinstance(node, Hidden):
            refused[node_id] = node.words
        elif node:
            found.add(node_id)
    return Existence(frozenset(gone), frozenset(found), refused, answer.account, answer.asked_at, answer.cost)
