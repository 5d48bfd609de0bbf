"""Real repositories, exported from GitHub: every record of theirs is in Postgres, field by field."""

from collections.abc import Callable
from pathlib import Path

from sandbox.github import exports as github_exports
from sandbox.github.server import StandIn
from sandbox.github.world import World
from tests.backfill.conftest import Backfill
from tests.truth import check


async def test_a_real_repository_is_stored_whole(
    exports: Path, serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repositories = [github_exports.load(world, path) for path in sorted(exports.glob("*.json.gz"))]
    backfill.at(serve(world))
    await backfill.start_worker(backfill.environment)
    job_id = await backfill.start(await backfill.workspace(*repositories))
    job = await backfill.completed(job_id)
    assert job["completed_repositories"] == 3
    for repository in repositories:
        await check(backfill.dsn, repository)
    [mls] = await backfill.rows(
        "select p.* from workspace_backfill_progress p join repositories r on r.id = repository_id"
        " where full_name = 'mlswg/mls-protocol'"
    )
    assert mls["pull_requests_count"] == 582
    assert mls["issues_count"] == 303
    assert mls["reviews_count"] == 1_370
    assert mls["comments_count"] == 1_720 + 1_435
