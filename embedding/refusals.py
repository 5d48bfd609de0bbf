"""Errors for requests that a server refuses, perhaps because of their texts. Other refusals are of the taxonomy."""

from errors import PartOver, TooLarge


class InputTooLong(TooLarge):
    """Raised if at least one text has more tokens than the model accepts, as the server counts them."""


class InputRefused(PartOver):
    """Raised if the server refuses the request for an unknown reason, which may be one of its texts."""
