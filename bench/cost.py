"""What was asked of GitHub, from the stand-in's log."""

import json
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Cost:
    """`points` are of GraphQL's budget; each REST request costs one of the other budget."""

    graphql: int
    rest: int
    points: int
    operations: Mapping[str, int] = field(default_factory=dict)
    """Requests by GraphQL operation, and by the last words of a REST route."""

    @property
    def requests(self) -> int:
        return self.graphql + self.rest

    def __sub__(self, before: "Cost") -> "Cost":
        """What was asked since."""
        operations = Counter(self.operations)
        operations.subtract(before.operations)
        return Cost(
            self.graphql - before.graphql,
            self.rest - before.rest,
            self.points - before.points,
            dict((+operations).most_common()),
        )


def read(url: str) -> Cost:
    """Of all requests to the stand-in at `url` so far. Raises `OSError` if it does not answer."""
    with urllib.request.urlopen(f"{url}/_stand-in/log", timeout=TIMEOUT_SECONDS) as response:
        return of(json.load(response))


def of(log: Iterable[Mapping[str, Any]]) -> Cost:
    """`log` in the form of the stand-in's entries."""
    entries = list(log)
    graphql = [entry for entry in entries if entry["kind"] == "graphql"]
    operations = Counter(entry["operation"] or _route(entry["path"]) for entry in entries)
    return Cost(
        graphql=len(graphql),
        rest=len(entries) - len(graphql),
        points=sum(entry["cost"] for entry in graphql),
        operations=dict(operations.most_common()),
    )


def _route(path: str) -> str:
    return "/".join(path.partition("?")[0].split("/")[-2:])
