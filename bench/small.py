"""Measures a workspace of small repositories: a first job of all types, and a second job within the hour.

    python -m bench.small [--repositories 1000] [--latency-ms 0] [--json]

Exit codes are those of `bench.cost`.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console, Group
from rich.table import Table

from bench import census, log, report, usage
from bench.aims import Aim, per
from bench.log import Cost
from bench.stage import TEMPLATE, Case, Stage
from errors import Unreachable
from messages import DataType
from sandbox import postgres, temporal
from sandbox.github.world.repositories import Repository
from sandbox.processes import Processes

TYPES: tuple[DataType, ...] = ("pull_requests", "issues", "discussions", "events")
REPOSITORIES = 1_000
REQUESTS, POINTS, LATER_REQUESTS = 3_000, 1_500, 100
"""The aims for `REPOSITORIES` repositories."""


@dataclass(frozen=True)
class Measured:
    """The results of the two jobs."""

    repositories: int
    threads: int
    items: int
    first: Cost
    later: Cost
    seconds: float
    later_seconds: float
    cpu_seconds: float
    faults: list[str] = field(default_factory=list)

    def aims(self) -> list[Aim]:
        of = self.repositories
        return [
            Aim("signs of being incomplete", len(self.faults), 0, binding=True),
            Aim("requests for 1,000 repositories", per(self.first.requests, REPOSITORIES, of), REQUESTS, binding=True),
            Aim("points for 1,000 repositories", per(self.first.points, REPOSITORIES, of), POINTS, binding=True),
            Aim(
                "requests of a second job within the hour",
                per(self.later.requests, REPOSITORIES, of),
                LATER_REQUESTS,
                binding=True,
            ),
        ]


class SmallStage(Stage):
    """Runs both jobs with one worker."""

    async def measure(self, number: int, latency_ms: float) -> Measured:
        case = Case("small", TYPES, small=number, latency_ms=latency_ms)
        repositories = await asyncio.to_thread(case.repositories)
        dsn = await self._postgres.create_database(f"{TEMPLATE}_small", TEMPLATE)
        github, url = self.stand_in(case)
        environment = self._environment(0, dsn, url)
        worker = await self._worker(0, environment)
        workspace = await self._workspace(dsn, repositories)
        before = usage.of(worker.pid)
        log.clear(url)
        first = await self._ended(dsn, await self._start(0, environment, workspace, TYPES), worker)
        after, cost = usage.of(worker.pid), log.read(url)
        faults = await _faults(dsn, repositories, first)
        log.clear(url)
        later = await self._ended(dsn, await self._start(1, environment, workspace, TYPES), worker)
        faults += [] if later["status"] == "completed" else [f"the second job is {later['status']}"]
        found = Measured(
            number,
            sum(each.pull_requests + each.issues + each.discussions for each in case.plans),
            sum(census.size(census.wanted(each, TYPES)) for each in repositories),
            cost,
            log.read(url),
            first["seconds"],
            later["seconds"],
            after.cpu_seconds - before.cpu_seconds,
            faults,
        )
        worker.stop()
        github.stop()
        return found


async def _faults(dsn: str, repositories: Sequence[Repository], job: dict[str, Any]) -> list[str]:
    faults = [] if job["status"] == "completed" else [f"the job is {job['status']}"]
    faults += [job["error_message"]] if job["error_message"] else []
    for each in repositories:
        found = census.differences(census.wanted(each, TYPES), await census.stored(dsn, each.database_id))
        told = await census.told(dsn, each)
        found += [f"{kind}: {is_} of {should}" for kind, (is_, should) in told.items() if is_ < should]
        faults += [f"{each.name_with_owner}: {line}" for line in found]
    return faults


def tables(found: Measured) -> Group:
    table = Table(title=f"{found.repositories:,} repositories, {found.threads:,} threads", title_justify="left")
    for name in ("", "requests", "points", "REST", "wall s"):
        table.add_column(name, justify="right" if name else "left")
    for name, cost, seconds in (
        ("first job", found.first, found.seconds),
        ("second job, within the hour", found.later, found.later_seconds),
    ):
        table.add_row(name, *(f"{each:,}" for each in (cost.requests, cost.points, cost.rest)), f"{seconds:,.1f}")
    asked = Table(title="What the first job asked for", title_justify="left")
    asked.add_column("")
    asked.add_column("requests", justify="right")
    for operation, requests in _kinds(found.first).items():
        asked.add_row(operation, f"{requests:,}")
    return Group(table, "", asked, "", report.aims_table(found.aims()), *found.faults[:20])


def _kinds(cost: Cost) -> dict[str, int]:
    """Returns the number of requests of each kind. The routes of all repositories count as one kind."""
    kinds: Counter[str] = Counter()
    for name, number in cost.operations.items():
        kinds["repository by id" if name.startswith("repositories/") else name.rpartition("/")[2]] += number
    return dict(kinds.most_common())


async def run(processes: Processes, number: int, latency_ms: float) -> Measured:
    stage = SmallStage(processes, postgres.start(processes), temporal.start(processes))
    await stage.open()
    return await stage.measure(number, latency_ms)


def main() -> int:
    parser = argparse.ArgumentParser("python -m bench.small", description="What small repositories cost.")
    parser.add_argument("--repositories", type=int, default=REPOSITORIES)
    parser.add_argument("--latency-ms", type=float, default=0, help="of every request")
    parser.add_argument("--json", action="store_true", help="to standard output, instead of tables")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    progress = Console(stderr=True)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="workspace-backfill-bench-") as name,
            Processes(Path(name)) as processes,
            progress.status(f"backfilling {given.repositories:,} small repositories, twice"),
        ):
            found = asyncio.run(run(processes, given.repositories, given.latency_ms))
    except Unreachable as error:
        print(f"bench.small: {error.message}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    aims = found.aims()
    if given.json:
        content = asdict(found) | {"aims": [asdict(each) | {"met": each.met} for each in aims]}
        print(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())
    else:
        Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(tables(found))
    return 0 if all(each.met for each in aims) else 1


if __name__ == "__main__":
    sys.exit(main())
