"""A small job of every data type, from the command line to the rows: the whole backfill of `make test-quick`."""

from collections.abc import Callable

from messages import DATA_TYPES
from sandbox.embeddings import EmbeddingServer
from sandbox.github.generate import Plan
from sandbox.github.generate import repository as generate
from sandbox.github.server import StandIn
from sandbox.github.world import World
from tests.backfill.conftest import Backfill
from tests.backfill.test_identity import all_rows
from tests.truth import check

PLAN = Plan("acme/small", pull_requests=6, issues=5, discussions=3, stars=4, forks=3, releases=2, pushes=5, years=0.2)


async def test_a_small_job_stores_every_data_type_and_a_second_one_changes_nothing(
    serve: Callable[..., StandIn], backfill: Backfill, embeddings: EmbeddingServer
) -> None:
    world = World()
    repository = generate(world, PLAN)
    backfill.at(serve(world))
    backfill.environment |= {"OPENAI_BASE_URL": embeddings.url, "OPENAI_API_KEY": embeddings.token}
    await backfill.start_worker(backfill.environment)
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
    before, paid = await all_rows(backfill.dsn), len(embeddings.requests)
    await backfill.completed(await backfill.start(workspace_id, types=()))
    assert await all_rows(backfill.dsn) == before
    assert len(embeddings.requests) == paid
