"""Numbers in an answer's headers."""

from collections.abc import Mapping

MOST_DIGITS = 15
"""Further digits are not read: the number is absurd without them."""


def number(headers: Mapping[str, str], name: str) -> int | None:
    """The whole number that a header holds; None where it is missing, or holds anything else."""
    return whole(headers.get(name, ""))


def whole(text: str) -> int | None:
    """The number that a text of ASCII digits is; None for any other text."""
    return int(text[:MOST_DIGITS]) if text.isascii() and text.isdigit() else None
