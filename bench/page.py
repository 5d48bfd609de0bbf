"""Measures what the settings page costs a reader's browser, and how soon it shows a change in Postgres.

    python -m bench.page [--repositories 1000] [--streams 100] [--pages 3] [--seconds 15] [--per-second 2] [--json]

It opens the page of a job with `--repositories` repositories of all data types. Chromium's trace shows how long its
scripts ran until every row was shown, and how many frames were drawn during scrolling; a page with the same rows as
plain HTML is scrolled for comparison.

It then opens a smaller job as a hundred people do at once: each of their machines holds a stream and draws one page. So
most of the readers are streams alone, which cost this machine nothing but what the server does for them, and some are
pages in a Chromium. It commits changes, and measures the time from each commit until each stream has it and each page
shows it. With `--streams 0 --pages 100` all pages are drawn by this machine, which measures Chromium more than us.

Exit codes: 0 done, 1 a reader missed a change or a page showed no rows, 2 bad arguments, 3 a part did not start or
ended, or there is no Chromium, 130 interrupted.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote

import asyncpg
import orjson
from playwright.async_api import Browser, Page, async_playwright
from rich.console import Console
from rich.table import Table

from bench import report, server, usage
from bench import streams as stream_bench
from bench.aims import Aim
from bench.program import on_processes
from bench.server import percentile
from bench.trace import CATEGORIES, Trace
from messages import DATA_TYPES
from sandbox import chromium, postgres, temporal
from sandbox.postgres import Postgres
from sandbox.processes import Process, Processes
from sandbox.temporal import Temporal
from schema.migrate import migrate

REPOSITORIES = 1_000
SCRIPT_SECONDS = 0.3
FRAMES_TO_PLAIN = 0.9
"""Least share of the frames of a page without scripts that our page has to draw: both scroll on the same machine."""
STREAMS = 100
"""Readers of the small job whose pages are drawn elsewhere."""
PAGES = 3
"""Readers of the small job whose pages are drawn by this machine, too."""
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
    streams: int
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
    """Time from each commit until each page showed it."""
    stream_seconds: list[float] = field(default_factory=list)
    """Time from each commit until each stream had it."""
    missed: int = 0
    """Changes that a page never showed, or a stream never had."""
    cpu_seconds: float = 0
    """CPU time of the server while changes were committed for `wall_seconds`."""
    wall_seconds: float = 0

    @property
    def figures(self) -> dict[str, Any]:
        found = asdict(self)
        del found["seconds"], found["stream_seconds"]
        for name, seconds in (("page", self.seconds), ("stream", self.stream_seconds)):
            found |= {f"{name}_p{p}_seconds": percentile(seconds, p) for p in (50, 99, 100)}
        return found

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
    streams: int,
    pages: int,
    seconds: float,
    per_second: float,
) -> Run:
    """Measures the page. Raises `Unreachable` if a part does not start or there is no Chromium."""
    run = Run(repositories, streams, pages)
    dsn = await database.create_database("page")
    await migrate(dsn, report=lambda _line: None)
    connection = await asyncpg.connect(dsn)
    try:
        large = await stream_bench.job(connection, dsn, 0, repositories)
        small = await stream_bench.job(connection, dsn, repositories, WATCHED)
        webhook, url = server.start(processes, dsn, temporal_server.address, host="0.0.0.0")
        async with async_playwright() as playwright:
            # The processes of a hundred tabs would not fit into a small machine; tabs of one site share them anyway.
            browser = await chromium.launch(playwright, "--renderer-process-limit=4")
            try:
                if repositories:
                    await _render(run, browser, await _address(connection, url, large))
                if pages or streams:
                    opened = await _opened(run, browser, await _address(connection, url, small))
                    port = int(url.rpartition(":")[2])
                    await _watch(run, webhook, port, connection, small, opened, seconds, per_second)
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


async def _opened(run: Run, browser: Browser, address: str) -> list[Page]:
    """Returns the pages of the small job, each of them live."""
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
    return pages


async def _watch(
    run: Run,
    webhook: Process,
    port: int,
    connection: asyncpg.Connection,
    job_id: str,
    pages: Sequence[Page],
    seconds: float,
    per_second: float,
) -> None:
    """Opens the streams, commits changes at fixed intervals, and asks each reader when it had them."""
    read = stream_bench.Run(run.streams, 1, per_second)
    readers = [stream_bench.Reader(read) for _ in range(run.streams)]
    reading = [asyncio.create_task(reader.read(port, job_id)) for reader in readers]
    try:
        await stream_bench.until(lambda: read.opened >= run.streams)
        before, began = usage.of(webhook.pid), time.monotonic()
        committed = await _commit(run, connection, job_id, readers, seconds, per_second)
        run.wall_seconds = time.monotonic() - began
        run.cpu_seconds = usage.of(webhook.pid).cpu_seconds - before.cpu_seconds
        await _collect(run, pages, committed)
        await stream_bench.until(lambda: not any(reader.awaited for reader in readers))
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    run.stream_seconds = read.seconds
    run.missed += sum(len(reader.awaited) for reader in readers) + (run.streams - read.opened) * run.commits


async def _collect(run: Run, pages: Sequence[Page], committed: Mapping[int, float]) -> None:
    """Asks each page when it showed the changes."""
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


async def _commit(
    run: Run,
    connection: asyncpg.Connection,
    job_id: str,
    readers: Sequence[stream_bench.Reader],
    seconds: float,
    per_second: float,
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
        committed[number], moment = time.time(), time.monotonic()
        run.commits += 1
        for reader in readers:
            if reader.connected:
                reader.awaited.append((number, moment))
    return committed


def judged(run: Run) -> list[Aim]:
    aims = []
    if run.repositories:
        aims += [
            Aim("rows that are shown", run.rows, run.repositories, at_least=True, binding=True),
            Aim("script seconds until all rows are there", percentile(run.script_seconds, 50), SCRIPT_SECONDS),
            Aim("frames while scrolling, to a page of plain rows", run.frames_to_plain, FRAMES_TO_PLAIN, at_least=True),
        ]
    if run.pages or run.streams:
        aims.append(Aim("changes missed", run.missed, 0, binding=True))
    if run.streams:
        aims.append(Aim("p99 from commit to stream, seconds", percentile(run.stream_seconds, 99), P99_SECONDS))
    if run.pages:
        aims.append(Aim("p99 from commit to page, seconds", percentile(run.seconds, 99), P99_SECONDS))
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
    watching = Table(title="Readers at once", title_justify="left")
    for name in ("readers", "open", "commits", "p50 s", "p99 s", "max s", "missed", "server's CPU %"):
        watching.add_column(name, justify="right")
    cpu = f"{100 * run.cpu_seconds / max(run.wall_seconds, 0.001):,.0f}"
    for name, number, seconds in (("streams", run.streams, run.stream_seconds), ("pages", run.opened, run.seconds)):
        times = (f"{percentile(seconds, each):.2f}" for each in (50, 99, 100))
        watching.add_row(name, f"{number:,}", f"{run.commits:,}", *times, f"{run.missed:,}", cpu)
    return [rendering, watching] if run.repositories else [watching]


def main() -> int:
    parser = argparse.ArgumentParser("python -m bench.page", description="What the settings page costs a browser.")
    parser.add_argument("--repositories", type=int, default=REPOSITORIES, help="of the page that is rendered; 0: none")
    parser.add_argument("--streams", type=int, default=STREAMS, help="that are open at once; 0: none")
    parser.add_argument("--pages", type=int, default=PAGES, help="that are open beside them; 0: none")
    parser.add_argument("--seconds", type=float, default=15, help="for which changes are committed")
    parser.add_argument("--per-second", type=float, default=2, help="commits")
    parser.add_argument("--json", action="store_true", help="to standard output, instead of tables")
    given = parser.parse_args()
    options = {name: getattr(given, name) for name in ("repositories", "streams", "pages", "seconds", "per_second")}
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
