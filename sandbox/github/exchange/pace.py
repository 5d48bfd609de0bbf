"""Simulates how long GitHub takes to answer. A larger request takes longer, and one that takes too long fails.

The durations follow what users report about pages of pull requests with their timelines: 25 take 2.5 s, 50 take 4.9
s; of 100, the last ones are null after 8 s. After 10 s there is a 502, which costs extra points.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.github.exchange.refusals import something_went_wrong


@dataclass(slots=True, frozen=True)
class Pace:
    """The duration of answers. `scale` makes the real waits shorter, so that a test with slow answers is fast."""

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
    """Replaces the last nodes of each outermost list by null, as GitHub does when its time is up. The fraction `share`
    of each list stays.
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
