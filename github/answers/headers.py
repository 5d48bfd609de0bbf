"""Reads numbers in an answer's headers."""

from collections.abc import Mapping

MOST_DIGITS = 15
"""How many digits of a number are read, at most; a longer number cannot be right."""


def number(headers: Mapping[str, str], name: str) -> int | None:
    """Returns the whole number in the header `name`. Returns None if the header is missing or is not a whole number."""
    return parse_digits(headers.get(name, ""))


def parse_digits(text: str) -> int | None:
    """Returns the number that a text of ASCII digits stands for. Returns None for any other text."""
    return int(text[:MOST_DIGITS]) if text.isascii() and text.isdigit() else None
