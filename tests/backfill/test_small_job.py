"""A small job of every data type, from the command line to the rows: the whole backfill of `make test-quick`."""

from collections import defaultdict
from collections.abc import Callable, Iterator

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from messages import DATA_TYPES, REPOSITORY_BACKFILL, workspace_workflow_id
from sandbox.embeddings import EmbeddingServer
from sandbox.github import StandIn, World
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.ports import LOOPBACK, free_port
from tests.support.backfill.rows import all_rows
from tests.support.backfill.whole import Backfill
from tests.support.otlp import Receiver
from tests.support.truth import check
from tests.support.waiting import eventually
from workflows.workspace_backfill import WorkspaceBackfillWorkflow

PLAN = Plan("acme/small", pull_requests=6, issues=5, discussions=3, stars=4, forks=3, releases=2, pushes=5, years=0.2)


@pytest.fixture
def traces() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


async def test_a_small_job_stores_every_data_type_and_a_second_one_changes_nothing(
    serve: Callable[..., StandIn], backfill: Backfill, embeddings: EmbeddingServer, traces: Receiver
) -> None:
    world = World()
    repository = generate(world, PLAN)
    backfill.at(serve(world))
    backfill.environment |= {"OPENAI_BASE_URL": embeddings.url, "OPENAI_API_KEY": embeddings.token}
    port = free_port()
    told = {"METRICS_HOST": LOOPBACK, "METRICS_PORT": str(port)}
    told |= {"OTEL_EXPORTER_OTLP_ENDPOINT": traces.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    await backfill.start_worker({**backfill.environment, **told})
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
    await check_traces(traces, backfill, workspace_id)
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


async def check_traces(traces: Receiver, backfill: Backfill, workspace_id: str) -> None:
    """A trace leads from a repository's workflow down to a request to GitHub. The history replays without traces."""

    async def ways() -> list[list[str]]:
        """Of the requests that a sweep made, as far up as there are spans, from the top."""
        return [way for span in traces.spans if span.name.startswith("GitHub:") and len(way := traces.way(span)) > 3]

    await eventually(ways)
    child = [f"StartChildWorkflow:{REPOSITORY_BACKFILL}"]
    for way in await ways():
        assert way[-2].startswith("RunActivity:")
        assert way[-3] == way[-2].replace("Run", "Start")
        assert way[:-3] == child, "a command makes no spans: each repository has a trace of its own"
    secrets = (backfill.environment["GITHUB_TOKENS"], backfill.environment["OPENAI_API_KEY"], "query ", "fragment ")
    assert not [each for each in secrets if each.encode() in traces.bytes]
    history = await backfill.client.get_workflow_handle(workspace_workflow_id(workspace_id)).fetch_history()
    assert "_tracer-data" in history.to_json()
    untraced = Replayer(workflows=[WorkspaceBackfillWorkflow], data_converter=pydantic_data_converter)
    await untraced.replay_workflow(history)
