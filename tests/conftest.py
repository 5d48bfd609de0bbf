"""What tests stand on: one Postgres and one Temporal for the session, a database and a task queue of its own per test.

The programs of the project run as they do in production, as processes that a test can kill with real signals; what they
logged is shown when the test fails.
"""

import asyncio
import contextlib
import gc
import importlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from pathlib import Path

import asyncpg
import hypothesis
import pytest

# Before any of it is imported: a failed assertion there shows its values too.
pytest.register_assert_rewrite("tests.support")
pytest_plugins = ["tests.support.reports"]

import structlog
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import _worker as temporalio_worker

import logs
from sandbox import postgres as postgres_server
from sandbox import temporal as temporal_server
from sandbox.embeddings import EmbeddingServer
from sandbox.ports import free_port
from sandbox.postgres import Postgres
from sandbox.processes import Process, Processes, launched
from sandbox.temporal import Temporal
from tests import quick
from tests.support.array_types import know_array_types
from tests.support.listener import listening
from tests.support.programs import ROOT, Programs, Zygote, is_setting
from tests.support.started import (
    PROGRAMS,
    Ended,
    RunProgram,
    RunStarter,
    StartWebhook,
    StartWorker,
    program_environment,
    run_webhook,
    run_worker,
)
from tests.support.thoroughness import examples
from tests.support.waiting import PATIENCE

EXPORTS = ROOT.parent / "shared" / "data" / "github-exports"
MEMORY = Path("/dev/shm")
ENOUGH_MEMORY = 4 << 30
"""A session's cluster takes some hundred MB; a container's /dev/shm has 64 by default."""


# All that collection makes stays: to look through it for garbage again and again is a fifth of its time, and each full
# collection of a test would.
gc.disable()

# Without a deadline: how long an example takes depends on the machine.
hypothesis.settings.register_profile("ours", max_examples=examples(25, 1_000), deadline=None)
hypothesis.settings.load_profile("ours")
know_array_types()
# The name of a worker that a test runs in this process. The SDK's own is a hash of every module there is, for which it
# compiles again what pytest has rewritten.
temporalio_worker._default_build_id = "tests"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out what tests/quick.py names")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if config.option.quick and quick.is_left_out(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long tests begin first: one that begins last keeps one worker busy while the others have nothing left to do."""
    if config.option.quick:
        items[:] = [
            item
            for item in items
            if not quick.is_left_out_by_what_it_needs(
                (mark.name for mark in item.iter_markers()), getattr(item, "fixturenames", ())
            )
        ]
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _environment_of_nobody() -> Iterator[None]:
    """Settings that whoever runs the tests has exported do not reach them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if is_setting(name)]:
            patch.delenv(name)
        patch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
        yield


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_as_usual() -> Iterator[None]:
    """A shell that runs the tests in the background has Ctrl-C ignored, in every process that they start, too."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    if ignored:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.fixture(autouse=True)
def _logs_of_this_test_alone() -> Iterator[None]:
    """Undoes `logs.configure`: its handler writes to the standard error of its test, which is closed afterwards."""
    yield
    root = logging.getLogger()
    if any(handler.name == logs.__name__ for handler in root.handlers):
        root.handlers = [handler for handler in root.handlers if handler.name != logs.__name__]
        root.setLevel(logging.WARNING)
        logging.captureWarnings(capture=False)
        sys.excepthook = sys.__excepthook__
        structlog.reset_defaults()


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    """The session's servers. Not in pytest's own directory: only its owner may enter, and Postgres is another user."""
    with tempfile.TemporaryDirectory(prefix="workspace-backfill-") as directory, Processes(Path(directory)) as servers:
        yield servers


@pytest.fixture(scope="session")
def postgres(processes: Processes) -> Iterator[Postgres]:
    """In memory, if there is room: a database is 300 files, for which ext4, having deleted others, takes 0.3 s."""
    room = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH_MEMORY
    prefix = "workspace-backfill-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=MEMORY if room else None) as directory:
        server = postgres_server.start(processes, Path(directory), frugal=True)
        yield server
        server.process.stop()  # before its files go


@pytest.fixture(scope="session")
def temporal(processes: Processes) -> Temporal:
    return temporal_server.start(processes, frugal=True)


@pytest.fixture(scope="session")
async def temporal_client(temporal: Temporal) -> Client:
    """A client of namespace `default`."""
    return await Client.connect(temporal.address, data_converter=pydantic_data_converter)


@pytest.fixture(scope="module")
async def listened_queue(temporal_client: Client) -> AsyncIterator[str]:
    """A task queue on which a workflow remembers what it hears (`listener.heard`)."""
    queue = f"test-{uuid.uuid4().hex[:12]}"
    async with listening(temporal_client, queue):
        yield queue


@pytest.fixture(scope="session")
async def administrator(postgres: Postgres) -> AsyncIterator[asyncpg.Connection]:
    """A connection that creates and drops the tests' databases: a new one would cost half as much as to create one."""
    connection = await asyncpg.connect(postgres.url())
    yield connection
    await connection.close()


