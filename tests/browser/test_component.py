"""The view inside a page of another origin: it works where that origin is allowed, and says so where it is not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from aiohttp import web
from playwright.async_api import Page, expect

from sandbox.ports import LOOPBACK, free_port
from tests.support.api import world
from tests.support.browser import jobs, served
from tests.support.browser.opened import Open
from tests.support.browser.parts import DONE, GOING
from tests.support.serving import serving
from tests.support.waiting import PATIENCE

expect.set_options(timeout=PATIENCE * 1_000)

HOSTS_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The host application</title>
<script type="module" src="{api}/static/data-retention.js"></script></head>
<body><main><h1>Workspace settings</h1>
<data-retention workspace="{workspace}" api="{api}"></data-retention></main></body></html>
"""
POLICY = "default-src 'none'; script-src {api}; style-src {api}; connect-src {api}; img-src {api} data:"
"""The host's own: it must say nothing but the component's address."""


@asynccontextmanager
async def hosts_page(workspace_id: str, api: str, port: int) -> AsyncIterator[str]:
    """Serves the host application's page; answers its address."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        html = HOSTS_PAGE.format(workspace=workspace_id, api=api)
        headers = {"Content-Security-Policy": POLICY.format(api=api)}
        return web.Response(text=html, content_type="text/html", headers=headers)

    app = web.Application()
    app.router.add_get("/", answer)
    async with serving(app, port) as url:
        yield f"{url}/"


async def hand_over(page: Page, token: str) -> None:
    """What the host's own script does: it has the reader's token, and sets the component's property."""
    await page.locator("data-retention").evaluate("(view, token) => { view.token = token; }", token)


async def test_it_works_on_an_origin_that_is_allowed(
    module_database: str, host: asyncpg.Connection, open_reader: Open
) -> None:
    made = await world.tenant(host, "acme/rocket", "acme/moon")
    await jobs.write(host, made.workspace_id, "in_progress", {"acme/rocket": GOING, "acme/moon": DONE})
    port = free_port()
    async with (
        served.serving(module_database, f"http://{LOOPBACK}:{port}") as site,
        hosts_page(made.workspace_id, site.url, port) as address,
    ):
        reader = await open_reader()
        await reader.page.goto(address)
        await hand_over(reader.page, made.token("owner"))
        await expect(reader.page.locator("[data-headline]")).to_contain_text("Fetching 1 year of history")
        await expect(reader.page.locator("[data-connection=live]")).to_be_visible()
        await reader.page.get_by_role("button", name="Pause").click()
        await reader.page.get_by_role("dialog").locator("[data-confirm]").click()
        await expect(reader.page.locator("[data-headline]")).to_contain_text("Paused by")
        assert await reader.violations() == []
        styled = "element => getComputedStyle(element).display"
        assert await reader.page.locator("[role=progressbar]").first.evaluate(styled) != "inline", "its style is there"
        await reader.context.close()


async def test_it_fails_so_that_one_sees_it_on_an_origin_that_is_not_allowed(
    module_database: str, host: asyncpg.Connection, open_reader: Open
) -> None:
    made = await world.tenant(host, "acme/rocket")
    async with (
        served.serving(module_database, "https://app.example.com") as site,
        hosts_page(made.workspace_id, site.url, free_port()) as address,
    ):
        reader = await open_reader()
        reader.expects("blocked by CORS policy|Failed to load resource")
        await reader.page.goto(address)
        refusal = await reader.page.evaluate(
            "api => import(`${api}/static/data-retention.js`).then(() => '', error => String(error))", site.url
        )
        assert "Failed to fetch dynamically imported module" in refusal
        assert any("API" in each or "CORS" in each for each in [refusal, *reader.heard])
        await reader.context.close()
