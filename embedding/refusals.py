"""The refusals of an embeddings server that texts themselves cause. All other refusals are classes of the taxonomy."""

from errors import PartOver, TooLarge


class InputTooLong(TooLarge):
    """At least one text has more tokens than the model accepts, by the server's count."""


class InputRefused(PartOver):
    """The server refuses the request for an unknown reason, which may be one of its texts."""