@pytest.fixture
async def empty_database(postgres: Postgres, administrator: asyncpg.Connection) -> AsyncIterator[str]:
    """DSN of a database without a table."""
    async with _database(postgres, "template0", administrator) as dsn:
        yield dsn


@pytest.fixture(scope="session")
async def migrated_template(postgres: Postgres) -> str:
    """Name of a database that `starter.py migrate` completed; nobody stays connected to it."""
    migrate = importlib.import_module("schema.migrate").migrate
    await migrate(await postgres.create_database("migrated"), report=lambda _line: None)
    return "migrated"


@pytest.fixture
async def database(postgres: Postgres, migrated_template: str, administrator: asyncpg.Connection) -> AsyncIterator[str]:
    """DSN of a migrated database of this test alone."""
    async with _database(postgres, migrated_template, administrator) as dsn:
        yield dsn


@pytest.fixture(scope="module")
async def module_database(
    postgres: Postgres, migrated_template: str, administrator: asyncpg.Connection
) -> AsyncIterator[str]:
    """DSN of a migrated database of all tests of a module: one for each costs more. Each begins with `shop.emptied`."""
    async with _database(postgres, migrated_template, administrator) as dsn:
        yield dsn


@contextlib.asynccontextmanager
async def _database(postgres: Postgres, template: str, administrator: asyncpg.Connection) -> AsyncIterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    dsn = await postgres.create_database(name, template, by=administrator)
    try:
        yield dsn
    finally:
        await postgres.drop_database(name, by=administrator)


@pytest.fixture
def environment(database: str, temporal: Temporal) -> dict[str, str]:
    """The environment of a program under test. Add `GITHUB_API_URL` of a stand-in: the one here refuses connections."""
    return program_environment(database, temporal)


@pytest.fixture(scope="session")
def zygote(processes: Processes) -> Zygote:
    return Zygote(processes)


@pytest.fixture
def forking(request: pytest.FixtureRequest) -> Zygote | None:
    """What this test's programs are forked from; none if it is marked as one about programs as they are executed."""
    if sys.platform != "linux" or request.node.get_closest_marker("executed"):
        return None
    zygote = request.getfixturevalue("zygote")
    assert isinstance(zygote, Zygote)
    return zygote


@pytest.fixture
def programs(request: pytest.FixtureRequest, tmp_path: Path, forking: Zygote | None) -> Iterator[Programs]:
    """Processes of this test, in a directory without a `.env`; all are gone after it."""
    with Programs(tmp_path, forking) as programs:
        request.node.stash[PROGRAMS] = programs
        yield programs


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    programs = item.stash.get(PROGRAMS, None)
    if report.failed and programs:
        for process in programs.started:
            report.sections.append((f"log of {process.name} (exit code {process.exit_code})", process.tail(100)))
    return report


@pytest.fixture
def start_worker(programs: Programs, temporal_client: Client) -> StartWorker:
    async def start(environment: Mapping[str, str]) -> Process:
        return await run_worker(programs, temporal_client, environment)

    return start


@pytest.fixture
def start_webhook(programs: Programs) -> StartWebhook:
    async def start(environment: Mapping[str, str]) -> tuple[Process, str]:
        return await run_webhook(programs, environment, free_port())

    return start


@pytest.fixture
def run_program(tmp_path: Path, forking: Zygote | None) -> RunProgram:
    async def run(program: str, environment: Mapping[str, str], *arguments: str) -> Ended:
        if forking is None or not forking.fits(environment):
            return await _executed(environment, tmp_path, program, *arguments)
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            outputs = {"stdout": stdout.fileno(), "stderr": stderr.fileno()}
            forked = forking.fork(program, arguments, env=environment, cwd=tmp_path, **outputs)
            try:
                exit_code = await asyncio.to_thread(forked.wait, PATIENCE)
            finally:
                forked.kill()
                forked.wait()
            stdout.seek(0)
            stderr.seek(0)
            return Ended(exit_code, stdout.read().decode(), stderr.read().decode())

    return run


@pytest.fixture
def run_starter(run_program: RunProgram) -> RunStarter:
    async def run(environment: Mapping[str, str], *arguments: str) -> Ended:
        return await run_program("starter.py", environment, *arguments)

    return run


async def _executed(environment: Mapping[str, str], directory: Path, program: str, *arguments: str) -> Ended:
    command = launched([sys.executable, ROOT / program, *arguments])
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=directory, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        stdout, stderr = await asyncio.wait_for(process.communicate(), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(process.returncode, stdout.decode(), stderr.decode())


@pytest.fixture
async def embeddings() -> AsyncIterator[EmbeddingServer]:
    """OpenAI's embeddings for this test: `OPENAI_BASE_URL` is its `url`, `OPENAI_API_KEY` its `token`."""
    async with EmbeddingServer() as server:
        yield server


@pytest.fixture(scope="session")
def exports() -> Path:
    """The folder of real repositories' exports, beside the checkout; without it a test is skipped, but never in CI."""
    if not EXPORTS.is_dir():
        reason = f"the exports are not there: {EXPORTS.relative_to(ROOT.parent)} beside the checkout"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return EXPORTS
