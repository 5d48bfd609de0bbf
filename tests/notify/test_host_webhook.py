"""The outgoing webhook against a receiver that fails, hangs, redirects and stands where it must not."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks.webhooks import WebhookVerificationError

from errors import RetryNow
from notify import host_webhook
from notify.host_webhook import LONGEST_WAIT, HostWebhook, is_public, retry_after
from notify.sender import Sender
from sandbox.ports import LOOPBACK, free_port
from tests.support.notify.messages import outgoing
from tests.support.notify.receiver import SECRET, Receiver
from tests.support.notify.world import World
from tests.support.waiting import PATIENCE

OTHER = "whsec_YW5vdGhlciBzZWNyZXQgdGhhdCBpcyBsb25nIGVub3VnaA=="
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def channel(
    url: str, *secrets: str, allow_private: bool = True, resolver: AbstractResolver | None = None
) -> HostWebhook:
    return HostWebhook(url, secrets or (SECRET,), allow_private=allow_private, resolver=resolver)


async def send(world: World, through: HostWebhook) -> None:
    sender = Sender(world.database, [through])
    while await sender.send_due(through):
        pass


async def test_each_milestone_arrives_signed(world: World, receiver: Receiver) -> None:
    job_id = await world.ended("octo/b")
    await send(world, channel(receiver.url))
    assert await world.outbox("webhook") == [("started", "sent", 1), ("completed", "sent", 1)]
    started, completed = (call.verified() for call in receiver.calls)
    assert (started["type"], completed["type"]) == ("backfill.started", "backfill.completed")
    data: Any = completed["data"]
    assert (data["job_id"], data["workspace_id"], data["attempt"]) == (job_id, world.workspace_id, 0)
    assert (data["total_repositories"], data["failed_repositories"]) == (2, 1)
    assert data["failures"][0]["repository"] == "octo/b"
    assert datetime.fromisoformat(str(completed["timestamp"])) <= datetime.now(UTC)
    with pytest.raises(WebhookVerificationError):
        receiver.calls[0].verified(OTHER)


async def test_a_job_that_failed_is_told_of_as_failed(world: World, receiver: Receiver) -> None:
    await world.ended("octo/a", "octo/b")
    await send(world, channel(receiver.url))
    assert receiver.calls[1].verified()["type"] == "backfill.failed"


async def test_while_secrets_are_rotated_each_of_them_verifies(world: World, receiver: Receiver) -> None:
    await world.begin()
    await send(world, channel(receiver.url, SECRET, OTHER))
    assert receiver.calls[0].verified(SECRET) == receiver.calls[0].verified(OTHER)


@pytest.mark.parametrize("status", [400, 404, 500, 503])
async def test_a_call_that_fails_is_made_again_with_the_same_id_and_body(receiver: Receiver, status: int) -> None:
    receiver.will(status)
    message, through = outgoing("webhook"), channel(receiver.url)
    with pytest.raises(RetryNow, match=str(status)):
        await through.send(message)
    await through.send(message)
    first, second = receiver.calls
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert second.headers["webhook-id"] == message.id


async def test_redirects_are_not_followed(receiver: Receiver) -> None:
    async with Receiver() as other:
        receiver.will(307, Location=other.url)
        with pytest.raises(RetryNow, match="not followed: 307"):
            await channel(receiver.url).send(outgoing("webhook"))
        assert not other.calls


async def test_a_receiver_that_wants_no_more_is_left_alone(world: World, receiver: Receiver) -> None:
    receiver.will(410)
    await world.ended()
    through = channel(receiver.url)
    await send(world, through)
    await send(world, through)
    assert len(receiver.calls) == 1
    assert await world.outbox("webhook") == [("started", "given_up", 1), ("completed", "pending", 0)]


async def test_a_slow_receiver_is_called_again(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_webhook, "SEND_SECONDS", 0.2)
    over = asyncio.Event()

    async def slow(_request: web.Request) -> web.StreamResponse:
        await over.wait()
        return web.Response()

    receiver.answers.append(slow)
    with pytest.raises(RetryNow, match="does not answer"):
        await channel(receiver.url).send(outgoing("webhook"))
    over.set()


async def test_a_receiver_that_is_away_is_called_again() -> None:
    url = f"http://{LOOPBACK}:{free_port()}/hook?key=secret"
    with pytest.raises(RetryNow, match="cannot be connected to") as caught:
        await channel(url).send(outgoing("webhook"))
    assert "secret" not in str(caught.value)


async def test_an_answer_that_never_ends_is_not_read(receiver: Receiver) -> None:
    gone = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
        except (ConnectionError, asyncio.CancelledError):
            gone.set()
            raise

    receiver.answers.append(endless)
    await channel(receiver.url).send(outgoing("webhook"))
    await asyncio.wait_for(gone.wait(), PATIENCE)


async def test_a_receiver_that_names_a_time_is_left_alone_until_then(world: World, receiver: Receiver) -> None:
    receiver.will(429, Retry_After="1800")
    await world.ended()
    other = await world.begin()
    through = channel(receiver.url)
    sender = Sender(world.database, [through])
    before = datetime.now(UTC)
    await sender.send_due(through)
    # Whatever was being sent at the same time has arrived; from now on nothing goes out.
    calls = len(receiver.calls)
    await world.due()
    assert await sender.send_due(through) == 0
    assert len(receiver.calls) == calls
    await world.host.execute("delete from workspace_backfill_jobs where id = $1", other)
    # Written down, so that another process, or this one after a restart, waits as well.
    receiver.will(429, Retry_After="1800")
    await world.due()
    await Sender(world.database, [through]).send_due(through)
    again = await world.host.fetchval(
        "select max(next_attempt_at) from notification_outbox where channel = 'webhook' and status = 'pending'"
    )
    assert again >= before + timedelta(seconds=1_800)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("120", timedelta(seconds=120)),
        (" 7 ", timedelta(seconds=7)),
        ("0", timedelta()),
        ("99999999999999999999", LONGEST_WAIT),
        (format_datetime(NOW + timedelta(minutes=5), usegmt=True), timedelta(minutes=5)),
        (format_datetime(NOW - timedelta(minutes=5), usegmt=True), timedelta()),
        (format_datetime(NOW + timedelta(days=500), usegmt=True), LONGEST_WAIT),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
    ],
)
def test_how_long_a_receiver_wants_to_be_left_alone(text: str, wait: timedelta | None) -> None:
    assert retry_after({"Retry-After": text}, NOW) == wait


class Names(AbstractResolver):
    """A name that resolves to each of `addresses` in turn, as one under an attacker's control does."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = list(addresses)
        self.asked = 0

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002
    ) -> list[ResolveResult]:
        address = self._addresses[min(self.asked, len(self._addresses) - 1)]
        self.asked += 1
        found: ResolveResult = {
            "hostname": host,
            "host": address,
            "port": port,
            "family": socket.AF_INET,
            "proto": 0,
            "flags": socket.AI_NUMERICHOST,
        }
        return [found]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("host", [LOOPBACK, "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_a_private_address_is_not_connected_to(receiver: Receiver, host: str) -> None:
    with pytest.raises(RetryNow, match="NOTIFY_ALLOW_PRIVATE"):
        await channel(receiver.url.replace(LOOPBACK, host), allow_private=False).send(outgoing("webhook"))
    assert not receiver.calls


async def test_a_name_that_turns_private_is_not_connected_to(receiver: Receiver) -> None:
    """Whatever it resolved to before: what counts is where the connection goes."""
    names = Names("93.184.216.34", LOOPBACK)
    await names.resolve("host.example")
    url = receiver.url.replace(LOOPBACK, "host.example")
    with pytest.raises(RetryNow, match="NOTIFY_ALLOW_PRIVATE"):
        await channel(url, allow_private=False, resolver=names).send(outgoing("webhook"))
    assert names.asked == 2
    assert not receiver.calls
    await channel(url, allow_private=True, resolver=names).send(outgoing("webhook"))
    assert len(receiver.calls) == 1


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("::ffff:93.184.216.34", True),
        ("127.0.0.1", False),
        ("127.255.0.9", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.1.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fe80::1%1", False),
        ("fd00:ec2::254", False),
        ("ff0e::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public
