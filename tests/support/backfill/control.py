"""Jobs that are in progress, what an operator does to them, and the state that they then have."""

from typing import Any, NamedTuple

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle

from messages import workspace_workflow_id
from sandbox.github import StandIn, World
from sandbox.github.exchange.requests import Entry, Request
from sandbox.github.faults import Held, Latency
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.world.repositories import Repository
from sandbox.processes import Process
from tests.support.backfill.kills import key
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.whole import Backfill
from tests.support.shop import checksum, connected
from tests.support.waiting import eventually

DATA = ("contributors", "pull_requests", "issues", "reviews", "comments", "issue_events", "requested_reviewers")
PAGES = ("PullRequests", "Issues")


def repositories(world: World, *names: str, pages: int = 1) -> list[Repository]:
    """Creates repositories with this many pages of each type. All of it is in the recent leg, so a workflow has one
    run.
    """
    return [generate(world, Plan(f"acme/{name}", 20 * pages, 20 * pages, years=0.2, **LITTLE)) for name in names]


def is_late(request: Request) -> bool:
    """Whether it asks for a page after the first."""
    return bool(request.variables["after"])


def slow(github: StandIn, seconds: float = 3.0) -> None:
    """Makes every sweep slow from its second page on, until the faults are cleared.

    A cancel needs up to a heartbeat's time to arrive, and has to arrive before the last page.
    """
    for each in PAGES:
        github.faults.add(Latency(seconds), times=None, operation=each, when=is_late)


def hold(github: StandIn) -> Held:
    """Holds the second page of every sweep until the returned fault is released."""
    held = Held()
    for each in PAGES:
        github.faults.add(held, times=None, operation=each, when=is_late)
    return held


class Begun(NamedTuple):
    worker: Process
    workspace_id: str
    job_id: str


async def begin(backfill: Backfill, github: StandIn, *of: Repository) -> Begun:
    """Starts a worker, and a job with these repositories."""
    backfill.at(github)
    backfill.environment["HEARTBEAT_TIMEOUT_SECONDS"] = "8"
    worker = await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(*of)
    return Begun(worker, workspace_id, await backfill.start(workspace_id))


async def in_the_middle(backfill: Backfill, job_id: str, sweeps: int) -> None:
    """Waits until this many sweeps of the job have stored their first page, and none has stored its last."""

    async def begun() -> bool:
        rows = await backfill.rows(
            "select status, position ->> 'cursor' as cursor from backfill_sweeps where backfill_job_id = $1", job_id
        )
        assert {row["status"] for row in rows} <= {"in_progress"}, "it was too quick for the test"
        return sum(row["cursor"] is not None for row in rows) == sweeps

    await eventually(begun)


async def command(backfill: Backfill, *arguments: str) -> None:
    ended = await backfill.run_starter(backfill.environment, *arguments)
    assert ended.exit_code == 0, ended.stderr


def workspace_workflow(client: Client, workspace_id: str) -> WorkflowHandle[Any, Any]:
    return client.get_workflow_handle(workspace_workflow_id(workspace_id))


async def id_of(backfill: Backfill, repository: Repository) -> str:
    [row] = await backfill.rows("select id from repositories where github_id = $1", repository.database_id)
    return str(row["id"])


async def is_now(handle: WorkflowHandle[Any, Any], status: WorkflowExecutionStatus) -> None:
    """Waits until the workflow has this status. Temporal may learn of it later than Postgres."""

    async def so() -> bool:
        return (await handle.describe()).status is status

    await eventually(so)


async def checksums(backfill: Backfill, *tables: str) -> list[str]:
    async with connected(backfill.dsn) as connection:
        return await checksum(connection, tables)


async def progress(backfill: Backfill, job_id: str) -> dict[str, Any]:
    """Returns the job's progress rows, by name of the repository."""
    rows = await backfill.rows(
        "select r.name, p.* from workspace_backfill_progress p join repositories r on r.id = p.repository_id"
        " where p.backfill_job_id = $1",
        job_id,
    )
    return {row["name"]: row for row in rows}


async def statuses(backfill: Backfill, job_id: str) -> dict[str, str]:
    return {name: row["status"] for name, row in (await progress(backfill, job_id)).items()}


async def sweep_statuses(backfill: Backfill, job_id: str) -> set[str]:
    rows = await backfill.rows("select status from backfill_sweeps where backfill_job_id = $1", job_id)
    return {row["status"] for row in rows}


def graphql(entries: list[Entry]) -> list[Entry]:
    """Returns the GraphQL requests, without the one by which a worker looks up the account of its token."""
    return [entry for entry in entries if entry.kind == "graphql" and entry.operation != "Viewer"]


def assert_nothing_twice(entries: list[Entry]) -> None:
    keys = [key(entry) for entry in graphql(entries)]
    assert len(set(keys)) == len(keys), f"asked for again: {[each for each in keys if keys.count(each) > 1][:3]}"
