# ruff: noqa: ARG002 (every effect has the signatures of Effect, whatever it uses)
"""Faults of single items on a page."""

from dataclasses import dataclass
from typing import Any

from sandbox.github.exchange.refusals import GitHubError
from sandbox.github.exchange.requests import Request
from sandbox.github.faults.effect import Effect
from sandbox.github.graphql.execution import Broken


@dataclass
class ResourceLimits(Effect):
    """Serves only the first `served` items of a page. The other items are null, with the error
    RESOURCE_LIMITS_EXCEEDED.
    """

    served: int = 0

    def spoil(self, request: Request, thing: Any, place: int, size: int) -> Exception | None:
        if place < self.served:
            return None
        return GitHubError("RESOURCE_LIMITS_EXCEEDED", "Resource limits for this query exceeded.")


@dataclass
class NullNode(Effect):
    """Makes one item of a page null: the thread with `number`, or the last item if `number` is None.

    Pages of at most `over` items stay good. If `asking` names connections, a page stays good unless the query requests
    nodes of one of them. With `asking={"timelineItems"}`, for example, the thread can still be listed, and its other
    connections can still be fetched.
    """

    number: int | None = None
    over: int = 0
    asking: frozenset[str] = frozenset()

    def spoil(self, request: Request, thing: Any, place: int, size: int) -> Exception | None:
        if size <= self.over or (self.asking and not self.asking & request.asked):
            return None
        hit = place == size - 1 if self.number is None else getattr(thing, "number", None) == self.number
        return Broken() if hit else None
