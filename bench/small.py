"""Measures a workspace of small repositories: a first job of all types, and a second job within the hour.

    python -m bench.small [--repositories 1000] [--latency-ms 0] [--json]

Exit codes are those of `bench.cost`.
"""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
from rich.console import Console, Group
from rich.table import Table

from bench import census, log, report, usage
from bench.aims import Aim, per
from bench.log import Cost
from bench.stage import END, PLENTY, TEMPLATE, TOKEN, Stage
from errors import Unreachable
from messages import DataType
from sandbox import postgres, temporal
from sandbox.github import World, generation
from sandbox.github.generation import Plan
from sandbox.github.world.repositories import Repository
from sandbox.processes import Processes
from sandbox.purchase import HostRepository, create_workspace

TYPES: tuple[DataType, ...] = ("pull_requests", "issues", "discussions", "events")
MOST_THREADS = 20
REPOSITORIES = 1_000
REQUESTS, POINTS, LATER_REQUESTS = 3_000, 1_500, 100
"""The aims for `REPOSITORIES` repositories."""


def plan(number: int) -> Plan:
    """Returns the plan of a repository with at most `MOST_THREADS` threads. It is always the same for the same number.

    A quarter of the repositories have no threads; half of the others have four or fewer. One in ten of those with
    threads has discussions.
    """
    chance = random.Random(number)
    threads = 0 if chance.random() < 0.25 else round(MOST_THREADS ** chance.random())
    discussions = chance.randint(1, threads) // 2 if threads and chance.random() < 0.1 else 0
    pulls = round((threads - discussions) * chance.uniform(0.3, 0.8))
    return Plan(
        f"acme/r{number:04}",
        pull_requests=pulls,
        issues=threads - discussions - pulls,
        discussions=discussions,
        reviews=1.5,
        review_comments=1.0,
        comments=1.5,
        events=3.0,
        people=12,
        stars=chance.randint(1, 10) if chance.random() < 0.5 else 0,
        forks=chance.randint(1, 3) if chance.random() < 0.3 else 0,
        releases=chance.randint(1, 5) if chance.random() < 0.2 else 0,
        pushes=round(30 ** chance.random()),
        years=2.0,
        seed=number + 1,
    )


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
        world = World()
        repositories = await asyncio.to_thread(lambda: [made(world, each) for each in range(number)])
        dsn = await self._postgres.create_database(f"{TEMPLATE}_small", TEMPLATE)
        github, url = self.many(number, latency_ms)
        environment = self._environment(0, dsn, url)
        worker = await self._worker(0, environment)
        workspace = (await create_workspace(dsn, [HostRepository.of(each) for each in repositories])).workspace_id
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
            sum(plan(each).pull_requests + plan(each).issues + plan(each).discussions for each in range(number)),
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

    def many(self, number: int, latency_ms: float = 0, pace: float = 0) -> tuple[Any, str]:
        """Starts a stand-in with `number` repositories; returns it and its address. Raises `Unreachable` if it does not
        start.
        """
        limits = (f"--graphql-limit={PLENTY}", f"--rest-limit={PLENTY}", f"--rest-per-minute={PLENTY}")
        plans = [f"--generate={_text(plan(each))}" for each in range(number)]
        slowness = (f"--pace={pace:g}", f"--latency-ms={latency_ms:g}")
        return self._server("github", "sandbox.github", *plans, f"--end={END}", f"--token={TOKEN}", *limits, *slowness)


def made(world: World, number: int) -> Repository:
    return generation.repository(world, plan(number), end=END)


def _text(of: Plan) -> str:
    default = Plan(of.name)
    changed = {each.name: getattr(of, each.name) for each in fields(of) if each.name != "name"}
    return f"{of.name}?" + urlencode({name: it for name, it in changed.items() if it != getattr(default, name)})


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
