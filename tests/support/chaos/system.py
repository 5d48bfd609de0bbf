"""Everything that runs while it is struck: real servers, programs under a supervisor, and a proxy between each two."""

import asyncio
import contextlib
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from sandbox import pgbouncer
from sandbox.embeddings import EmbeddingServer
from sandbox.github import StandIn, World
from sandbox.github.exchange.limits import Limits
from sandbox.pgbouncer import PgBouncer
from sandbox.ports import LOOPBACK, free_port
from sandbox.postgres import Postgres
from sandbox.processes import Process, answers_http
from sandbox.proxy import Proxy
from sandbox.small_disk import SmallDisk
from sandbox.temporal import Temporal
from tests.support import shop
from tests.support.chaos.schedule import WORKERS
from tests.support.programs import Programs
from tests.support.shop import connected
from tests.support.started import Ended, program_environment
from tests.support.waiting import PATIENCE

TOKENS = {"ghp_one": "viewer", "ghp_two": "another"}
HEARTBEAT_SECONDS = 6.0
PACE = {
    "HEARTBEAT_TIMEOUT_SECONDS": f"{HEARTBEAT_SECONDS:g}",
    "WORKER_PATIENCE_SECONDS": "2",
    "SHUTDOWN_SECONDS": "4",
    "SLICE_PAGES": "4",
    "SLICE_SECONDS": "5",
    "GITHUB_PROBE_SECONDS": "2",
    "POLAR_RETENTION_PRODUCTS": json.dumps({shop.YEAR: 3_650}),
}
"""Waits are short: a fault that lasts as long as production's would take the whole run."""
RECORDS = """
create table chaos_pages (
  backfill_job_id uuid, repository_id uuid, data_type text, cursor text, at timestamptz default clock_timestamp()
);
create table chaos_takeovers (repository_id uuid, data_type text);
create function chaos_record() returns trigger language plpgsql as $$
begin
  if coalesce(old.position ->> 'phase', 'history') = 'history'
    and old.position ->> 'cursor' is distinct from new.position ->> 'cursor'
  then
    insert into chaos_pages values (new.backfill_job_id, new.repository_id, new.data_type, old.position ->> 'cursor');
  end if;
  if old.lease_owner is not null and (
    old.lease_token <> new.lease_token
    -- A pause frees the places of sweeps. Who still owns one then was killed.
    or (new.lease_owner is null and new.status = 'pending' and new.waits_for is null)
  ) then
    insert into chaos_takeovers values (new.repository_id, new.data_type);
  end if;
  return null;
end
$$;
create trigger chaos_record after update on backfill_sweeps for each row execute function chaos_record();
"""
"""When each page of threads was committed, and which sweeps were taken from somebody who had not given them back (or
freed, by a pause): no row tells that afterwards."""


ABSENT = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a connection raises while Postgres crashes, is away, or starts."""


class Program:
    """One of the project's programs. Whenever it ends, it is started again, as by a supervisor."""

    def __init__(
        self,
        programs: Programs,
        name: str,
        program: str,
        environment: Mapping[str, str],
        older: Path | None = None,
    ) -> None:
        self.name = name
        self.environment = dict(environment)
        self.exit_codes: Counter[int] = Counter()
        self.extra: dict[str, str] = {}
        """Of the environment, from the next start on."""
        self._programs, self._program = programs, program
        self._older = older
        """The folder of the release that it is of; None: this one."""
        self.process = self._start()

    def _start(self) -> Process:
        # In one log, whichever life it is.
        if self._older is not None:
            command: list[str | Path] = [sys.executable, self._older / self._program]
            return self._programs.start(self.name, command, env=self.environment | self.extra)
        return self._programs.run(self.name, self._program, env=self.environment | self.extra)

    async def supervise(self) -> None:
        """Starts the program whenever it has ended, until this is canceled."""
        while True:
            await asyncio.sleep(0.2)
            if (code := self.process.exit_code) is not None:
                self.exit_codes[code] += 1
                await asyncio.sleep(0.3)
                self.process = self._start()

    async def upgrade(self) -> int:
        """Stops the older release as a deployment does, and returns its exit code. This release is started next."""
        process, self._older = self.process, None
        process.send(signal.SIGTERM)
        return await asyncio.to_thread(process.wait, PATIENCE)

    async def runs(self) -> Process:
        """Returns the program's process, once there is one that runs."""
        while self.process.exit_code is not None:  # noqa: ASYNC110 (a process tells nobody)
            await asyncio.sleep(0.05)
        return self.process

    def log(self) -> str:
        return self.process.log.read_text(errors="replace") if self.process.log else ""


