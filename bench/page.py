"""Measures what the settings page costs a reader's browser, and how soon it shows a change in Postgres.

    python -m bench.page [--repositories 1000] [--pages 100] [--seconds 15] [--per-second 2] [--json]

It opens the page of a job with `--repositories` repositories of all data types. A trace of Chromium shows how long
scripts ran until every row was shown, and how many frames were drawn while the page was scrolled. A page with the
same rows as plain HTML is scrolled for comparison. Then it opens many pages of a smaller job at once, commits
changes, and measures the time from each commit until each page shows it. Exit codes: 0 done, 1 a page missed a
change or showed no rows, 2 bad arguments, 3 a part did not start or ended, or there is no Chromium, 130 interrupted.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote

import asyncpg
import orjson
from playwright.async_api import Browser, Page, async_playwright
from rich.console import Console
from rich.table import Table

from bench import report, server, streams
from bench.aims import Aim
from bench.program import on_processes
from bench.server import percentile
from bench.trace import CATEGORIES, Trace
from messages import DATA_TYPES
from sandbox import chromium, postgres, temporal
from sandbox.postgres import Postgres
from sandbox.processes import Processes
from sandbox.temporal import Temporal
from schema.migrate import migrate

REPOSITORIES = 1_000
SCRIPT_SECONDS = 0.3
FRAMES_TO_PLAIN = 0.9
"""Least share of the frames of a page without scripts that our page has to draw: both scroll on the same machine."""
PAGES = 100
P99_SECONDS = 1.0
RUNS = 3
"""Runs of rendering and of scrolling, of which the median counts."""
PAGES_A_HOST = 4
"""Pages for each host name: browsers open six connections to a host, and every page keeps one open."""
WATCHED = 10
"""Repositories of the job that many pages show."""
PATIENCE_SECONDS = 120.0
SCROLLED_PIXELS = 6_000
PIXELS_PER_SECOND = 2_000
SIZE = {"width": 1280, "height": 900}

RENDERED = """
rows => {
  const view = document.querySelector('data-retention')?.shadowRoot;
  if ((view?.querySelectorAll('tr[data-repository]').length ?? 0) < rows) return false;
  return new Promise(resolve => requestAnimationFrame(() => setTimeout(() => {
    performance.mark('rendered');
    resolve(true);
  })));
}
"""
ROWS_IN_THE_MIDDLE = """
() => {
  scrollTo(0, 0);
  document.querySelector('data-retention')?.shadowRoot.querySelector('.scroll').scrollIntoView({ block: 'center' });
}
"""
WATCH = """
() => {
  const view = document.querySelector('data-retention').shadowRoot;
  const seen = window.seen = {};
  const look = () => {
    const now = performance.timeOrigin + performance.now();
    for (const cell of view.querySelectorAll('tr[data-repository] [data-type=issues] .amount')) {
      const number = Number(cell.textContent.split('/')[0].replace(/\\D/g, ''));
      if (number) seen[number] ??= now;
    }
  };
  new MutationObserver(look).observe(view, { subtree: true, childList: true, characterData: true });
}
"""


@dataclass
class Run:
    """The results."""

    repositories: int
    pages: int
    rows: int = 0
    script_seconds: list[float] = field(default_factory=list)
    """Script time until all rows were shown, for each run."""
    rendered_seconds: list[float] = field(default_factory=list)
    """Time from the navigation to the frame with all rows, for each run."""
    frames_per_second: list[float] = field(default_factory=list)
    plain_frames_per_second: list[float] = field(default_factory=list)
    opened: int = 0
    commits: int = 0
    seconds: list[float] = field(default_factory=list)
    """Time from each commit to each page."""
    missed: int = 0
    """Changes that a page never showed."""

    @property
    def figures(self) -> dict[str, Any]:
        found = asdict(self)
        del found["seconds"]
        return found | {f"p{p}_seconds": percentile(self.seconds, p) for p in (50, 99, 100)}

    @property
    def frames_to_plain(self) -> float:
        plain = percentile(self.plain_frames_per_second, 50)
        return percentile(self.frames_per_second, 50) / plain if plain else 0


async def measure(
    processes: Processes,
    database: Postgres,
    temporal_server: Temporal,
    *,
    repositories: int,
    pages: int,
    seconds: float,
    per_second: float,
) -> Run:
    """Measures the page. Raises `Unreachable` if a part does not start, or if there is no Chromium."""
    run = Run(repositories, pages)
    dsn = await database.create_database("page")
    await migrate(dsn, report=lambda _line: None)
    connection = await asyncpg.connect(dsn)
    try:
        large = await streams.job(connection, dsn, 0, repositories)
        small = await streams.job(connection, dsn, repositories, WATCHED)
        webhook, url = server.start(processes, dsn, temporal_server.address, host="0.0.0.0")
        async with async_playwright() as playwright:
            # The processes of a hundred tabs would not fit into a small machine; tabs of one site share them anyway.
            browser = await chromium.launch(playwright, "--renderer-process-limit=4")
            try:
                if repositories:
                    await _render(run, browser, await _address(connection, url, large))
                if pages:
                    await _watch(
                        run, browser, connection, small, await _address(connection, url, small), seconds, per_second
                    )
            finally:
                await browser.close()
        webhook.stop()
    finally:
        await connection.close()
    return run


async def _address(connection: asyncpg.Connection, url: str, job_id: str) -> str:
    workspace = await connection.fetchval("select workspace_id from workspace_backfill_jobs where id = $1", job_id)
    return f"{url}/workspaces/{workspace}/settings/data-retention#access_token={quote(server.API_TOKEN)}"


async def _render(run: Run, browser: Browser, address: str) -> None:
    """Opens the page of the large job several times, each time in a new browser context."""
    for _ in range(RUNS):
        context = await browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
        page = await context.new_page()
        await browser.start_tracing(page=page, categories=list(CATEGORIES))
        await page.goto(address)
        await page.wait_for_function(RENDERED, arg=run.repositories, timeout=PATIENCE_SECONDS * 1_000)
        found = Trace(await browser.stop_tracing()).between("navigationStart", "rendered")
        run.rows = run.repositories
        run.script_seconds.append(found.script_seconds)
        run.rendered_seconds.append(found.seconds)
        run.frames_per_second.append(await _scroll(browser, page))
        plain = await context.new_page()
        await plain.set_content(_plain(run.repositories))
        run.plain_frames_per_second.append(await _scroll(browser, plain))
        await context.close()


async def _scroll(browser: Browser, page: Page) -> float:
    """Returns the frames in a second while a wheel over the middle of the window scrolls the rows.

    A thousand rows scroll inside the page. The page itself is short, and would not move any further.
    """
    session = await page.context.new_cdp_session(page)
    await page.evaluate(ROWS_IN_THE_MIDDLE)
    await browser.start_tracing(page=page, categories=list(CATEGORIES))
    await page.evaluate("performance.mark('scroll begins')")
    gesture = {"x": 600, "y": 450, "yDistance": -SCROLLED_PIXELS, "speed": PIXELS_PER_SECOND}
    await session.send("Input.synthesizeScrollGesture", gesture)
    await page.evaluate("performance.mark('scroll ends')")
    return Trace(await browser.stop_tracing()).between("scroll begins", "scroll ends").frames_per_second


def _plain(repositories: int) -> str:
    """Returns a page that has as many rows and cells as ours, and nothing else."""
    cells = "".join("<td>1,234 / 5,678</td>" for _ in ("status", *DATA_TYPES))
    rows = "".join(f"<tr><th>acme/rocket-{number}</th>{cells}</tr>" for number in range(repositories))
    style = "td, th { padding: 8px 12px; border-bottom: 1px solid #ddd; text-align: left }"
    return f"<!doctype html><html lang=en><title>Rows</title><style>{style}</style><table>{rows}</table></html>"


async def _watch(
    run: Run,
    browser: Browser,
    connection: asyncpg.Connection,
    job_id: str,
    address: str,
    seconds: float,
    per_second: float,
) -> None:
    """Opens all pages, commits changes at fixed intervals, and asks each page when it showed them."""
    context = await browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
    pages = []
    for number in range(run.pages):
        page = await context.new_page()
        await page.goto(address.replace("127.0.0.1", f"127.0.0.{1 + number // PAGES_A_HOST}"))
        await page.wait_for_function(
            "() => document.querySelector('data-retention')?.shadowRoot.querySelector('[data-connection=live]')",
            timeout=PATIENCE_SECONDS * 1_000,
        )
        await page.evaluate(WATCH)
        pages.append(page)
        run.opened += 1
    committed = await _commit(run, connection, job_id, seconds, per_second)
    deadline = time.monotonic() + PATIENCE_SECONDS
    seen: Sequence[dict[str, float]] = []
    while time.monotonic() < deadline:
        seen = await asyncio.gather(*(page.evaluate("window.seen") for page in pages))
        if all(str(max(committed)) in each for each in seen):
            break
        await asyncio.sleep(0.2)
    for each in seen:
        shown = {int(number): at / 1_000 for number, at in each.items()}
        for number, at in committed.items():
            # Whoever shows a later one has seen this one as well: what lies between is skipped, and not missed.
            later = [moment for other, moment in shown.items() if other >= number]
            if later:
                run.seconds.append(min(later) - at)
            else:
                run.missed += 1
    await context.close()


async def _commit(
    run: Run, connection: asyncpg.Connection, job_id: str, seconds: float, per_second: float
) -> dict[int, float]:
    """Commits changes, each of one row of the job. Returns the time of each commit, by its number."""
    committed = {}
    began = time.monotonic()
    for number in range(1, round(seconds * per_second) + 1):
        await asyncio.sleep(max(0, began + number / per_second - time.monotonic()))
        await connection.execute(
            """
            update backfill_sweeps set counts = jsonb_build_object('issues', $2::int)
            where backfill_job_id = $1 and data_type = 'issues' and repository_id = (
                select repository_id from workspace_backfill_progress where backfill_job_id = $1 order by 1 limit 1
            )
            """,
            job_id,
            number,
        )
        committed[number] = time.time()
        run.commits += 1
    return committed


def judged(run: Run) -> list[Aim]:
    aims = []
    if run.repositories:
        aims += [
            Aim("rows that are shown", run.rows, run.repositories, at_least=True, binding=True),
            Aim("script seconds until all rows are there", percentile(run.script_seconds, 50), SCRIPT_SECONDS),
            Aim("frames while scrolling, to a page of plain rows", run.frames_to_plain, FRAMES_TO_PLAIN, at_least=True),
        ]
    if run.pages:
        aims += [
            Aim("changes missed", run.missed, 0, binding=True),
            Aim("p99 from commit to page, seconds", percentile(run.seconds, 99), P99_SECONDS),
        ]
    return aims


def tables(run: Run) -> list[Table]:
    rendering = Table(
        title=f"A page of {run.repositories:,} repositories x {len(DATA_TYPES)} types", title_justify="left"
    )
    for name in ("script ms", "until all rows ms", "frames/s scrolling", "of plain rows", "ratio"):
        rendering.add_column(name, justify="right")
    rendering.add_row(
        f"{percentile(run.script_seconds, 50) * 1_000:,.0f}",
        f"{percentile(run.rendered_seconds, 50) * 1_000:,.0f}",
        f"{percentile(run.frames_per_second, 50):,.0f}",
        f"{percentile(run.plain_frames_per_second, 50):,.0f}",
        f"{run.frames_to_plain:.2f}",
    )
    watching = Table(title="Pages open at once", title_justify="left")
    for name in ("pages", "commits", "p50 s", "p99 s", "max s", "missed"):
        watching.add_column(name, justify="right")
    times = (f"{percentile(run.seconds, each):.2f}" for each in (50, 99, 100))
    watching.add_row(f"{run.opened:,}", f"{run.commits:,}", *times, f"{run.missed:,}")
    return [rendering, watching]


def main() -> int:
    parser = argparse.ArgumentParser("python -m bench.page", description="What the settings page costs a browser.")
    parser.add_argument("--repositories", type=int, default=REPOSITORIES, help="of the page that is rendered; 0: none")
    parser.add_argument("--pages", type=int, default=PAGES, help="that are open at once; 0: none")
    parser.add_argument("--seconds", type=float, default=15, help="for which changes are committed")
    parser.add_argument("--per-second", type=float, default=2, help="commits")
    parser.add_argument("--json", action="store_true", help="to standard output, instead of tables")
    given = parser.parse_args()
    options = {name: getattr(given, name) for name in ("repositories", "pages", "seconds", "per_second")}
    run = on_processes(
        lambda processes: measure(processes, postgres.start(processes), temporal.start(processes), **options)
    )
    aims = judged(run)
    if given.json:
        found = {"machine": report.machine(), "load": server.load(), "run": run.figures}
        print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
        console.print(*tables(run), report.aims_table(aims), sep="\n")
    return 0 if all(aim.met for aim in aims if aim.binding) else 1


if __name__ == "__main__":
    sys.exit(main())
