"""Checks Postgres, and the jobs in it, for `doctor`."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import disk_usage
from typing import Literal

import asyncpg

from addresses import show_postgres
from errors import Unreachable
from store.database import Connection

CONNECT_SECONDS = 10.0
QUIET = timedelta(hours=1)
"""A job without a write for this long, and without a reason to wait, counts as stuck."""
UNHEARD = timedelta(minutes=2)
"""A pending job of which Temporal has not heard for longer is a problem: normally the reconciler tells it within
seconds.
"""

Way = Literal["direct", "session", "transaction"]
ROUNDS = 5


async def way_to(dsn: str) -> Way:
    """Returns whether an address leads to Postgres itself, to a session pooler or to a transaction pooler.

    A pooler is recognized by the process ids that it makes up for its clients. A transaction pooler also lets several
    clients use one Postgres process. Raises `Unreachable` if nothing answers, and an error of asyncpg if the address is
    malformed.
    """
    first, second = await _connect(dsn), None
    try:
        pid = await _pid(first)
        second = await _connect(dsn)
        for number in range(1, ROUNDS + 1):
            # However many connections the pooler has, and in whatever order it hands them out, in one of them it shows.
            if pid in [await _pid(second) for _ in range(number)] or await _pid(first) != pid:
                return "transaction"
        return "direct" if first.get_server_pid() == pid else "session"
    finally:
        for each in (first, second):
            if each is not None:
                await each.close()


async def _pid(connection: asyncpg.Connection) -> int:
    """Returns the id of the Postgres process that serves a transaction of this connection."""
    async with connection.transaction():
        pid: int = await connection.fetchval("select pg_backend_pid()")
    return pid


async def _connect(dsn: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(dsn, timeout=CONNECT_SECONDS, statement_cache_size=0)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise Unreachable("database", f"Postgres at {show_postgres(dsn)} does not answer: {error}") from error


@dataclass(frozen=True)
class Server:
    """The state of the Postgres server. `ahead` is how far the server's clock is ahead of this machine's clock."""

    version: str
    ahead: timedelta
    database_bytes: int
    free_share: float | None
    """Free share of the disk that holds its data; None if Postgres runs on another machine."""
    free_bytes: int | None


async def server(connection: Connection) -> Server:
    asked = datetime.now(UTC)
    row = await connection.fetchrow(
        """
        select current_setting('server_version') as version, clock_timestamp() as now,
               pg_database_size(current_database()) as size,
               coalesce(host(inet_server_addr()), '127.0.0.1') in ('127.0.0.1', '::1') as here,
               case when pg_has_role('pg_read_all_settings', 'usage') then current_setting('data_directory') end as data
        """
    )
    assert row is not None
    ahead = row["now"] - asked - (datetime.now(UTC) - asked) / 2
    free = await asyncio.to_thread(_free, row["data"]) if row["here"] and row["data"] else None
    return Server(row["version"].split()[0], ahead, row["size"], *(free or (None, None)))


def _free(directory: str) -> tuple[float, int] | None:
    try:
        usage = disk_usage(Path(directory))
    except OSError:  # of another machine, or of a container, whose files are not ours
        return None
    return usage.free / usage.total, usage.free


@dataclass(frozen=True)
class Work:
    """What `doctor` reports about jobs: the ids of jobs that look stuck, at most ten of each kind, and two counts."""

    unheard: list[str]
    """Pending jobs of which Temporal has not heard for `UNHEARD`."""
    quiet: list[str]
    """Jobs in progress that neither work nor wait for anything."""
    open_jobs: int
    private_repositories: int
    """Private repositories of all workspaces."""


async def work(connection: Connection) -> Work:
    row = await connection.fetchrow(
        """
        select array(
            select id::text from workspace_backfill_jobs
            where status = 'pending' and signaled_at is null and updated_at < now() - $1::interval
            order by created_at limit 10
        ) as unheard, array(
            select job.id::text from workspace_backfill_jobs job
            where job.status = 'in_progress' and job.metadata ->> 'paused_at' is null
              and job.updated_at < now() - $2::interval
              and not exists (
                select from workspace_backfill_progress part
                where part.backfill_job_id = job.id and part.status in ('pending', 'in_progress')
                  and part.metadata ? 'waiting'
              ) and not exists (
                select from backfill_sweeps sweep
                where sweep.backfill_job_id = job.id
                  and greatest(sweep.leased_at, sweep.started_at, sweep.committed_at) >= now() - $2::interval
              )
            order by job.created_at limit 10
        ) as quiet,
        (select count(*) from workspace_backfill_jobs where status in ('pending', 'in_progress')) as open_jobs,
        (
            select count(distinct its.id) from workspace_repositories listed
            join repositories its on its.id = listed.repository_id where its.is_private
        ) as private_repositories
        """,
        UNHEARD,
        QUIET,
    )
    assert row is not None
    return Work(**dict(row))
