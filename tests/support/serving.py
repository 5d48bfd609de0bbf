"""Serves an application of aiohttp in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from sandbox.ports import LOOPBACK


@asynccontextmanager
async def serving(app: web.Application, port: int = 0, **options: Any) -> AsyncIterator[str]:
    """Serves `app` at `port`, or at a free port; yields its address, which ends with the port. `options` are those of
    `web.AppRunner`.
    """
    runner = web.AppRunner(app, **options)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, port).start()
        yield f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
