# ruff: noqa: ARG002 (every effect has the signatures of Effect, whatever it uses)
"""Changes made by a test: to the world during a request, or to a finished answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from sandbox.github.exchange.limits import Budget
from sandbox.github.exchange.requests import Reply, Request
from sandbox.github.faults.effect import Effect


@dataclass
class Touch(Effect):
    """Calls `do` with the request before it is processed, to change the world at an exact moment."""

    do: Callable[[Request], None]

    def instead(self, request: Request, budget: Budget) -> Reply | None:
        self.do(request)
        return None


@dataclass
class Edited(Effect):
    """Lets `edit` change the JSON of a good answer in place; the result must be one that GitHub could send
    (`conformance.py`)."""

    edit: Callable[[dict[str, Any]], None]

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        content = orjson.loads(reply.body)
        self.edit(content)
        reply.body = orjson.dumps(content)
        return reply
