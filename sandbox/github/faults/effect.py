# ruff: noqa: ARG002 (every effect has the signatures of Effect, whatever it uses)
"""The base class of faults. It has a method for each moment of a request at which a fault may act."""

from fnmatch import fnmatchcase
from typing import Any, ClassVar

from sandbox.github.exchange.limits import Budget
from sandbox.github.exchange.requests import Reply, Request
from sandbox.github.graphql.context import Field


class Effect:
    """A fault that does nothing. A subclass overrides the methods of the moments at which it acts."""

    seconds: float = 0
    charged: ClassVar[bool] = False
    """Whether a request that `instead` answers nevertheless costs its points, and `extra_cost` more."""
    extra_cost: int = 0

    def instead(self, request: Request, budget: Budget) -> Reply | None:
        """Returns an answer, which is sent in place of the stand-in's own. Returns None if the request is to be
        processed.
        """

    def spoil(self, request: Request, thing: Any, place: int, size: int) -> Exception | None:
        """Returns the error that the answer has in place of an item, or None if the item is served.

        `thing` is the item: a thread, an object that `node` or `nodes` found, or an item of a page, such as a release
        or a commit. `place` is the item's index on a page of `size` items.
        """

    resolves: ClassVar[bool] = False
    """Whether `resolved` is called for every field of a query. Off unless it is overridden, because it takes time."""

    def resolved(self, request: Request, field: Field, value: Any) -> Any:
        """Returns the value that a field has after the fault; `value` is the value before. A returned or raised
        `GitHubError` or `Broken` makes the field null. If the field cannot be null, the nearest field above that can be
        null becomes null.
        """
        return value

    selects: ClassVar[bool] = False
    """Whether `selected` is called for every item of a list."""

    def selected(self, request: Request, thing: Any) -> bool:
        """Returns whether GraphQL and REST list and count the item."""
        return True

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        return reply

    async def hold(self) -> None:
        """Waits until the finished answer may be sent."""


def names(pattern: str, field: Field) -> bool:
    """Returns whether a field matches `pattern`, such as `Issue.timelineItems` or `*.timelineItems`."""
    return fnmatchcase(field.name, pattern)
