"""Pseudo-random numbers that are always the same for the same text."""

import hashlib


def spread(text: str, below: int) -> int:
    """A number in [0, below), always the same for the same text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) % below
