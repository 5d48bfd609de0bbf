"""Polar's API for a merchant whose subscriptions a test controls. It has the list of subscriptions, deliveries,
redelivery, limits and pages.

`change` changes a subscription and creates an event about the change. `deliver` delivers an event. An event that is
never delivered is lost. A request that the server does not model is refused with 501.
"""

import json
import math
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any

from aiohttp import web

from sandbox.ports import LOOPBACK

VERSION = "2026-10"
SCOPES = frozenset({"subscriptions:read", "webhooks:read", "webhooks:write"})
ACTIVE = ("trialing", "active")
"""Statuses that Polar lists as active. A subscription whose payment is due has another one, `past_due`."""
MOST_ON_A_PAGE = 100
BEFORE_THE_EVENT = timedelta(seconds=1)
"""The time between a change of a subscription and the creation of the event about it."""

Deliver = Callable[["Event"], Awaitable[bool]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Event:
    """An event of Polar's. `succeeded` says whether the last delivery succeeded. It is None before the first
    delivery.
    """

    id: str
    payload: dict[str, Any]
    created_at: datetime
    succeeded: bool | None = None
    is_archived: bool = False

    @property
    def type(self) -> str:
        kind: str = self.payload["type"]
        return kind


@dataclass(frozen=True)
class Delivery:
    """One attempt to deliver an event."""

    id: str
    event: Event
    succeeded: bool
    at: datetime


class PolarServer:
    """A server that answers while its context is open. `url` is the value for `POLAR_API_URL`.

    `faults` are wrong answers, each for one request. A number is the status of an error. A text is the body of an
    answer with status 200.
    """

    def __init__(self, token: str = "polar_oat_sandbox", *, clock: Callable[[], float] = time.monotonic) -> None:
        self.token = token
        self.scopes = SCOPES
        self.requests_a_minute = 500
        self.faults: list[int | str] = []
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.events: list[Event] = []
        self.deliveries: list[Delivery] = []
        self.endpoint: Deliver | None = None
        """What receives each delivered event and returns whether it accepts it; None if nobody answers deliveries."""
        self.webhooks: list[dict[str, Any]] = []
        """Endpoints in Polar's shape: `url`, `events`, `enabled`, ..."""
        self.requests: list[tuple[str, int]] = []
        """All requests so far: each as its method with path and query, and the status of its answer."""
        self._clock = clock
        self._times: deque[float] = deque()
        self._port = 0
        application = web.Application(middlewares=[self._guard])
        application.router.add_get("/v1/subscriptions/", self._list)
        application.router.add_get("/v1/subscriptions/{id}", self._one)
        application.router.add_get("/v1/webhooks/deliveries", self._deliveries)
        application.router.add_get("/v1/webhooks/endpoints", self._endpoints)
        application.router.add_post("/v1/webhooks/events/{id}/redeliver", self._redeliver)
        self._runner = web.AppRunner(application, access_log=None)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._port}/v1"

    async def __aenter__(self) -> "PolarServer":
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    # --- What happens at Polar ----------------------------------------------------------------------------------------

    def change(self, subscription_id: str, kind: str, at: datetime, **fields: Any) -> Event:
        """Creates a subscription with `fields`, or sets these fields of an existing subscription. Returns the event
        `subscription.{kind}`.

        If `fields` is only a planned change of product (`pending_update`), the subscription's other fields stay as they
        are.
        """
        changed = at - BEFORE_THE_EVENT
        before = self.subscriptions.get(subscription_id)
        if before is None:
            subscription = {**_new(subscription_id, changed), **fields}
        elif fields.keys() == {"pending_update"}:
            pending = fields["pending_update"]
            waits = {**pending, "created_at": _text(changed), "modified_at": None} if pending else None
            subscription = {**before, "pending_update": waits}
        else:
            subscription = {**before, **fields, "modified_at": _text(changed)}
        self.subscriptions[subscription_id] = subscription
        payload = {"type": f"subscription.{kind}", "timestamp": _text(at), "data": dict(subscription)}
        event = Event(str(uuid.uuid4()), payload, at)
        self.events.append(event)
        return event

    async def deliver(self, event: Event, at: datetime | None = None) -> None:
        """Makes one attempt to deliver the event. The attempt succeeds if the endpoint accepts the event."""
        event.succeeded = self.endpoint is not None and await self.endpoint(event)
        self.deliveries.append(Delivery(str(uuid.uuid4()), event, event.succeeded, at or event.created_at))

    def closed_for(self, seconds: float) -> None:
        """Answers every request with 429 for this many seconds, as if the rate limit were reached."""
        self._times = deque([self._clock() + seconds - 60] * self.requests_a_minute)

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await self._answer(request, handler)
        self.requests.append((f"{request.method} {request.path_qs}", response.status))
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _error(401, "invalid_token")
        if request.headers.get("Polar-Version") != VERSION:
            return _error(501, "not modelled: another version")
        now = self._clock()
        while self._times and self._times[0] <= now - 60:
            self._times.popleft()
        if len(self._times) >= self.requests_a_minute:
            wait = math.ceil(self._times[0] + 60 - now)
            return _error(429, "RateLimitExceeded", {"Retry-After": str(max(wait, 1))})
        self._times.append(now)
        if self.faults:
            fault = self.faults.pop(0)
            return _error(fault, "Fault") if isinstance(fault, int) else web.Response(text=fault)
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _error(501 if error.status in (404, 405) else error.status, "not modelled")

    async def _list(self, request: web.Request) -> web.Response:
        if not self._may("subscriptions:read"):
            return _error(403, "insufficient_scope")
        if not request.query.keys() <= {"active", "product_id", "page", "limit"}:
            return _error(501, "not modelled")
        active, products = request.query.get("active"), request.query.getall("product_id", [])
        found = [
            each
            for each in self.subscriptions.values()
            if (active is None or (each["status"] in ACTIVE) == (active == "true"))
            and (not products or each["product_id"] in products)
        ]
        return _page(request, sorted(found, key=lambda each: (each["started_at"] or "", each["id"]), reverse=True))

    async def _one(self, request: web.Request) -> web.Response:
        if not self._may("subscriptions:read"):
            return _error(403, "insufficient_scope")
        wanted = request.match_info["id"]
        if not _is_uuid(wanted):
            return _error(422, "RequestValidationError")
        if wanted not in self.subscriptions:
            return _error(404, "ResourceNotFound")
        return web.json_response(self.subscriptions[wanted])

    async def _deliveries(self, request: web.Request) -> web.Response:
        if not self._may("webhooks:read") and not self._may("webhooks:write"):
            return _error(403, "insufficient_scope")
        if not request.query.keys() <= {"succeeded", "start_timestamp", "page", "limit"}:
            return _error(501, "not modelled")
        succeeded = request.query.get("succeeded")
        since = datetime.fromisoformat(request.query.get("start_timestamp", "0001-01-01T00:00:00+00:00"))
        found = [
            each
            for each in reversed(self.deliveries)
            if each.at >= since and (succeeded is None or each.succeeded == (succeeded == "true"))
        ]
        return _page(request, [_delivery(each) for each in found])

    async def _endpoints(self, request: web.Request) -> web.Response:
        if not self._may("webhooks:read") and not self._may("webhooks:write"):
            return _error(403, "insufficient_scope")
        return _page(request, self.webhooks)

    async def _redeliver(self, request: web.Request) -> web.Response:
        if not self._may("webhooks:write"):
            return _error(403, "insufficient_scope")
        event = next((each for each in self.events if each.id == request.match_info["id"]), None)
        if event is None or event.is_archived:
            return _error(404, "ResourceNotFound")
        await self.deliver(event, datetime.now(UTC))
        return web.Response(status=202)

    def _may(self, scope: str) -> bool:
        return scope in self.scopes


