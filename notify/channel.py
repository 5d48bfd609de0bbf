"""The interface between the sender and a channel."""

from typing import Protocol

from store.outbox import ChannelName, Outgoing

SEND_SECONDS = 20.0
"""Time limit for one message."""


class Channel(Protocol):
    """A way to send messages to the outside, such as e-mail."""

    @property
    def name(self) -> ChannelName: ...

    @property
    def over(self) -> bool:
        """Whether the receiver wants no more messages: none is taken from the outbox until this process restarts."""
        ...

    async def send(self, message: Outgoing) -> None:
        """Returns once the receiver has accepted the message, within `SEND_SECONDS`.

        Raises `PartOver` if it never will (`unwanted`: the owner does not want it), `RetryLater` if it accepts nothing
        before a time that it names, `RetryNow` for passing errors.
        """
        ...
