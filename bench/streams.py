"""Measures how many streams of live progress one `webhook.py` can serve, and how soon a reader learns of a commit.

    python -m bench.streams [--streams 1000] [--jobs 50] [--repositories 10] [--per-second 20] [--seconds 20] [--json]

It opens the streams, commits pages of the jobs, and measures the time from each commit until every reader of that
job has it. Exit codes: 0 done, 1 a stream ended or missed a change, 2 bad arguments, 3 a part did not start or
ended, 130 interrupted.
"""

import argparse
import asyncio
import re
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Any

import asyncpg
import orjson
from rich.console import Console
from rich.table import Table

from bench import report, server, usage
from bench.aims import Aim
from bench.program import on_processes
from bench.server import percentile
from errors import Unreachable
from messages import DATA_TYPES
from sandbox import postgres, purchase, temporal
from sandbox.ports import LOOPBACK
from sandbox.postgres import Postgres
from sandbox.processes import Processes
from sandbox.purchase import HostRepository
from sandbox.temporal import Temporal
from schema.migrate import migrate

STREAMS = 1_000
P99_SECONDS = 1.0
REPOSITORIES = 10
"""Repositories of a job, unless others are asked for; each has a sweep of every data type."""
PATIENCE_SECONDS = 60.0
STORED = re.compile(rb'"data_type":"issues","status":"in_progress","stored":(\d+)')
"""Matches the number of the last commit in an event of a repository."""


@dataclass
class Run:
    """The results of one series of streams."""

    streams: int
    jobs: int
    per_second: float
    repositories: int = REPOSITORIES
    opened: int = 0
    open_at_the_end: int = 0
    open_seconds: float = 0
    commits: int = 0
    seconds: list[float] = field(default_factory=list)
    """Time from each commit to each reader."""
    missed: int = 0
    """Changes that a reader lacked a minute after the last commit."""
    cpu_seconds: float = 0
    """CPU time of the server while changes were committed for `wall_seconds`."""
    wall_seconds: float = 0
    peak_bytes: int | None = None

    @property
    def figures(self) -> dict[str, Any]:
        found = asdict(self)
        del found["seconds"]
        return found | {f"p{p}_seconds": percentile(self.seconds, p) for p in (50, 99, 100)}


