"""A worker killed at any moment loses nothing, stores nothing twice, and pays for no page again that was committed."""

import asyncio
import random
import signal
from collections.abc import Callable
from time import monotonic

import orjson

from sandbox.github.generate import Plan
from sandbox.github.generate import repository as generate
from sandbox.github.requests import Entry
from sandbox.github.server import StandIn
from sandbox.github.world import World
from tests.backfill.conftest import Backfill
from tests.truth import check, stored

KILLS = 10
PLAN = Plan("acme/rocket", pull_requests=500, issues=250, deep_pull_requests=3, deep_threads=3, collisions=2)


def of_issues(entry: Entry) -> bool:
    return entry.operation.startswith("Issue")


def key(entry: Entry) -> bytes:
    return orjson.dumps([entry.operation, entry.path, entry.variables], option=orjson.OPT_SORT_KEYS)


async def until_asked(github: StandIn, number: int, within: float = 40) -> None:
    deadline = monotonic() + within
    while len(github.log) < number:
        assert monotonic() < deadline, f"{len(github.log)} requests, not {number}, after {within} s"
        await asyncio.sleep(0.005)


async def test_ten_kills_leave_the_database_of_an_undisturbed_run(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, PLAN)
    github = serve(world, latency=0.01)
    backfill.at(github)
    backfill.environment["HEARTBEAT_TIMEOUT_SECONDS"] = "2"
    moments = random.Random(20261123)
    worker = await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    job_id = await backfill.start(workspace_id)
    for _ in range(KILLS):
        await until_asked(github, len(github.log) + moments.randint(2, 6))
        await asyncio.sleep(moments.uniform(0, 0.03))
        worker.send(signal.SIGKILL)
        worker.wait(within=5)
        worker = await backfill.start_worker(backfill.environment)
    await backfill.completed(job_id)
    await check(backfill.dsn, repository)

    # Whose the token is asks every worker that starts: what came before was asked by those that were killed.
    disturbed = [entry for entry in github.log if entry.operation != "Viewer"]
    killed_at = [entry.started for entry in github.log if entry.operation == "Viewer"][1:]
    assert len(killed_at) == KILLS
    began = len(github.log)
    # A page is asked for while the one before it is committed.
    last_before_a_kill = {
        id(entry)
        for moment in killed_at
        for of_type in (True, False)
        for entry in sorted(
            (entry for entry in disturbed if entry.started < moment and of_issues(entry) is of_type),
            key=lambda entry: entry.started,
        )[-2:]
    }
    first: dict[bytes, Entry] = {}
    for entry in sorted(disturbed, key=lambda entry: entry.started):
        if entry.kind == "graphql" and key(entry) in first:
            assert id(first[key(entry)]) in last_before_a_kill, f"asked for again: {entry.operation} {entry.variables}"
        first[key(entry)] = entry

    # Undisturbed, over the same rows: nothing differs, so nothing is written, and no request is saved by having died.
    before = await stored(backfill.dsn, repository.database_id)
    again = await backfill.start(workspace_id, "--fresh")
    await backfill.completed(again)
    assert await stored(backfill.dsn, repository.database_id) == before
    undisturbed = len(github.log) - began
    assert len(disturbed) <= undisturbed + 2 * 2 * KILLS
