"""The stand-in's HTTP server. It listens on a real socket and runs in a thread of its own, in the process that holds
the world.
"""

import asyncio
import socket
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import asdict
from types import TracebackType
from typing import Any

import orjson
from aiohttp import web

from sandbox.github.exchange.limits import Limits
from sandbox.github.exchange.pace import Pace
from sandbox.github.exchange.requests import Request
from sandbox.github.faults import from_control
from sandbox.github.faults.outages import Outage, Way
from sandbox.github.graphql.schema import NOTHING
from sandbox.github.server.service import Service
from sandbox.github.world.world import World

LARGEST_REQUEST = 2**20
CONTROL = "/_stand-in/"
ARCHIVE = "/archive/"
"""The path of GH Archive's hours, `/archive/2026-03-01-9.json.gz`, which are served beside GitHub."""
GRAPHQL = ("/graphql", "/api/graphql")
ENTERPRISE = "/api/v3"
"""The path of GitHub Enterprise Server's REST API, which some clients require."""
DROPPED = web.ResponseKey("dropped", tuple[str, ...])


class StandIn(Service):
    """Serves `world` while the context is open.

        with StandIn(world, tokens={"token-a": "account-a"}) as github:
            github.url       # the value for GITHUB_API_URL
            github.log       # every request so far
            github.faults.add(BadGateway(), times=3)
            github.world.repository("o/n").pull_request(5).edit(body="x")

    When the context ends, an exception group is raised if the stand-in itself failed at a request. A stand-in in
    another process is controlled through the path `/_stand-in/`: GET and DELETE `log` (`?since=` a sequence number),
    GET `stats`, GET, POST and DELETE `faults`.
    """

    def __init__(
        self,
        world: World,
        tokens: Mapping[str, str] | None = None,
        *,
        limits: Limits | None = None,
        pace: Pace | None = None,
        latency: float = 0,
        lacks: frozenset[str] = NOTHING,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(world, tokens, limits=limits, pace=pace, latency=latency, lacks=lacks)
        self._host, self._port = host, port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None
        self._site: web.BaseSite | None = None
        self._kept: socket.socket | None = None

    def __enter__(self) -> "StandIn":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if error is None and self.failures:
            raise ExceptionGroup("the stand-in failed", self.failures)

    def start(self) -> None:
        """Starts the server and returns once it listens. Raises `OSError` if it cannot listen."""
        started = threading.Event()
        failed: list[BaseException] = []

        def run() -> None:
            try:
                asyncio.run(self._serve(started))
            except BaseException as error:  # noqa: BLE001 (raised in the thread that started this one)
                failed.append(error)
            finally:
                started.set()

        self._thread = threading.Thread(target=run, name="github-stand-in", daemon=True)
        self._thread.start()
        started.wait()
        if failed:
            raise failed[0]

    def stop(self) -> None:
        """Breaks all connections and ends the server. Does nothing if the server does not run."""
        if self._thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._thread = None

    def begin_outage(self, way: Way = "502") -> Outage:
        """Begins an outage: no request succeeds before `end_outage`. GH Archive still answers, because it does not
        belong to GitHub, unless the outage refuses connections.
        """
        self.end_outage()
        outage = Outage(way)
        self._in_loop(self._close() if way == "refused" else self._drop())
        self.outage = outage
        return outage

    def end_outage(self) -> None:
        """Ends the outage; the server's address is the same as before. Does nothing if there is no outage."""
        away, self.outage = self.outage, None
        if away is not None and away.way == "refused":
            self._in_loop(self._listen())

    def _in_loop(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._loop is not None, "it does not run"
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self) -> None:
        """Begins to listen. After an outage that refused connections, the port is the same as before, because the
        socket `_kept` has reserved it.
        """
        assert self._runner is not None
        if self._kept is None:
            site: web.BaseSite = web.TCPSite(self._runner, self._host, self._port)
        else:
            site, self._kept = web.SockSite(self._runner, self._kept), None
        await site.start()
        self._site = site

    async def _close(self) -> None:
        """Stops listening, so that new connections are refused, and breaks the open connections."""
        assert self._runner is not None and self._site is not None
        address = self._runner.addresses[0]
        await self._site.stop()
        self._kept = socket.socket()
        self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._kept.bind((address[0], address[1]))
        await self._drop()

    async def _drop(self) -> None:
        """Breaks all open connections, even those whose answers are not finished."""
        assert self._runner is not None
        for connection in self._runner.server.connections if self._runner.server else ():
            if connection.transport is not None:
                connection.transport.abort()

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        application = web.Application(client_max_size=LARGEST_REQUEST)
        application.router.add_route("*", CONTROL + "{what:.*}", self._control)
        application.router.add_route("*", "/{path:.*}", self._handle)
        application.on_response_prepare.append(_drop_headers)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        self._runner = runner
        await runner.setup()
        try:
            await self._listen()
            self.url = f"http://{self._host}:{runner.addresses[0][1]}"
            started.set()
            await self._stop.wait()
        finally:
            await runner.cleanup()
            if self._kept is not None:
                self._kept.close()

    async def _handle(self, incoming: web.Request) -> web.StreamResponse:
        kind: Any = "graphql" if incoming.path in GRAPHQL else "rest"
        if incoming.path.startswith(ARCHIVE):
            kind = "archive"
        body = await incoming.read()
        path = incoming.path_qs.removeprefix(ENTERPRISE)
        reply = await self.answer(Request(kind, incoming.method, path, incoming.headers, body))
        half = reply.body[: len(reply.body) // 2]
        if reply.cut in ("", "short"):
            body = half if reply.cut == "short" else reply.body
            response: web.StreamResponse = web.Response(status=reply.status, body=body, headers=reply.headers)
            response[DROPPED] = reply.dropped
            return response
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        response.content_length = len(reply.body)
        await response.prepare(incoming)
        await response.write(half)
        if reply.cut == "endless":
            await asyncio.Event().wait()
        if incoming.transport is not None:
            incoming.transport.abort()
        return response

    async def _control(self, incoming: web.Request) -> web.Response:
        match incoming.method, incoming.match_info["what"]:
            case "GET", "log":
                since = int(incoming.query.get("since", 0))
                return _json([asdict(entry) for entry in self.log if entry.sequence > since])
            case "DELETE", "log":
                self.log.clear()
                return _json({})
            case "GET", "stats":
                return _json(self.stats())
            case "GET", "faults":
                return _json(self.faults.described())
            case "POST", "faults":
                try:
                    effect, how = from_control(orjson.loads(await incoming.read()))
                except (ValueError, TypeError) as error:
                    return _json({"message": str(error)}, status=400)
                self.faults.add(effect, **how)
                return _json({}, status=201)
            case "DELETE", "faults":
                self.faults.clear()
                return _json({})
        return _json({"message": f"no such control: {incoming.method} {incoming.path}"}, status=404)


async def _drop_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Removes the headers that a fault leaves out, because aiohttp adds some headers by itself, such as `Date`."""
    for name in response.get(DROPPED, ()):
        response.headers.popall(name, None)


def _json(content: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(content), content_type="application/json")
