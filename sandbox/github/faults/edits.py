# ruff: noqa: ARG002 (every effect has the signatures of Effect, whatever it uses)
"""Changes that a test makes: to the world when a request arrives, or to a finished answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from sandbox.github.exchange.limits import Budget
from sandbox.github.exchange.requests import Reply, Request
from sandbox.github.faults.effect import Effect


@dataclass
class Touch(Effect):
    """Calls `do` with the request before the request is processed, so that a test can change the world at that
    moment.
    """

    do: Callable[[Request], None]

    def instead(self, request: Request, budget: Budget) -> Reply | None:
        self.do(request)
        return None


@dataclass
class Edited(Effect):
    """Lets `edit` change the JSON of an answer in place. The result has to be an answer that GitHub could send
    (`conformance.py`).
    """

    edit: Callable[[dict[str, Any]], None]

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        content = orjson.loads(reply.body)
        self.edit(content)
        reply.body = orjson.dumps(content)
        return reply