class Reader:
    """The reader of one stream. It knows when each change of its job was committed."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.awaited: deque[tuple[int, float]] = deque()
        """Number and time of the commits that it has not received yet."""
        self.connected = False

    async def read(self, port: int, job_id: str) -> None:
        """Reads until the server ends the stream."""
        reader, writer = await asyncio.open_connection(LOOPBACK, port, limit=1 << 22)
        request = f"GET /api/backfills/{job_id}/events HTTP/1.1\r\nHost: {LOOPBACK}\r\n"
        writer.write(f"{request}Authorization: Bearer {server.API_TOKEN}\r\n\r\n".encode())
        try:
            while line := await reader.readline():
                if line.startswith(b"event: snapshot"):
                    self.connected = True
                    self._run.opened += 1
                elif line.startswith(b"event: end"):
                    return
                elif line.startswith(b'data: {"repository_id"'):
                    now = monotonic()
                    found = STORED.search(line)
                    while found and self.awaited and self.awaited[0][0] <= int(found[1]):
                        self._run.seconds.append(now - self.awaited.popleft()[1])
        finally:
            self.connected = False
            writer.close()


async def measure(
    processes: Processes,
    database: Postgres,
    temporal_server: Temporal,
    *,
    streams: int,
    jobs: int,
    per_second: float,
    seconds: float,
    repositories: int = REPOSITORIES,
) -> Run:
    """Measures the streams. Raises `Unreachable` if a part does not start, ends, or refuses the streams."""
    run = Run(streams, jobs, per_second, repositories)
    dsn = await database.create_database("streams")
    await migrate(dsn, report=lambda _line: None)
    connection = await asyncpg.connect(dsn)
    try:
        job_ids = [await job(connection, dsn, number * repositories, repositories) for number in range(jobs)]
        webhook, url = server.start(processes, dsn, temporal_server.address)
        readers = [Reader(run) for _ in range(streams)]
        port, began = int(url.rpartition(":")[2]), monotonic()
        reading = [
            asyncio.create_task(reader.read(port, job_ids[number % jobs])) for number, reader in enumerate(readers)
        ]
        await until(lambda: run.opened >= streams)
        run.open_seconds = monotonic() - began
        if webhook.exit_code is not None:
            raise Unreachable("part_ended", f"webhook.py ended with {webhook.exit_code}\n{webhook.tail()}")
        before, began = usage.of(webhook.pid), monotonic()
        await _commit(connection, run, job_ids, readers, seconds)
        after = usage.of(webhook.pid)
        run.wall_seconds, run.cpu_seconds = monotonic() - began, after.cpu_seconds - before.cpu_seconds
        await until(lambda: not any(reader.awaited for reader in readers))
        run.missed = sum(len(reader.awaited) for reader in readers)
        run.open_at_the_end = sum(reader.connected for reader in readers)
        run.peak_bytes = usage.of(webhook.pid).peak_bytes
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        webhook.stop()
    finally:
        await connection.close()
    return run


async def until(true: Callable[[], bool]) -> None:
    """Returns when `true()`, or after a minute."""
    deadline = monotonic() + PATIENCE_SECONDS
    while not true():
        if monotonic() > deadline:
            break
        await asyncio.sleep(0.01)


async def _commit(
    connection: asyncpg.Connection, run: Run, job_ids: Sequence[str], readers: Sequence[Reader], seconds: float
) -> None:
    """Commits pages at fixed intervals, for one repository after the other, job by job."""
    began = monotonic()
    for number in range(round(run.per_second * seconds)):
        await asyncio.sleep(max(0, began + number / run.per_second - monotonic()))
        job = number % len(job_ids)
        await connection.execute(
            """
            update backfill_sweeps set counts = jsonb_build_object('issues', $2::int)
            where backfill_job_id = $1 and data_type = 'issues' and repository_id = (
                select repository_id from backfill_sweeps where backfill_job_id = $1 order by 1 limit 1 offset $3
            )
            """,
            job_ids[job],
            number + 1,
            # Every job's repositories in turn: 5 data types lie between two of them.
            number // len(job_ids) % run.repositories * len(DATA_TYPES),
        )
        committed = monotonic()
        run.commits += 1
        for reader in readers[job :: len(job_ids)]:
            if reader.connected:
                reader.awaited.append((number + 1, committed))


async def job(connection: asyncpg.Connection, dsn: str, first: int, repositories: int) -> str:
    """Creates a job with `repositories` repositories, numbered from `first` on, which have a sweep of each data type;
    returns the job's id.

    The job is pending, and its workflow has no worker: the reconciler would end a job in progress that has no workflow.
    """
    workspace = await purchase.create_workspace(
        dsn,
        [
            HostRepository(first + each + 1, "acme", f"rocket-{first + each}", False, False, True, True)
            for each in range(repositories)
        ],
    )
    job_id: str = await connection.fetchval(
        """
        with job as (
            insert into workspace_backfill_jobs (
                workspace_id, retention_days, cutoff_at, backfill_types, requested_by, total_repositories
            ) values ($1, 365, now() - interval '365 days', $2, 'operator', $3)
            returning id, workspace_id
        ), progress as (
            insert into workspace_backfill_progress (backfill_job_id, repository_id, status, started_at)
            select job.id, repository_id, 'in_progress', now()
            from job join workspace_repositories using (workspace_id)
        ), sweeps as (
            insert into backfill_sweeps (backfill_job_id, repository_id, data_type, status, counts, expected)
            select job.id, repository_id, data_type, 'in_progress', '{}', 1000000
            from job join workspace_repositories using (workspace_id) cross join unnest($2::text[]) as data_type
        )
        select job.id::text from job
        """,
        workspace.workspace_id,
        list(DATA_TYPES),
        repositories,
    )
    return job_id


def judged(run: Run) -> list[Aim]:
    return [
        Aim("streams open at the end", run.open_at_the_end, run.streams, at_least=True, binding=True),
        Aim("changes missed", run.missed, 0, binding=True),
        Aim("p99 from commit to reader, seconds", percentile(run.seconds, 99), P99_SECONDS),
    ]


def table(run: Run) -> Table:
    found = Table(title="Streams of one process", title_justify="left")
    names = (
        "streams",
        "jobs",
        "repositories",
        "commits/s",
        "opened in s",
        "p50 s",
        "p99 s",
        "max s",
        "missed",
        "CPU %",
        "peak MB",
    )
    for name in names:
        found.add_column(name, justify="right")
    found.add_row(
        f"{run.open_at_the_end:,}",
        f"{run.jobs:,}",
        f"{run.repositories:,}",
        f"{run.per_second:g}",
        f"{run.open_seconds:.1f}",
        *(f"{percentile(run.seconds, each):.2f}" for each in (50, 99, 100)),
        f"{run.missed:,}",
        f"{100 * run.cpu_seconds / max(run.wall_seconds, 0.001):,.0f}",
        report.megabytes(run.peak_bytes),
    )
    return found


def main() -> int:
    parser = argparse.ArgumentParser("python -m bench.streams", description="Streams that one process holds.")
    parser.add_argument("--streams", type=int, default=STREAMS)
    parser.add_argument("--jobs", type=int, default=50, help="that the streams are spread over")
    parser.add_argument("--repositories", type=int, default=REPOSITORIES, help="of each job")
    parser.add_argument("--per-second", type=float, default=20, help="commits")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", action="store_true", help="to standard output, instead of tables")
    given = parser.parse_args()
    options = {name: getattr(given, name) for name in ("streams", "jobs", "repositories", "per_second", "seconds")}
    run = on_processes(
        lambda processes: measure(processes, postgres.start(processes), temporal.start(processes), **options)
    )
    aims = judged(run)
    if given.json:
        found = {"machine": report.machine(), "load": server.load(), "run": run.figures}
        print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
        console.print(table(run), "", report.aims_table(aims))
    return 0 if all(aim.met for aim in aims if aim.binding) else 1


if __name__ == "__main__":
    sys.exit(main())
