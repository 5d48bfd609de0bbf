"""Records the histories that `test_replay.py` replays: `python -m tests.support.workflows.record`, in the root folder.

It runs real workflows: a job of two repositories with all five types, the second of which waits for a rate limit; a
job of another workspace that is canceled in the middle, retried and completed; a job that comes to a repository
while another job sweeps it; two readings of GH Archive, the second of which is canceled (`archive` as argument: only
these). With activities that only pretend, it runs workflows that give way because their history, or their parent's,
is long, and what operators do in Temporal (`operating` as argument: only this). Run it when the workflows' shape
changes, with the next `EDITION`, and keep the old histories: workflows that production started with them have to
replay, too.
"""

import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
from temporalio.client import Client

from messages import (
    Cancel,
    CancelRepository,
    Pause,
    PausedSlice,
    PausedSlices,
    Resume,
    archive_workflow_id,
    repository_workflow_id,
    workspace_workflow_id,
)
from sandbox import postgres as postgres_server
from sandbox import temporal as temporal_server
from sandbox.embeddings import EmbeddingServer
from sandbox.github import StandIn, World
from sandbox.github.faults import Headers, Latency, SecondaryLimit, ServerError
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.world.repositories import Repository
from sandbox.processes import Processes
from sandbox.purchase import HostRepository, Workspace, create_workspace
from schema.migrate import migrate
from temporal import connect
from tests.support.waiting import eventually, so
from tests.support.workflows.going import Going
from tests.support.workflows.histories import HISTORIES
from tests.support.workflows.pretence import PAUSED_AT, Pretence, Slow, hasty_server, start
from tests.support.workflows.pretence import repositories as of_many
from tests.support.workflows.updates import Rows, ask

ROOT = Path(__file__).parents[3]
TOKEN = "ghp_stand_in"
EDITION = 7
"""1 knew pull requests and issues alone, 2 no legs, 3 kept a place while it waited for another job, 4 no pause, 5 had
slices without names, and no updates, 6 no surveys."""
SLICE_PAGES = 3
"""So that a few pages are several slices."""


