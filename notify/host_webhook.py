"""The webhook to the host application, by the specification Standard Webhooks: https://www.standardwebhooks.com."""

import errno
import ipaddress
import math
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver
from standardwebhooks import Webhook

from errors import PartOver, RetryLater, RetryNow
from notify.channel import SEND_SECONDS
from store.outbox import Outgoing

LONGEST_WAIT = timedelta(days=1)
"""Longest `Retry-After` that is respected."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class HostWebhook:
    """Posts each message to `url`, signed with each of `secrets`. Redirects are not followed, and the answer's body is
    not read.

    Unless `allow_private` is set, only addresses of the public Internet are connected to. Another address is refused
    even if the host name of `url` resolves to it.
    """

    name: Literal["webhook"] = "webhook"

    def __init__(
        self, url: str, secrets: Sequence[str], *, allow_private: bool, resolver: AbstractResolver | None = None
    ) -> None:
        self._url = url
        self._host = urlsplit(url).hostname or ""
        self._signers = [Webhook(each) for each in secrets]
        self._allow_private = allow_private
        self._resolver = resolver
        self.over = False

    async def send(self, message: Outgoing) -> None:
        """Posts a message, and returns once the receiver has answered 2xx. A message that is sent again has the same
        `webhook-id` and the same body.

        Raises `PartOver` if the receiver answers 410. The receiver then gets no further messages from this process.
        Raises `RetryLater` for any other refusal with a `Retry-After` header, and `RetryNow` for all other failures.
        """
        body = orjson.dumps(
            {
                "type": f"backfill.{message.milestone.status}",
                "timestamp": message.milestone.at,
                "data": message.milestone.model_dump(mode="json"),
            }
        )
        status, headers = await self._post(body, self._headers(message.id, body, datetime.now(UTC)))
        if 200 <= status < 300:
            return
        if status == 410:
            self.over = True
            raise PartOver("gone", f"{self._host} answers 410: it wants to hear no more")
        words = "redirects, which are not followed" if 300 <= status < 400 else "answers"
        said = f"{self._host} {words}: {status}"
        if (wait := retry_after(headers, datetime.now(UTC))) is not None:
            raise RetryLater("receiver", said, datetime.now(UTC) + wait)
        raise RetryNow("receiver", said)

    def _headers(self, webhook_id: str, body: bytes, at: datetime) -> dict[str, str]:
        return {
            "content-type": "application/json",
            "user-agent": "workspace-backfill",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(math.floor(at.timestamp())),
            "webhook-signature": " ".join(each.sign(webhook_id, at, body.decode()) for each in self._signers),
        }

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
        """Sends one POST, and returns the status and the headers of the answer. The body of the answer is not read, and
        the connection is closed. Raises `RetryNow` if there is no answer.
        """
        connector = aiohttp.TCPConnector(
            force_close=True,
            use_dns_cache=False,
            resolver=self._resolver,
            socket_factory=_socket if self._allow_private else _public_socket,
        )
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    timeout=aiohttp.ClientTimeout(total=SEND_SECONDS),
                    auto_decompress=False,
                    trust_env=False,
                ) as session,
                session.post(self._url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                response.close()
                return response.status, response.headers
        except aiohttp.ClientConnectorError as error:
            raise RetryNow("receiver", f"{self._host} cannot be connected to: {error.os_error}") from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            # Its text may quote the address, which may hold a secret.
            raise RetryNow("receiver", f"{self._host} does not answer: {type(error).__name__}") from error


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Returns the wait that the receiver asks for in the header `Retry-After`, at most a day. Returns None if the
    header is missing or unreadable.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        wait = timedelta(seconds=min(int(text[:10]), LONGEST_WAIT.total_seconds()))
    else:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return min(max(wait, timedelta()), LONGEST_WAIT)


def is_public(address: str) -> bool:
    """Returns whether an IP address belongs to the public Internet. An IPv6 address that contains an IPv4 address is
    public if the IPv4 address is.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (None, None))[1]
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def _socket(address: Any) -> socket.socket:
    family, kind, protocol, *_ = address
    return socket.socket(family=family, type=kind, proto=protocol)


def _public_socket(address: Any) -> socket.socket:
    """Returns a socket for a public address. Raises `PermissionError` if the address is not public.

    The check is made while the connection is made, because a name can resolve to another address than at an earlier
    look-up.
    """
    host = str(address[4][0])
    if not is_public(host):
        raise PermissionError(
            errno.EACCES, f"{host} is not an address of the public Internet; NOTIFY_ALLOW_PRIVATE=true allows it"
        )
    return _socket(address)
