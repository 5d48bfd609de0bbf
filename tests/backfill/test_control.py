"""What people do to a job on its way, at the command line or in Temporal: it stops, goes on, or says why not."""

import asyncio
import signal
from collections.abc import Callable
from time import monotonic
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle

from messages import repository_workflow_id
from sandbox.github import StandIn, World
from sandbox.github.faults import Forbidden, Held
from sandbox.github.world.repositories import Repository
from tests.support.backfill.control import (
    DATA,
    PAGES,
    assert_nothing_twice,
    begin,
    checksums,
    command,
    graphql,
    hold,
    id_of,
    in_the_middle,
    is_late,
    is_now,
    progress,
    repositories,
    slow,
    statuses,
    sweep_statuses,
    workspace_workflow,
)
from tests.support.backfill.whole import Backfill
from tests.support.truth import check
from tests.support.waiting import PATIENCE, eventually, so

MIRROR = ("workspace_backfill_jobs", "workspace_backfill_progress", "backfill_sweeps", "backfill_parts")


async def repository_workflow(
    client: Client, backfill: Backfill, job_id: str, repository: Repository
) -> WorkflowHandle[Any, Any]:
    workflow_id = repository_workflow_id(job_id, await id_of(backfill, repository), repository.name_with_owner)
    return client.get_workflow_handle(workflow_id)


async def test_a_canceled_job_has_stopped_and_its_retry_goes_on_where_it_stood(
    serve: Callable[..., StandIn], backfill: Backfill, temporal_client: Client
) -> None:
    world = World()
    [repository] = repositories(world, "long", pages=6)
    slow(github := serve(world))
    worker, workspace_id, job_id = await begin(backfill, github, repository)
    await in_the_middle(backfill, job_id, 2)
    await command(backfill, "cancel", job_id)
    job = await backfill.ended(job_id)
    seen, left = monotonic(), await checksums(backfill, *DATA, *MIRROR)
    child = await (await repository_workflow(temporal_client, backfill, job_id, repository)).describe()

    assert job["status"] == "canceled"
    assert child.status is WorkflowExecutionStatus.CANCELED, "the children stop first, then the job is canceled"
    assert not child.raw_description.pending_activities
    assert await statuses(backfill, job_id) == {"long": "canceled"}
    for sweep in await backfill.rows("select * from backfill_sweeps"):
        assert sweep["status"] == "canceled"
        assert sweep["position"]["cursor"], "it was canceled in the middle"
        assert sweep["committed_at"] < job["completed_at"]
    workflow = workspace_workflow(temporal_client, workspace_id)
    await is_now(workflow, WorkflowExecutionStatus.COMPLETED)
    described = await workflow.describe()
    assert {pair.key.name: pair.value for pair in described.typed_search_attributes}["BackfillStatus"] == "canceled"

    # A worker that ends waits for its activities: whatever still ran has written by then.
    worker.stop(within=PATIENCE)
    assert await checksums(backfill, *DATA, *MIRROR) == left
    assert all(entry.started < seen for entry in github.log)

    github.faults.clear()
    await command(backfill, "retry", job_id)
    await backfill.start_worker(backfill.environment)
    assert (await backfill.completed(job_id))["attempt"] == 1
    assert_nothing_twice(github.log)
    await check(backfill.dsn, repository)


