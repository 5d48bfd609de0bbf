# ruff: noqa: ARG002 (every effect has the signatures of Effect, whatever it uses)
"""Faults of the transfer: answers that are late, cut off or missing."""

import asyncio
import threading
from dataclasses import dataclass

from sandbox.github.exchange.requests import Reply, Request
from sandbox.github.faults.effect import Effect


@dataclass
class Reset(Effect):
    """Breaks the connection in the middle of a good answer."""

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        reply.cut = "reset"
        return reply


@dataclass
class Truncated(Effect):
    """Sends half of a good answer as if it were complete, so that its JSON cannot be parsed."""

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        reply.cut = "short"
        return reply


@dataclass
class Latency(Effect):
    """Delays the answer."""

    seconds: float = 0.2


@dataclass
class Hang(Effect):
    """Sends no answer. The connection stays open until the client gives up."""

    seconds: float = float("inf")


class Held(Effect):
    """Holds answers back until `release` is called; any thread may call it. `waiting` is how many answers are held at
    present.
    """

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
