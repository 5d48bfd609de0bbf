"""What the sender knows of a channel."""

from typing import Protocol

from store.outbox import ChannelName, Outgoing

SEND_SECONDS = 20.0
"""How long one message may take."""


class Channel(Protocol):
    """A way to the world outside."""

    @property
    def name(self) -> ChannelName: ...

    @property
    def over(self) -> bool:
        """The receiver wants nothing more: no message is taken from the outbox until this process starts again."""
        ...

    async def send(self, message: Outgoing) -> None:
        """Returns once the receiver has taken the message, within `SEND_SECONDS`.

        Raises `PartOver` if it never will (`unwanted`: the owner does not want it), `RetryLater` if it takes nothing
        before a time that it names, `RetryNow` for what may pass by itself.
        """
        ...
