"""Simulates how long GitHub takes to answer. A larger request takes longer. A request that takes too long fails.

The durations follow what users report about pages of pull requests with their timelines. A page of 25 takes 2.5 s, a
page of 50 takes 4.9 s. On a page of 100 the last pull requests are null, because GitHub stops after 8 s. After 10 s
GitHub answers 502 and charges extra points.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.github.exchange.refusals import something_went_wrong


@dataclass(slots=True, frozen=True)
class Pace:
    """Says how long answers take. `scale` multiplies the real waits; tests choose a small one, so that they run
    fast.
    """

    scale: float = 1.0
    base: float = 0.1
    per_connection: float = 0.008
    per_node: float = 0.0022
    nulls_after: float = 8.0
    gives_up_after: float = 10.0
    extra_cost: int = 10
    rest: float = 0.3

    def graphql(self, connections: int, nodes: int) -> float:
        """Returns the seconds that GitHub takes for a query whose answer has this many connections and nodes."""
        return self.base + self.per_connection * connections + self.per_node * nodes


def null_rest(body: dict[str, Any], share: float, request_id: str) -> None:
    """Replaces the last nodes of each outermost list by null, as GitHub does when its time is up. The first nodes stay:
    `share` is their fraction of the list.
    """
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
