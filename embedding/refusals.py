"""Errors for what an embeddings server refuses because of the texts. Its other refusals are classes of the taxonomy."""

from errors import PartOver, TooLarge


class InputTooLong(TooLarge):
    """Raised if at least one text has more tokens than the model accepts, as the server counts them."""


class InputRefused(PartOver):
    """Raised if the server refuses the request for an unknown reason, which may be one of its texts."""
