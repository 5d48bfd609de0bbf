"""Simulates the duration of GitHub's answers: it grows with the request, and requests that take too long fail.

Fitted to users' reports on pages of pull requests with their timelines: 25 in 2.5 s, 50 in 4.9 s, of 100 the rest is
null after 8 s; beyond 10 s there is a 502, which costs extra points.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.github.exchange.refusals import something_went_wrong


@dataclass(slots=True, frozen=True)
class Pace:
    """Durations of answers. `scale` shortens the real waits, so that a test with slow answers runs fast."""

    scale: float = 1.0
    base: float = 0.1
    per_connection: float = 0.008
    per_node: float = 0.0022
    nulls_after: float = 8.0
    gives_up_after: float = 10.0
    extra_cost: int = 10
    rest: float = 0.3

    def graphql(self, connections: int, nodes: int) -> float:
        """GitHub's seconds for a query that resolved this many connections and nodes."""
        return self.base + self.per_connection * connections + self.per_node * nodes


def null_rest(body: dict[str, Any], share: float, request_id: str) -> None:
    """Replaces the nodes beyond this share of each outermost list by null, as GitHub does when its time is up."""
    errors = body.setdefault("errors", [])
    for path, nodes in list(_lists(body["data"], [])):
        for place in range(int(len(nodes) * share), len(nodes)):
            nodes[place] = None
            errors.append({"path": [*path, place], "message": something_went_wrong(request_id)})


def _lists(value: Any, path: list[str | int]) -> Iterator[tuple[list[str | int], list[Any]]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("nodes", "edges") and isinstance(inner, list):
                yield [*path, key], inner
            else:
                yield from _lists(inner, [*path, key])
