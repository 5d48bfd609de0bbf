"""How tests wait: for a condition, and long enough for the slowest machine."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

PATIENCE = 300.0
"""Seconds after which a test fails instead of waiting on. Only a failing test waits so long: a machine that is many
times slower than usual has to give the same verdict. What must be quick is measured in `bench/`, not here."""


class Pauses:
    """Between looks at a condition: the longer it has been waited for, the longer, so that looks cost little of the
    machine that everybody else needs for it to come true."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def next(self) -> float:
        """Seconds: a tenth of what was waited, within bounds."""
        return min(max((time.monotonic() - self._began) / 10, 0.01), 0.2)


async def eventually(true: Callable[[], Awaitable[Any]], within: float = PATIENCE) -> None:
    """Returns once `true()` is; fails after `within` seconds."""
    deadline, pauses = time.monotonic() + within, Pauses()
    while not (last := await true()):
        assert time.monotonic() < deadline, f"still {last!r} after {within:g} s"
        await asyncio.sleep(pauses.next())


def until(true: Callable[[], bool]) -> None:
    """As `eventually`, where no event loop runs."""
    deadline, pauses = time.monotonic() + PATIENCE, Pauses()
    while not true():
        assert time.monotonic() < deadline, f"not so after {PATIENCE:g} s"
        time.sleep(pauses.next())


def so(true: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    """For `eventually`: a condition that nothing needs to be asked for."""

    async def fact() -> bool:
        return true()

    return fact
