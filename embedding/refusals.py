"""Errors for requests that a server refuses, perhaps because of one of their texts. All other refusals raise the
general classes of `errors.py`.
"""

from errors import PartOver, TooLarge


class InputTooLong(TooLarge):
    """Raised if a text has more tokens than the model accepts. The server counts the tokens, and may count more than we
    do.
    """


class InputRefused(PartOver):
    """Raised if the server refuses the request for a reason that we do not know. One of the texts may be the reason."""
