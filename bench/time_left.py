"""Measures how often a backfill ends within the range of time that was shown after a quarter, half, and three quarters
of it.

    python -m bench.time_left [--worlds 200] [--backfills 4] [--seed 1] [--json]

It uses simulated worlds (`bench.worlds`), whose budgets are used up within each hour, and real backfills against a
stand-in whose windows last seconds. Quarters are taken of the time, and also of the percentage. Exit codes: 0 done,
1 fewer than nine of ten ended within the range, 2 bad arguments, 3 a part did not start or ended, 130 interrupted.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from bench import report
from bench.aims import Aim
from bench.program import on_processes
from bench.stage import Case, Stage
from bench.worlds import Snapshot, World
from errors import Unreachable
from progress import time_left, totals
from progress.time_left import Outlook
from progress.views import JobView
from sandbox import postgres, temporal
from sandbox.processes import Processes
from store import job_views
from store.database import Database

PARTS = (0.25, 0.5, 0.75)
WITHIN = 0.9
SLACK_SECONDS = 1.0
"""Tolerance for real backfills: their view is read four times a second, and their end is written slightly later."""
LOOK_SECONDS = 0.25
CASES = (
    Case(
        "pull requests, 12 points in 20 s", ("pull_requests",), 1, latency_ms=150, graphql_limit=12, window_seconds=20
    ),
    Case("issues, 6 points in 15 s", ("issues",), 2, latency_ms=150, graphql_limit=6, window_seconds=15),
    Case("both, 15 REST in 20 s", ("pull_requests", "issues"), 1, latency_ms=150, rest_limit=15, window_seconds=20),
    Case(
        "both, 8 points in 10 s", ("pull_requests", "issues"), 0.7, latency_ms=300, graphql_limit=8, window_seconds=10
    ),
)


@dataclass(frozen=True)
class Shown:
    """What was shown `at` seconds after the beginning, when `percent` of the work was done. `look` is the range."""

    at: float
    percent: float | None
    look: Callable[[], tuple[float, float] | None]


@dataclass(frozen=True)
class Check:
    """What was shown when `part` of a backfill's time or percentage had passed, and when it really ended."""

    backfill: str
    part: float
    of: str
    shown: tuple[float, float] | None
    really: float
    slack: float = 0.0

    @property
    def holds(self) -> bool:
        return self.shown is not None and self.shown[0] - self.slack <= self.really <= self.shown[1] + self.slack

    @property
    def width(self) -> float:
        """How wide the range is, as a part of the time that was really left."""
        return (self.shown[1] - self.shown[0]) / max(self.really, 1) if self.shown else 0.0


def checks(backfill: str, seen: Sequence[Shown], end: float, slack: float = 0.0) -> list[Check]:
    """Returns the checks of a backfill that ended at `end`. `seen` is in order of time."""
    found = []
    for part in PARTS:
        by_time = next((each for each in seen if each.at >= part * end), None)
        by_percent = next((each for each in seen if each.percent is not None and each.percent >= 100 * part), None)
        for of, each in (("time", by_time), ("percent", by_percent)):
            if each is not None:
                found.append(Check(backfill, part, of, each.look(), end - each.at, slack))
    return found


def _shown(snapshot: Snapshot) -> Shown:
    its = totals.of(snapshot.job)

    def look() -> tuple[float, float] | None:
        outlook = time_left.outlook(
            snapshot.job, its.rest, snapshot.now, snapshot.earlier, snapshot.windows, snapshot.others
        )
        return (outlook.left.from_seconds, outlook.left.to_seconds) if isinstance(outlook, Outlook) else None

    return Shown(snapshot.seconds, its.progress.percent, look)


def imagined(seeds: Sequence[int]) -> list[Check]:
    """Returns the checks of simulated worlds, one for each seed. No server is needed."""
    found = []
    for seed in seeds:
        seen = [_shown(each) for each in World.imagine(seed).run()]
        found += checks(f"world {seed}", seen, seen[-1].at)
    return found


