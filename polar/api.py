"""A client for Polar's API: active subscriptions, single subscriptions, webhook endpoints, failed deliveries,
redelivery.

Lists are read to their last page. After a 429 answer the client waits as long as Polar asks, if that is not longer than
two minutes. Errors name the request without its query and without the token.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any

import aiohttp
import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from errors import BadInput, PartOver, Unreachable
from polar.events import ORDER_PAID, Lenient, Moment, Required, Subscription

VERSION = "2026-10"
ABSENT = (404, 405, 410, 501)
"""Statuses that mean that the object or the route does not exist."""
PAGE = 100
"""Items in a page; Polar allows no more."""
MOST_PAGES = 10_000
TIMEOUT_SECONDS = 30.0
ATTEMPTS = 4
"""Most attempts at a request that gets no answer, or a status of 500 and above."""
PAUSE_SECONDS = 1.0
MOST_LIMITED = 10
"""Rate limits in a row before a request is given up."""
LONGEST_LIMIT_SECONDS = 120.0
"""Longest wait for a rate limit; Polar's windows are minutes."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ActiveSubscriptions:
    """The active subscriptions to some products. `unreadable` holds the ids of active subscriptions that could not be
    read, because their other fields have an unexpected shape.
    """

    subscriptions: tuple[Subscription, ...]
    unreadable: frozenset[str]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Required
    type: Required
    succeeded: Lenient[bool] = None
    is_archived: Lenient[bool] = None
    created_at: Lenient[Moment] = None

    @property
    def is_wanted(self) -> bool:
        """Whether Polar should deliver the event again: the event may be about an add-on and was never delivered.
        Archived events are left out, because Polar cannot deliver them again.
        """
        ours = self.type.startswith("subscription.") or self.type == ORDER_PAID
        return ours and not self.succeeded and not self.is_archived


