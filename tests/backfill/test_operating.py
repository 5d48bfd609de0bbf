"""What `temporal` commands do to a backfill: each line of the tables in docs/operating.md, against the real server."""

import asyncio
import json
import re
import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType

import pytest
from temporalio.client import WorkflowExecutionStatus

from messages import repository_workflow_id, workspace_workflow_id
from sandbox.github import StandIn, World
from sandbox.github.faults import Held
from sandbox.github.world.repositories import Repository
from sandbox.temporal import TEMPORAL, Temporal
from tests.support.backfill.control import (
    assert_nothing_twice,
    begin,
    command,
    hold,
    in_the_middle,
    is_now,
    progress,
    repositories,
    statuses,
    sweep_statuses,
)
from tests.support.backfill.whole import Backfill
from tests.support.programs import ROOT
from tests.support.truth import check
from tests.support.waiting import PATIENCE, eventually, so

GUIDE = ROOT / "docs" / "operating.md"


def normalised(text: str, names: Mapping[str, str] = MappingProxyType({})) -> str:
    """Without what differs from run to run, in single spaces."""
    for ours, theirs in names.items():
        text = text.replace(ours, theirs)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "ID", text)
    text = re.sub(r"\d+ \w+ ago|\bnow\b", "now", re.sub(r"event ID \d+", "event ID N", text))
    return " ".join(text.split())


