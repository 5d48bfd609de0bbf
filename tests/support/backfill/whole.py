"""A whole backfill: a worker, a stand-in for GitHub, a workspace and its jobs."""

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NoReturn

import asyncpg
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client
from temporalio.service import RPCError

from messages import DataType, archive_workflow_id, repository_workflow_id, workspace_workflow_id
from sandbox.github import StandIn
from sandbox.github.world.repositories import Repository
from sandbox.processes import Process
from sandbox.purchase import HostRepository, create_workspace
from tests.support.shop import OURS, connected
from tests.support.started import RunStarter, StartWorker
from tests.support.waiting import PATIENCE, Pauses, eventually

PULLS_AND_ISSUES: tuple[DataType, ...] = ("pull_requests", "issues")


@dataclass
class Backfill:
    """Starts jobs and waits for them, as an operator would."""

    dsn: str
    environment: dict[str, str]
    run_starter: RunStarter
    start_worker: StartWorker
    client: Client
    workspaces: list[str] = field(default_factory=list)
    killed: set[int] = field(default_factory=set)
    """Workers' pids."""
    _connection: asyncpg.Connection | None = None
    _connections: AsyncExitStack = field(default_factory=AsyncExitStack)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    def at(self, github: StandIn) -> None:
        self.environment["GITHUB_API_URL"] = github.url

    async def workspace(self, *repositories: Repository) -> str:
        """Creates a workspace with these repositories; returns its id."""
        workspace = await create_workspace(self.dsn, [HostRepository.of(each) for each in repositories])
        self.workspaces.append(workspace.workspace_id)
        return workspace.workspace_id

    async def start(
        self, workspace_id: str, *arguments: str, days: int = 10_000, types: Sequence[DataType] = PULLS_AND_ISSUES
    ) -> str:
        """Starts a job; returns its id. By default it has the types that most tests are about; `()` means all types."""
        of_types = [argument for each in types for argument in ("--type", each)]
        ended = await self.run_starter(
            self.environment,
            *("start", "--workspace", workspace_id, "--retention-days", str(days)),
            *of_types,
            *arguments,
        )
        assert ended.exit_code == 0, ended.stderr
        return ended.stdout.strip()

    async def until(self, condition: str, job_id: str, *, within: float = PATIENCE) -> Any:
        """Polls Postgres until the SQL `condition` holds for the job's row; returns the row."""
        deadline, pauses = monotonic() + within, Pauses()
        while True:
            rows = await self.rows(
                f"select *, ({condition}) as holds from workspace_backfill_jobs where id = $1", job_id
            )
            assert rows, f"there is no job {job_id}"
            if rows[0]["holds"]:
                return rows[0]
            assert monotonic() < deadline, f"{job_id} is {rows[0]['status']} after {within} s, not: {condition}"
            await asyncio.sleep(pauses.next())

    async def ended(self, job_id: str, *, within: float = PATIENCE) -> Any:
        return await self.until("status in ('completed', 'failed', 'canceled')", job_id, within=within)

    async def completed(self, job_id: str, *, within: float = PATIENCE) -> Any:
        """Waits until the job is completed; returns its row. Fails with the job's errors unless it ended
        without one.
        """
        job = await self.ended(job_id, within=within)
        assert (job["status"], job["error_message"]) == ("completed", None), [
            each["message"] for each in job["error_details"]
        ]
        return job

    async def died(self, worker: Process) -> None:
        """Waits until a killed worker is gone, and Postgres has ended its transactions.

        From then on Temporal is told at once what it would otherwise learn from missing heartbeats.
        """
        await asyncio.to_thread(worker.wait, PATIENCE)

        async def alone() -> bool:
            others = "select from pg_stat_activity where datname = current_database() and application_name <> $1"
            return not await self.rows(others, OURS)

        await eventually(alone)
        self.killed.add(worker.pid)

    async def tell_of_deaths(self) -> NoReturn:
        """Fails, as long as it runs, the activities that Temporal believes to run in killed workers."""
        while True:
            await asyncio.sleep(0.1)
            if not self.killed:
                continue
            rows = await self.rows(
                "select backfill_job_id::text, repository_id::text, metadata ->> 'name_at_start'"
                " from workspace_backfill_progress"
            )
            reads = await self.rows("select id::text from archive_reads")
            workflows = [workspace_workflow_id(each) for each in self.workspaces]
            workflows += [repository_workflow_id(*row) for row in rows]
            workflows += [archive_workflow_id(row["id"]) for row in reads]
            for workflow_id in workflows:
                with contextlib.suppress(RPCError):  # it has not begun, or what we saw has ended
                    await self._bury(workflow_id)

    async def _bury(self, workflow_id: str) -> None:
        described = (await self.client.get_workflow_handle(workflow_id).describe()).raw_description
        execution = described.workflow_execution_info.execution
        for each in described.pending_activities:
            worker = int(each.last_worker_identity.partition("@")[0] or 0)
            if worker in self.killed and each.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED:
                await self.client.get_async_activity_handle(
                    workflow_id=workflow_id, run_id=execution.run_id, activity_id=each.activity_id
                ).fail(RuntimeError("the worker was killed"))

    async def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Runs a query on a connection that all queries share, because a new connection costs ten times as much as a
        query.
        """
        async with self._one_at_a_time:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connections.enter_async_context(connected(self.dsn))
            return await self._connection.fetch(query, *arguments)

    async def close(self) -> None:
        await self._connections.aclose()
