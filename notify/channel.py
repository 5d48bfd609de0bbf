"""The interface between the sender of the outbox and a channel."""

from typing import Protocol

from store.outbox import ChannelName, Outgoing

SEND_SECONDS = 20.0
"""Time limit for one message."""


class Channel(Protocol):
    """A way by which messages leave the application, such as e-mail."""

    @property
    def name(self) -> ChannelName: ...

    @property
    def over(self) -> bool:
        """Whether the receiver refuses all further messages. If so, this process takes no more messages of this channel
        from the outbox.
        """
        ...

    async def send(self, message: Outgoing) -> None:
        """Sends a message, and returns once the receiver has accepted the message. Sending takes at most
        `SEND_SECONDS`.

        Raises `PartOver` if the receiver will never accept the message. The error's code is `unwanted` if the
        workspace's owner switched e-mails off or has no address. Raises `RetryLater` if the receiver names a time
        before which it accepts nothing, and `RetryNow` for passing errors.
        """
        ...
