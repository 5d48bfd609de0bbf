"""Refusals of an embeddings server that are due to the texts themselves; all others use the taxonomy's classes."""

from errors import PartOver, TooLarge


class InputTooLong(TooLarge):
    """At least one text has more tokens than the model accepts, by the server's count."""


class InputRefused(PartOver):
    """The server refuses the request for an unknown reason, which may be one of its texts."""
