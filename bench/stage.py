"""Runs one measured job: with a new database, a stand-in in a process of its own, a new worker, and one backfill until
it ends.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg

from bench import census, log, plans, usage
from bench.census import Share
from bench.log import Cost
from errors import Unreachable
from messages import TERMINAL_JOB_STATUSES, DataType
from sandbox.demo import OURS
from sandbox.github import World, generation
from sandbox.github.generation import Plan
from sandbox.github.world.repositories import Repository
from sandbox.ports import LOOPBACK
from sandbox.postgres import Postgres
from sandbox.processes import Process, Processes, written
from sandbox.purchase import HostRepository, create_workspace
from sandbox.temporal import Temporal
from schema.migrate import migrate

ROOT = Path(__file__).parent.parent
TEMPLATE = "bench"
DAYS = 10_000
"""Retention that covers the whole history."""
TOKEN = "ghp_bench"
PLENTY = "1000000000"
"""A limit that is never reached, because the bench measures costs and not waits for limits."""
PATIENCE_SECONDS = 1_800.0
TICK_SECONDS = 0.01
"""The unit in which the system counts CPU time."""
SETTLED_SECONDS = 0.5
"""A worker that polls is idle after this time."""


@dataclass(frozen=True)
class Case:
    """One backfill to measure: of one large repository, or of many small ones. With `scale` 1 the large one has 1,000
    pull requests and 500 issues, as `generation.measured` describes.
    """

    name: str
    data_types: tuple[DataType, ...]
    scale: float = 1
    small: int = 0
    """How many repositories of `plans.small` there are, in place of the large one."""
    after: tuple[DataType, ...] = ()
    """Data types that an earlier, unmeasured job fetches."""
    beside: Mapping[str, int] = field(default_factory=dict)
    """Further things at scale 1, by field of `generation.Plan`."""
    pace: float = 0
    """Duration of the stand-in's answers, as a multiple of GitHub's (`exchange/pace.py`); 0 is at once. Page sizes
    follow the duration of answers, so only 1 measures this system's cost on GitHub."""
    latency_ms: float = 0
    """Additional latency of every request."""
    graphql_limit: int | None = None
    """Points in a window; None: unlimited. `rest_limit` does the same for REST requests."""
    rest_limit: int | None = None
    window_seconds: float = 3_600

    def scaled(self, by: float) -> "Case":
        """Returns the case with `by` times as much to read."""
        return replace(self, scale=self.scale * by, small=round(self.small * by))

    @property
    def patience(self) -> float:
        """Seconds after which the job counts as too slow."""
        return PATIENCE_SECONDS * max(1, self.scale / 10)

    @property
    def plans(self) -> list[Plan]:
        if self.small:
            return [plans.small(each) for each in range(self.small)]
        beside = {name: round(number * self.scale) for name, number in self.beside.items()}
        return [Plan(**(asdict(generation.measured(plans.LARGE, self.scale)) | beside))]

    def repositories(self) -> list[Repository]:
        """Returns the repositories of the stand-in, generated a second time, so that the expected rows do not come
        from the server that is measured.
        """
        return plans.made(World(), self.plans)


@dataclass(frozen=True)
class Run:
    """The results of one case."""

    case: Case
    pull_requests: int
    issues: int
    items: int
    """Stored rows, except events of the feed and embeddings."""
    faults: list[str]
    """Why the run does not count as complete; empty if the job completed and every row is stored exactly once."""
    cost: Cost
    cpu_seconds: float
    """CPU time of the worker during the job, without its start."""
    wall_seconds: float
    peak_bytes: int | None
    discussions: int = 0
    events: int = 0
    embeddings: int = 0
    embedding_requests: int = 0
    shares: Mapping[str, Share] = field(default_factory=dict)

    @property
    def threads(self) -> int:
        return self.pull_requests + self.issues + self.discussions

    @property
    def measured(self) -> tuple[int, str]:
        """The number of things by which the costs of the case are divided, and what these things are called."""
        for noun in ("pull_requests", "issues", "discussions", "events"):
            if number := getattr(self, noun):
                return number, noun.replace("_", " ")
        return 0, "threads"

    @property
    def per_token_and_hour(self) -> float:
        """How many things one token fetches in an hour; 0 if the run is incomplete."""
        return 0 if self.faults else self.cost.per_token_and_hour(self.measured[0])

    @property
    def per_hour(self) -> float:
        """As `per_token_and_hour`, by whichever is used up first: points, REST requests, or GitHub's seconds."""
        return min(self.per_token_and_hour, self.cost.per_hour_of_responses(self.measured[0]))

    @property
    def wall_to_busy(self) -> float:
        """How many times as long as its requests the job took. Requests that overlap count once."""
        return self.wall_seconds / self.cost.busy_seconds if self.cost.busy_seconds else float("inf")

    @property
    def items_per_cpu_second(self) -> float:
        return self.items / max(self.cpu_seconds, TICK_SECONDS)


