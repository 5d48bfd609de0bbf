"""Whole backfills through an outage of GitHub's: nothing fails, no attempt is counted, and all go on at its return."""

from collections.abc import Callable
from datetime import datetime
from time import monotonic
from typing import Any

from messages import Waiting
from sandbox.github import StandIn, World
from sandbox.github.faults import Held
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from tests.support.backfill.whole import Backfill
from tests.support.truth import check
from tests.support.waiting import eventually, so

SMALL = Plan("acme/small", pull_requests=40, issues=30, deep_pull_requests=1, deep_threads=1, years=2)
PROBE_SECONDS = 1.0


async def away(backfill: Backfill, *apis: str) -> None:
    """Returns once workers have found out that one of these is away."""

    async def found() -> bool:
        away = (
            "select from github_availability, jsonb_each(state->'apis') where key = any($1) and value->>'away' = 'true'"
        )
        return bool(await backfill.rows(away, list(apis)))

    await eventually(found)


async def shown(backfill: Backfill, job_id: str, why: str) -> bool:
    """Whether the progress row and `status` say since when GitHub is away; both are looked at until both do."""
    rows = await backfill.rows(
        "select metadata->'waiting' as waiting from workspace_backfill_progress where backfill_job_id = $1", job_id
    )
    [waiting] = [Waiting.model_validate(row["waiting"]) if row["waiting"] else None for row in rows]
    said = " ".join((await backfill.run_starter(backfill.environment, "status", job_id)).stdout.split())
    if waiting is None or waiting.reason != "github_away" or "waiting: GitHub is away since" not in said:
        return False
    assert waiting.until is not None
    # Each API has a moment of its own; a slice that was refused waits for the one that it asked.
    away = await backfill.rows("select value->>'since' as since from github_availability, jsonb_each(state->'apis')")
    assert waiting.since in {datetime.fromisoformat(each["since"]) for each in away if each["since"]}
    return f"UTC ({why})" in waiting.detail


async def sweeps(backfill: Backfill) -> list[dict[str, Any]]:
    return [dict(row) for row in await backfill.rows("select data_type, status, attempts, error from backfill_sweeps")]


async def test_an_outage_in_the_middle_costs_two_workers_no_attempt_and_few_requests(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, SMALL)
    github = serve(world)
    held = Held()
    github.faults.add(held, times=None, operation="PullRequests", when=lambda it: bool(it.variables["after"]))
    backfill.at(github)
    backfill.environment |= {"GITHUB_PROBE_SECONDS": str(PROBE_SECONDS), "SLICE_PAGES": "1"}
    for _ in range(2):
        await backfill.start_worker(backfill.environment)
    workspace = await backfill.workspace(repository)
    job_id = await backfill.start(workspace)
    await backfill.until("exists (select from pull_requests) and exists (select from issues)", job_id)

    outage, gone = github.begin_outage("502"), monotonic()
    github.faults.clear()
    held.release()
    # A slow machine may have nothing left to ask but REST.
    await away(backfill, "graphql", "core")
    await eventually(so(lambda: outage.requests >= 8))
    during = await sweeps(backfill)
    assert [each for each in during if each["attempts"] > 1 or each["error"]] == []
    lasted = monotonic() - gone
    # What was in flight, two that confirm it, and a probe for each of these minutes.
    assert outage.requests <= 8 + 2 + lasted / PROBE_SECONDS
    await eventually(lambda: shown(backfill, job_id, "502"))

    github.end_outage()
    await backfill.completed(job_id)
    await check(backfill.dsn, repository)
    assert {each["attempts"] for each in await sweeps(backfill)} == {0}


async def test_a_job_that_starts_while_github_refuses_connections_waits_for_it(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, Plan("acme/tiny", pull_requests=3, issues=3))
    github = serve(world)
    backfill.at(github)
    backfill.environment |= {"GITHUB_PROBE_SECONDS": str(PROBE_SECONDS)}
    github.begin_outage("refused")
    await backfill.start_worker(backfill.environment)
    job_id = await backfill.start(await backfill.workspace(repository))
    # The survey is the first to ask.
    await away(backfill, "graphql")
    await eventually(lambda: shown(backfill, job_id, "it cannot be reached"))
    github.end_outage()
    await backfill.completed(job_id)
    await check(backfill.dsn, repository)
