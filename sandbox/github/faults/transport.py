# ruff: noqa: ARG002 (every effect has the signatures of Effect, whatever it uses)
"""What happens to an answer on its way: it is late, cut short, or never comes."""

import asyncio
import threading
from dataclasses import dataclass

from sandbox.github.exchange.requests import Reply, Request
from sandbox.github.faults.effect import Effect


@dataclass
class Reset(Effect):
    """The connection is reset in the middle of a good answer."""

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        reply.cut = "reset"
        return reply


@dataclass
class Truncated(Effect):
    """Half of a good answer, as if it were all: JSON that does not parse."""

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        reply.cut = "short"
        return reply


@dataclass
class Latency(Effect):
    """The answer takes this much longer."""

    seconds: float = 0.2


@dataclass
class Hang(Effect):
    """No answer, ever: the connection stays open until the client gives up."""

    seconds: float = float("inf")


class Held(Effect):
    """No answer before `release`, which any thread may call. `waiting` answers are held at the moment."""

    def __init__(self) -> None:
        self.waiting = 0
        self._released = threading.Event()

    def release(self) -> None:
        self._released.set()

    async def hold(self) -> None:
        self.waiting += 1
        try:
            while not self._released.is_set():  # noqa: ASYNC110 (set by another thread)
                await asyncio.sleep(0.005)
        finally:
            self.waiting -= 1
