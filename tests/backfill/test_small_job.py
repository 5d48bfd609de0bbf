"""A small job of every data type, from the command line to the rows: the whole backfill of `make test-quick`."""

from collections import defaultdict
from collections.abc import Callable

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from messages import DATA_TYPES
from sandbox.embeddings import EmbeddingServer
from sandbox.github import StandIn, World
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.ports import LOOPBACK, free_port
from tests.support.backfill.rows import all_rows
from tests.support.backfill.whole import Backfill
from tests.support.truth import check

PLAN = Plan("acme/small", pull_requests=6, issues=5, discussions=3, stars=4, forks=3, releases=2, pushes=5, years=0.2)


async def test_a_small_job_stores_every_data_type_and_a_second_one_changes_nothing(
    serve: Callable[..., StandIn], backfill: Backfill, embeddings: EmbeddingServer
) -> None:
    world = World()
    repository = generate(world, PLAN)
    backfill.at(serve(world))
    backfill.environment |= {"OPENAI_BASE_URL": embeddings.url, "OPENAI_API_KEY": embeddings.token}
    port = free_port()
    await backfill.start_worker({**backfill.environment, "METRICS_HOST": LOOPBACK, "METRICS_PORT": str(port)})
    workspace_id = await backfill.workspace(repository)
    job_id = await backfill.start(workspace_id, types=())
    await backfill.completed(job_id)
    await check(backfill.dsn, repository)
    sweeps = await backfill.rows(
        "select data_type, status, counts from backfill_sweeps where backfill_job_id = $1", job_id
    )
    stored = {row["data_type"]: row["counts"][row["data_type"]] for row in sweeps if row["status"] == "completed"}
    assert stored.keys() == set(DATA_TYPES)
    assert all(stored.values()), stored
    assert stored["embeddings"] == 6 + 5 + 3
    await check_metrics(port, stored)
    before, paid = await all_rows(backfill.dsn), len(embeddings.requests)
    await backfill.completed(await backfill.start(workspace_id, types=()))
    assert await all_rows(backfill.dsn) == before
    assert len(embeddings.requests) == paid


async def check_metrics(port: int, stored: dict[str, int]) -> None:
    """The worker's metrics tell of the job: what was stored, and what was paid for it; Temporal's are beside them."""
    async with aiohttp.ClientSession() as http, http.get(f"http://{LOOPBACK}:{port}/metrics") as response:
        families = list(text_string_to_metric_families(await response.text()))
    totals: dict[str, float] = defaultdict(float)
    rows: dict[str, float] = defaultdict(float)
    for sample in (sample for family in families for sample in family.samples):
        totals[sample.name] += sample.value
        if sample.name == "backfill_rows_total":
            rows[sample.labels["noun"]] += sample.value
    assert {noun: rows[noun] for noun in stored} == stored
    assert totals["backfill_pages_total"] > len(stored)
    assert totals["backfill_github_requests_total"] == totals["backfill_github_answer_seconds_count"] > 0
    assert totals["backfill_github_points_total"] > 0
    assert totals["backfill_embedded_texts_total"] == stored["embeddings"]
    assert totals["backfill_embedded_tokens_total"] > stored["embeddings"]
    tasks = ("workflow_task_schedule_to_start", "activity_schedule_to_start", "activity_execution")
    assert all(totals[f"temporal_{each}_latency_seconds_count"] > 0 for each in tasks)
    assert totals["temporal_num_pollers"] > 0
    assert "temporal_worker_task_slots_used" in totals
