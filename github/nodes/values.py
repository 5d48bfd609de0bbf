"""Reads values of an answer that become a part of a text or of an id, where a wrong type would not be noticed."""

from typing import Any


def text(value: Any) -> str:
    """Returns the text that an answer holds; raises `TypeError` for anything else, also for None."""
    if isinstance(value, str):
        return value
    raise TypeError(f"{str(value)[:80]!r} is no text")


def integer(value: Any) -> int:
    """Returns the whole number that an answer holds, as a number or as digits. Raises `TypeError` or `ValueError` for
    anything else.
    """
    if isinstance(value, int | str) and not isinstance(value, bool):
        return int(value)
    raise TypeError(f"{str(value)[:80]!r} is no whole number")


def truth(value: Any) -> bool:
    """Returns the boolean that an answer holds; raises `TypeError` for anything else, also for None."""
    if isinstance(value, bool):
        return value
    raise TypeError(f"{str(value)[:80]!r} is neither true nor false")


def listed(value: Any) -> list[Any]:
    """Returns the list that an answer holds; raises `TypeError` for anything else, also for None."""
    if isinstance(value, list):
        return value
    raise TypeError(f"{str(value)[:80]!r} is no list")
