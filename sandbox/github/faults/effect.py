# ruff: noqa: ARG002 (every effect has the signatures of Effect, whatever it uses)
"""What every effect is: it acts at up to six moments of a request, and does nothing where it does not say so."""

from typing import Any, ClassVar

from sandbox.github.limits import Budget
from sandbox.github.requests import Reply, Request


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

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        return reply

    async def hold(self) -> None:
        """Returns when the finished answer may be sent."""
