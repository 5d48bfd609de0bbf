"""Discussions: two levels, answers, long threads, and what changes while they are read."""

from collections.abc import Callable

from sandbox.github.generate import Plan
from sandbox.github.generate import repository as generate
from sandbox.github.server import StandIn
from sandbox.github.world import World
from tests.backfill.conftest import Backfill
from tests.truth import check

PLAN = Plan(
    "acme/forum",
    pull_requests=5,
    issues=5,
    discussions=130,
    discussion_comments=6,
    discussion_replies=6,
    deep_discussions=3,
    deep_replies=2,
    deep_comments=230,
    wide_ids=0.2,
    years=1,
)


async def test_every_discussion_is_stored_whole(serve: Callable[..., StandIn], backfill: Backfill) -> None:
    world = World()
    repository = generate(world, PLAN)
    github = serve(world)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    job_id = await backfill.start(workspace_id, types=("discussions",))
    await backfill.completed(job_id)
    repository.pull_requests.clear()
    repository.issues.clear()
    await check(backfill.dsn, repository)
    counts = repository.counts()
    [progress] = await backfill.rows("select * from workspace_backfill_progress where backfill_job_id = $1", job_id)
    assert progress["discussions_count"] == counts["discussions"]
    assert progress["comments_count"] == counts["discussion_comments"]
    assert progress["data_types_completed"] == ["discussions"]
