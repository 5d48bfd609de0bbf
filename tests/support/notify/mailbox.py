"""A mail server by aiosmtpd. It can refuse, make its clients wait, break connections, and be switched off."""

import asyncio
import ssl
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from types import TracebackType
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.ports import LOOPBACK, free_port


class MailServer:
    """Answers `mail`, `rcpt` and `data` as they are set. `taken` are the messages that it accepted."""

    def __init__(self, *, tls_context: ssl.SSLContext | None = None, **smtp: Any) -> None:
        self.port = free_port()
        self.taken: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.connections = 0
        self.mail: str | None = None
        self.rcpt: str | None = None
        self.data: str | None = None
        self.hangs_up = False
        """Takes an e-mail and drops the connection instead of saying so."""
        self.quits = True
        """Says goodbye; else the connection just ends."""
        self.held: asyncio.Event | None = None
        """E-mails are answered once this is set."""
        self.holding = asyncio.Event()
        self._smtp = {"tls_context": tls_context, "enable_SMTPUTF8": True, **smtp}
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "MailServer":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, LOOPBACK, self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _protocol(self) -> SMTP:
        self.connections += 1
        return SMTP(self, hostname="mail.test", loop=asyncio.get_running_loop(), **self._smtp)

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.mail or "250 OK"

    async def handle_QUIT(self, server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        if not self.quits:
            _hang_up(server)
        return "221 Bye"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.rcpt:
            return self.rcpt
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.holding.set()
        if self.held:
            await self.held.wait()
        if self.data:
            return self.data
        if server.transport is None or server.transport.is_closing():
            return "451 you are gone"
        assert isinstance(envelope.content, bytes)
        message = BytesParser(policy=default).parsebytes(envelope.content)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        self.recipients += envelope.rcpt_tos
        if self.hangs_up:
            _hang_up(server)
        return "250 taken"


def _hang_up(server: SMTP) -> None:
    assert isinstance(server.transport, asyncio.WriteTransport)
    server.transport.abort()
