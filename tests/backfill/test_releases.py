"""An older release beside this one, as they are while one is deployed over the other: real programs of both.

The older one is read from this repository's history.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.github import StandIn, World
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.processes import Process
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.whole import Backfill
from tests.support.programs import Programs
from tests.support.releases import OLDER, older_release
from tests.support.truth import check
from tests.support.waiting import eventually

PLAN = Plan("acme/long", pull_requests=24, issues=16, years=1, **LITTLE)

StartOlder = Callable[[], Process]


@pytest.fixture(scope="session")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the older release."""
    folder = older_release(tmp_path_factory.mktemp("older"))
    if folder is None:
        pytest.skip(f"this clone's history does not reach back to {OLDER[:12]}: git fetch --unshallow")
    return folder


@pytest.fixture
def start_older(older: Path, programs: Programs, backfill: Backfill) -> StartOlder:
    backfill.environment["SLICE_PAGES"] = "1"

    def start() -> Process:
        command = [sys.executable, str(older / "worker.py")]
        return programs.start(f"older-{len(programs.started)}", command, env=backfill.environment)

    return start


async def has_begun(backfill: Backfill, job_id: str) -> None:
    async def swept() -> bool:
        return bool(await backfill.rows("select from backfill_sweeps where backfill_job_id = $1 and pages > 1", job_id))

    await eventually(swept)


async def test_a_job_that_an_older_release_began_is_ended_by_this_one(
    serve: Callable[..., StandIn], backfill: Backfill, start_older: StartOlder
) -> None:
    world = World()
    repository = generate(world, PLAN)
    backfill.at(serve(world, latency=0.2))
    older = start_older()
    job_id = await backfill.start(await backfill.workspace(repository), types=())
    await has_begun(backfill, job_id)
    await backfill.start_worker(backfill.environment)
    older.stop()
    await backfill.completed(job_id)
    await check(backfill.dsn, repository)


async def test_a_job_that_this_release_began_waits_while_an_older_one_is_alone_and_is_ended_beside_it(
    serve: Callable[..., StandIn], backfill: Backfill, start_older: StartOlder
) -> None:
    """As where a release is taken back, and deployed again: the older one fails decisions, not the job."""
    world = World()
    repository = generate(world, PLAN)
    backfill.at(serve(world, latency=0.2))
    worker = await backfill.start_worker(backfill.environment)
    job_id = await backfill.start(await backfill.workspace(repository), types=())
    await has_begun(backfill, job_id)
    older = start_older()
    worker.stop()

    async def does_not_know_how_it_began() -> bool:
        return "Nondeterminism error" in older.tail(1000)

    await eventually(does_not_know_how_it_began)
    assert [each["status"] for each in await backfill.rows("select status from workspace_backfill_jobs")] == [
        "in_progress"
    ]
    await backfill.start_worker(backfill.environment)
    await backfill.completed(job_id)
    assert older.exit_code is None
    await check(backfill.dsn, repository)
