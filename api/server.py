"""The API as a web application. The application gives each route authentication, limits and error handling."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence

import structlog
from aiohttp import web

from api.access import Access
from api.answers import Refusal, error
from api.host_routes import HostRoutes
from api.jobs import Jobs
from api.limits import ANSWER_SECONDS
from api.openapi import Description, describe
from api.routes import Handler, Route
from api.workspaces import Workspaces
from errors import BadInput, Conflict, RetryNow, Unreachable
from store.database import Database

PREFIX = "/api"
RETRY_SECONDS = "2"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
"""Headers of every answer: it is data that a browser must not render, frame, or guess the type of."""
ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID"
EXPOSED_HEADERS = "ETag, Retry-After"
PREFLIGHT_SECONDS = "600"

log = structlog.get_logger(__name__)


def application(
    database: Database,
    access: Access,
    hurry: Callable[[], None],
    *,
    origins: Collection[str] = (),
    more: Sequence[Route] = (),
    beside: Sequence[Route] = (),
) -> web.Application:
    """Returns the API, which is to be mounted at `PREFIX`. `hurry` is called after each commit of which Temporal has to
    be told. Pages of `origins` may call the API from a browser.

    `more` are routes of other modules that become part of the API. `beside` are routes that the server serves outside
    the API. The OpenAPI description contains both.
    """
    parts = Workspaces(database, hurry), Jobs(database, hurry), HostRoutes(database, hurry)
    routes = [*(route for part in parts for route in part.routes), *more]
    description = Description(describe([*routes, _openapi(_nothing)], PREFIX, beside))
    routes.append(_openapi(description.get))
    crossing = _Origins(origins)
    app = web.Application(middlewares=[crossing.answer_preflight, _errors_as_json])
    for route in routes:
        app.router.add_route(route.method, route.path, _guarded(route, access))
        if route.method == "GET" and not route.streams:
            app.router.add_route("HEAD", route.path, _guarded(route, access))
    app.on_response_prepare.append(_secure)
    app.on_response_prepare.append(crossing.allow)
    return app


def _openapi(handler: Handler) -> Route:
    return Route("GET", "/openapi.json", handler, "This description", {200: None}, security="none")


async def _nothing(_request: web.Request) -> web.StreamResponse:
    return web.Response()


def _guarded(route: Route, access: Access) -> Handler:
    """Returns the route's handler with authentication and a time limit. The caller is authenticated before the handler
    reads the request. Streams have no time limit.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        if route.security != "none":
            await access.authenticate(request, host=route.security == "host")
        if route.streams:
            return await route.handler(request)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await route.handler(request)
        except TimeoutError:
            raise Refusal(503, "timeout", "it took too long", {"Retry-After": RETRY_SECONDS}) from None

    return handle


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refusal as refusal:
        return error(refusal.status, refusal.code, refusal.message, refusal.headers)
    except Conflict as refused:
        return error(409, refused.code, _in_words(refused))
    except BadInput as wrong:
        return error(400, wrong.code, _in_words(wrong))
    except (RetryNow, Unreachable) as away:
        log.warning("request not answered", path=request.path, error=away.message)
        return error(503, "unavailable", "try again in a moment", {"Retry-After": RETRY_SECONDS})
    except web.HTTPException as other:
        if other.status < 400:
            raise
        allow = {"Allow": other.headers["Allow"]} if "Allow" in other.headers else {}
        return error(other.status, other.reason.lower().replace(" ", "_"), other.reason, allow)
    except web.RequestPayloadError:
        # Its Content-Encoding names a compression that it does not have.
        return error(400, "bad_body", "the body cannot be read")
    except Exception:
        # The caller gets the number under which the log has the rest.
        incident = uuid.uuid4().hex[:12]
        log.exception("request failed", incident=incident, method=request.method, path=request.path)
        return error(500, "internal_error", f"something is wrong with this server; its log has it as {incident}")


_FIELDS = {"--repo": "repositories", "--type": "data_types", "--retention-days": "retention_days"}
"""An option of the command line -> the field of a request's body that means the same."""


def _in_words(wrong: BadInput) -> str:
    text = wrong.message.removeprefix(f"{wrong.name}: ")
    return text if wrong.name == "JOB" else f"{_FIELDS.get(wrong.name, wrong.name)}: {text}"


async def _secure(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.pop("Server", None)


class _Origins:
    """Adds CORS headers to answers for the allowed origins (`API_ALLOWED_ORIGINS`). Browsers do not let pages of other
    origins read an answer.
    """

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = frozenset(allowed)

    @web.middleware
    async def answer_preflight(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not asks or request.headers.get("Origin") not in self._allowed:
            return await handler(request)
        headers = {
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": PREFLIGHT_SECONDS,
        }
        return web.Response(status=204, headers=headers)

    async def allow(self, request: web.Request, response: web.StreamResponse) -> None:
        if not self._allowed:
            return
        vary = response.headers.get("Vary")
        response.headers["Vary"] = f"{vary}, Origin" if vary else "Origin"
        origin = request.headers.get("Origin")
        if origin in self._allowed:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