class Operator:
    """Runs `temporal` as operators do; what it prints has to stand in the guide, under the command."""

    def __init__(self, temporal: Temporal) -> None:
        self._address = temporal.address
        self.job_id = self.workspace_id = self.task_queue = ""

    async def run(self, *arguments: str, exit_code: int = 0, told: bool = True) -> str:
        process = await asyncio.create_subprocess_exec(
            str(TEMPORAL),
            *arguments,
            *("--address", self._address, "--disable-config-file", "--disable-config-env", "--color", "never"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await asyncio.wait_for(process.communicate(), PATIENCE))[0].decode()
        assert process.returncode == exit_code, output
        if told:
            transcript = f"$ temporal {shlex.join(arguments)}\n{output}"
            guide = normalised(GUIDE.read_text())
            ours = {self.job_id: "JOB", self.workspace_id: "WORKSPACE", self.task_queue: "workspace-backfill"}
            assert normalised(transcript, ours) in guide, transcript
        return output


@pytest.fixture
def operator(temporal: Temporal) -> Operator:
    return Operator(temporal)


async def running(
    serve: Callable[..., StandIn], backfill: Backfill, operator: Operator, name: str = "rocket"
) -> tuple[Repository, StandIn, Held]:
    """A job in the middle of the pages of one repository, which is held before its second page of each type."""
    [repository] = repositories(world := World(), name, pages=4)
    held = hold(github := serve(world))
    # Slices that end before the SDK's next heartbeat: whatever comes with its answer would come too late.
    backfill.environment |= {"SLICE_PAGES": "1"}
    operator.task_queue = backfill.environment["TEMPORAL_TASK_QUEUE"]
    _, operator.workspace_id, operator.job_id = await begin(backfill, github, repository)
    await in_the_middle(backfill, operator.job_id, 2)
    return repository, github, held


async def complete(backfill: Backfill, operator: Operator, github: StandIn, repository: Repository) -> None:
    """It completes; nothing was asked for twice, and nothing is missing."""
    await backfill.completed(operator.job_id)
    assert_nothing_twice(github.log)
    await check(backfill.dsn, repository)


# --- Activities -------------------------------------------------------------------------------------------------------


async def test_a_paused_activity_stops_at_its_page_stays_paused_and_goes_on_where_it_stood(
    serve: Callable[..., StandIn], backfill: Backfill, operator: Operator
) -> None:
    repository, github, held = await running(serve, backfill, operator)
    workflow_id = repository_workflow_id(operator.job_id, "", "acme/rocket")
    issues = ("--workflow-id", workflow_id, "--activity-id", "issues")
    await operator.run("activity", "pause", *issues, "--reason", "too much load", "--identity", "ann")
    held.release()

    async def waits() -> bool:
        row = (await progress(backfill, operator.job_id))["rocket"]
        assert row["status"] == "in_progress", "the pause was lost"
        waiting = row["metadata"].get("waiting", {})
        return bool(waiting.get("reason") == "paused" and not waiting.get("data_types"))

    await eventually(waits)
    row = (await progress(backfill, operator.job_id))["rocket"]
    assert (row["status"], row["data_types_completed"]) == ("in_progress", ["pull_requests"])
    assert row["metadata"]["waiting"]["detail"] == "in Temporal by ann: too much load"
    [sweep] = await backfill.rows("select * from backfill_sweeps where data_type = 'issues'")
    assert (sweep["status"], sweep["attempts"], sweep["error"], sweep["lease_owner"]) == ("in_progress", 0, None, None)
    asked = len(github.log)
    # The search attribute is written before the row.
    await operator.run("workflow", "list", "--query", 'BackfillStatus = "paused"')
    described = await operator.run("workflow", "describe", "-w", workflow_id, told=False)
    assert re.search(r"State +Paused", described)
    ended = await backfill.run_starter(backfill.environment, "status", operator.job_id)
    assert "paused in Temporal by ann: too much load" in ended.stdout

    await operator.run("activity", "update-options", *issues, "--heartbeat-timeout", "2m")
    await operator.run("activity", "reset", *issues, "--keep-paused")
    assert len(github.log) == asked, "it is held all the while"
    await operator.run("activity", "unpause", *issues)
    await complete(backfill, operator, github, repository)
    assert "waiting" not in (await progress(backfill, operator.job_id))["rocket"]["metadata"]
    await operator.run("activity", "pause", *issues, exit_code=1)


# --- Workflows --------------------------------------------------------------------------------------------------------


async def test_a_reset_of_a_repository_and_of_its_workspace_pays_no_page_twice_and_loses_no_row(
    serve: Callable[..., StandIn], backfill: Backfill, operator: Operator
) -> None:
    repository, github, held = await running(serve, backfill, operator)
    why = ("--type", "FirstWorkflowTask", "--reason", "it looks stuck")
    of_repository = repository_workflow_id(operator.job_id, "", "acme/rocket")
    await operator.run("workflow", "reset", "--workflow-id", of_repository, *why)
    of_workspace = workspace_workflow_id(operator.workspace_id)
    await operator.run("workflow", "reset", "--workflow-id", of_workspace, *why)
    held.release()
    await complete(backfill, operator, github, repository)


async def test_what_is_canceled_or_terminated_has_ended_in_postgres_and_a_retry_completes_it(
    serve: Callable[..., StandIn], backfill: Backfill, operator: Operator
) -> None:
    repository, github, held = await running(serve, backfill, operator)
    workflow_id = workspace_workflow_id(operator.workspace_id)
    await operator.run("workflow", "cancel", "--workflow-id", workflow_id)
    held.release()
    assert (await backfill.ended(operator.job_id))["status"] == "canceled"
    assert await statuses(backfill, operator.job_id) == {"rocket": "canceled"}

    github.faults.clear()
    held = hold(github)
    await command(backfill, "retry", operator.job_id)
    await backfill.until("status = 'in_progress' and attempt = 1", operator.job_id)
    await eventually(so(lambda: held.waiting > 0))
    await operator.run("workflow", "terminate", "--workflow-id", workflow_id, "--reason", "by mistake")
    job = await backfill.ended(operator.job_id)
    assert (job["status"], "was terminated in Temporal" in job["error_message"]) == ("failed", True)
    held.release()
    await command(backfill, "retry", operator.job_id)
    await backfill.completed(operator.job_id)
    await check(backfill.dsn, repository)


# --- Signals, updates, batches ----------------------------------------------------------------------------------------


async def test_people_pause_resume_and_cancel_in_temporal_as_with_our_own_commands(
    serve: Callable[..., StandIn], backfill: Backfill, operator: Operator
) -> None:
    repository, github, held = await running(serve, backfill, operator)
    workflow_id = workspace_workflow_id(operator.workspace_id)
    job = json.dumps({"job_id": operator.job_id})
    update = ("workflow", "update", "execute", "--workflow-id", workflow_id)
    await operator.run("workflow", "query", "--workflow-id", workflow_id, "--type", "progress")
    await operator.run(*update, "--name", "pause", "--input", '{"job_id": "rocket"}', exit_code=1)
    of_workspace = f'WorkspaceId = "{operator.workspace_id}" AND WorkflowType = "WorkspaceBackfillWorkflow"'
    batch = ("workflow", "signal", "--query", of_workspace, "--name", "pause", "--input", job, "--yes")
    started = re.search(r"job ID: (\S+)", await operator.run(*batch, "--reason", "GitHub is slow"))
    assert started

    async def is_done() -> bool:
        described = await operator.run("batch", "describe", "--job-id", started[1], told=False)
        return bool(re.search(r"State +Completed", described))

    await eventually(is_done)
    await backfill.until("metadata ? 'paused_at'", operator.job_id)
    held.release()

    async def is_aside() -> bool:
        row = (await progress(backfill, operator.job_id))["rocket"]
        return bool(row["metadata"].get("waiting", {}).get("reason") == "paused")

    await eventually(is_aside)
    held = hold(github)
    await operator.run(*update, "--name", "resume", "--input", job)
    await eventually(so(lambda: held.waiting > 0))
    one = json.dumps({"job_id": operator.job_id, "repository": "acme/rocket"})
    await operator.run(*update, "--name", "cancel_repository", "--input", one)
    held.release()
    assert (await backfill.ended(operator.job_id))["status"] == "canceled"
    assert await statuses(backfill, operator.job_id) == {"rocket": "canceled"}
    assert await sweep_statuses(backfill, operator.job_id) == {"canceled"}
    [row] = await backfill.rows("select metadata -> 'audit' as audit from workspace_backfill_jobs")
    asked = [(each["action"], each["source"]) for each in row["audit"]]
    assert asked == [("start", "cli"), ("pause", "signal"), ("resume", "update"), ("cancel", "update")]
    await is_now(backfill.client.get_workflow_handle(workflow_id), WorkflowExecutionStatus.COMPLETED)
    await operator.run(*update, "--name", "retry", "--input", job, exit_code=1)
    await command(backfill, "retry", operator.job_id)
    await complete(backfill, operator, github, repository)
