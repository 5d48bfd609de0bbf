"""What was asked of GitHub, from the stand-in's log."""

import json
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

POINTS_AN_HOUR = 5_000
"""GraphQL's budget of one token."""
REST_AN_HOUR = 5_000
"""Requests: the budget of one token for all that is not GraphQL."""
RESPONSE_SECONDS_AN_HOUR = 3_600
"""GitHub allows 60 s of GraphQL's CPU a minute, to be estimated by the time its answers take. REST's seconds are
counted too, to be on the safe side."""

TIMEOUT_SECONDS = 60

Entry = Mapping[str, Any]
"""One request, in the form of the stand-in's log."""


@dataclass(frozen=True)
class Cost:
    """`points` are of GraphQL's budget; each REST request costs one of the other budget, or is `free` (`/rate_limit`,
    304, one that was refused for being too fast)."""

    graphql: int
    rest: int
    points: int
    free: int = 0
    response_seconds: float = 0
    """GitHub's own, unscaled, for all answers; 0 where the stand-in answers at once."""
    busy_seconds: float = 0
    """During which at least one request was in flight."""
    operations: Mapping[str, int] = field(default_factory=dict)
    """Requests by GraphQL operation, and by the last words of a REST route."""

    @property
    def requests(self) -> int:
        return self.graphql + self.rest + self.free

    def per_token_and_hour(self, things: int) -> float:
        """So many of `things` one token's hour is enough for, by the tighter of its two budgets."""
        return _an_hour(things, self.points / POINTS_AN_HOUR, self.rest / REST_AN_HOUR)

    def per_hour_of_responses(self, things: int) -> float:
        """The same by the time that GitHub's answers take; infinite where it was not measured."""
        return _an_hour(things, self.response_seconds / RESPONSE_SECONDS_AN_HOUR)


def _an_hour(things: int, *hours: float) -> float:
    tightest = max(hours)
    return things / tightest if tightest else inf if things else 0


def clear(url: str) -> None:
    """Forgets all requests to the stand-in at `url` so far. Raises `OSError` if it does not answer."""
    request = urllib.request.Request(f"{url}/_stand-in/log", method="DELETE")
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):
        pass


def read(url: str) -> Cost:
    """Of all requests to the stand-in at `url` since it was cleared. Raises `OSError` if it does not answer."""
    with urllib.request.urlopen(f"{url}/_stand-in/log", timeout=TIMEOUT_SECONDS) as response:
        return cost(json.load(response))


def cost(log: Iterable[Entry]) -> Cost:
    entries = list(log)
    graphql = [entry for entry in entries if entry["kind"] == "graphql"]
    rest = [entry for entry in entries if entry["kind"] != "graphql"]
    operations = Counter(entry["operation"] or _route(entry["path"]) for entry in entries)
    return Cost(
        graphql=len(graphql),
        rest=sum(entry["cost"] > 0 for entry in rest),
        points=sum(entry["cost"] for entry in graphql),
        free=sum(entry["cost"] == 0 for entry in rest),
        response_seconds=sum(entry["github_seconds"] for entry in entries),
        busy_seconds=busy((entry["started"], entry["started"] + entry["seconds"]) for entry in entries),
        operations=dict(operations.most_common()),
    )


def busy(intervals: Iterable[tuple[float, float]]) -> float:
    """How long at least one of these (begin, end) lasted: their union's length."""
    total, until = 0.0, -inf
    for begin, end in sorted(intervals):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


def _route(path: str) -> str:
    return "/".join(path.partition("?")[0].split("/")[-2:])
