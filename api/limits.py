"""Limits that protect callers from each other. They limit the size of a body, the duration of a request, and the failed
authentications from one address.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from time import monotonic

from aiohttp import web

from api.answers import Refusal

LARGEST_BODY = 64 * 1024
BODY_SECONDS = 10.0
ANSWER_SECONDS = 20.0
"""Time limit for a request, including its body; streams have none."""
FAILURES = 20
"""Failed authentications that an address may have in a window; further ones are answered 429."""
WINDOW_SECONDS = 60.0
ADDRESSES = 10_000
"""Most addresses that are remembered; the one that failed longest ago is forgotten first."""


Network = IPv4Network | IPv6Network


def address_of(request: web.Request, proxies: Sequence[Network]) -> str | None:
    """Returns the caller's address: the last address in the header `X-Forwarded-For` that is not one of our proxies.

    Earlier addresses in the header are not trusted, because the caller may have written them. If the connection does
    not come from one of our proxies, the header is ignored, and the connection's address is returned.
    """
    address = request.remote
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
    for before in reversed([each.strip() for each in forwarded.split(",")]):
        if not _is_of(address, proxies) or not _is_address(before):
            break
        address = before
    return address


def _is_of(address: str | None, networks: Sequence[Network]) -> bool:
    return _is_address(address) and any(ip_address(address or "") in each for each in networks)


def _is_address(text: str | None) -> bool:
    try:
        ip_address(text or "")
    except ValueError:
        return False
    return True


async def body_of(request: web.Request) -> bytes:
    """Returns the request's body. Raises a `Refusal`: 413 if the body is larger than `LARGEST_BODY`, 408 if it does not
    arrive within `BODY_SECONDS`.
    """
    too_large = Refusal(413, "too_large", f"the body is larger than {LARGEST_BODY} bytes", {"Connection": "close"})
    if (request.content_length or 0) > LARGEST_BODY:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > LARGEST_BODY:
                    raise too_large
    except TimeoutError:
        raise Refusal(408, "timeout", "the body did not come in time", {"Connection": "close"}) from None
    return bytes(body)


class FailedAuthentications:
    """Counts failed authentications by address. A window of time begins with an address's first failure.

    Only requests with an invalid token are refused. Requests with a valid token are never refused, because a whole
    office, or a proxy, can have one address.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def add(self, address: str | None) -> float | None:
        """Counts a failed authentication. If the address has failed too often in its window, returns the seconds until
        the window ends. Otherwise returns None.
        """
        network, now = _network(address), self._clock()
        began, failures = self._windows.pop(network, (now, 0))
        if now - began >= WINDOW_SECONDS:
            began, failures = now, 0
        self._windows[network] = began, failures + 1
        if len(self._windows) > ADDRESSES:
            self._windows.popitem(last=False)
        return began + WINDOW_SECONDS - now if failures >= FAILURES else None


def _network(address: str | None) -> str:
    """Returns an IPv4 address unchanged, and for an IPv6 address its /64 network. A caller usually owns such a whole
    network.
    """
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return address or ""
    return parsed.exploded[:19] if isinstance(parsed, IPv6Address) and not parsed.ipv4_mapped else str(parsed)
