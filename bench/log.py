"""Reads from the stand-in's log which requests it got."""

import json
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

POINTS_AN_HOUR = 5_000
"""GraphQL's points an hour for one token."""
REST_AN_HOUR = 5_000
"""REST's requests an hour for one token."""
RESPONSE_SECONDS_AN_HOUR = 3_600
"""GitHub allows 60 s of GraphQL's CPU a minute, estimated by the duration of answers. REST's seconds are added as a
margin."""

TIMEOUT_SECONDS = 60

Entry = Mapping[str, Any]
"""One request, in the format of the stand-in's log."""


@dataclass(frozen=True)
class Cost:
    """What requests cost. `points` are of GraphQL. A REST request costs one of its own budget, or is `free`
    (`/rate_limit`, a 304, a refusal because of too many requests).
    """

    graphql: int
    rest: int
    points: int
    free: int = 0
    response_seconds: float = 0
    """GitHub's unscaled seconds for all answers; 0 if the stand-in answers at once."""
    busy_seconds: float = 0
    """Seconds during which at least one request was in flight."""
    operations: Mapping[str, int] = field(default_factory=dict)
    """Requests by GraphQL operation, and by the last words of a REST route."""

    @property
    def requests(self) -> int:
        return self.graphql + self.rest + self.free

    def per_token_and_hour(self, things: int) -> float:
        """Returns how many of `things` one token pays for in an hour, by the budget that is used up first."""
        return _an_hour(things, self.points / POINTS_AN_HOUR, self.rest / REST_AN_HOUR)

    def per_hour_of_responses(self, things: int) -> float:
        """As `per_token_and_hour`, but by the time that GitHub's answers take. Infinite if it was not measured."""
        return _an_hour(things, self.response_seconds / RESPONSE_SECONDS_AN_HOUR)


def _an_hour(things: int, *hours: float) -> float:
    tightest = max(hours)
    return things / tightest if tightest else inf if things else 0


def clear(url: str) -> None:
    """Clears the log of the stand-in at `url`. Raises `OSError` if it does not answer."""
    request = urllib.request.Request(f"{url}/_stand-in/log", method="DELETE")
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):
        pass


def read(url: str) -> Cost:
    """Returns the cost of all requests to the stand-in at `url` since its log was cleared. Raises `OSError` if it
    does not answer.
    """
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
    """Returns the seconds that at least one of these intervals (begin, end) covers."""
    total, until = 0.0, -inf
    for begin, end in sorted(intervals):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


def _route(path: str) -> str:
    return "/".join(path.partition("?")[0].split("/")[-2:])
