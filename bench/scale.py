"""Measures, with two workers, what grows with the number of repositories and of workspaces: requests, time, memory,
histories.

    python -m bench.scale [--case 1x10 --case 50x5 ...] [--latency-ms 0] [--json]

A case is a number of workspaces x the number of repositories in each. The repositories are those of `bench.plans`;
all jobs begin at once. Exit codes are those of `bench.cost`.
"""

import argparse
import asyncio
import re
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from rich.console import Console, Group
from rich.table import Table
from temporalio.client import Client

import bench.stage
from bench import census, log, report, usage
from bench.aims import Aim
from bench.log import Cost
from bench.small import TYPES
from bench.stage import DAYS, PATIENCE_SECONDS, TEMPLATE, Stage
from errors import Unreachable
from messages import TERMINAL_JOB_STATUSES
from sandbox import postgres, temporal
from sandbox.github.world.repositories import Repository
from sandbox.processes import Process, Processes
from store.database import Database
from store.job_requests import Actor, ask_for

WORKERS = 2
CASES = ("1x10", "1x100", "10x10", "50x10")
LONGEST_HISTORY = 5_000
"""Events of one run, of the 51,200 at which Temporal ends a workflow."""
GROWTH = 1.25
"""How many times the memory ten times the repositories may take and still be called flat."""
LOOK_SECONDS = 0.5
PATIENCE_SECONDS_EACH = 5.0
"""How long the jobs may take for each of their repositories, and at least `PATIENCE_SECONDS` together."""


@dataclass(frozen=True)
class Size:
    """A number of workspaces, each of which has the same number of repositories of its own."""

    workspaces: int
    repositories: int

    @classmethod
    def parse(cls, text: str) -> "Size":
        """Returns the case in a text such as `50x5`. Raises `ValueError` for any other text."""
        found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
        if found is None:
            raise ValueError(text)
        return cls(int(found[1]), int(found[2]))

    @property
    def name(self) -> str:
        return f"{self.workspaces}x{self.repositories}"

    @property
    def total(self) -> int:
        return self.workspaces * self.repositories


@dataclass(frozen=True)
class Grown:
    """The results of one case."""

    case: Size
    rows: int
    """Of threads, with what hangs on them, and of events."""
    cost: Cost
    seconds: float
    cpu_seconds: float
    """Of all workers."""
    temporal_cpu_seconds: float
    postgres_bytes: int
    """What the database has grown by."""
    peak_bytes: int
    """Of the worker that took most memory."""
    connections: int
    """The most that Postgres had at once from the workers."""
    events: int
    """In all histories."""
    longest_history: int
    runs: int
    """Of workflows."""
    faults: list[str] = field(default_factory=list)

    def per_thousand_rows(self, number: float) -> float:
        return number * 1_000 / max(self.rows, 1)


class ScaleStage(Stage):
    """Runs cases one after the other, each with a new database, a stand-in and workers of its own."""

    async def grown(self, case: Size, latency_ms: float) -> Grown:
        self._runs += 1
        small = bench.stage.Case(case.name, TYPES, small=case.total, latency_ms=latency_ms)
        repositories = await asyncio.to_thread(small.repositories)
        dsn = await self._postgres.create_database(f"{TEMPLATE}_{self._runs}", TEMPLATE)
        github, url = self.stand_in(small)
        environment = self._environment(self._runs, dsn, url)
        workers = [await self._worker(10 * self._runs + each, environment) for each in range(WORKERS)]
        workspaces = [
            await self._workspace(dsn, repositories[each * case.repositories : (each + 1) * case.repositories])
            for each in range(case.workspaces)
        ]
        log.clear(url)
        before = [usage.of(each.pid).cpu_seconds for each in (*workers, self._temporal.process)]
        empty = await _size(dsn)
        began = time.monotonic()
        async with Database(dsn, size=2) as database:
            for each in workspaces:
                async with database.transaction() as connection:
                    await ask_for(
                        connection,
                        workspace=each,
                        retention_days=DAYS,
                        data_types=TYPES,
                        fresh=False,
                        actor=Actor("operator:bench", "cli"),
                    )
        connections, jobs = await _watch(dsn, workers, within=max(PATIENCE_SECONDS, case.total * PATIENCE_SECONDS_EACH))
        seconds = time.monotonic() - began
        after = [usage.of(each.pid) for each in (*workers, self._temporal.process)]
        spent = [each.cpu_seconds - was for each, was in zip(after, before, strict=True)]
        cost = log.read(url)
        events, longest, runs = await self._histories(environment["TEMPORAL_TASK_QUEUE"])
        grown = Grown(
            case,
            rows=await _rows(dsn),
            cost=cost,
            seconds=seconds,
            cpu_seconds=sum(spent[:-1]),
            temporal_cpu_seconds=spent[-1],
            postgres_bytes=await _size(dsn) - empty,
            peak_bytes=max(each.peak_bytes or 0 for each in after[:-1]),
            connections=connections,
            events=events,
            longest_history=longest,
            runs=runs,
            faults=await _faults(dsn, repositories, jobs),
        )
        for worker in workers:
            worker.stop()
        github.stop()
        await self._postgres.drop_database(f"{TEMPLATE}_{self._runs}")
        return grown

    async def _histories(self, task_queue: str) -> tuple[int, int, int]:
        """Returns the number of events in all runs of workflows, the most events in one run, and the number of runs."""
        client = await Client.connect(self._temporal.address)
        lengths = [
            each.history_length async for each in client.list_workflows(f"TaskQueue = '{task_queue}'", page_size=1_000)
        ]
        return sum(lengths), max(lengths, default=0), len(lengths)


