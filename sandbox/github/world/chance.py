"""Pseudo-random numbers, always the same for the same text."""

import hashlib


def spread(text: str, below: int) -> int:
    """Returns a number that is at least 0 and less than `below`. It is always the same for the same text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) % below
