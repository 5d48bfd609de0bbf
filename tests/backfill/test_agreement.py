"""Whoever looks while a job runs, and whenever: Postgres and Temporal contradict neither each other nor themselves."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import asyncpg
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from messages import repository_workflow_id, workspace_workflow_id
from sandbox.github import StandIn, World
from sandbox.github.faults import Effect, Forbidden
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.whole import Backfill
from tests.support.shop import connected
from tests.support.waiting import eventually

ENDED = frozenset({"completed", "failed", "canceled"})
COUNTS = ("pull_requests", "issues", "comments", "reviews")
PAGES = ("PullRequests", "Issues")
ORDER = {"pending": 0, "in_progress": 1} | dict.fromkeys(ENDED, 2)


@dataclass
class Sample:
    """What Temporal said, and right after it Postgres, at one moment."""

    workflows: dict[str, WorkflowExecutionDescription | None]
    job: Any
    progress: dict[str, Any]
    sweeps: dict[tuple[str, str], Any]

    @property
    def statuses(self) -> dict[str, str]:
        """Of the job and of its repositories, by the ids of their workflows."""
        of_repositories = {
            self.workflow_id(repository_id): row["status"] for repository_id, row in self.progress.items()
        }
        return {workspace_workflow_id(str(self.job["workspace_id"])): self.job["status"]} | of_repositories

    def workflow_id(self, repository_id: str) -> str:
        name = self.progress[repository_id]["metadata"]["name_at_start"]
        return repository_workflow_id(str(self.job["id"]), repository_id, name)


class Watched(Effect):
    """Every answer waits until the watcher has looked twice since it was asked for: nothing is too quick to be seen."""

    samples: list[Sample]

    async def hold(self) -> None:
        seen = len(self.samples)
        while len(self.samples) < seen + 2:  # noqa: ASYNC110 (looked in another thread)
            await asyncio.sleep(0.01)


@dataclass
class Watcher:
    client: Client
    connection: asyncpg.Connection
    job_id: str
    samples: list[Sample] = field(default_factory=list)

    async def watch(self) -> None:
        while True:
            began = monotonic()
            self.samples.append(await self.look())
            await asyncio.sleep(max(0, 0.1 - (monotonic() - began)))

    async def look(self) -> Sample:
        known = self.samples[-1].statuses if self.samples else {}
        described = dict(zip(known, await asyncio.gather(*map(self.describe, known)), strict=True))
        async with self.connection.transaction(isolation="repeatable_read", readonly=True):
            job = await self.connection.fetchrow("select * from workspace_backfill_jobs where id = $1", self.job_id)
            progress = await self.connection.fetch(
                "select * from workspace_backfill_progress where backfill_job_id = $1", self.job_id
            )
            sweeps = await self.connection.fetch(
                "select * from backfill_sweeps where backfill_job_id = $1", self.job_id
            )
        return Sample(
            described,
            job,
            {str(row["repository_id"]): row for row in progress},
            {(str(row["repository_id"]), row["data_type"]): row for row in sweeps},
        )

    async def describe(self, workflow_id: str) -> WorkflowExecutionDescription | None:
        try:
            return await self.client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None


def assert_agrees(sample: Sample) -> None:
    """With itself, and with what Temporal had said the moment before."""
    has_a_next_leg = {
        sample.workflow_id(of) for (of, _), sweep in sample.sweeps.items() if sweep["status"] not in ENDED
    }
    for workflow_id, description in sample.workflows.items():
        if description is not None and description.status is not WorkflowExecutionStatus.RUNNING:
            said = sample.statuses[workflow_id] in ENDED or workflow_id in has_a_next_leg
            assert said, "a workflow writes its end before it ends"
    if sample.job["status"] in ENDED:
        assert {row["status"] for row in sample.progress.values()} <= ENDED
    repositories = [row["status"] for row in sample.progress.values()]
    assert sample.job["completed_repositories"] == repositories.count("completed")
    assert sample.job["failed_repositories"] == repositories.count("failed")
    for repository_id, row in sample.progress.items():
        of_types = {name: sweep for (of, name), sweep in sample.sweeps.items() if of == repository_id}
        for noun in COUNTS:
            assert row[f"{noun}_count"] == sum(sweep["counts"].get(noun, 0) for sweep in of_types.values())
        ended = {name for name, sweep in of_types.items() if sweep["status"] == "completed"}
        assert set(row["data_types_completed"]) == ended
        if row["status"] in ENDED:
            assert {sweep["status"] for sweep in of_types.values()} <= ENDED
            assert {*row["data_types_completed"], *row["data_types_failed"]} == {*sample.job["backfill_types"]}


def assert_follows(before: Sample, after: Sample) -> None:
    """What has ended has ended, and nothing that was counted is taken back."""
    for workflow_id, status in before.statuses.items():
        now = after.statuses[workflow_id]
        assert (now == status) if status in ENDED else (ORDER[now] >= ORDER[status])
    for repository_id, row in before.progress.items():
        for noun in COUNTS:
            assert after.progress[repository_id][f"{noun}_count"] >= row[f"{noun}_count"]


async def test_postgres_and_temporal_agree_at_every_moment_of_a_job(
    serve: Callable[..., StandIn], backfill: Backfill, temporal_client: Client
) -> None:
    world = World()
    one, two = (generate(world, Plan(f"acme/{name}", 90, 60, years=2, **LITTLE)) for name in ("one", "two"))
    half, gone = (generate(world, Plan(f"acme/{name}", 20, 10, **LITTLE)) for name in ("half", "gone"))
    gone.become("gone")
    github = serve(world)
    github.faults.add(watched := Watched(), times=None, kind="graphql", when=lambda it: it.operation in PAGES)
    github.faults.add(Forbidden(), times=None, operation="Issues", when=lambda it: it.variables["name"] == "half")
    backfill.at(github)
    watched.samples = []
    await backfill.start_worker(backfill.environment)
    job_id = await backfill.start(await backfill.workspace(one, two, half, gone))
    async with connected(backfill.dsn) as connection:
        watcher = Watcher(temporal_client, connection, job_id, watched.samples)
        watching = asyncio.create_task(watcher.watch())
        job = await backfill.ended(job_id)

        async def temporal_agrees() -> bool:
            assert not watching.done(), watching.result()
            said = watcher.samples[-1].workflows.values()
            attributes = [pair for each in said if each for pair in each.typed_search_attributes]
            told = sorted(str(pair.value) for pair in attributes if pair.key.name == "BackfillStatus")
            open_ones = [each for each in said if each and each.status is WorkflowExecutionStatus.RUNNING]
            return not open_ones and told == ["completed", "completed", "completed", "failed", "failed"]

        await eventually(temporal_agrees)
        watching.cancel()

    assert (job["status"], job["completed_repositories"], job["failed_repositories"]) == ("completed", 2, 2)
    for sample in watcher.samples:
        assert_agrees(sample)
    for before, after in zip(watcher.samples, watcher.samples[1:], strict=False):
        assert_follows(before, after)
    for noun in COUNTS:
        seen = {sum(row[f"{noun}_count"] for row in sample.progress.values()) for sample in watcher.samples}
        assert len(seen) > 2, f"{noun}: nothing was counted while it ran"
