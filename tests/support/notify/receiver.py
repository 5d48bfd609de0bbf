"""The host's end of the webhook: an HTTP server that can fail, be slow, redirect, and send an endless answer."""

from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import NamedTuple

from aiohttp import web
from standardwebhooks import Webhook

from sandbox.ports import LOOPBACK

SECRET = "whsec_dGhlIHNlY3JldCBvZiB0aGUgb3V0Z29pbmcgd2ViaG9vaw=="


class Call(NamedTuple):
    headers: dict[str, str]
    body: bytes

    def verified(self, secret: str = SECRET) -> dict[str, object]:
        """Returns the event if the signature is valid; raises if not."""
        event: dict[str, object] = Webhook(secret).verify(self.body, self.headers)
        return event


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Receiver:
    """Answers with 204, or with what `answers` holds, one after the other."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: deque[Answer] = deque()
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "Receiver":
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, 0).start()
        self.url = f"http://{LOOPBACK}:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner:
            await self._runner.cleanup()

    def will(self, status: int, **headers: str) -> None:
        """Sets the answer to the next call."""

        async def answer(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers={name.replace("_", "-"): text for name, text in headers.items()})

        self.answers.append(answer)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.calls.append(Call({name.lower(): value for name, value in request.headers.items()}, body))
        return await self.answers.popleft()(request) if self.answers else web.Response(status=204)