async def _watch(dsn: str, workers: Sequence[Process], within: float) -> tuple[int, list[str]]:
    """Waits `within` seconds at most until all jobs have ended. Returns the most connections that the workers had at
    once, and how each job ended.
    """
    deadline = time.monotonic() + within
    most = 0
    connection = await asyncpg.connect(dsn)
    try:
        while True:
            jobs = [row[0] for row in await connection.fetch("select status from workspace_backfill_jobs")]
            there = await connection.fetchval(
                "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            )
            most = max(most, there)
            if all(each in TERMINAL_JOB_STATUSES for each in jobs):
                return most, jobs
            for each in workers:
                if each.exit_code is not None:
                    raise Unreachable("part_ended", f"a worker ended with {each.exit_code}\n{each.tail()}")
            if time.monotonic() > deadline:
                raise Unreachable("too_slow", f"the jobs did not end\n{workers[0].tail()}")
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await connection.close()


async def _size(dsn: str) -> int:
    return int(await _value(dsn, "select pg_database_size(current_database())"))


async def _rows(dsn: str) -> int:
    tables = ("pull_requests", "issues", "discussions", "reviews", "comments", "discussion_comments", "issue_events")
    every = " + ".join(f"(select count(*) from {each})" for each in (*tables, "github_events_cache"))
    return int(await _value(dsn, f"select {every}"))


async def _value(dsn: str, query: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def _faults(dsn: str, repositories: Sequence[Repository], jobs: Sequence[str]) -> list[str]:
    faults = [f"a job is {each}" for each in jobs if each != "completed"]
    for each in repositories:
        found = census.differences(census.wanted(each, TYPES), await census.stored(dsn, each.database_id))
        faults += [f"{each.name_with_owner}: {line}" for line in found]
    return faults


def aims(every: Sequence[Grown]) -> list[Aim]:
    found = [Aim(f"{each.case.name}: signs of being incomplete", len(each.faults), 0, binding=True) for each in every]
    longest = max(each.longest_history for each in every)
    found.append(Aim("events of the longest history", longest, LONGEST_HISTORY, binding=True))
    by_size = sorted(every, key=lambda each: each.case.total)
    if len(by_size) > 1 and by_size[0].peak_bytes:
        found.append(Aim("peak memory, largest to smallest", by_size[-1].peak_bytes / by_size[0].peak_bytes, GROWTH))
    return found


def tables(every: Sequence[Grown]) -> Group:
    table = Table(title=f"workspaces x repositories of each, {WORKERS} workers", title_justify="left")
    columns = ("", "rows", "requests", "points", "wall s", "CPU s", "Temporal's CPU s", "MB in Postgres", "peak MB")
    for name in (*columns, "connections", "events", "longest", "runs"):
        table.add_column(name, justify="right" if name else "left")
    per = Table(title="for 1,000 rows", title_justify="left")
    for name in ("", "requests", "points", "CPU s", "Temporal's CPU s", "MB in Postgres", "events"):
        per.add_column(name, justify="right" if name else "left")
    for each in every:
        megabytes = each.postgres_bytes / 1e6
        table.add_row(
            each.case.name,
            *(f"{number:,}" for number in (each.rows, each.cost.requests, each.cost.points)),
            *(f"{number:,.1f}" for number in (each.seconds, each.cpu_seconds, each.temporal_cpu_seconds, megabytes)),
            f"{each.peak_bytes / 1e6:,.0f}",
            *(f"{number:,}" for number in (each.connections, each.events, each.longest_history, each.runs)),
        )
        numbers = (each.cost.requests, each.cost.points, each.cpu_seconds, each.temporal_cpu_seconds, megabytes)
        per.add_row(each.case.name, *(f"{each.per_thousand_rows(number):,.2f}" for number in (*numbers, each.events)))
    faults = [line for each in every for line in each.faults]
    return Group(table, "", per, "", report.aims_table(aims(every)), *faults[:20])


async def run(processes: Processes, cases: Sequence[Size], latency_ms: float, progress: Console) -> list[Grown]:
    stage = ScaleStage(processes, postgres.start(processes), temporal.start(processes))
    await stage.open()
    found = []
    for case in cases:
        with progress.status(f"{case.workspaces:,} workspaces of {case.repositories:,} repositories"):
            found.append(grown := await stage.grown(case, latency_ms))
        progress.print(f"{case.name}: {grown.rows:,} rows in {grown.seconds:,.0f} s, {len(grown.faults)} faults")
    return found


def main() -> int:
    parser = argparse.ArgumentParser("python -m bench.scale", description="What grows with how much there is.")
    parser.add_argument("--case", action="append", type=Size.parse, help="workspaces x repositories of each; repeat")
    parser.add_argument("--latency-ms", type=float, default=0, help="of every request")
    parser.add_argument("--json", action="store_true", help="to standard output, instead of tables")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    cases = given.case or [Size.parse(each) for each in CASES]
    try:
        with (
            tempfile.TemporaryDirectory(prefix="workspace-backfill-bench-") as name,
            Processes(Path(name)) as processes,
        ):
            found = asyncio.run(run(processes, cases, given.latency_ms, Console(stderr=True)))
    except Unreachable as error:
        print(f"bench.scale: {error.message}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    if given.json:
        content = [asdict(each) for each in found]
        print(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())
    else:
        Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(tables(found))
    return 0 if all(each.met for each in aims(found) if each.binding) else 1


if __name__ == "__main__":
    sys.exit(main())
