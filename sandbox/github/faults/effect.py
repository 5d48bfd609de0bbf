# ruff: noqa: ARG002 (every effect has the signatures of Effect, whatever it uses)
"""What every effect is: it acts at several moments of a request, and does nothing where it does not say so."""

from fnmatch import fnmatchcase
from typing import Any, ClassVar

from sandbox.github.exchange.limits import Budget
from sandbox.github.exchange.requests import Reply, Request
from sandbox.github.graphql.context import Field


class Effect:
    """Does nothing; the effects below override what they change."""

    seconds: float = 0
    charged: ClassVar[bool] = False
    """Whether the request costs its points, and `extra_cost`, though it is not worked on."""
    extra_cost: int = 0

    def instead(self, request: Request, budget: Budget) -> Reply | None:
        """The answer, if the request is not worked on at all."""

    def spoil(self, request: Request, thing: Any, place: int, size: int) -> Exception | None:
        """What stands in the place of a thread (or of anything that `node` and `nodes` found), if it is not served."""

    resolves: ClassVar[bool] = False
    """Whether `resolved` is asked about every field of a query: that takes time, so only where it is overridden."""

    def resolved(self, request: Request, field: Field, value: Any) -> Any:
        """What a field is in place of `value`. What it raises, `GitHubError` or `Broken`, makes the field null, and
        where the field cannot be null what is above it."""
        return value

    selects: ClassVar[bool] = False
    """Whether `selected` is asked about every thing of a list."""

    def selected(self, request: Request, thing: Any) -> bool:
        """Whether the thing is listed and counted, in GraphQL and in REST."""
        return True

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        return reply

    async def hold(self) -> None:
        """Returns when the finished answer may be sent."""


def names(pattern: str, field: Field) -> bool:
    """Whether `pattern` (`Issue.timelineItems`, `*.timelineItems`) names the field."""
    return fnmatchcase(field.name, pattern)
