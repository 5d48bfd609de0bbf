"""Serves the page and the API in this process, on a real Postgres in which only the test writes rows."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from api import server
from api.access import Access
from api.limits import FailedAuthentications
from api.live import LiveJobs
from api.tokens import ServiceToken, UserTokens
from page.routes import Page
from sandbox.ports import LOOPBACK, free_port
from store.database import Database
from tests.support.api.world import SECRET


@dataclass
class Served:
    """Serves the page at an address until `stop`; `start` serves it there again."""

    database: Database
    origins: Sequence[str] = ()
    port: int = 0
    _runner: web.AppRunner | None = None
    _watching: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def settings(self, workspace_id: str, token: str | None = None) -> str:
        """Returns the address of a workspace's page, with the token in it as Supabase passes it."""
        fragment = f"#access_token={token}" if token else ""
        return f"{self.url}/workspaces/{workspace_id}/settings/data-retention{fragment}"

    async def start(self) -> None:
        failures = FailedAuthentications(clock=itertools.count(0, 1_000).__next__)
        access = Access(UserTokens(SECRET, None), ServiceToken(None), failures)
        live = LiveJobs(self.database)
        api = server.application(self.database, access, lambda: None, origins=self.origins, more=live.routes)
        api.on_shutdown.append(live.close)
        app = web.Application()
        Page(self.origins).add_to(app)
        app.add_subapp(server.PREFIX, api)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        self.port = self.port or free_port()
        await web.TCPSite(self._runner, LOOPBACK, self.port).start()
        self._watching = asyncio.create_task(live.run(asyncio.Event()))

    async def stop(self) -> None:
        """Stops serving. Does nothing if it does not run."""
        if self._runner is not None and self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            await self._runner.cleanup()
            self._runner = None


@asynccontextmanager
async def serving(dsn: str, *origins: str) -> AsyncIterator[Served]:
    async with Database(dsn) as database:
        served = Served(database, origins)
        await served.start()
        try:
            yield served
        finally:
            await served.stop()
