"""What an embeddings server refuses because of the texts themselves; everything else is the taxonomy's own classes."""

from errors import PartOver, TooLarge


class InputTooLong(TooLarge):
    """At least one text has more tokens than the model takes, as the server counts them."""


class InputRefused(PartOver):
    """The server takes this request for none of the reasons that we know: one of its texts may be why."""
