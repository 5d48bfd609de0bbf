"""Serves `GET /metrics` on the HTTP server, and counts what this server does."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Collection
from time import monotonic

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from errors import RetryNow
from metrics.system import System
from store import measures
from store.database import Database
from store.measures import Measures

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FRESH_SECONDS = 5.0
"""Seconds for which metrics from Postgres are not read again, however many scrapes arrive."""
PATIENCE_SECONDS = 5.0
"""Seconds without an answer after which Postgres is reported as down. Prometheus gives a scrape ten seconds."""
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 10)
LAG_SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 3_600)

log = structlog.get_logger(__name__)


class ServerMetrics:
    """The metrics of one server. If `token` is set, a request for the metrics has to hold this token as bearer token.
    `streams` returns the number of readers of live progress. `channels` are the channels on which this server sends
    notifications.
    """

    def __init__(
        self, database: Database, *, channels: Collection[str], streams: Callable[[], int], token: str | None = None
    ) -> None:
        self._database = database
        self._channels = channels
        self._token = token
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "backfill_http_requests", "Requests answered", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "backfill_http_request_seconds",
            "Time to an answer; streams are not in it",
            ("method", "route"),
            buckets=REQUEST_SECONDS,
            registry=self._registry,
        )
        self._lag = Histogram(
            "backfill_delivery_lag_seconds",
            "From Polar's delivery to the commit of what it means",
            buckets=LAG_SECONDS,
            registry=self._registry,
        )
        Gauge("backfill_streams", "Readers of live progress", registry=self._registry).set_function(streams)
        self._reading = asyncio.Lock()
        self._measures: Measures | None = None
        self._read_at = -FRESH_SECONDS

    def delivery_finished(self, lag_seconds: float) -> None:
        """Counts a delivery that was finished `lag_seconds` after it was received."""
        self._lag.observe(max(0.0, lag_seconds))

    @web.middleware
    async def count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Middleware that counts each request by its route. The path is no label, because paths hold ids."""
        began, status = monotonic(), 500
        streams = False
        try:
            response = await handler(request)
            status, streams = response.status, response.content_type == "text/event-stream"
            return response
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            resource = request.match_info.route.resource
            route = resource.canonical if resource is not None else "none"
            method = request.method if resource is not None else "any"
            self._requests.labels(method, route, str(status)).inc()
            if not streams:
                self._seconds.labels(method, route).observe(monotonic() - began)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Answers with the metrics in Prometheus' text format, or with 401 if the request does not hold the token. If
        Postgres does not answer, the metrics of its state are left out.
        """
        if self._token is not None:
            given = request.headers.get("Authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
                return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        system = CollectorRegistry()
        system.register(System(await self._latest(), self._channels))
        body = generate_latest(self._registry) + generate_latest(system)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})

    async def _latest(self) -> Measures | None:
        async with self._reading:
            if monotonic() < self._read_at + FRESH_SECONDS:
                return self._measures
            try:
                async with asyncio.timeout(PATIENCE_SECONDS), self._database.transaction() as connection:
                    self._measures = await measures.read(connection)
            except (RetryNow, TimeoutError) as error:
                log.warning("metrics lack what Postgres knows", error=str(error))
                self._measures = None
            self._read_at = monotonic()
            return self._measures
