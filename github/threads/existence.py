"""Whether what a list does not show exists: GitHub's own word, by node id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from github.client import GitHub
from github.nodes.nulls import GoneNode, Hidden

MOST = 100
"""Node ids that GitHub takes at once."""


@dataclass(frozen=True, slots=True)
class Existence:
    """Of the ids that were asked for, those in none of these got no answer."""

    gone: frozenset[str]
    found: frozenset[str]
    refused: Mapping[str, str]
    """With GitHub's words."""
    account: str
    """Who was told so: another one may be shown more."""
    asked_at: datetime
    cost: int


async def read_existence(github: GitHub, node_ids: Sequence[str]) -> Existence:
    """Asks for at most `MOST` node ids. Raises as `GitHub.graphql` does, also where the repository is not shown."""
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
