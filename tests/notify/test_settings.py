"""Settings of notifications: what is missing switches a part off, what is wrong is named and not repeated."""

from pathlib import Path

import pytest

import webhook
from addresses import SmtpServer
from errors import BadInput
from settings import Api, CodecServer, Mail, Notify, load
from tests.support.notify.receiver import SECRET


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """In a directory without a `.env`; set what the test is about."""
    monkeypatch.chdir(tmp_path)
    return monkeypatch


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", SmtpServer("mail.example", 25, None, None, "if_offered")),
        ("smtp://mail.example:2525/", SmtpServer("mail.example", 2525, None, None, "if_offered")),
        ("smtp://me:p%40ss%2Fw@mail.example", SmtpServer("mail.example", 587, "me", "p@ss/w", "required")),
        ("smtp://me:pw@mail.example?starttls=never", SmtpServer("mail.example", 587, "me", "pw", "never")),
        ("smtp://mail.example?starttls=required", SmtpServer("mail.example", 25, None, None, "required")),
        ("smtps://me:pw@mail.example", SmtpServer("mail.example", 465, "me", "pw", "implicit")),
        ("smtp://[::1]:25", SmtpServer("::1", 25, None, None, "if_offered")),
    ],
)
def test_a_mail_servers_address(given: pytest.MonkeyPatch, url: str, server: SmtpServer) -> None:
    given.setenv("SMTP_URL", url)
    given.setenv("MAIL_FROM", "Backfill <backfill@host.example>")
    assert load(Mail).server == server
    assert "pw" not in repr(load(Mail))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"SMTP_URL": "mail.example"}, "SMTP_URL"),
        ({"SMTP_URL": "http://mail.example"}, "SMTP_URL"),
        ({"SMTP_URL": "smtp://me:hunter2/x@mail.example"}, "SMTP_URL"),
        ({"SMTP_URL": "smtp://me:hun@ter2@mail.example"}, "SMTP_URL"),
        ({"SMTP_URL": "smtp://hunter2@mail.example"}, "SMTP_URL"),
        ({"SMTP_URL": "smtp://mail.example:hunter2"}, "SMTP_URL"),
        ({"SMTP_URL": "smtp://mail.example?starttls=hunter2"}, "SMTP_URL"),
        ({"SMTP_URL": "smtp://mail.example?tls=hunter2"}, "SMTP_URL"),
        ({"SMTP_URL": "smtp://mail.example", "MAIL_FROM": ""}, "MAIL_FROM"),
        ({"SMTP_URL": "smtp://mail.example", "MAIL_FROM": "hunter2"}, "MAIL_FROM"),
        ({"SMTP_URL": "smtp://mail.example", "MAIL_FROM": "a@b.example\r\nBcc: hunter2@b.example"}, "MAIL_FROM"),
        ({"PUBLIC_URL": "hunter2"}, "PUBLIC_URL"),
    ],
)
def test_what_is_wrong_with_email_is_named_and_not_repeated(
    given: pytest.MonkeyPatch, values: dict[str, str], name: str
) -> None:
    for each, value in ({"MAIL_FROM": "a@b.example"} | values).items():
        given.setenv(each, value)
    with pytest.raises(BadInput) as caught:
        load(Mail)
    assert caught.value.name == name
    assert "hunter2" not in str(caught.value)


HTTPS = "https://host.example/hook/"


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"NOTIFY_URL": HTTPS}, "NOTIFY_SECRET"),
        ({"NOTIFY_URL": HTTPS, "NOTIFY_SECRET": " , "}, "NOTIFY_SECRET"),
        ({"NOTIFY_URL": HTTPS, "NOTIFY_SECRET": "hunter2"}, "NOTIFY_SECRET"),
        ({"NOTIFY_URL": HTTPS, "NOTIFY_SECRET": "whsec_aHVudGVyMg=="}, "NOTIFY_SECRET"),
        ({"NOTIFY_URL": HTTPS, "NOTIFY_SECRET": f"{SECRET},whsec_hunter2"}, "NOTIFY_SECRET"),
        ({"NOTIFY_URL": "ftp://host.example", "NOTIFY_SECRET": SECRET}, "NOTIFY_URL"),
        ({"NOTIFY_URL": "http://host.example", "NOTIFY_SECRET": SECRET}, "NOTIFY_URL"),
        ({"NOTIFY_URL": HTTPS, "NOTIFY_SECRET": SECRET, "NOTIFY_ALLOW_PRIVATE": "hunter2"}, "NOTIFY_ALLOW_PRIVATE"),
    ],
)
def test_what_is_wrong_with_the_webhook_is_named_and_not_repeated(
    given: pytest.MonkeyPatch, values: dict[str, str], name: str
) -> None:
    for each, value in values.items():
        given.setenv(each, value)
    with pytest.raises(BadInput) as caught:
        load(Notify)
    assert caught.value.name == name
    assert "hunter2" not in str(caught.value)


def test_an_address_without_tls_needs_the_setting_that_allows_it(given: pytest.MonkeyPatch) -> None:
    given.setenv("NOTIFY_URL", "http://host.internal/hook/")
    unpadded = SECRET.rstrip("=")
    given.setenv("NOTIFY_SECRET", f"{SECRET} , {unpadded}")
    given.setenv("NOTIFY_ALLOW_PRIVATE", "true")
    found = load(Notify)
    assert (found.notify_url, found.secrets) == ("http://host.internal/hook/", (SECRET, unpadded))


@pytest.mark.usefixtures("given")
def test_what_is_not_set_is_off_and_said_once(capfd: pytest.CaptureFixture[str]) -> None:
    assert webhook.notification_channels(load(Mail), load(Notify)) == []
    webhook.say_what_is_off(load(Api), load(CodecServer), load(Mail), load(Notify))
    said = "".join(capfd.readouterr())
    assert (said.count("SMTP_URL is not set"), said.count("NOTIFY_URL is not set")) == (1, 1)


def test_what_is_set_is_on(given: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SMTP_URL": "smtp://mail.example",
        "MAIL_FROM": "a@b.example",
        "NOTIFY_URL": HTTPS,
        "NOTIFY_SECRET": SECRET,
    }.items():
        given.setenv(name, value)
    assert [each.name for each in webhook.notification_channels(load(Mail), load(Notify))] == ["mail", "webhook"]
