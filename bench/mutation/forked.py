"""Runs tests in forks of this process, which has imported the modules that do not change. All of them share one
Postgres.
"""

import asyncio
import contextlib
import gc
import importlib
import os
import select
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

LOADED = (
    *(
        "aiohttp",
        "aiohttp.web",
        "aiosmtplib",
        "asyncpg",
        "cryptography.fernet",
        "cyclopts",
        "gql",
        "graphql",
        "hypothesis",
    ),
    *("hypothesis.strategies", "jinja2", "jwt", "msgpack", "openai", "pydantic", "pydantic_settings"),
    *(
        "pytest_asyncio",
        "rich.live",
        "standardwebhooks",
        "structlog",
        "temporalio.client",
        "temporalio.testing",
        "temporalio.worker",
    ),
    *("temporalio.contrib.pydantic", "tenacity", "zstandard"),
    *("errors", "messages", "rows", "unshown", "logs", "addresses", "settings", "temporal", "schema.migrate"),
    *(
        "sandbox.github.server.server",
        "sandbox.github.generation",
        "sandbox.github.faults",
        "sandbox.embeddings",
    ),
    *("sandbox.postgres", "sandbox.temporal", "sandbox.purchase", "sandbox.processes"),
)
"""Modules imported once, if they are installed. None of them imports a package that is changed."""
PATIENCE = 45.0
"""Seconds that a test waits for a condition, so that a change that prevents it does not cost minutes."""
QUIET = ("-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist")
BROKEN = 70
"""Exit code of a fork in which pytest did not finish."""
MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of running tests."""

    passed: bool
    by: str
    """The test that failed first, with its last line; "time" if the tests did not end."""
    output: str


class Asked:
    """A plugin for pytest: runs the tests in the requested order, and records the first one that fails."""

    def __init__(self, ids: Sequence[str], result: Path) -> None:
        self._place = {each: number for number, each in enumerate(ids)}
        self._result = result

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self._place.get(item.nodeid, 0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self._result.exists():
            last = next((line for line in reversed(str(report.longrepr).splitlines()) if line.startswith("E ")), "")
            self._result.write_text(f"{report.nodeid} {report.when}: {last[:200]}")


class ForkedTests:
    """Runs tests of the tree at `root`. Each run is a new process, which reads the files as they are then."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stack = contextlib.ExitStack()
        self._postgres: Any = None

    def __enter__(self) -> "ForkedTests":
        os.chdir(self._root)
        sys.path[:] = [
            str(self._root),
            *(each for each in sys.path if each and Path(each) != Path(__file__).parents[2]),
        ]
        for name in LOADED:
            with contextlib.suppress(ModuleNotFoundError):
                importlib.import_module(name)
        waiting: Any = importlib.import_module("tests.support.waiting")
        waiting.PATIENCE = PATIENCE
        waiting.eventually.__defaults__ = (PATIENCE,)
        self._start_postgres()
        gc.collect()
        gc.freeze()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start_postgres(self) -> None:
        """Starts a Postgres for all tests, with the template database that they copy."""
        processes, postgres = importlib.import_module("sandbox.processes"), importlib.import_module("sandbox.postgres")
        prefix = "mutation-"
        directory = self._stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix))
        started = self._stack.enter_context(processes.Processes(Path(directory)))
        memory = MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 4 << 30 else None
        cluster = self._stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix, dir=memory))
        self._postgres = postgres.start(started, Path(cluster))
        migrate = importlib.import_module("schema.migrate")

        async def prepare() -> None:
            await migrate.migrate(await self._postgres.create_database("migrated"), report=lambda _line: None)

        asyncio.run(prepare())

    def _share_postgres(self) -> None:
        """Replaces, in a fork, the fixtures that start a server and migrate its template, by the server that all tests
        share.
        """
        shared = self._postgres
        schema: Any = importlib.import_module("schema.migrate")
        postgres: Any = importlib.import_module("sandbox.postgres")
        migrate, create = schema.migrate, type(shared).create_database

        class Ours:
            def stop(self) -> None:
                """Does nothing, because later tests use the server."""

        async def create_database(server: Any, name: str, *arguments: Any, **options: Any) -> str:
            return str(server.url(name) if name == "migrated" else await create(server, name, *arguments, **options))

        async def migrated(dsn: str, **options: Any) -> None:
            if not dsn.endswith("/migrated"):
                await migrate(dsn, **options)

        type(shared).create_database = create_database
        schema.migrate = migrated
        ours = replace(shared, process=Ours())
        postgres.start = lambda *_arguments, **_options: ours

    def run(self, tests: Sequence[str], seconds: float, *plugins: object, to_end: bool = False) -> Verdict:
        """Runs tests until one fails. `to_end` runs all of them, on a tree that is not changed, so that compiled files
        may be kept.
        """
        with tempfile.TemporaryDirectory(prefix="mutation-run-") as directory:
            result, log = Path(directory) / "failed", Path(directory) / "log"
            pid = os.fork()
            if pid == 0:
                try:
                    self._become_pytest(tests, log, [Asked(tests, result), *plugins], to_end)
                finally:
                    traceback.print_exc()
                    sys.stderr.flush()
                    os._exit(BROKEN)
            status = _wait(pid, seconds)
            output = log.read_text(errors="replace") if log.exists() else ""
            failed = result.read_text() if result.exists() else ""
        if status is None:
            return Verdict(False, f"time: not over after {seconds:.0f} s", output)
        if status == BROKEN:
            raise RuntimeError(f"no tests were run\n{output}")
        return Verdict(
            status == 0, failed or ("" if status == 0 else f"exit code {status}: {_last_line(output)}"), output
        )

    def _become_pytest(self, tests: Sequence[str], log: Path, plugins: Sequence[object], to_end: bool) -> None:
        os.setpgid(0, 0)
        output = os.open(log, os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.dont_write_bytecode = not to_end
        os.environ["PYTHONDONTWRITEBYTECODE"] = "" if to_end else "1"
        self._share_postgres()
        code = pytest.main([*([] if to_end else ["-x"]), *QUIET, *tests], plugins=list(plugins))
        sys.stdout.flush()
        os._exit(int(code))


def _last_line(output: str) -> str:
    return next((line[:200] for line in reversed(output.splitlines()) if line.strip()), "")


def _wait(pid: int, seconds: float) -> int | None:
    """Waits for a process; returns its exit code. None if it did not end in time: it was then killed. Its children end
    with it.
    """
    pidfd = os.pidfd_open(pid)
    try:
        if not select.select([pidfd], [], [], seconds)[0]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return None
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(pidfd)
