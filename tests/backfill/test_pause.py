"""A paused job stops at the boundary of a page, holds up nobody, and goes on without paying for a page again."""

import signal
from collections.abc import Callable
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle

from sandbox.github import StandIn, World
from sandbox.github.faults import Forbidden
from sandbox.github.world.repositories import Repository
from tests.support.backfill.control import (
    assert_nothing_twice,
    begin,
    command,
    graphql,
    id_of,
    in_the_middle,
    is_now,
    progress,
    repositories,
    slow,
    statuses,
    workspace_workflow,
)
from tests.support.backfill.whole import Backfill
from tests.support.truth import check
from tests.support.waiting import eventually


async def stands_still(backfill: Backfill, job_id: str) -> None:
    """Until nobody works on the paused job any more."""

    async def still() -> bool:
        rows = (await progress(backfill, job_id)).values()
        waiting = [row["metadata"].get("waiting", {}).get("reason") for row in rows]
        return set(waiting) == {"paused"}

    await eventually(still)


async def shows(workflow: WorkflowHandle[Any, Any], status: str) -> None:
    """Until Temporal says so of the workspace."""

    async def so() -> bool:
        described = await workflow.describe()
        attributes = {pair.key.name: pair.value for pair in described.typed_search_attributes}
        return bool(attributes["BackfillStatus"] == status)

    await eventually(so)


async def audited(backfill: Backfill, job_id: str) -> list[tuple[str, str]]:
    """(action, source) of each request, in their order."""
    [row] = await backfill.rows(
        "select metadata -> 'audit' as audit from workspace_backfill_jobs where id = $1", job_id
    )
    return [(each["action"], each["source"]) for each in row["audit"]]


@pytest.mark.long
async def test_a_paused_job_asks_for_nothing_holds_up_nobody_and_goes_on_where_it_stood(
    serve: Callable[..., StandIn], backfill: Backfill, temporal_client: Client
) -> None:
    world = World()
    [long] = repositories(world, "long", pages=10)
    [short] = repositories(world, "short")
    slow(github := serve(world))
    worker, workspace_id, job_id = await begin(backfill, github, long)
    await in_the_middle(backfill, job_id, 2)
    await command(backfill, "pause", job_id)
    await stands_still(backfill, job_id)
    workflow = workspace_workflow(temporal_client, workspace_id)
    await shows(workflow, "paused")
    described = await workflow.describe()
    assert described.status is WorkflowExecutionStatus.RUNNING, "whoever looks at Temporal can resume it there"
    [job] = await backfill.rows("select status, estimated_completion_at from workspace_backfill_jobs")
    assert tuple(job) == ("in_progress", None)
    for sweep in await backfill.rows("select * from backfill_sweeps"):
        assert (sweep["status"], sweep["lease_owner"]) == ("pending", None)
        assert sweep["position"]["cursor"], "it was paused in the middle"
    asked = len(github.log)
    github.faults.clear()

    # Another worker comes; another job of the same workspace has its turn.
    worker.send(signal.SIGKILL)
    await backfill.died(worker)
    await backfill.start_worker(backfill.environment)
    await add(backfill, workspace_id, short)
    other = await backfill.start(workspace_id, "--repo", "acme/short")
    await backfill.completed(other)
    await shows(workflow, "paused")
    assert {entry.variables.get("name") for entry in graphql(github.log[asked:])} == {"short"}
    said = await backfill.run_starter(backfill.environment, "status", job_id)
    assert "paused since" in said.stdout
    assert "by operator:" in said.stdout

    await command(backfill, "resume", job_id)
    assert (await backfill.completed(job_id))["attempt"] == 0
    assert_nothing_twice(github.log)
    for repository in (long, short):
        await check(backfill.dsn, repository)
    await is_now(workflow, WorkflowExecutionStatus.COMPLETED)
    await shows(workflow, "completed")
    assert await audited(backfill, job_id) == [("start", "cli"), ("pause", "cli"), ("resume", "cli")]


async def add(backfill: Backfill, workspace_id: str, repository: Repository) -> None:
    """A repository is added to a workspace that has a job already."""
    another = await backfill.workspace(repository)
    await backfill.rows(
        "update workspace_repositories set workspace_id = $1 where workspace_id = $2", workspace_id, another
    )


async def test_signals_from_temporal_alone_do_what_the_command_line_does(
    serve: Callable[..., StandIn], backfill: Backfill, temporal_client: Client
) -> None:
    world = World()
    one, two = repositories(world, "one", "two", pages=6)
    slow(github := serve(world))
    refused = github.faults.add(
        Forbidden(), times=None, kind="graphql", when=lambda request: request.variables.get("name") == "two"
    )
    _, workspace_id, job_id = await begin(backfill, github, one, two)
    workflow = workspace_workflow(temporal_client, workspace_id)

    async def two_failed() -> bool:
        return (await statuses(backfill, job_id)).get("two") == "failed"

    await eventually(two_failed)
    # As the Web UI sends them.
    await workflow.signal("pause", {"job_id": job_id})
    await backfill.until("metadata ? 'paused_at' and metadata ->> 'paused_by' = 'operator:temporal'", job_id)
    await shows(workflow, "paused")
    await workflow.signal("resume", {"job_id": job_id})
    await backfill.until("not metadata ? 'paused_at'", job_id)
    await workflow.signal("retry", {"job_id": job_id, "repository_ids": [await id_of(backfill, two)]})
    await backfill.until("metadata ? 'retries_waiting'", job_id)
    assert refused.hits
    github.faults.clear()
    job = await backfill.until("attempt = 1 and completed_at is not null", job_id)
    assert (job["status"], job["failed_repositories"]) == ("completed", 0)
    asked = [("start", "cli"), *((each, "signal") for each in ("pause", "resume", "retry"))]
    assert await audited(backfill, job_id) == asked
    for repository in (one, two):
        await check(backfill.dsn, repository)

    slow(github)
    running = await backfill.start(workspace_id, "--fresh")
    await in_the_middle(backfill, running, 4)
    waiting = await backfill.start(workspace_id)
    for each in (waiting, running):
        await workflow.signal("cancel", {"job_id": each})
    for each in (waiting, running):
        job = await backfill.ended(each)
        assert (job["status"], await audited(backfill, each)) == ("canceled", [("start", "cli"), ("cancel", "signal")])
    assert set((await statuses(backfill, waiting)).values()) == {"canceled"}
    assert not await backfill.rows("select from backfill_sweeps where backfill_job_id = $1", waiting), "it never began"