class Stage:
    """Runs cases on servers that the caller starts and stops."""

    def __init__(self, processes: Processes, postgres: Postgres, temporal: Temporal) -> None:
        self._processes = processes
        self._postgres = postgres
        self._temporal = temporal
        self._runs = 0
        self._servers = 0

    async def open(self) -> None:
        """Creates the database that each case gets a copy of."""
        await migrate(await self._postgres.create_database(TEMPLATE), report=lambda _line: None)

    async def run(self, case: Case, watch: Callable[[str, str], Coroutine[Any, Any, None]] | None = None) -> Run:
        """Runs a case; returns the results. `watch` gets the database and the id of the job, and returns when the job
        has ended.

        Raises `Unreachable` if a part does not start, or ends, or if the job does not end within `case.patience`.
        """
        self._runs += 1
        number = self._runs
        database = f"{TEMPLATE}_{number}"
        dsn = await self._postgres.create_database(database, TEMPLATE)
        generated = asyncio.create_task(asyncio.to_thread(case.repositories))
        github, url = self.stand_in(case)
        openai, openai_url = self._server("embeddings", "sandbox.embeddings", f"--token={TOKEN}")
        environment = self._environment(number, dsn, url) | {
            "OPENAI_BASE_URL": f"{openai_url}/v1",
            "OPENAI_API_KEY": TOKEN,
        }
        worker = await self._worker(number, environment)
        repositories = await generated
        workspace = await self._workspace(dsn, repositories)
        if case.after:
            await self._ended(dsn, await self._start(number, environment, workspace, case.after), worker, case.patience)
        before = usage.of(worker.pid)
        log.clear(url)
        job = await self._start(number, environment, workspace, case.data_types)
        watching = asyncio.create_task(watch(dsn, job)) if watch else None
        try:
            row = await self._ended(dsn, job, worker, case.patience)
            if watching is not None:
                await watching
        finally:
            if watching is not None:
                watching.cancel()
        after = usage.of(worker.pid)
        worker.stop()
        wanted = census.union(census.wanted(each, {*case.data_types, *case.after}) for each in repositories)
        stored = census.union([await census.stored(dsn, each.database_id) for each in repositories])
        faults = [] if row["status"] == "completed" else [f"the job is {row['status']}"]
        faults += [row["error_message"]] if row["error_message"] else []
        run = Run(
            case,
            pull_requests=len(stored["pull_requests"]),
            issues=len(stored["issues"]),
            discussions=len(stored["discussions"]),
            events=row["events"],
            items=census.size(stored),
            faults=faults + census.differences(wanted, stored),
            cost=log.read(url),
            cpu_seconds=after.cpu_seconds - before.cpu_seconds,
            wall_seconds=row["seconds"],
            peak_bytes=after.peak_bytes,
            embeddings=row["embeddings"],
            embedding_requests=row["embedding_requests"],
            shares=census.shares(wanted, stored),
        )
        if "events" in case.data_types:
            for each in repositories:
                told = await census.told(dsn, each)
                run.faults.extend(f"{kind}: {is_} of {should}" for kind, (is_, should) in told.items() if is_ < should)
        if "embeddings" in case.data_types and run.embeddings != run.threads:
            run.faults.append(f"embeddings: {run.embeddings:,} of {run.threads:,} threads")
        github.stop()
        openai.stop()
        await self._postgres.drop_database(database)
        return run

    def stand_in(self, case: Case) -> tuple[Process, str]:
        """Starts a stand-in that serves the repositories of the case; returns it and its address. Raises `Unreachable`
        if it does not start.
        """
        limits = (
            f"--graphql-limit={case.graphql_limit or PLENTY}",
            f"--rest-limit={case.rest_limit or PLENTY}",
            f"--rest-per-minute={PLENTY}",
            f"--window-seconds={case.window_seconds:g}",
        )
        world = (*plans.arguments(case.plans), f"--token={TOKEN}")
        slowness = (f"--pace={case.pace:g}", f"--latency-ms={case.latency_ms:g}")
        return self._server("github", "sandbox.github", *world, *limits, *slowness)

    def _server(self, name: str, module: str, *arguments: str) -> tuple[Process, str]:
        self._servers += 1
        name = f"bench-{name}-{self._servers}"
        port_file = self._processes.directory / f"{name}.port"
        command: list[str | Path] = [sys.executable, "-m", module, "--port-file", port_file, *arguments]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        port_file.unlink(missing_ok=True)  # another stage on the same processes has servers of the same names
        process = self._processes.start(name, command, env=environment)
        process.wait_ready(written(port_file), within=PATIENCE_SECONDS)  # it makes its repositories first
        return process, f"http://{LOOPBACK}:{port_file.read_text().strip()}"

    def _environment(self, number: int, dsn: str, url: str) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return inherited | {
            "DATABASE_URL": dsn,
            "TEMPORAL_ADDRESS": self._temporal.address,
            "TEMPORAL_CONFIG_FILE": os.devnull,
            "TEMPORAL_TASK_QUEUE": f"bench-{os.getpid()}-{number}",
            "GITHUB_API_URL": url,
            "GITHUB_TOKENS": TOKEN,
            "GITHUB_BUDGET_SHARE": "1",
            "LOG_FORMAT": "json",
        }

    async def _worker(self, number: int, environment: dict[str, str]) -> Process:
        """Starts a worker; returns it once it polls."""
        worker = self._processes.start(f"bench-worker-{number}", [sys.executable, ROOT / "worker.py"], env=environment)
        worker.wait_ready(lambda: '"polling"' in worker.tail(), within=60)
        await asyncio.sleep(SETTLED_SECONDS)
        return worker

    async def _workspace(self, dsn: str, repositories: Sequence[Repository]) -> str:
        """Creates a workspace with these repositories; returns its id."""
        workspace = await create_workspace(dsn, [HostRepository.of(each) for each in repositories])
        return workspace.workspace_id

    async def _start(
        self, number: int, environment: dict[str, str], workspace_id: str, data_types: Sequence[DataType]
    ) -> str:
        """Starts the job; returns its id."""
        command: list[str | Path] = [sys.executable, ROOT / "starter.py", "start", "--workspace", workspace_id]
        command += ["--retention-days", str(DAYS), *(f"--type={each}" for each in data_types)]
        start = self._processes.start(f"bench-start-{number}", command, env=environment)
        start.wait_ready(lambda: start.exit_code == 0, within=60)
        return start.tail(1)

    async def _ended(self, dsn: str, job: str, worker: Process, patience: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Waits until the job has ended, at most `patience` seconds; returns its status, how many `seconds` it took,
        and how much it embedded.
        """
        query = """
            select j.status, j.error_message, extract(epoch from j.completed_at - j.created_at)::float as seconds,
              coalesce((s.counts ->> 'embeddings')::integer, 0) as embeddings,
              coalesce(s.requests, 0) as embedding_requests,
              (
                select sum(events_count)::integer from workspace_backfill_progress where backfill_job_id = j.id
              ) as events
            from workspace_backfill_jobs j
            left join backfill_sweeps s on s.backfill_job_id = j.id and s.data_type = 'embeddings' where j.id = $1
        """
        deadline = time.monotonic() + patience
        connection = await asyncpg.connect(dsn)
        try:
            while (row := await connection.fetchrow(query, job)) is None or row["status"] not in TERMINAL_JOB_STATUSES:
                if worker.exit_code is not None:
                    raise Unreachable("part_ended", f"the worker ended with {worker.exit_code}\n{worker.tail()}")
                if time.monotonic() > deadline:
                    raise Unreachable("too_slow", f"the job did not end\n{worker.tail()}")
                await asyncio.sleep(0.1)
        finally:
            await connection.close()
        return dict(row)
