"""Temporal's remote codec over HTTP: decrypts payloads for people, in the Web UI and in the `temporal` command.

`POST encode` and `POST decode` take and return `{"payloads": [...]}` as Protobuf's JSON
(https://docs.temporal.io/codec-server). The Web UI calls the codec server from the browser, so the codec server has to
allow the Web UI's origin.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import orjson
import structlog
from aiohttp import web
from google.protobuf.json_format import MessageToJson, ParseDict, ParseError
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

from errors import BadInput, Unreachable

PREFIX = "/codec"
LARGEST_BODY = 16 * 1024 * 1024
"""Most bytes of a request's body. The Web UI sends all payloads of a history together; one has up to 2 MiB, and base64
adds a third."""
BODY_SECONDS = 20.0
PREFLIGHT_SECONDS = "600"
ALLOWED_HEADERS = "Authorization, Content-Type, X-Namespace"

Authenticate = Callable[[str], Awaitable[str | None]]
"""Returns the name of the reader with this bearer token; None if the token does not authorize."""

log = structlog.get_logger(__name__)


def application(codec: PayloadCodec, authenticate: Authenticate, origins: Collection[str] = ()) -> web.Application:
    """Returns the codec server, to be mounted at `PREFIX`. `origins` are the origins of the Web UIs that may call the
    server.
    """
    server = _CodecServer(codec, authenticate, frozenset(origins))
    app = web.Application()
    for path, handler in (("/encode", server.encode), ("/decode", server.decode)):
        app.router.add_post(path, handler)
        app.router.add_options(path, server.answer_preflight)
    app.on_response_prepare.append(server.allow_origin)
    return app


class _CodecServer:
    def __init__(self, codec: PayloadCodec, authenticate: Authenticate, origins: frozenset[str]) -> None:
        self._codec = codec
        self._authenticate = authenticate
        self._origins = origins

    async def encode(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, self._codec.encode, "payloads encoded")

    async def decode(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, self._codec.decode, "payloads decoded")

    async def _answer(
        self, request: web.Request, convert: Callable[[list[Payload]], Awaitable[list[Payload]]], event: str
    ) -> web.StreamResponse:
        # Nothing of the body is read before it is known who asks.
        try:
            who = await self._authenticate(_bearer(request))
        except Unreachable as error:
            log.warning("codec request not answered", error=error.message)
            return _error(503, "unavailable", "tokens cannot be verified at the moment")
        if who is None:
            log.warning("codec request refused", remote=request.remote)
            return _error(401, "unauthorized", "a token that may read payloads is needed")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read(request)
        except TimeoutError:
            return _error(408, "timeout", "the body did not come in time")
        if body is None:
            return _error(413, "too_large", f"a body has at most {LARGEST_BODY} bytes")
        payloads = _payloads(body)
        if payloads is None:
            return _error(400, "bad_json", "the body is not Temporal's payloads as JSON")
        try:
            converted = await convert(payloads)
        except BadInput as error:
            log.warning("payloads cannot be converted", error=error.message, who=who)
            return _error(400, error.code, error.message)
        namespace = request.headers.get("X-Namespace", "")[:255]
        log.info(event, count=len(converted), who=who, namespace=namespace, remote=request.remote)
        text = MessageToJson(Payloads(payloads=converted), indent=None)
        return web.Response(text=text, content_type="application/json", headers={"Cache-Control": "no-store"})

    async def answer_preflight(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Origin") not in self._origins:
            return _error(403, "forbidden", "CODEC_ALLOWED_ORIGINS does not name this origin")
        headers = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": PREFLIGHT_SECONDS,
        }
        return web.Response(status=204, headers=headers)

    async def allow_origin(self, request: web.Request, response: web.StreamResponse) -> None:
        """Adds CORS headers to a response if its request comes from an allowed origin. Error responses get the headers,
        too, so that the Web UI can show why a payload stays encrypted.
        """
        response.headers["Vary"] = "Origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        origin = request.headers.get("Origin")
        if origin in self._origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            # Of the Web UI that sends its cookies along; none of ours is among them.
            response.headers["Access-Control-Allow-Credentials"] = "true"


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def _read(request: web.Request) -> bytes | None:
    """Returns the request's body. Returns None if the body is larger than `LARGEST_BODY`."""
    body = bytearray()
    async for chunk in request.content.iter_chunked(65_536):
        body += chunk
        if len(body) > LARGEST_BODY:
            return None
    return bytes(body)


def _payloads(body: bytes) -> list[Payload] | None:
    """Returns the payloads in the body. Returns None if the body is not JSON of the form `{"payloads": [...]}`."""
    try:
        document = orjson.loads(body)
        if not isinstance(document, dict) or "payloads" not in document:
            return None
        return list(ParseDict(document, Payloads(), ignore_unknown_fields=True).payloads)
    except (orjson.JSONDecodeError, ParseError, RecursionError):
        return None


def _error(status: int, code: str, message: str) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return web.json_response({"error": {"code": code, "message": message}}, status=status, headers=headers)
