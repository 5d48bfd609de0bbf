"""Debian's pgbouncer in front of a Postgres, in transaction mode. Each transaction of a client may use another
connection to Postgres.

`make install` does not install pgbouncer; `apt-get install pgbouncer` does.
"""

import asyncio
import os
import shutil
import signal
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from errors import Unreachable
from sandbox.ports import LOOPBACK, free_port
from sandbox.postgres import Postgres, unprivileged
from sandbox.processes import Process, Processes

CONFIGURATION = """
[databases]
* = host={host} port={server_port} user=postgres

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 1000
server_login_retry = 1
"""
CONNECTIONS = 20
"""The most connections that pgbouncer opens to Postgres."""


@dataclass(frozen=True)
class PgBouncer:
    """A running pgbouncer, which accepts connections at `port`."""

    process: Process
    port: int
    command: tuple[str | Path, ...]

    async def restart(self, processes: Processes) -> "PgBouncer":
        """Stops pgbouncer and starts it again at the same port. Returns the new `PgBouncer`."""
        await asyncio.to_thread(self.process.stop)
        process = _launch(processes, f"pgbouncer-{uuid.uuid4().hex[:8]}", self.command)
        await process.until_ready(lambda: asyncio.to_thread(_is_up, process), within=30)
        return replace(self, process=process)


def program() -> str | None:
    """Returns the path of pgbouncer. Returns None if pgbouncer is not installed."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def start(processes: Processes, postgres: Postgres, connections: int = CONNECTIONS) -> PgBouncer:
    """Starts pgbouncer in front of `postgres`. Raises `Unreachable` if pgbouncer is not installed or does not start. If
    it does not start, the error has the end of its log.
    """
    executable = program()
    if executable is None:
        raise Unreachable("not_installed", "pgbouncer is not installed", "apt-get install pgbouncer")
    port = free_port()
    # Where its user may go.
    configuration = postgres.home / f"pgbouncer-{port}.ini"
    configuration.write_text(
        CONFIGURATION.format(host=LOOPBACK, port=port, server_port=postgres.port, connections=connections)
    )
    configuration.chmod(0o644)
    command = (executable, configuration)
    process = _launch(processes, "pgbouncer", command)
    process.wait_ready(lambda: _is_up(process), within=30)
    return PgBouncer(process, port, command)


def _launch(processes: Processes, name: str, command: tuple[str | Path, ...]) -> Process:
    return processes.start(name, command, cwd=Path(command[-1]).parent, user=unprivileged(), stop_signal=signal.SIGINT)


def _is_up(process: Process) -> bool:
    return "process up" in process.tail(100)
