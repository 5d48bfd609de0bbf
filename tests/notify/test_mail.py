"""E-mail against a real mail server that refuses, hangs, drops connections and is away."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from addresses import read_smtp
from errors import PartOver, RetryNow
from notify import mail
from notify.mail import Mail
from notify.sender import Sender
from sandbox.ports import LOOPBACK
from tests.support.notify.mailbox import MailServer
from tests.support.notify.messages import ADDRESS, FAILURE, outgoing
from tests.support.notify.world import World

FROM = "Workspace Backfill <backfill@host.example>"
PAGE = "https://app.example"
SETTINGS = f"{PAGE}/workspaces/0f3f2c3e-1c5c-4f0c-9f0e-0d8b7f1f2a11/settings/data-retention"


def channel(server: MailServer, *, options: str = "", login: str = "", context: ssl.SSLContext | None = None) -> Mail:
    url = f"smtp://{login}{LOOPBACK if context is None else 'localhost'}:{server.port}{options}"
    return Mail(read_smtp(url), FROM, PAGE, tls_context=context)


def content(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    text: str = body.get_content()
    return text


async def test_an_email_has_text_and_html_that_say_the_same(mail_server: MailServer) -> None:
    message = outgoing(failures=[FAILURE], failed_repositories=1)
    await channel(mail_server).send(message)
    [email] = mail_server.taken
    assert mail_server.recipients == [ADDRESS]
    assert (email["From"], email["To"]) == (FROM, ADDRESS)
    assert email["Subject"] == "acme: history fetched, 1 of 3 repositories failed"
    assert email["Message-ID"] == f"<{message.id}@host.example>"
    assert email["Auto-Submitted"] == "auto-generated"
    for said in (SETTINGS, "octo/b, issues", "Give the token access to octo/b", "1,204", "pull requests"):
        assert said in content(email, "plain")
        assert said in content(email, "html")


async def test_a_mail_server_that_is_away_delays_no_job_and_loses_no_email(
    world: World, mail_server: MailServer
) -> None:
    await mail_server.stop()
    await world.ended()
    through = channel(mail_server)
    sender = Sender(world.database, [through])
    while await sender.send_due(through):
        pass
    assert await world.outbox() == [("started", "pending", 1), ("completed", "pending", 0)]
    [error] = await world.errors()
    assert f"{LOOPBACK}:{mail_server.port}" in error
    await mail_server.start()
    await world.due()
    while await sender.send_due(through):
        pass
    assert [message["Subject"] for message in mail_server.taken] == [
        "acme: fetching 30 days of history",
        "acme: 30 days of history fetched",
    ]
    assert await world.outbox() == [("started", "sent", 2), ("completed", "sent", 1)]
    assert await world.errors() == []


@pytest.mark.parametrize(
    ("step", "answer"), [("rcpt", "550 5.1.1 nobody of that name"), ("rcpt", "553 no"), ("data", "554 5.7.1 spam")]
)
async def test_what_is_refused_for_good_is_not_sent_again(mail_server: MailServer, step: str, answer: str) -> None:
    setattr(mail_server, step, answer)
    with pytest.raises(PartOver, match=answer.partition(" ")[0]):
        await channel(mail_server).send(outgoing())


@pytest.mark.parametrize(
    ("step", "answer"),
    [("rcpt", "450 greylisted"), ("data", "451 disk full"), ("data", "421 busy"), ("mail", "550 no")],
)
async def test_what_is_refused_for_now_or_for_our_settings_is_sent_again(
    mail_server: MailServer, step: str, answer: str
) -> None:
    setattr(mail_server, step, answer)
    with pytest.raises(RetryNow, match=answer.partition(" ")[2]):
        await channel(mail_server).send(outgoing())


async def test_a_server_that_does_not_answer_in_time_is_asked_again(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "SEND_SECONDS", 0.2)
    mail_server.held = asyncio.Event()
    with pytest.raises(RetryNow, match=r"in time|[Tt]imed out"):
        await channel(mail_server).send(outgoing())
    mail_server.held.set()


async def test_an_email_whose_outcome_is_unknown_is_sent_again_under_its_id(mail_server: MailServer) -> None:
    mail_server.hangs_up = True
    message, through = outgoing(), channel(mail_server)
    with pytest.raises(RetryNow):
        await through.send(message)
    mail_server.hangs_up = False
    await through.send(message)
    first, second = mail_server.taken
    assert (first["Message-ID"], first["Date"]) == (second["Message-ID"], second["Date"])


async def test_a_server_that_is_gone_before_the_goodbye_has_the_email_all_the_same(mail_server: MailServer) -> None:
    mail_server.quits = False
    await channel(mail_server).send(outgoing())
    assert len(mail_server.taken) == 1


@pytest.mark.parametrize(
    ("switch", "status"),
    [
        ('update workspaces set settings = \'{"notifications": {"email": false}}\'', "off"),
        ("update workspace_members set notifications_enabled = false", "off"),
        ("update app_users set email = null", "off"),
        ("update app_users set email = '  '", "off"),
        ('update workspaces set settings = \'{"notifications": {"email": true, "in_app": false}}\'', "sent"),
        ("update workspaces set settings = null", "sent"),
        ("delete from workspace_members", "sent"),
    ],
    ids=["email off", "member off", "no address", "blank address", "only in-app off", "no settings", "no member"],
)
async def test_preferences_are_those_of_the_moment_of_sending(
    world: World, mail_server: MailServer, switch: str, status: str
) -> None:
    await world.begin()
    await world.host.execute(switch)
    through = channel(mail_server)
    await Sender(world.database, [through]).send_due(through)
    assert await world.outbox() == [("started", status, 1)]
    assert len(mail_server.taken) == (status == "sent")


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example, c@d.example",
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example>\r\nRCPT TO:<c@d.example",
        "ada",
        "@x",
    ],
    ids=["two", "header", "command", "no domain", "no user"],
)
async def test_what_is_not_one_address_gets_nothing(mail_server: MailServer, address: str) -> None:
    with pytest.raises(PartOver):
        await channel(mail_server).send(outgoing(address=address))
    assert not mail_server.connections


@pytest.mark.parametrize(
    "name",
    [
        "acme\r\nBcc: eve@example.com",
        "acme\nContent-Type: text/plain\n\nhello",
        "acme\u2028\u202eBcc: eve",
        "a" * 5_000,
    ],
    ids=["crlf", "body", "separators", "long"],
)
async def test_a_workspaces_name_writes_no_header(mail_server: MailServer, name: str) -> None:
    await channel(mail_server).send(outgoing(workspace_name=name))
    [message] = mail_server.taken
    assert message["Bcc"] is None
    assert message.get_content_type() == "multipart/alternative"
    assert mail_server.recipients == [ADDRESS]
    assert message["Subject"].startswith("aaa" if name.startswith("aaa") else "acme ")
    assert "\u202e" not in message["Subject"]
    assert len(message["Subject"]) < 120
    names = [name.lower() for name, _ in message.items()]
    assert len(names) == len(set(names))


async def test_a_name_of_letters_from_everywhere_arrives(mail_server: MailServer) -> None:
    await channel(mail_server).send(outgoing(workspace_name="Zürich 東京 👩‍💻"))
    assert mail_server.taken[0]["Subject"] == "Zürich 東京 👩‍💻: 365 days of history fetched"


class TestTls:
    """STARTTLS, with a certificate that signs itself."""

    @pytest.fixture
    async def certificate(self, tmp_path: Path) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(key, hashes.SHA256())
        )
        file = tmp_path / "server.pem"
        file.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
        )
        return file

    @pytest.fixture
    async def encrypting(self, certificate: Path) -> AsyncIterator[MailServer]:
        """Takes nothing in the clear."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        async with MailServer(tls_context=context, require_starttls=True) as server:
            yield server

    async def test_a_server_that_is_trusted_gets_mail_over_tls(self, encrypting: MailServer, certificate: Path) -> None:
        trusting = ssl.create_default_context(cafile=str(certificate))
        await channel(encrypting, options="?starttls=required", context=trusting).send(outgoing())
        assert len(encrypting.taken) == 1

    async def test_a_server_that_is_not_trusted_gets_nothing_where_tls_is_required(
        self, encrypting: MailServer
    ) -> None:
        with pytest.raises(RetryNow, match="certificate"):
            await channel(encrypting, options="?starttls=required").send(outgoing())
        assert not encrypting.taken

    async def test_offered_tls_is_used_also_with_a_certificate_that_nobody_signed(self, encrypting: MailServer) -> None:
        await channel(encrypting).send(outgoing())
        assert len(encrypting.taken) == 1

    async def test_a_password_is_sent_in_the_clear_only_where_that_is_asked_for(self) -> None:
        heard = []

        def log_in(*login: Any) -> AuthResult:
            heard.append(login[-1])
            return AuthResult(success=True)

        async with MailServer(authenticator=log_in, auth_require_tls=False) as server:
            with pytest.raises(RetryNow, match="STARTTLS"):
                await channel(server, login="user:secret@").send(outgoing())
            assert not heard
            await channel(server, login="user:secret@", options="?starttls=never").send(outgoing())
        assert heard == [LoginPassword(b"user", b"secret")]
        assert len(server.taken) == 1
