"""Waits for a condition, long enough for the slowest machine."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

PATIENCE = 300.0
"""Seconds after which a test fails instead of waiting on. Only a failing test waits so long: a machine that is many
times slower than usual has to give the same verdict. What must be quick is measured in `bench/`, not here."""


class Pauses:
    """The pauses between checks of a condition. The longer it was waited for, the longer they are, so that checks take
    little of the machine's time.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()

    def next(self) -> float:
        """Returns the next pause in seconds: a tenth of the time waited so far, within bounds."""
        return min(max((time.monotonic() - self._began) / 10, 0.01), 0.2)


async def eventually(true: Callable[[], Awaitable[Any]], within: float = PATIENCE) -> None:
    """Waits until `true()` is true; fails after `within` seconds."""
    deadline, pauses = time.monotonic() + within, Pauses()
    while not (last := await true()):
        assert time.monotonic() < deadline, f"still {last!r} after {within:g} s"
        await asyncio.sleep(pauses.next())


def until(true: Callable[[], bool]) -> None:
    """Waits as `eventually` does, where no event loop runs."""
    deadline, pauses = time.monotonic() + PATIENCE, Pauses()
    while not true():
        assert time.monotonic() < deadline, f"not so after {PATIENCE:g} s"
        time.sleep(pauses.next())


def so(true: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    """Makes a condition for `eventually` of one that is not a coroutine."""

    async def fact() -> bool:
        return true()

    return fact
