"""`make pictures`: takes the screenshots in docs/pictures/ while the real programs run a backfill.

It runs the demo at the speed of the real GitHub. Exit codes: 0 if all is done, 2 for bad input, 3 if a program does not
start or there is no Chromium.
"""

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright
from rich.console import Console

from cli.jobs import find_job, follow_job
from cli.rates import Rates
from cli.screens.live import screen
from errors import BackfillError, BadInput
from messages import workspace_workflow_id
from sandbox import chromium
from sandbox.demo import Demo
from sandbox.processes import Processes
from sandbox.wish import wish
from store.database import Database

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
DESK = {"width": 1180, "height": 1320}
TALL = {"width": 1180, "height": 2080}
"""The size of a window that shows the whole page: parts of the page that are not visible are not updated."""
PHONE = {"width": 390, "height": 844}
TERMINAL = (100, 30)
"""Columns and lines of the terminal."""
PACE = "1"
"""GitHub's own speed, which leaves time for screenshots."""
SHOWN_PERCENT = 40
"""The percentage from which on the screenshots of a running job are taken."""
PATIENCE_SECONDS = 120
REMOTE_FONTS = re.compile(r"@font-face\s*\{[^}]*\}")
"""Matches remote fonts, which are removed so that a screenshot needs no server."""
PROGRESS = f"""
() => {{
  const view = document.querySelector('data-retention').shadowRoot;
  return Number(view.querySelector('[role=progressbar]')?.getAttribute('aria-valuenow') ?? 0) >= {SHOWN_PERCENT};
}}
"""
ENDED = """
() => {
  const view = document.querySelector('data-retention').shadowRoot;
  return /^(Complete|Failed)/.test(view.querySelector('[data-headline]').textContent);
}
"""


async def photograph(
    page_address: str, job_id: str, workspace_id: str, settings: Mapping[str, str], temporal_web: str | None
) -> None:
    """Takes all screenshots of the job. Some show the job while it runs, others show it after its end. Raises
    `Unreachable` if there is no Chromium.
    """
    async with async_playwright() as playwright:
        browser = await chromium.launch(playwright)
        try:
            light, dark = (
                await _open(browser, page_address, DESK, "light"),
                await _open(browser, page_address, TALL, "dark"),
            )
            phone = await _open(browser, page_address, PHONE, "dark")
            await light.wait_for_function(PROGRESS, timeout=PATIENCE_SECONDS * 1_000)
            await _save(light, "page-light")
            await _save(phone, "page-phone")
            if temporal_web:
                await _details(browser, f"{temporal_web}/{workspace_workflow_id(workspace_id)}")
            await _terminal(browser, job_id, settings["DATABASE_URL"])
            await dark.wait_for_function(ENDED, timeout=PATIENCE_SECONDS * 1_000)
            await dark.get_by_role("button", name="Close this notification").first.click()  # it covers the chart
            await dark.wait_for_timeout(8_000)  # chart, timeline and history are asked for every five seconds
            await _save(dark, "page-dark")
            if temporal_web:
                await _web_ui(browser, temporal_web)
        finally:
            await browser.close()


async def _open(browser: Browser, address: str, size: Mapping[str, int], theme: str) -> Page:
    context = await browser.new_context(
        viewport={"width": size["width"], "height": size["height"]},
        color_scheme="dark" if theme == "dark" else "light",
        locale="en-GB",
        reduced_motion="reduce",
    )
    page = await context.new_page()
    await page.goto(address)
    return page


async def _save(page: Page, name: str) -> None:
    path = PICTURES / f"{name}.png"
    await page.screenshot(path=path, animations="disabled")
    print(f"{path.relative_to(PICTURES.parent.parent)}: {path.stat().st_size:,} bytes")


async def _terminal(browser: Browser, job_id: str, dsn: str) -> None:
    """Takes a screenshot of `starter.py watch`."""
    columns, lines = TERMINAL
    console = Console(
        record=True, width=columns, height=lines, file=StringIO(), force_terminal=True, markup=False, highlight=False
    )
    rates = Rates()
    async with Database(dsn) as database:
        looks = follow_job(database, await find_job(database, job_id))
        for _ in range(3):
            look = await anext(looks)
            rates.add(look.job)
        console.print(screen(look, rates, console))
    svg = REMOTE_FONTS.sub("", console.export_svg(title="starter.py watch"))
    page = await browser.new_page(viewport={"width": 1240, "height": 900})
    await page.set_content(
        f"<style>* {{ font-family: 'DejaVu Sans Mono', monospace }} body {{ margin: 0 }}</style>{svg}"
    )
    path = PICTURES / "watch.png"
    await page.locator("svg").first.screenshot(path=path)
    print(f"{path.relative_to(PICTURES.parent.parent)}: {path.stat().st_size:,} bytes")


async def _web_ui(browser: Browser, address: str) -> None:
    """Takes a screenshot of Temporal's list of workflows."""
    page = await _open(browser, address, {"width": 1280, "height": 620}, "light")
    await page.get_by_role("row").nth(2).wait_for(timeout=PATIENCE_SECONDS * 1_000)
    await page.wait_for_timeout(1_000)  # its counts come after its rows
    await _save(page, "temporal")


async def _details(browser: Browser, address: str) -> None:
    """Takes a screenshot of the summary and the details of a workflow in Temporal's Web UI."""
    page = await _open(browser, address, {"width": 1440, "height": 800}, "light")
    await page.get_by_role("tab", name="User Metadata").click(timeout=PATIENCE_SECONDS * 1_000)
    await page.get_by_text("Current Details").wait_for(timeout=PATIENCE_SECONDS * 1_000)
    await page.wait_for_timeout(2_000)  # the details themselves are drawn in a frame of their own
    await _save(page, "temporal-details")


def main() -> int:
    PICTURES.mkdir(exist_ok=True)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="workspace-backfill-pictures-") as name,
            Processes(Path(name)) as processes,
        ):
            environment = {key: value for key, value in os.environ.items() if key not in ("REPOS", "EXPORTS", "DAYS")}
            demo = Demo(processes, wish(environment), environment, pace=PACE)
            workspace, page = demo.begin()
            job_id = demo.buy(workspace)
            asyncio.run(photograph(page, job_id, workspace.workspace_id, demo.settings, demo.temporal_web))
    except BackfillError as error:
        print(f"pictures: {error.message}", file=sys.stderr)
        return 2 if isinstance(error, BadInput) else 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
