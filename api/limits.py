"""Limits that protect callers from each other: the size of a body, the time a request may take, and failed
authentications by address.
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
    """Returns the caller's address: the last one in the header `X-Forwarded-For` that is not the address of one of our
    proxies.

    Addresses before it are not trusted, because the caller may have written them. The header is ignored if the
    connection does not come from one of our proxies.
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
    """Returns the body. Raises a `Refusal`: 413 if it is larger than `LARGEST_BODY`, 408 if it does not come in
    time.
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
    """Counts failed authentications by address, in windows that begin with an address's first failure.

    Requests with a valid token are never refused here, because a whole office, or a proxy, can have one address.
    Only requests with an invalid token are refused.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def add(self, address: str | None) -> float | None:
        """Counts a failed authentication. Returns the seconds until the window ends if the address has failed too often
        in it, else None.
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
    """Returns the address; for IPv6 its /64 network, because a caller owns all of it."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return address or ""
    return parsed.exploded[:19] if isinstance(parsed, IPv6Address) and not parsed.ipv4_mapped else str(parsed)