@dataclass
class System:
    """The whole system, running."""

    dsn: str
    """Of Postgres itself, without proxy or pooler."""
    postgres: Postgres
    pooler: PgBouncer | None
    temporal: Temporal
    github: StandIn
    disk: SmallDisk | None
    """Under Postgres' files."""
    embeddings: EmbeddingServer | None
    programs: Programs
    proxies: dict[str, Proxy]
    environment: dict[str, str]
    """Of an operator's commands: nothing stands between them and the servers."""
    webhook_port: int
    running: dict[str, Program] = field(default_factory=dict)
    commands: int = 0

    @property
    def world(self) -> World:
        return self.github.world

    @property
    def workers(self) -> list[Program]:
        return [self.running[each] for each in WORKERS if each in self.running]

    @property
    def webhook_url(self) -> str:
        return f"http://{LOOPBACK}:{self.webhook_port}"

    async def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Runs a query on a connection of its own. Tries again while Postgres does not answer."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(*ABSENT):
                    async with connected(self.dsn) as connection:
                        return await connection.fetch(query, *arguments)
                await asyncio.sleep(0.2)

    async def command(self, *arguments: str) -> Ended:
        """Runs `starter.py` to its end, with these arguments."""
        self.commands += 1
        name = f"command-{self.commands}"
        process = self.programs.run(name, "starter.py", *arguments, env=self.environment)
        exit_code = await asyncio.to_thread(process.wait, PATIENCE)
        output = process.log.read_text(errors="replace") if process.log else ""
        return Ended(exit_code, output, output)


def _at_port(dsn: str, port: int) -> str:
    return urlunsplit(urlsplit(dsn)._replace(netloc=f"postgres@{LOOPBACK}:{port}"))


@asynccontextmanager
async def running(
    programs: Programs,
    dsn: str,
    postgres: Postgres,
    temporal: Temporal,
    world: World,
    *,
    disk: SmallDisk | None,
    pooled: bool,
    embeds: bool,
    older: Path | None,
) -> AsyncIterator[System]:
    """Starts the system on these servers and a migrated database. `disk` is the disk under the files of Postgres, if it
    can be full; `pooled` puts pgbouncer in front of Postgres; `embeds` adds a server of embeddings; `older` is the
    folder of the release that the workers begin with.
    """
    async with AsyncExitStack() as stack:
        async with connected(dsn) as connection:
            await connection.execute(RECORDS)
        limits = Limits(graphql=100_000, core=100_000, graphql_per_minute=100_000, core_per_minute=100_000)
        github = stack.enter_context(StandIn(world, tokens=TOKENS, limits=limits, latency=0.02))
        pooler = pgbouncer.start(programs, postgres) if pooled else None
        postgres_port = pooler.port if pooler else postgres.port
        ports = {
            "worker-github": int(github.url.rpartition(":")[2]),
            "worker-postgres": postgres_port,
            "worker-temporal": int(temporal.address.rpartition(":")[2]),
            "webhook-postgres": postgres_port,
            "webhook-temporal": int(temporal.address.rpartition(":")[2]),
        }
        proxies = {pair: await stack.enter_async_context(Proxy(port)) for pair, port in ports.items()}
        environment = program_environment(dsn, temporal) | PACE | {"GITHUB_TOKENS": ",".join(TOKENS)}
        embeddings = await stack.enter_async_context(EmbeddingServer()) if embeds else None
        if embeddings is not None:
            environment |= {"OPENAI_BASE_URL": embeddings.url, "OPENAI_API_KEY": embeddings.token}
        environment["GITHUB_API_URL"] = f"http://{LOOPBACK}:{proxies['worker-github'].port}"

        def of(program: str) -> dict[str, str]:
            return environment | {
                "DATABASE_URL": _at_port(dsn, proxies[f"{program}-postgres"].port),
                "DATABASE_DIRECT_URL": dsn,
                "TEMPORAL_ADDRESS": f"{LOOPBACK}:{proxies[f'{program}-temporal'].port}",
            }

        port = free_port()
        system = System(dsn, postgres, pooler, temporal, github, disk, embeddings, programs, proxies, environment, port)
        for name in WORKERS:
            system.running[name] = Program(programs, name, "worker.py", of("worker"), older)
        system.running["webhook"] = Program(programs, "webhook", "webhook.py", of("webhook") | {"PORT": str(port)})
        await asyncio.to_thread(
            system.running["webhook"].process.wait_ready, answers_http(f"{system.webhook_url}/healthz"), within=PATIENCE
        )
        supervising = [asyncio.create_task(each.supervise()) for each in system.running.values()]
        try:
            yield system
        finally:
            for task in supervising:
                task.cancel()
            await asyncio.wait(supervising)
            for each in system.running.values():
                await asyncio.to_thread(each.process.stop)