def _new(subscription_id: str, at: datetime) -> dict[str, Any]:
    return {
        "id": subscription_id,
        "created_at": _text(at),
        "modified_at": None,
        "status": "active",
        "product_id": None,
        "customer_id": str(uuid.uuid4()),
        "customer": {"external_id": None, "email": "buyer@example.com"},
        "metadata": {},
        "started_at": _text(at),
        "current_period_start": _text(at),
        "current_period_end": _text(at + timedelta(days=30)),
        "cancel_at_period_end": False,
        "ends_at": None,
        "ended_at": None,
        "trial_end": None,
        "pending_update": None,
        "amount": 500,
        "currency": "usd",
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    event = delivery.event
    return {
        "id": delivery.id,
        "created_at": _text(delivery.at),
        "modified_at": None,
        "succeeded": delivery.succeeded,
        "http_code": 202 if delivery.succeeded else None,
        "response": None,
        "webhook_event": {
            "id": event.id,
            "created_at": _text(event.created_at),
            "modified_at": None,
            "last_http_code": 202 if event.succeeded else None,
            "succeeded": event.succeeded,
            "skipped": False,
            "payload": None if event.is_archived else json.dumps(event.payload),
            "type": event.type,
            "is_archived": event.is_archived,
        },
    }


def _page(request: web.Request, found: list[dict[str, Any]]) -> web.Response:
    try:
        page, limit = int(request.query.get("page", "1")), int(request.query.get("limit", "10"))
    except ValueError:
        return _error(422, "RequestValidationError")
    if page < 1 or not 1 <= limit <= MOST_ON_A_PAGE:
        return _error(422, "RequestValidationError")
    pagination = {"total_count": len(found), "max_page": math.ceil(len(found) / limit)}
    return web.json_response({"items": found[(page - 1) * limit : page * limit], "pagination": pagination})


def _error(status: int, word: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": word, "detail": word}, status=status, headers=headers)


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
