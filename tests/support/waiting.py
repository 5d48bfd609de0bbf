"""How tests wait: for a condition, and long enough for the slowest machine."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

PATIENCE = 300.0
"""Seconds after which a test fails instead of waiting on. Only a failing test waits so long: a machine that is many
times slower than usual has to give the same verdict. What must be quick is measured in `bench/`, not here."""


async def eventually(true: Callable[[], Awaitable[Any]], within: float = PATIENCE) -> None:
    """Returns once `true()` is; fails after `within` seconds."""
    deadline = time.monotonic() + within
    while not (last := await true()):
        assert time.monotonic() < deadline, f"still {last!r} after {within:g} s"
        await asyncio.sleep(0.03)


def until(true: Callable[[], bool]) -> None:
    """As `eventually`, where no event loop runs."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"not so after {PATIENCE:g} s"
        time.sleep(0.01)


def so(true: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    """For `eventually`: a condition that nothing needs to be asked for."""

    async def fact() -> bool:
        return true()

    return fact
