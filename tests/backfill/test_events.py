"""The feed: every happening once, whichever source told it, back to the cutoff."""

from collections.abc import Callable

from sandbox.github.generate import Plan
from sandbox.github.generate import repository as generate
from sandbox.github.server import StandIn
from sandbox.github.world import World
from tests.backfill.conftest import Backfill

PLAN = Plan(
    "acme/rocket", pull_requests=40, issues=30, stars=250, forks=120, releases=105, pushes=250, years=3, ghosts=0.1
)

async def test_probe(serve: Callable[..., StandIn], backfill: Backfill) -> None:
    world = World()
    repository = generate(world, PLAN)
    github = serve(world)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    job_id = await backfill.start(workspace_id)
    await backfill.completed(job_id)
    for entry in github.log:
        if entry.path.partition("?")[0].rpartition("/")[2] in ("events","activity","history","releases") or entry.operation in ("Stargazers","Forks","CommitHistory"):
            print(entry.operation, entry.path, entry.status, entry.variables.get("after"))
    for row in await backfill.rows("select source, event_type, count(*) from github_events_cache group by 1,2 order by 1,2"): print(tuple(row))
    for row in await backfill.rows("select * from backfill_sweeps where data_type='events'"): print(dict(row))
    for row in await backfill.rows("select * from backfill_coverage where data_type='events'"): print(dict(row))
    assert 0