class Recorder:
    def __init__(self, client: Client, connection: asyncpg.Connection, environment: dict[str, str]) -> None:
        self._client = client
        self._connection = connection
        self._environment = environment

    async def starter(self, *arguments: str) -> str:
        command = [sys.executable, str(ROOT / "starter.py"), *arguments]
        process = await asyncio.create_subprocess_exec(
            *command, env=self._environment, stdout=asyncio.subprocess.PIPE, cwd=tempfile.gettempdir()
        )
        output, _ = await process.communicate()
        if process.returncode:
            sys.exit(f"starter.py {arguments[0]} ended with {process.returncode}")
        return output.decode().strip()

    async def status(self, job_id: str) -> str:
        status: str = await self._connection.fetchval(
            "select status || ' ' || attempt from workspace_backfill_jobs where id = $1", job_id
        )
        return status

    async def reading(self, read_id: str) -> str:
        status: str = await self._connection.fetchval("select status from archive_reads where id = $1", read_id)
        return status

    async def cancel(self, workflow_id: str) -> None:
        await self._client.get_workflow_handle(workflow_id).cancel()

    async def until(self, true: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + 180
        while not await true():
            if time.monotonic() > deadline:
                sys.exit(f"it takes too long: {true.__name__}")
            await asyncio.sleep(0.05)

    async def save(self, name: str, workflow_id: str) -> None:
        await save(self._client, name, workflow_id)

    async def save_first(self, name: str, workflow_id: str) -> None:
        """Records the first run of a repository's workflow."""
        runs = [each async for each in self._client.list_workflows(f"WorkflowId = '{workflow_id}'")]
        await save(self._client, name, workflow_id, min(runs, key=lambda each: each.start_time).run_id)

    async def save_legs(self, name: str, workflow_id: str) -> None:
        """Records both runs of a repository's workflow."""
        runs = [each async for each in self._client.list_workflows(f"WorkflowId = '{workflow_id}'")]
        recent, historical = sorted(runs, key=lambda each: each.start_time)
        await save(self._client, f"{name}-recent", workflow_id, recent.run_id)
        await save(self._client, name, workflow_id, historical.run_id)


async def save(client: Client, name: str, workflow_id: str, run_id: str | None = None) -> None:
    """Writes a history, a line an event, without what shows where it was recorded and by which worker."""
    history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
    events = [json.dumps(scrubbed(each), separators=(",", ":")) for each in json.loads(history.to_json())["events"]]
    text = f'{{"workflow_id": "{workflow_id}", "events": [\n' + ",\n".join(events) + "\n]}\n"
    (HISTORIES / f"{name}-{EDITION}.json").write_text(text)
    print(f"{name}: {len(events)} events, {len(text)} characters")


def scrubbed(value: Any) -> Any:
    """Returns the value without the names of processes and machines, which are `5873@host` in identities and in names
    of sticky queues.
    """
    if isinstance(value, dict):
        return {name: scrubbed(each) for name, each in value.items()}
    if isinstance(value, list):
        return [scrubbed(each) for each in value]
    return "worker" if isinstance(value, str) and re.match(r"\d+@", value) else value


async def record_all(processes: Processes, github: StandIn, repositories: list[Repository]) -> None:
    async with EmbeddingServer() as embeddings:
        os.environ |= {"OPENAI_BASE_URL": embeddings.url, "OPENAI_API_KEY": embeddings.token}
        await record(processes, github, repositories)


async def record(processes: Processes, github: StandIn, repositories: list[Repository]) -> None:
    postgres, temporal = postgres_server.start(processes), temporal_server.start(processes)
    dsn = await postgres.create_database("recorded")
    await migrate(dsn, report=lambda _line: None)
    environment = os.environ | {
        "DATABASE_URL": dsn,
        "TEMPORAL_ADDRESS": temporal.address,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "GITHUB_API_URL": github.url,
        "GITHUB_TOKENS": TOKEN,
        "GITHUB_BUDGET_SHARE": "1",
        "GH_ARCHIVE_URL": f"{github.url}/archive",
        "HEARTBEAT_TIMEOUT_SECONDS": "2",
        "SLICE_PAGES": str(SLICE_PAGES),
    }
    os.environ.update(environment)
    processes.start("worker", [sys.executable, ROOT / "worker.py"], env=environment)
    connection = await asyncpg.connect(dsn)
    try:
        await record_with(Recorder(await connect(), connection, environment), dsn, github, repositories)
    finally:
        await connection.close()


async def record_with(recorder: Recorder, dsn: str, github: StandIn, repositories: list[Repository]) -> None:
    stored = [HostRepository.of(each) for each in repositories]
    [workspace, second] = [await create_workspace(dsn, stored) for _ in range(2)]
    if not sys.argv[1:]:
        await record_backfills(recorder, dsn, github, repositories, workspace, second)
    await record_archive(recorder, workspace.workspace_id, github)


async def record_backfills(
    recorder: Recorder,
    dsn: str,
    github: StandIn,
    repositories: list[Repository],
    workspace: Workspace,
    second: Workspace,
) -> None:
    limit = github.faults.add(
        SecondaryLimit(retry_after=2), times=2, kind="graphql", when=lambda it: it.variables.get("name") == "two"
    )
    job = await recorder.starter("start", "--workspace", workspace.workspace_id, "--retention-days", "10000")

    async def completed() -> bool:
        return await recorder.status(job) == "completed 0"

    await recorder.until(completed)
    assert limit.hits == 2
    await recorder.save("workspace", workspace_workflow_id(workspace.workspace_id))
    for repository in repositories:
        repository_id = await id_of(dsn, repository)
        await recorder.save_legs(
            f"repository-{repository.name}", repository_workflow_id(job, repository_id, repository.name_with_owner)
        )

    slow = github.faults.add(Latency(1), times=None, kind="graphql")
    again = ("start", "--workspace", second.workspace_id, "--retention-days", "10000", "--fresh")
    canceled = await recorder.starter(*again)

    async def being_read() -> bool:
        return slow.hits > 1

    await recorder.until(being_read)
    await recorder.starter("cancel", canceled)

    async def stopped() -> bool:
        return await recorder.status(canceled) == "canceled 0"

    await recorder.until(stopped)
    await recorder.save("workspace-canceled", workspace_workflow_id(second.workspace_id))
    repository_id = await id_of(dsn, repositories[0])
    await recorder.save(
        "repository-canceled", repository_workflow_id(canceled, repository_id, repositories[0].name_with_owner)
    )
    github.faults.clear()
    await recorder.starter("retry", canceled, "--type", "issues")

    async def retried() -> bool:
        return await recorder.status(canceled) == "canceled 1"

    await recorder.until(retried)
    await recorder.save("workspace-retried", workspace_workflow_id(second.workspace_id))
    await recorder.save(
        "repository-retried", repository_workflow_id(canceled, repository_id, repositories[0].name_with_owner)
    )

    slow = github.faults.add(Latency(1), times=None, kind="graphql")
    await recorder.starter(*again)
    await recorder.until(being_read)
    job = await recorder.starter("start", "--workspace", workspace.workspace_id, "--retention-days", "10000")
    await recorder.until(completed)
    await recorder.save("workspace-behind-another", workspace_workflow_id(workspace.workspace_id))
    await recorder.save_first(
        "repository-behind-another", repository_workflow_id(job, repository_id, repositories[0].name_with_owner)
    )
    github.faults.clear()


async def record_archive(recorder: Recorder, workspace_id: str, github: StandIn) -> None:
    """Records readings of GH Archive: seven hours in three slices, one of which meets a limit, and a reading that is
    canceled.
    """
    limit = github.faults.add(
        Headers(set={"Retry-After": "2"}), kind="archive", when=lambda it: it.method == "GET" and "-05-4" in it.path
    )
    github.faults.add(ServerError(429), kind="archive", when=lambda it: it.method == "GET" and "-05-4" in it.path)
    asked = ("archive", "--workspace", workspace_id, "--since", "2026-01-05", "--yes", "--until")
    read = await recorder.starter(*asked, "2026-01-05T07")

    async def read_to_the_end() -> bool:
        return await recorder.reading(read) == "completed"

    await recorder.until(read_to_the_end)
    assert limit.hits == 1
    await recorder.save("archive", archive_workflow_id(read))
    slow = github.faults.add(Latency(30), times=None, kind="archive", when=lambda it: it.method == "GET")
    canceled = await recorder.starter(*asked, "2026-01-05T03")

    async def being_read() -> bool:
        return slow.hits > 0

    await recorder.until(being_read)
    await recorder.cancel(archive_workflow_id(canceled))

    async def stopped() -> bool:
        return await recorder.reading(canceled) == "canceled"

    await recorder.until(stopped)
    await recorder.save("archive-canceled", archive_workflow_id(canceled))


async def record_giving_way() -> None:
    pretence = Pretence(of_many(24), Slow())
    async with hasty_server() as client, pretence.worked(client) as queue:
        handle = await start(client, queue, "job")
        await handle.result()
        first = (await handle.describe()).raw_info.first_run_id
        await save(client, "workspace-gives-way", handle.id, first)
        for name, each in zip(("limited", "in-a-slice"), pretence.repositories, strict=False):
            child = repository_workflow_id("job", each.repository_id)
            runs = [each async for each in client.list_workflows(f"WorkflowId = '{child}'")]
            await save(client, f"repository-{name}-gives-way", child, min(runs, key=lambda it: it.start_time).run_id)


async def record_pause() -> None:
    """Records a job that an operator pauses, and that signals sent in Temporal resume, pause again and cancel."""
    going = Going()
    pretence = Pretence(of_many(2), going)
    async with hasty_server() as client, pretence.worked(client) as queue:
        handle = await start(client, queue, "job")
        await eventually(so(lambda: going.running == 4))
        pretence.paused.add("job")
        await handle.signal("pause", Pause(job_id="job", attempt=0))
        await eventually(so(lambda: len(pretence.freed) == 1))
        await handle.signal("resume", Resume(job_id="job"))
        await eventually(so(lambda: going.running == 4))
        await handle.signal("pause", Pause(job_id="job"))
        await eventually(so(lambda: len(pretence.freed) == 2))
        await handle.signal("cancel", Cancel(job_id="job"))
        await handle.result()
        await save(client, "workspace-paused", handle.id, (await handle.describe()).raw_info.first_run_id)


async def record_operating() -> None:
    """Records a slice that is paused in Temporal, and updates: a pause, a resume, a repository canceled alone, the job
    canceled.
    """
    going, job = Going(), "00000000-0000-4000-8000-00000000000a"
    pretence = Rows(of_many(2), going)
    one, two = pretence.repositories
    async with hasty_server() as client, pretence.worked(client) as queue:
        handle = await start(client, queue, job)
        await eventually(so(lambda: going.running == 4))
        child = client.get_workflow_handle(repository_workflow_id(job, one.repository_id))
        run_id = (await child.describe()).run_id
        paused = PausedSlice(data_type="issues", since=PAUSED_AT, who="ann", why="too much load")
        for slices in ([paused], []):
            recorded = len(pretence.recorded)
            await child.signal("paused_in_temporal", PausedSlices(slices=slices))
            await eventually(so(lambda before=recorded: len(pretence.recorded) > before))  # type: ignore[misc]
        await ask(handle, "pause", Pause(job_id=job))
        await eventually(so(lambda: len(pretence.freed) == 1))
        await ask(handle, "resume", Resume(job_id=job))
        await eventually(so(lambda: going.running == 4))
        await ask(handle, "cancel_repository", CancelRepository(job_id=job, repository=two.full_name))
        await eventually(so(lambda: going.running == 2))
        await ask(handle, "cancel", Cancel(job_id=job))
        await handle.result()
        await save(client, "workspace-updated", handle.id, (await handle.describe()).raw_info.first_run_id)
        await save(client, "repository-paused-in-temporal", child.id, run_id)


async def id_of(dsn: str, repository: Repository) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        return str(
            await connection.fetchval("select id from repositories where github_id = $1", repository.database_id)
        )
    finally:
        await connection.close()


def plan(name: str) -> Plan:
    return Plan(f"acme/{name}", pull_requests=30, issues=20, discussions=20, stars=30, forks=5, releases=3, pushes=20)


def main() -> None:
    HISTORIES.mkdir(exist_ok=True)
    if sys.argv[1:] == ["operating"]:
        asyncio.run(record_operating())
        return
    world = World()
    repositories = [generate(world, plan(name)) for name in ("one", "two")]
    with (
        tempfile.TemporaryDirectory(prefix="recording-") as directory,
        Processes(Path(directory)) as processes,
        StandIn(world, tokens={TOKEN: "viewer"}) as github,
    ):
        asyncio.run(record_all(processes, github, repositories))
        if not sys.argv[1:]:
            asyncio.run(record_giving_way())
            asyncio.run(record_pause())
            asyncio.run(record_operating())


if __name__ == "__main__":
    main()