class _Delivery(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    succeeded: Lenient[bool] = None
    webhook_event: _Event


class Endpoint(BaseModel):
    """A webhook endpoint as Polar describes it (https://polar.sh/docs/api-reference/webhooks/endpoints/list)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    url: Required
    events: list[str]
    enabled: bool = True
    """False if Polar sends nothing to it. Polar disables an endpoint after ten failed events in a row."""


class PolarApi:
    """A client for Polar's API, to be used as an async context manager. `url` is the API's address, with or without
    `/v1`. `sleep` is the function by which the client waits.
    """

    def __init__(self, url: str, token: str, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._url = url.rstrip("/").removesuffix("/v1")
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "Polar-Version": VERSION,
            "User-Agent": "workspace-backfill",
        }
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "PolarApi":
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def active_subscriptions(self, product_ids: Collection[str]) -> ActiveSubscriptions:
        """Returns all active subscriptions to these products, each once. Of a subscription that cannot be read, only
        the id is returned.

        Raises `Unreachable` if a page is missing or unreadable, because an add-on that is missing in the list could be
        ended by mistake. Raises `BadInput` if Polar does not accept the token, or does not let the token read
        subscriptions.
        """
        found: dict[str, Subscription] = {}
        unreadable: set[str] = set()
        for product_id in sorted(product_ids):
            query = {"active": "true", "product_id": product_id}
            async for item in self._pages("/v1/subscriptions/", query, "subscriptions:read"):
                try:
                    subscription = Subscription.model_validate(item)
                except ValidationError:
                    unreadable.add(_id(item))
                else:
                    found[subscription.id] = subscription
        return ActiveSubscriptions(tuple(found.values()), frozenset(unreadable - found.keys()))

    async def subscription(self, polar_subscription_id: str) -> Subscription | None:
        """Returns the present state of a subscription. Returns None if Polar shows no subscription with this id.

        Raises `BadInput` if Polar refuses the token, or does not let the token read subscriptions. Raises `Unreachable`
        if Polar does not answer, or if the answer is unreadable.
        """
        if not polar_subscription_id.replace("-", "").replace("_", "").isalnum():
            return None  # a path with this id would be another route
        path = f"/v1/subscriptions/{polar_subscription_id}"
        try:
            answer = await self._ask("GET", path)
        except PartOver as error:
            if error.code == "forbidden":
                raise _lacks("subscriptions:read") from error
            if error.code in ("gone", "refused"):  # 422: the id is not in Polar's format
                return None
            raise
        try:
            subscription = Subscription.model_validate(answer)
        except ValidationError:
            raise _unreadable(path) from None
        if subscription.id != polar_subscription_id:
            raise _unreadable(path)
        return subscription

    async def failed_events(self, since: datetime) -> list[str]:
        """Returns the ids of events that may be about an add-on and that Polar could not deliver, oldest first. Only
        deliveries that Polar attempted after `since` are read.

        Raises `PartOver` (forbidden) if the token may not read deliveries.
        """
        query = {"succeeded": "false", "start_timestamp": since.astimezone(UTC).isoformat().replace("+00:00", "Z")}
        events: dict[str, _Event] = {}
        async for item in self._pages("/v1/webhooks/deliveries", query):
            try:
                delivery = _Delivery.model_validate(item)
            except ValidationError:
                continue  # an unreadable delivery has no id to ask for; the list of subscriptions has the state
            if not delivery.succeeded and delivery.webhook_event.is_wanted:
                events[delivery.webhook_event.id] = delivery.webhook_event
        never = datetime.min.replace(tzinfo=UTC)
        return sorted(events, key=lambda each: (events[each].created_at or never, each))

    async def endpoints(self) -> list[Endpoint]:
        """Returns the webhook endpoints that are configured at Polar. Raises `PartOver` (forbidden) if the token may
        not read endpoints.
        """
        found = []
        async for item in self._pages("/v1/webhooks/endpoints", {}):
            with suppress(ValidationError):  # a webhook of an unknown kind is not ours
                found.append(Endpoint.model_validate(item))
        return found

    async def redeliver(self, event_id: str) -> None:
        """Asks Polar to deliver the event again. Raises `PartOver` (forbidden) if the token may not ask for it."""
        await self._ask("POST", f"/v1/webhooks/events/{event_id}/redeliver", {}, empty=True)

    async def _pages(self, path: str, query: Mapping[str, str], scope: str | None = None) -> AsyncIterator[Any]:
        page = last = 1
        while page <= last:
            try:
                answer = await self._ask("GET", path, {**query, "page": str(page), "limit": str(PAGE)})
            except PartOver as error:
                if error.code == "forbidden" and scope:
                    raise _lacks(scope) from error
                if scope:  # Polar always has this list, so the server is not Polar
                    raise Unreachable("polar_answer", error.message, "check POLAR_API_URL") from error
                raise
            items = answer.get("items") if isinstance(answer, dict) else None
            pagination = answer.get("pagination") if isinstance(answer, dict) else None
            pages = pagination.get("max_page") if isinstance(pagination, dict) else None
            if not isinstance(items, list) or type(pages) is not int or not 0 <= pages <= MOST_PAGES:
                raise _unreadable(path)
            last = pages
            for item in items:
                yield item
            page += 1

    async def _ask(self, method: str, path: str, query: Mapping[str, str] | None = None, *, empty: bool = False) -> Any:
        """Sends a request, and repeats it after passing errors. Returns the parsed JSON of the answer. With `empty`,
        the content of the answer is ignored and None is returned.

        Raises `BadInput` if Polar refuses the token. Raises `PartOver` if the token lacks a scope (forbidden), if the
        object does not exist (gone), or if Polar refuses the request (refused). Raises `Unreachable` if Polar does not
        answer, or if the answer is unreadable.
        """
        failed = limited = 0
        while True:
            status, headers, body = await self._send(method, path, query or {})
            if status == 429:
                limited += 1
                seconds = _retry_after(headers, datetime.now(UTC))
                if limited > MOST_LIMITED or seconds > LONGEST_LIMIT_SECONDS:
                    raise Unreachable(
                        "polar_limit", f"Polar: {method} {path}: 429, come back in {seconds:.0f} s", "run it again then"
                    )
                log.info("Polar limits us", path=path, seconds=seconds)
                await self._sleep(seconds)
            elif status == 0 or (status >= 500 and status not in ABSENT):
                failed += 1
                if failed == ATTEMPTS:
                    raise Unreachable("polar_unreachable", f"Polar: {method} {path}: {body[:200] or status}")
                await self._sleep(PAUSE_SECONDS * 2 ** (failed - 1))
            else:
                return _read(method, path, status, body, empty=empty)

    async def _send(self, method: str, path: str, query: Mapping[str, str]) -> tuple[int, Mapping[str, str], str]:
        """Sends a request once. Returns the answer's status, headers and text. If there is no answer, the status is 0
        and the text names the error.
        """
        if self._session is None:
            raise RuntimeError("it is not open: use `async with PolarApi(...)`")
        try:
            # Redirects are not followed, because the token must not be sent to another address.
            async with self._session.request(
                method, f"{self._url}{path}", params=query, allow_redirects=False
            ) as response:
                return response.status, response.headers, await response.text(errors="replace")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return 0, {}, f"{type(error).__name__}: {error}"


def _read(method: str, path: str, status: int, body: str, *, empty: bool) -> Any:
    if status == 401:
        raise BadInput("POLAR_ACCESS_TOKEN", "Polar does not accept it")
    if status == 403:
        raise PartOver("forbidden", f"Polar: {method} {path}: 403", "the token lacks a scope")
    if status in ABSENT:
        raise PartOver("gone", f"Polar: {method} {path}: {status}")
    if not 200 <= status < 300:
        if status in (400, 409, 422):
            raise PartOver("refused", f"Polar: {method} {path}: {status}")
        raise Unreachable("polar_answer", f"Polar: {method} {path}: {status}", "check POLAR_API_URL")
    if empty:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise _unreadable(path) from None


def _unreadable(path: str) -> Unreachable:
    return Unreachable("polar_answer", f"Polar: {path}: the answer is none of Polar's", "check POLAR_API_URL")


def _lacks(scope: str) -> BadInput:
    return BadInput("POLAR_ACCESS_TOKEN", f"Polar refuses what needs the scope {scope}")


def _id(item: object) -> str:
    """Returns the id of an item in the list of subscriptions. Raises `Unreachable` if the item has no id, because the
    list would be incomplete without this item.
    """
    found = item.get("id") if isinstance(item, dict) else None
    if not isinstance(found, str) or not found:
        raise _unreadable("/v1/subscriptions/")
    return found


def _retry_after(headers: Mapping[str, str], now: datetime) -> float:
    """Returns how many seconds to wait before the next request, at least 1. Returns 60 if the header `Retry-After` is
    missing or unreadable, because Polar counts requests by the minute.
    """
    text = headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return 60.0
        seconds = (at - now).total_seconds() if at.tzinfo else 60.0
    return 60.0 if math.isnan(seconds) else max(seconds, 1.0)
