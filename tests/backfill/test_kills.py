"""A worker killed at any moment loses nothing, stores nothing twice, and pays for no page again that was committed."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from messages import DataType
from sandbox.github import StandIn, World
from sandbox.github.exchange.requests import Entry
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.processes import Process
from tests.support.backfill.kills import key, kill_at
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.whole import PULLS_AND_ISSUES, Backfill
from tests.support.thoroughness import THOROUGH
from tests.support.truth import check, stored
from tests.support.waiting import PATIENCE

KILLS = 10 if THOROUGH else 4
PLAN = Plan(
    "acme/rocket", pull_requests=50 * KILLS, issues=25 * KILLS, deep_pull_requests=1, deep_threads=1, collisions=2
)
PAGES: dict[DataType, str] = {"pull_requests": "PullRequests", "issues": "Issues"}


def data_type(entry: Entry) -> DataType:
    return "issues" if entry.operation.startswith("Issue") else "pull_requests"


@dataclass(frozen=True)
class Life:
    """A worker that was killed: what it asked for, and which places Postgres had committed when it was gone."""

    asked: Sequence[Entry]
    """In the order in which it asked."""
    places: dict[DataType, dict[str, Any]]

    def in_flight(self, of: DataType, reached: Sequence[str | None]) -> list[Entry]:
        """Requests whose answers may have been committed by nobody: the last page, and the one asked for ahead.

        `reached` are the cursors of the type's pages, in the order of the history.
        """
        last = [entry for entry in self.asked if data_type(entry) == of][-2:]
        place = self.places.get(of, {})
        if not place:
            return last
        if place.get("phase", "history") != "history":
            paid = set(reached)
        else:
            cursor = place.get("cursor")
            paid = set(reached[: reached.index(cursor)] if cursor in reached else reached)
        return [entry for entry in last if entry.operation != PAGES[of] or entry.after not in paid]


async def test_a_worker_whose_heartbeats_stay_away_is_replaced(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    """As in production: nobody tells Temporal that it was killed."""
    world = World()
    repository = generate(world, Plan("acme/small", pull_requests=30, issues=30, years=0.2, **LITTLE))
    github = serve(world)
    backfill.at(github)
    backfill.environment["HEARTBEAT_TIMEOUT_SECONDS"] = "2"
    worker = await backfill.start_worker(backfill.environment)
    kill_at(github, worker, 2, when=lambda request: request.operation in PAGES.values())
    job_id = await backfill.start(await backfill.workspace(repository))
    await asyncio.to_thread(worker.wait, PATIENCE)
    await backfill.start_worker(backfill.environment)
    await backfill.completed(job_id)
    await check(backfill.dsn, repository)


@pytest.mark.long
async def test_kills_leave_the_database_of_an_undisturbed_run(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, PLAN)
    github = serve(world, latency=0.01)
    backfill.at(github)
    # Nobody is taken for dead who is alive: his pages would be asked for again.
    backfill.environment["HEARTBEAT_TIMEOUT_SECONDS"] = "60"
    moments = random.Random(20261123)

    async def begin(number: int) -> tuple[Process, str]:
        """A worker with a token of an account of its own, by which its requests are known."""
        account = f"life-{number}"
        world.account(account)
        github.tokens[f"ghp_{number}"] = account
        return await backfill.start_worker(backfill.environment | {"GITHUB_TOKENS": f"ghp_{number}"}), account

    worker, account = await begin(0)
    workspace_id = await backfill.workspace(repository)
    job_id = await backfill.start(workspace_id)
    lives: list[Life] = []
    for number in range(1, KILLS + 1):
        killing = kill_at(github, worker, moments.randint(2, 6), moments.uniform(0, 0.03))
        await backfill.died(worker)
        github.faults.remove(killing)
        sweeps = await backfill.rows("select data_type, position from backfill_sweeps")
        lives.append(Life(graphql(github, account), {row["data_type"]: row["position"] for row in sweeps}))
        worker, account = await begin(number)
    await backfill.completed(job_id)
    await check(backfill.dsn, repository)
    assert_nothing_committed_is_asked_for_again([*lives, Life(graphql(github, account), {})])

    # Undisturbed, over the same rows: nothing differs, so nothing is written, and no request is saved by having died.
    began = len(github.log)
    before = await stored(backfill.dsn, repository.database_id)
    again = await backfill.start(workspace_id, "--fresh")
    await backfill.completed(again)
    assert await stored(backfill.dsn, repository.database_id) == before
    disturbed = sum(entry.operation != "Viewer" for entry in github.log[:began])
    assert disturbed <= len(github.log) - began + 2 * 2 * KILLS


def graphql(github: StandIn, account: str) -> list[Entry]:
    entries = [entry for entry in github.log if entry.account == account and entry.kind == "graphql"]
    return sorted((entry for entry in entries if entry.operation != "Viewer"), key=lambda entry: entry.sequence)


def assert_nothing_committed_is_asked_for_again(lives: Sequence[Life]) -> None:
    for of in PULLS_AND_ISSUES:
        asked: dict[bytes, int] = {}
        excused: set[bytes] = set()
        reached: list[str | None] = []
        for life in lives:
            for entry in life.asked:
                if data_type(entry) != of:
                    continue
                assert key(entry) not in asked or key(entry) in excused, (
                    f"asked for again: {entry.operation} {entry.variables}"
                )
                asked[key(entry)] = asked.get(key(entry), 0) + 1
                excused.discard(key(entry))
                if entry.operation == PAGES[of] and entry.after not in reached:
                    reached.append(entry.after)
            excused |= {key(entry) for entry in life.in_flight(of, reached)}
