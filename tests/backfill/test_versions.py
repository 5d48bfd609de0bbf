"""Releases beside each other under Temporal's Worker Versioning: a job that one build began is ended by the next."""

import asyncio
import uuid
from collections.abc import Callable

from temporalio.client import Client

from messages import workspace_workflow_id
from release import VERSION
from sandbox.github import StandIn, World
from sandbox.github.faults import Held
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.temporal import TEMPORAL, Temporal
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.whole import Backfill
from tests.support.truth import check
from tests.support.waiting import eventually

PLAN = Plan("acme/long", pull_requests=24, issues=16, years=1, **LITTLE)


async def make_current(temporal: Temporal, deployment: str, build: str) -> None:
    """As docs/operating.md says, once the server has seen a worker of the build on each task queue."""
    command = ("worker", "deployment", "set-current-version", "--deployment-name", deployment, "--build-id", build)

    async def done() -> bool:
        ran = await asyncio.create_subprocess_exec(
            str(TEMPORAL),
            *(*command, "--yes", "--address", temporal.address, "--disable-config-file", "--disable-config-env"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        return await ran.wait() == 0

    await eventually(done)


async def test_a_job_that_one_build_began_is_ended_by_the_next(
    serve: Callable[..., StandIn], backfill: Backfill, temporal: Temporal, temporal_client: Client
) -> None:
    world = World()
    repository = generate(world, PLAN)
    backfill.at(github := serve(world))
    deployment = f"backfill-{uuid.uuid4().hex[:8]}"
    versioned = {**backfill.environment, "TEMPORAL_DEPLOYMENT_NAME": deployment, "SLICE_PAGES": "1"}
    old = await backfill.start_worker({**versioned, "TEMPORAL_WORKER_BUILD_ID": "1"})
    await make_current(temporal, deployment, "1")
    workspace_id = await backfill.workspace(repository)

    async def has_begun() -> bool:
        return bool(await backfill.rows("select from backfill_sweeps where backfill_job_id = $1 and pages > 0", job_id))

    # It has not ended when the next build takes over, however long that one needs to start.
    github.faults.add(held := Held(), times=None, operation="Issues")
    job_id = await backfill.start(workspace_id, types=())
    await eventually(has_begun)
    await backfill.start_worker({**versioned, "TEMPORAL_WORKER_BUILD_ID": "2"})
    await make_current(temporal, deployment, "2")
    held.release()
    old.stop()
    await backfill.completed(job_id)
    await check(backfill.dsn, repository)
    history = await temporal_client.get_workflow_handle(workspace_workflow_id(str(workspace_id))).fetch_history()
    decisions = [
        event.workflow_task_completed_event_attributes
        for event in history.events
        if event.HasField("workflow_task_completed_event_attributes")
    ]
    assert {each.deployment_version.build_id for each in decisions} == {"1", "2"}
    assert all(each.identity.endswith(f"workspace-backfill {VERSION}") for each in decisions)
