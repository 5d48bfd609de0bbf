# ruff: noqa: ARG002 (every effect has the signatures of Effect, whatever it uses)
"""The base of effects, with a method for each moment of a request at which an effect may act."""

from fnmatch import fnmatchcase
from typing import Any, ClassVar

from sandbox.github.exchange.limits import Budget
from sandbox.github.exchange.requests import Reply, Request
from sandbox.github.graphql.context import Field


class Effect:
    """An effect that does nothing; subclasses override the moments at which they act."""

    seconds: float = 0
    charged: ClassVar[bool] = False
    """Whether the request costs its points, and `extra_cost`, although it is not processed."""
    extra_cost: int = 0

    def instead(self, request: Request, budget: Budget) -> Reply | None:
        """The answer that replaces the processing of the request; None to process it."""

    def spoil(self, request: Request, thing: Any, place: int, size: int) -> Exception | None:
        """What replaces an item (a thread, or anything that `node` and `nodes` found) that is not served; None to serve
        it."""

    resolves: ClassVar[bool] = False
    """Whether `resolved` is called for every field of a query. Off unless it is overridden, because it takes time."""

    def resolved(self, request: Request, field: Field, value: Any) -> Any:
        """The value of a field in place of `value`. `GitHubError` or `Broken` makes the field null; if the field cannot
        be null, what is above it."""
        return value

    selects: ClassVar[bool] = False
    """Whether `selected` is called for every item of a list."""

    def selected(self, request: Request, thing: Any) -> bool:
        """Whether the item is listed and counted, in GraphQL and in REST."""
        return True

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        return reply

    async def hold(self) -> None:
        """Delays the finished answer until it returns."""


def names(pattern: str, field: Field) -> bool:
    """Whether `pattern` (`Issue.timelineItems`, `*.timelineItems`) names the field."""
    return fnmatchcase(field.name, pattern)
