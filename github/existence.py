"""Whether what a list does not show any more exists: GitHub's own word, by node id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from github.client import GitHub
from github.nodes import GoneNode, Hidden

MOST = 100
"""Node ids that GitHub takes at once."""


@dataclass(frozen=True, slots=True)
class Existence:
    """Of the ids that were asked for, those in neither set are refused, or got no answer."""

    gone: frozenset[str]
    found: frozenset[str]
    account: str
    """Who was told so: another one may be shown more."""
    asked_at: datetime
    cost: int


async def read_existence(github: GitHub, node_ids: Sequence[str]) -> Existence:
    """Asks for at most `MOST` node ids. Raises as `GitHub.graphql` does, also where the repository is not shown."""
    answer = await github.graphql("Existing", {"ids": list(node_ids)})
    gone, found = set(), set()
    for node_id, node in zip(node_ids, answer.data["nodes"], strict=True):
        if isinstance(node, GoneNode):
            gone.add(node_id)
        elif node and not isinstance(node, Hidden):
            found.add(node_id)
    return Existence(frozenset(gone), frozenset(found), answer.account, answer.asked_at, answer.cost)