async def measured(stage: Stage, case: Case) -> list[Check]:
    """Returns the checks of a real backfill. Raises `Unreachable` if a part does not start, or ends."""
    views: list[JobView] = []

    async def watch(dsn: str, job: str) -> None:
        async with Database(dsn, size=1) as database:
            while not views or not views[-1].ended:
                async with database.transaction() as connection:
                    views.append(await job_views.look(connection, job))
                await asyncio.sleep(LOOK_SECONDS)

    # The stand-in's hour is some seconds long, and that GitHub's is an hour is known without having seen one.
    hour, time_left.HOUR = time_left.HOUR, case.window_seconds
    try:
        run = await stage.run(case, watch)
    finally:
        time_left.HOUR = hour
    if run.faults:
        raise Unreachable("incomplete", f"{case.name}: {'; '.join(run.faults)}")
    [began, ended] = [views[-1].started_at, views[-1].completed_at]
    assert began is not None and ended is not None, "it has ended"
    seen = [_of(each, began) for each in views if not each.ended and each.status == "in_progress"]
    return checks(case.name, seen, (ended - began).total_seconds(), SLACK_SECONDS)


def _of(view: JobView, began: datetime) -> Shown:
    left = view.time_left
    known = (left.from_seconds, left.to_seconds) if left else None
    return Shown((view.as_of - began).total_seconds(), view.progress.percent, lambda: known)


async def _measure(processes: Processes, cases: Sequence[Case], console: Console) -> list[Check]:
    stage = Stage(processes, postgres.start(processes), temporal.start(processes))
    await stage.open()
    found = []
    for case in cases:
        with console.status(f"backfilling: {case.name}"):
            found += await measured(stage, case)
    return found


def width(found: Sequence[Check]) -> dict[str, float]:
    """Returns the median width of the ranges by part, relative to the time that was really left."""
    known = {part: [each.width for each in found if each.part == part and each.shown is not None] for part in PARTS}
    return {f"{part:.0%}": round(median(widths), 2) for part, widths in known.items() if widths}


def judged(found: Sequence[Check], what: str) -> list[Aim]:
    """Returns one aim for each part (a quarter, half, three quarters), with time and percentage together. Ranges
    that were unknown do not count.
    """
    aims = []
    for part in PARTS:
        its = [each for each in found if each.part == part and each.shown is not None]
        if its:
            share = sum(each.holds for each in its) / len(its)
            aims.append(
                Aim(f"{what}: ends within the range shown at {part:.0%}", share, WITHIN, at_least=True, binding=True)
            )
    return aims


def table(found: Sequence[Check], title: str) -> Table:
    columns = ("part", "of", "ranges", "unknown", "within", "too early", "too late", "width, to the rest")
    shown = Table(*columns, title=title, title_justify="left")
    for part in PARTS:
        for of in ("time", "percent"):
            its = [each for each in found if (each.part, each.of) == (part, of)]
            known = [each for each in its if each.shown is not None]
            early = sum(each.shown is not None and each.really < each.shown[0] - each.slack for each in known)
            within = sum(each.holds for each in known)
            widths = median(each.width for each in known) if known else 0.0
            row = (f"{part:.0%}", of, len(known), len(its) - len(known), within, early, len(known) - within - early)
            shown.add_row(*map(str, row), f"{widths:.1f}")
    return shown


def main() -> int:
    """Runs the bench; returns the exit code."""
    parser = argparse.ArgumentParser("python -m bench.time_left", description="How good the time left is.")
    parser.add_argument("--worlds", type=int, default=200, help="imagined ones")
    parser.add_argument("--backfills", type=int, default=len(CASES), choices=range(len(CASES) + 1), help="real ones")
    parser.add_argument("--seed", type=int, default=1, help="of the first world")
    parser.add_argument("--json", action="store_true", help="to standard output, instead of tables")
    given = parser.parse_args()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120, stderr=given.json)
    worlds, real = imagined(range(given.seed, given.seed + given.worlds)), list[Check]()
    if given.backfills:
        real = on_processes(lambda processes: _measure(processes, CASES[: given.backfills], console))
    aims = judged(worlds, "worlds") + judged(real, "backfills")
    if given.json:
        figures: dict[str, Any] = {
            "machine": report.machine(),
            "within": {aim.what: aim.measured for aim in aims},
            "width": {name: width(its) for name, its in (("worlds", worlds), ("backfills", real)) if its},
        }
        print(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
    else:
        for title, found in (("Imagined backfills", worlds), ("Real backfills, small windows", real)):
            if found:
                console.print(table(found, title), "")
        console.print(report.aims_table(aims))
    return 0 if all(aim.met for aim in aims) else 1


if __name__ == "__main__":
    sys.exit(main())
