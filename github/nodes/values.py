"""Checks values of an answer that become a part of a text or of an id, where a wrong type would not be noticed."""

from typing import Any


def text(value: Any) -> str:
    """Returns `value` if it is a text. Raises `TypeError` for anything else, also for None."""
    if isinstance(value, str):
        return value
    raise TypeError(f"{str(value)[:80]!r} is no text")


def github_id(value: Any) -> int:
    """Returns `value` as one of GitHub's ids, if it is a whole number or a text of digits, from 1 to what a column
    holds. Raises `TypeError` or `ValueError` for anything else.
    """
    if not isinstance(value, int | str) or isinstance(value, bool):
        raise TypeError(f"{str(value)[:80]!r} is no whole number")
    if not 1 <= int(value) < 2**63:
        raise ValueError(f"{str(value)[:80]!r} is no id")
    return int(value)


def count(value: Any) -> int | None:
    """Returns GitHub's count of a list. Returns None for what is no count: a list is readable without its count."""
    return value if type(value) is int and 0 <= value < 2**31 else None


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