async def test_a_retry_touches_what_was_selected_and_nothing_else(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    one, two = repositories(world, "one", "two")
    github = serve(world)
    github.faults.add(Forbidden(), times=None, kind="graphql")
    _, _, job_id = await begin(backfill, github, one, two)
    job = await backfill.ended(job_id)
    assert (job["status"], job["failed_repositories"]) == ("failed", 2)
    assert {each["code"] for each in job["error_details"]} == {"forbidden"}
    github.faults.clear()

    async def retried(attempt: int, *selection: str) -> tuple[Any, set[tuple[str, str]]]:
        """The job when this retry of it has ended, and which repositories were asked what."""
        before = len(github.log)
        await command(backfill, "retry", job_id, *selection)
        job = await backfill.until(f"attempt = {attempt} and completed_at is not null", job_id)
        entries = graphql(github.log[before:])
        # One request surveys whatever an attempt may read.
        its = [entry for entry in entries if entry.operation != "Survey"]
        return job, {(entry.variables.get("name", "?"), entry.operation) for entry in its}

    two_before = (await progress(backfill, job_id))["two"]
    job, questions = await retried(1, "--repo", "acme/one", "--type", "issues")
    assert questions == {("one", "Issues")}
    assert job["status"] == "failed"
    rows = await progress(backfill, job_id)
    assert rows["two"] == two_before
    assert (rows["one"]["status"], rows["one"]["data_types_completed"], rows["one"]["data_types_failed"]) == (
        "failed",
        ["issues"],
        ["pull_requests"],
    )

    job, questions = await retried(2, "--type", "pull_requests")
    assert {name for name, operation in questions if operation == "PullRequests"} == {"one", "two"}
    assert not [operation for _, operation in questions if operation.startswith("Issue")]
    assert (job["status"], job["completed_repositories"], job["failed_repositories"]) == ("completed", 1, 1)
    assert await statuses(backfill, job_id) == {"one": "completed", "two": "failed"}

    job, questions = await retried(3)
    assert questions == {("two", "Issues")}
    assert (job["status"], job["error_message"], job["completed_repositories"]) == ("completed", None, 2)
    for repository in (one, two):
        await check(backfill.dsn, repository)


async def test_jobs_of_a_workspace_run_one_after_the_other_and_one_that_waits_can_be_canceled(
    serve: Callable[..., StandIn], backfill: Backfill, temporal_client: Client
) -> None:
    world = World()
    one, two = repositories(world, "one", "two", pages=4)
    held = hold(github := serve(world))
    _, workspace_id, first = await begin(backfill, github, one, two)
    await in_the_middle(backfill, first, 4)
    second = await backfill.start(workspace_id)
    third = await backfill.start(workspace_id, "--repo", "acme/two", types=("issues",))
    await command(backfill, "cancel", second)
    rows = await backfill.rows("select id::text, status, started_at from workspace_backfill_jobs order by created_at")
    assert [tuple(row)[:2] for row in rows] == [(first, "in_progress"), (second, "canceled"), (third, "pending")]
    held.release()
    before, after = await backfill.completed(first), await backfill.completed(third)
    assert before["completed_at"] <= after["started_at"]
    [waited] = await backfill.rows("select * from workspace_backfill_jobs where id = $1", second)
    assert (waited["status"], waited["started_at"]) == ("canceled", None)
    assert await statuses(backfill, second) == {"one": "canceled", "two": "canceled"}
    told = await backfill.rows("select operation_id, status from notifications order by created_at, status desc")
    assert [tuple(row) for row in told] == [(each, end) for each in (first, third) for end in ("started", "completed")]
    await is_now(workspace_workflow(temporal_client, workspace_id), WorkflowExecutionStatus.COMPLETED)

    # It had begun nothing. A retry of a part begins that part alone (covered by the first job but for what is new), and
    # does not call the rest complete.
    asked_before = len(github.log)
    await command(backfill, "retry", second, "--repo", "acme/one", "--type", "issues")
    job = await backfill.until("attempt = 1 and completed_at is not null", second)
    assert {entry.operation for entry in graphql(github.log[asked_before:])} == {"Survey"}
    assert (job["status"], job["error_message"]) == ("canceled", "2 of 2 repositories stay canceled")
    rows_of = await progress(backfill, second)
    assert {name: row["status"] for name, row in rows_of.items()} == {"one": "canceled", "two": "canceled"}
    assert rows_of["one"]["data_types_completed"] == ["issues"]
    await command(backfill, "retry", second, "--repo", "acme/one")
    job = await backfill.until("attempt = 2 and completed_at is not null", second)
    assert (job["status"], job["error_message"]) == ("completed", "1 of 2 repositories stay canceled")
    assert await statuses(backfill, second) == {"one": "completed", "two": "canceled"}


async def test_a_repository_stopped_in_temporal_fails_with_words_and_the_others_go_on(
    serve: Callable[..., StandIn], backfill: Backfill, temporal_client: Client
) -> None:
    world = World()
    killed, stopped, other = repositories(world, "killed", "stopped", "other", pages=4)
    slow(github := serve(world))
    worker, _, job_id = await begin(backfill, github, killed, stopped, other)
    await in_the_middle(backfill, job_id, 6)
    await (await repository_workflow(temporal_client, backfill, job_id, killed)).terminate("by a test")
    await (await repository_workflow(temporal_client, backfill, job_id, stopped)).cancel()

    async def both_failed() -> bool:
        now = await statuses(backfill, job_id)
        return (now["killed"], now["stopped"]) == ("failed", "failed")

    await eventually(both_failed)
    github.faults.clear()
    job = await backfill.ended(job_id)
    left = await checksums(backfill, *DATA, *MIRROR)
    assert (job["status"], job["completed_repositories"], job["failed_repositories"]) == ("completed", 1, 2)
    assert await statuses(backfill, job_id) == {"killed": "failed", "stopped": "failed", "other": "completed"}
    assert {each["repository"]: each["code"] for each in job["error_details"]} == {
        "acme/killed": "workflow_ended",
        "acme/stopped": "canceled",
    }
    assert "Terminated" in (await progress(backfill, job_id))["killed"]["error_message"]
    assert await sweep_statuses(backfill, job_id) == {"failed", "completed"}
    await check(backfill.dsn, other)

    # What was terminated ran on for a moment, but what it brought after the job's end is not stored.
    worker.stop(within=PATIENCE)
    assert await checksums(backfill, *DATA, *MIRROR) == left
    await command(backfill, "retry", job_id)
    await backfill.start_worker(backfill.environment)
    assert (await backfill.completed(job_id))["completed_repositories"] == 3
    for repository in (killed, stopped):
        await check(backfill.dsn, repository)


async def test_a_job_whose_workflow_is_terminated_fails_and_its_retry_completes(
    serve: Callable[..., StandIn], backfill: Backfill, temporal_client: Client
) -> None:
    world = World()
    [repository] = repositories(world, "long", pages=6)
    held = hold(github := serve(world))
    _, workspace_id, job_id = await begin(backfill, github, repository)
    await in_the_middle(backfill, job_id, 2)
    await workspace_workflow(temporal_client, workspace_id).terminate("by a test")
    job = await backfill.ended(job_id)
    assert job["status"] == "failed"
    assert "was terminated in Temporal" in job["error_message"]
    assert await statuses(backfill, job_id) == {"long": "failed"}
    assert await sweep_statuses(backfill, job_id) == {"failed"}
    held.release()
    await command(backfill, "retry", job_id)
    assert (await backfill.completed(job_id))["attempt"] == 1
    await check(backfill.dsn, repository)
    told = await backfill.rows("select status from notifications order by created_at")
    assert [row["status"] for row in told] == ["started", "failed", "completed"]


async def test_a_workflow_canceled_in_temporal_cancels_its_job_and_not_those_that_wait(
    serve: Callable[..., StandIn], backfill: Backfill, temporal_client: Client
) -> None:
    world = World()
    one, two = repositories(world, "one", "two", pages=6)
    slow(github := serve(world))
    _, workspace_id, job_id = await begin(backfill, github, one, two)
    waiting = await backfill.start(workspace_id, "--repo", "acme/one", types=("issues",))
    await in_the_middle(backfill, job_id, 4)
    workflow = workspace_workflow(temporal_client, workspace_id)
    run_id = (await workflow.describe()).run_id
    await workflow.cancel()
    job = await backfill.ended(job_id)
    github.faults.clear()
    assert (job["status"], job["failed_repositories"], job["error_details"]) == ("canceled", 0, [])
    assert await statuses(backfill, job_id) == {"one": "canceled", "two": "canceled"}
    assert await sweep_statuses(backfill, job_id) == {"canceled"}
    await is_now(temporal_client.get_workflow_handle(workflow.id, run_id=run_id), WorkflowExecutionStatus.CANCELED)
    assert (await backfill.completed(waiting))["completed_repositories"] == 1
    told = await backfill.rows("select operation_id, status from notifications order by created_at, status desc")
    assert [tuple(row) for row in told] == [(job_id, "started"), (waiting, "started"), (waiting, "completed")]


async def test_a_worker_told_to_stop_finishes_its_pages_and_the_next_one_goes_on(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    [repository] = repositories(world, "long", pages=4)
    held = hold(github := serve(world))
    worker, _, job_id = await begin(backfill, github, repository)
    await eventually(so(lambda: held.waiting == len(PAGES)))
    answered = len(github.log)
    worker.send(signal.SIGTERM)
    await eventually(so(lambda: '"stopping"' in worker.tail()))
    held.release()
    assert await asyncio.to_thread(worker.wait, PATIENCE) == 0
    in_flight = sorted(entry.operation for entry in github.log[answered:])
    assert in_flight == sorted(PAGES), "it finished what it had asked for, and asked nothing more"
    await backfill.start_worker(backfill.environment)
    await backfill.completed(job_id)
    assert_nothing_twice(github.log)
    await check(backfill.dsn, repository)


async def test_a_worker_told_to_stop_gives_up_requests_that_github_does_not_answer_in_its_time(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    [repository] = repositories(world, "long", pages=2)
    github, held = serve(world), Held()
    faults = [github.faults.add(held, times=None, operation=each, when=is_late) for each in PAGES]
    backfill.environment["SHUTDOWN_SECONDS"] = "0.5"
    worker, _, job_id = await begin(backfill, github, repository)
    await eventually(so(lambda: held.waiting == len(PAGES)))
    worker.send(signal.SIGTERM)
    assert await asyncio.to_thread(worker.wait, PATIENCE) == 0
    assert [fault.hits for fault in faults] == [1, 1], "it asked for nothing more"
    rows = await backfill.rows("select distinct attempts, lease_owner, error from backfill_sweeps where pages > 0")
    assert [tuple(row) for row in rows] == [(0, None, None)], "told to stop is no failure"
    held.release()
    await backfill.start_worker(backfill.environment)
    await backfill.completed(job_id)
    await check(backfill.dsn, repository)
