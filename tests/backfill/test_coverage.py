"""What one job has paid for no other pays for again: longer retentions, other workspaces, jobs side by side."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from messages import DATA_TYPES
from sandbox.embeddings import EmbeddingServer
from sandbox.github import StandIn, World
from sandbox.github.faults import Latency
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.questions import PAGES, THREADS, questions, threads_shown
from tests.support.backfill.rows import all_rows
from tests.support.backfill.whole import Backfill
from tests.support.thoroughness import THOROUGH
from tests.support.truth import check, differences, expected, stored
from tests.support.waiting import eventually

SIZE = 2 if THOROUGH else 1
PLAN = Plan(
    "acme/old",
    pull_requests=60 * SIZE,
    issues=60 * SIZE,
    deep_threads=SIZE,
    discussions=40 * SIZE,
    deep_discussions=1,
    years=4,
)


@pytest.fixture
def backfill(direct: Backfill) -> Backfill:
    return direct


async def test_a_longer_retention_pays_for_no_page_twice(serve: Callable[..., StandIn], backfill: Backfill) -> None:
    world = World()
    repository = generate(world, PLAN)
    github = serve(world)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    first = await backfill.completed(await backfill.start(workspace_id, days=365, types=THREADS))
    asked = len(github.log)
    assert await backfill.rows("select 1 from issues where updated_at >= $1", first["cutoff_at"])
    await backfill.completed(await backfill.start(workspace_id, days=3650, types=THREADS))
    shown = threads_shown(github.log)
    assert shown.most_common(1)[0][1] == 1, shown
    # All pages of both, as if the longer had been bought at once, and one listing a type for what changed meanwhile: by
    # itself, or along with the last page.
    listings = Counter(
        entry.operation.removesuffix("Listing").removesuffix("s")
        for entry in github.log[asked:]
        if entry.operation.endswith("Listing") or entry.variables.get("changes")
    )
    assert listings == {"PullRequest": 1, "Issue": 1, "Discussion": 1}
    await check(backfill.dsn, repository)


async def test_a_second_workspace_costs_one_request(serve: Callable[..., StandIn], backfill: Backfill) -> None:
    world = World()
    repository = generate(world, PLAN)
    github = serve(world)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    await backfill.completed(await backfill.start(await backfill.workspace(repository), types=THREADS))
    asked = len(github.log)
    other = await backfill.workspace(repository)
    job = await backfill.completed(await backfill.start(other, types=THREADS))
    assert [operation for operation, _ in questions(github.log[asked:])] == ["Survey"]
    [progress] = await backfill.rows("select * from workspace_backfill_progress where backfill_job_id = $1", job["id"])
    proofs = job["metadata"]["proofs"]["acme/old"]
    assert proofs.keys() == {*THREADS}
    for proof in proofs.values():
        assert (proof["proved_by"], proof["threads_stored"]) == ("count", proof["threads_github"])
    assert job["metadata"]["as_of"] == {each: proofs[each]["as_of"] for each in THREADS}
    assert datetime.fromisoformat(min(job["metadata"]["as_of"].values())) >= job["created_at"] - timedelta(seconds=2)
    counts = repository.counts()
    assert progress["pull_requests_count"] == counts["pull_requests"]
    assert progress["issues_count"] == counts["issues"]
    assert progress["discussions_count"] == counts["discussions"]


async def test_all_five_types_of_a_second_workspace_cost_one_request(
    serve: Callable[..., StandIn], backfill: Backfill, embeddings: EmbeddingServer
) -> None:
    world = World()
    repository = generate(world, replace(PLAN, stars=150, forks=20, releases=5, pushes=60))
    github = serve(world)
    backfill.environment |= {"OPENAI_BASE_URL": embeddings.url, "OPENAI_API_KEY": embeddings.token}
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    await backfill.completed(await backfill.start(await backfill.workspace(repository), types=()))
    await check(backfill.dsn, repository)
    before = await all_rows(backfill.dsn)
    asked, embedded = len(github.log), len(embeddings.requests)
    job = await backfill.completed(await backfill.start(await backfill.workspace(repository), types=()))
    assert [operation for operation, _ in questions(github.log[asked:])] == ["Survey"]
    assert len(embeddings.requests) == embedded
    # A workspace more, and its owner; of GitHub's rows none.
    rows = await all_rows(backfill.dsn)
    other = {name for name, checksum in rows.items() if checksum != before[name]}
    assert other <= {"app_users", "subscriptions", "workspaces", "workspace_members", "workspace_repositories"}
    [progress] = await backfill.rows("select * from workspace_backfill_progress where backfill_job_id = $1", job["id"])
    assert progress["data_types_completed"] == sorted(DATA_TYPES)
    assert progress["embeddings_count"] == PLAN.pull_requests + PLAN.issues + PLAN.discussions


async def test_what_changed_since_is_fetched_and_nothing_else(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, PLAN)
    github = serve(world)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    await backfill.completed(await backfill.start(workspace_id, types=THREADS))
    asked = len(github.log)
    someone = world.account("somebody")
    old = min(repository.issues.values(), key=lambda issue: issue.updated_at)
    old.comment(someone, "still broken")
    repository.open_pull_request(someone, "a fix")
    silent = min(repository.discussions.values(), key=lambda discussion: discussion.updated_at)
    silent.comment(someone, "nobody is told", bump=False)
    newest = max(repository.discussions.values(), key=lambda discussion: discussion.updated_at)
    newest.comment(someone, "nor of this", bump=False)
    gone = max(repository.issues.values(), key=lambda issue: issue.created_at)
    gone.delete()
    await backfill.completed(await backfill.start(workspace_id, types=THREADS))
    assert not threads_shown(github.log[asked:])
    await check(backfill.dsn, repository)


async def test_comments_without_a_bump_are_looked_for_once_the_last_look_is_an_hour_old(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, Plan("acme/quiet", pull_requests=60, issues=120, years=4, **LITTLE))
    github = serve(world)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    await backfill.completed(await backfill.start(workspace_id))
    issue = min(repository.issues.values(), key=lambda issue: issue.updated_at)
    issue.comment(world.account("somebody"), "nobody is told", bump=False)
    asked = len(github.log)
    await backfill.completed(await backfill.start(workspace_id))
    assert not [path for _, path in questions(github.log[asked:]) if "/comments?" in path], "looked a moment ago"
    later, first = await backfill.rows(
        "select proof from backfill_sweeps where data_type = 'issues' order by completed_at desc"
    )
    assert later["proof"]["comments_as_of"] == first["proof"]["comments_as_of"]
    await backfill.rows(
        "update backfill_coverage set position = position || jsonb_build_object('comments_as_of',"
        " (position->>'comments_as_of')::timestamptz - interval '61 minutes')"
    )
    asked = len(github.log)
    await backfill.completed(await backfill.start(workspace_id))
    assert sorted(operation for operation, _ in questions(github.log[asked:])) == [
        "IssuesById",
        "Survey",
        "comments",
        "comments",
        "comments",
    ]
    await check(backfill.dsn, repository)


async def test_a_plan_that_fetches_more_takes_nothing_over(serve: Callable[..., StandIn], backfill: Backfill) -> None:
    world = World()
    repository = generate(world, Plan("acme/small", 30, 30, **LITTLE))
    github = serve(world)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    await backfill.completed(await backfill.start(workspace_id))
    pages = len(threads_shown(github.log))
    await backfill.rows("update backfill_coverage set plan_version = plan_version - 1")
    await backfill.completed(await backfill.start(workspace_id))
    assert set(threads_shown(github.log).values()) == {2}
    assert len(threads_shown(github.log)) == pages


async def test_a_short_retention_does_not_forget_what_a_longer_one_covers(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, Plan("acme/old", pull_requests=0, issues=200, years=4, **LITTLE))
    github = serve(world)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    await backfill.completed(await backfill.start(workspace_id, days=3650, types=("issues",)))
    pages = len(threads_shown(github.log))
    # As if that had been two months ago: 30 days are then cheaper alone than with all that changed since.
    await backfill.rows("update backfill_coverage set as_of = as_of - interval '60 days'")
    await backfill.completed(await backfill.start(workspace_id, days=30, types=("issues",)))
    asked = len(github.log)
    assert pages > 5 > sum(threads_shown(github.log).values()) - pages > 0
    await backfill.completed(await backfill.start(workspace_id, days=3650, types=("issues",)))
    assert not threads_shown(github.log[asked:])
    await check(backfill.dsn, repository)


async def test_what_somebody_deleted_here_is_fetched_again(serve: Callable[..., StandIn], backfill: Backfill) -> None:
    """The host may purge what is older than a workspace keeps; bought again, all of it must come back."""
    world = World()
    repository = generate(world, Plan("acme/small", 30, 30, years=2))
    github = serve(world)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    workspace_id = await backfill.workspace(repository)
    await backfill.completed(await backfill.start(workspace_id, days=365))
    await backfill.rows(
        "with oldest as (select id from pull_requests where updated_at < now() - interval '60 days')"
        " delete from pull_requests using oldest where pull_requests.id = oldest.id"
    )
    await backfill.rows("delete from comments where issue_id in (select id from issues order by updated_at limit 10)")
    job = await backfill.completed(await backfill.start(workspace_id, days=365))
    found = [
        line
        for line in differences(
            expected(repository, job["cutoff_at"]), await stored(backfill.dsn, repository.database_id), limit=1000
        )
        if line.endswith("missing") or "wanted" in line
    ]
    assert not found


async def test_two_jobs_on_one_repository_share_the_work(serve: Callable[..., StandIn], whole: Backfill) -> None:
    world = World()
    repository = generate(world, replace(PLAN, pull_requests=120, issues=120, discussions=80))
    github = serve(world)
    github.faults.add(Latency(0.5), times=None, kind="graphql")
    whole.at(github)
    await whole.start_worker(whole.environment)
    first = await whole.start(await whole.workspace(repository), types=THREADS)

    async def begun() -> bool:
        return len({operation for operation, _ in threads_shown(github.log)}) == len(PAGES)

    await eventually(begun)
    second = await whole.start(await whole.workspace(repository), days=3_000, types=THREADS)

    async def waits() -> bool:
        rows = await whole.rows("select 1 from backfill_sweeps where backfill_job_id = $1", second)
        return len(rows) == len(THREADS)

    await eventually(waits)
    github.faults.clear()
    await asyncio.gather(whole.completed(first), whole.completed(second))
    assert set(threads_shown(github.log).values()) == {1}
    await check(whole.dsn, repository)
