"""What a real backfill waits for is written down while it waits, and recent data waits for nobody's history."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from sandbox.embeddings import EmbeddingServer
from sandbox.github import StandIn, World
from sandbox.github.faults import Latency
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.questions import THREADS, threads_shown
from tests.support.backfill.whole import Backfill
from tests.support.truth import check
from tests.support.waiting import eventually

PLAN = Plan("acme/old", pull_requests=120, issues=120, discussions=80, years=3, **LITTLE)


async def waits(backfill: Backfill, job_id: str) -> dict[str, Any] | None:
    """What the job's only repository waits for."""
    [row] = await backfill.rows(
        "select metadata -> 'waiting' as waiting from workspace_backfill_progress where backfill_job_id = $1", job_id
    )
    return row["waiting"]  # type: ignore[no-any-return]


async def sweeps(backfill: Backfill, job_id: str) -> dict[str, tuple[str, str | None]]:
    """Status and leg of the job's sweeps, by type."""
    rows = await backfill.rows("select data_type, status, leg from backfill_sweeps where backfill_job_id = $1", job_id)
    return {row["data_type"]: (row["status"], row["leg"]) for row in rows}


async def test_recent_legs_wait_for_no_history_and_historical_ones_say_for_whose(
    serve: Callable[..., StandIn], backfill: Backfill, embeddings: EmbeddingServer
) -> None:
    world = World()
    repository = generate(world, PLAN)
    github = serve(world)
    backfill.environment |= {"OPENAI_BASE_URL": embeddings.url, "OPENAI_API_KEY": embeddings.token}
    backfill.at(github)
    await backfill.start_worker(backfill.environment | {"WORKER_QUEUES": "workflows,recent"})
    types = (*THREADS, "embeddings")
    first = await backfill.start(await backfill.workspace(repository), types=types)

    async def recent_leg_is_over(job_id: str) -> bool:
        statuses = {status for status, _ in (await sweeps(backfill, job_id)).values()}
        return statuses == {"pending"} and len(await sweeps(backfill, job_id)) == len(types)

    await eventually(lambda: recent_leg_is_over(first))
    # Its history takes long, from its first page on: longer than a busy machine takes to begin the second job's sweeps.
    # A request that took 15 seconds would be given up.
    github.faults.add(Latency(10), times=None, kind="graphql", when=lambda it: bool(it.variables.get("after")))
    await backfill.start_worker(backfill.environment | {"WORKER_QUEUES": "historical"})

    async def history_is_read() -> bool:
        its = await sweeps(backfill, first)
        return [its[each] for each in THREADS] == [("in_progress", "historical")] * len(THREADS)

    await eventually(history_is_read)
    asked = len(github.log)
    second = await backfill.start(await backfill.workspace(repository), types=types)

    async def waits_for_the_first() -> bool:
        rows = await backfill.rows(
            "select metadata -> 'waiting' as its from workspace_backfill_progress where backfill_job_id = $1", second
        )
        # All of it: while its types end their recent legs one by one, only some wait, and are named.
        return [row["its"] is not None and set(row["its"]) == {"reason", "since", "job_id"} for row in rows] == [True]

    await eventually(waits_for_the_first)
    assert {leg for _, leg in (await sweeps(backfill, second)).values()} == {"historical"}, "its recent leg is over"
    assert {status for status, _ in (await sweeps(backfill, first)).values()} >= {"in_progress"}
    waiting = await waits(backfill, second)
    assert waiting is not None
    assert (waiting["reason"], waiting["job_id"]) == ("another_job", first)
    status = await backfill.run_starter(backfill.environment, "status", second)
    assert f"waiting for job {first}, which sweeps the same, since " in status.stdout
    as_json = json.loads((await backfill.run_starter(backfill.environment, "status", second, "--json")).stdout)
    assert as_json["waiting"]["reason"] == as_json["repositories"][0]["waiting"]["reason"] == "another_job"
    github.faults.clear()
    await asyncio.gather(backfill.completed(first), backfill.completed(second))
    assert await waits(backfill, first) is None
    assert await waits(backfill, second) is None
    # What is recent came from the first one's recent leg, what is old from its historical one.
    assert set(threads_shown(github.log).values()) == {1}
    assert not [each for each in github.log[asked:] if each.after is None and each.operation == "PullRequests"]
    counts = repository.counts()
    embedded = [text for request in embeddings.requests for text in request.texts]
    assert len(embedded) == sum(counts[each] for each in THREADS), "no text is paid for twice"
    await check(backfill.dsn, repository)


async def test_a_queue_without_a_worker_is_named_until_one_begins_its_work(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, Plan("acme/small", 30, 30, years=0.1, **LITTLE))
    github = serve(world)
    backfill.at(github)
    backfill.environment |= {"WORKER_PATIENCE_SECONDS": "1"}
    await backfill.start_worker(backfill.environment | {"WORKER_QUEUES": "workflows"})
    job_id = await backfill.start(await backfill.workspace(repository))
    where = "exists (select from workspace_backfill_progress p where p.backfill_job_id = workspace_backfill_jobs.id and"
    await backfill.until(f"{where} p.metadata #>> '{{waiting,reason}}' = 'no_worker')", job_id)
    waiting = await waits(backfill, job_id)
    assert waiting is not None
    assert waiting["detail"].endswith("-recent")
    status = await backfill.run_starter(backfill.environment, "status", job_id)
    assert f"waiting for a worker on task queue {waiting['detail']}, since " in status.stdout
    slow = github.faults.add(
        Latency(4), times=None, kind="graphql", when=lambda it: it.operation in ("PullRequests", "Issues")
    )
    await backfill.start_worker(backfill.environment | {"WORKER_QUEUES": "recent"})

    async def being_read() -> bool:
        return slow.hits > 0

    await eventually(being_read)
    assert await waits(backfill, job_id) is None
    assert await backfill.until("status = 'in_progress'", job_id)
    github.faults.clear()
    await backfill.completed(job_id)
    assert await waits(backfill, job_id) is None
    await check(backfill.dsn, repository)
