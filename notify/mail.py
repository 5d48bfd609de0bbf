"""Sends e-mails to the owner of a workspace, by SMTP."""

import asyncio
import contextlib
import ssl
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from typing import Literal

import aiosmtplib

from addresses import SmtpServer
from errors import PartOver, RetryNow
from notify import letter
from notify.channel import SEND_SECONDS
from store.outbox import Outgoing

QUIT_SECONDS = 2.0
_START_TLS = {"implicit": False, "required": True, "if_offered": None, "never": False}


class Mail:
    """Sends each message over a connection of its own. Links in e-mails begin with `public_url`. E-mails have no links
    if `public_url` is None.

    `tls_context` replaces the default certificate authorities by which the mail server is verified.
    """

    name: Literal["mail"] = "mail"
    over = False

    def __init__(
        self, server: SmtpServer, sender: str, public_url: str | None, *, tls_context: ssl.SSLContext | None = None
    ) -> None:
        self._server = server
        self._sender = sender
        self._domain = parseaddr(sender)[1].rpartition("@")[2]
        self._public_url = public_url
        self._tls_context = tls_context

    async def send(self, message: Outgoing) -> None:
        """Sends the e-mail, and returns once the mail server has accepted it. An e-mail that is sent again has the same
        Message-ID.

        Raises `PartOver` if the owner wants no e-mail or has no address, or if the mail server refuses the e-mail for
        good. Raises `RetryNow` for all other failures.
        """
        if not message.mail_wanted:
            raise PartOver("unwanted", "e-mail notifications are switched off in the workspace's settings")
        if message.address is None:
            raise PartOver("unwanted", "the workspace's owner has no e-mail address")
        await self._deliver(self.compose(message, message.address))

    def compose(self, message: Outgoing, address: str) -> EmailMessage:
        """Returns the e-mail to `address`. Raises `PartOver` if `address` is not exactly one e-mail address."""
        page = f"{self._public_url}/workspaces/{message.milestone.workspace_id}/settings/data-retention"
        content = letter.write(message.milestone, page if self._public_url else None)
        email = EmailMessage(policy=SMTP)
        email["From"] = self._sender
        email["To"] = _one_address(address)
        email["Subject"] = content.subject
        email["Date"] = message.created_at
        email["Message-ID"] = f"<{message.id}@{self._domain}>"
        email["Auto-Submitted"] = "auto-generated"
        email.set_content(content.text)
        email.add_alternative(content.html, subtype="html")
        return email

    async def check(self) -> None:
        """Connects to the mail server and logs in, without sending anything. Raises `RetryNow` if the server refuses or
        does not answer.
        """
        await self._converse(None)

    async def _deliver(self, email: EmailMessage) -> None:
        await self._converse(email)

    async def _converse(self, email: EmailMessage | None) -> None:
        server = self._server
        # STARTTLS that is merely offered protects from nobody who can change what is sent, so its certificate is not
        # checked: a relay with one of its own making gets its mail encrypted all the same.
        checked = server.tls in ("implicit", "required")
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            local_hostname=self._domain,
            timeout=SEND_SECONDS,
            use_tls=server.tls == "implicit",
            start_tls=_START_TLS[server.tls],
            **({"tls_context": self._tls_context} if self._tls_context and checked else {"validate_certs": checked}),
        )
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await client.connect()
                if email is not None:
                    await _hand_over(client, email)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise RetryNow(
                "mail_server", f"{server.host}:{server.port}: {str(error) or 'no answer in time'}"
            ) from error
        else:
            # It is sent: what the server says to the goodbye changes nothing.
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                await client.quit(timeout=QUIT_SECONDS)
        finally:
            client.close()


async def _hand_over(client: aiosmtplib.SMTP, email: EmailMessage) -> None:
    try:
        await client.send_message(email)
    except aiosmtplib.SMTPRecipientsRefused as error:
        [refusal] = error.recipients
        if refusal.code < 500:
            raise
        raise PartOver("refused", f"the mail server refuses the address: {refusal.code} {refusal.message}") from error
    except aiosmtplib.SMTPDataError as error:
        if error.code < 500:
            raise
        raise PartOver("refused", f"the mail server refuses the e-mail: {error.code} {error.message}") from error
    except aiosmtplib.SMTPNotSupported as error:
        raise PartOver("refused", f"the mail server cannot send to the address: {error.message}") from error


def _one_address(text: str) -> Address:
    try:
        address = Address(addr_spec=text)
    except (MessageError, ValueError, IndexError):
        address = None
    if address is None or not address.username or not address.domain:
        raise PartOver("refused", "the owner's e-mail address is not an address")
    return address
