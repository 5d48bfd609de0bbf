"""Checks values of an answer that become a part of a text or of an id, where a wrong type would not be noticed."""

from typing import Any


def text(value: Any) -> str:
    """Returns `value` if it is a text. Raises `TypeError` for anything else, also for None."""
    if isinstance(value, str):
        return value
    raise TypeError(f"{str(value)[:80]!r} is no text")


def integer(value: Any) -> int:
    """Returns `value` as an int, if it is a whole number or a text of digits. Raises `TypeError` or `ValueError` for
    anything else.
    """
    if isinstance(value, int | str) and not isinstance(value, bool):
        return int(value)
    raise TypeError(f"{str(value)[:80]!r} is no whole number")


def truth(value: Any) -> bool:
    """Returns `value` if it is a boolean. Raises `TypeError` for anything else, also for None."""
    if isinstance(value, bool):
        return value
    raise TypeError(f"{str(value)[:80]!r} is neither true nor false")


def listed(value: Any) -> list[Any]:
    """Returns `value` if it is a list. Raises `TypeError` for anything else, also for None."""
    if isinstance(value, list):
        return value
    raise TypeError(f"{str(value)[:80]!r} is no list")
