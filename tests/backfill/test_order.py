"""The two legs of a real backfill: the recent one alone is worth having, and both cost and store what one would."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta

from sandbox.embeddings import EmbeddingServer
from sandbox.github import StandIn, World
from sandbox.github.exchange.requests import Entry
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from tests.support.backfill.events import of_events, page
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.questions import PAGES, THREADS, questions, threads_shown
from tests.support.backfill.rows import all_rows
from tests.support.backfill.whole import Backfill
from tests.support.truth import check, check_feed, differences, expected, stored
from tests.support.waiting import eventually

PLAN = Plan(
    "acme/rocket",
    pull_requests=90,
    issues=80,
    discussions=60,
    stars=260,
    forks=130,
    releases=5,
    pushes=260,
    # Fewer than a batch of them come with a page of pull requests.
    reviews=2,
    review_comments=2,
    comments=1,
    events=2,
    discussion_comments=1,
    discussion_replies=1,
    years=2,
)


def pages(entries: Iterable[Entry]) -> Counter[bytes]:
    """How often each page of threads, or of a source of events, was asked for."""
    entries = list(entries)
    return Counter(page(entry) for entry in [*(it for it in entries if it.operation in PAGES), *of_events(entries)])


async def test_two_legs_store_what_one_does_and_ask_for_no_page_twice(
    serve: Callable[..., StandIn], backfill: Backfill, embeddings: EmbeddingServer
) -> None:
    world = World()
    repository = generate(world, PLAN)
    github = serve(world)
    backfill.environment |= {"OPENAI_BASE_URL": embeddings.url, "OPENAI_API_KEY": embeddings.token}
    backfill.at(github)
    worker = await backfill.start_worker(backfill.environment | {"WORKER_QUEUES": "workflows,recent"})
    job_id = await backfill.start(await backfill.workspace(repository), types=())

    async def recent_leg_is_over(of: str, types: int) -> bool:
        rows = await backfill.rows("select status from backfill_sweeps where backfill_job_id = $1", of)
        return [row["status"] for row in rows] == ["pending"] * types

    await eventually(lambda: recent_leg_is_over(job_id, 5))
    recent = list(github.log)
    job = await backfill.until("status = 'in_progress'", job_id)
    facts, since = await stored(backfill.dsn, repository.database_id), job["created_at"] - timedelta(days=90)
    assert not [
        line
        for line in differences(expected(repository, since), facts, limit=1000)
        if line.endswith("missing") or "wanted" in line
    ]
    assert 0 < len(facts["pull_requests"]) < PLAN.pull_requests
    [progress] = await backfill.rows("select * from workspace_backfill_progress where backfill_job_id = $1", job_id)
    assert progress["status"] == "in_progress"
    threads = sum(progress[f"{each}_count"] for each in ("pull_requests", "issues", "discussions"))
    assert progress["embeddings_count"] == threads

    # Another workspace is served from it, though nobody does historical work.
    other = await backfill.start(await backfill.workspace(repository), days=90, types=())
    await backfill.completed(other)
    assert [operation for operation, _ in questions(github.log[len(recent) :])] == ["Survey"]
    # A third one wants all of it, too: of the two historical legs one goes on behind what the other covers.
    third = await backfill.start(await backfill.workspace(repository), types=THREADS)
    await eventually(lambda: recent_leg_is_over(third, len(THREADS)))
    asked = len(github.log)
    bulk = await backfill.start_worker(backfill.environment | {"WORKER_QUEUES": "historical"})
    await asyncio.gather(backfill.completed(job_id), backfill.completed(third))
    two_legs = [*recent, *github.log[asked:]]
    assert set(pages(two_legs).values()) == {1}
    await check(backfill.dsn, repository)
    await check_feed(backfill.dsn, repository)

    # One leg: as if it had been asked for so long ago that nothing is recent.
    for each in (worker, bulk):
        await asyncio.to_thread(each.stop)
    before, asked = await all_rows(backfill.dsn), len(github.log)
    again = await backfill.start(backfill.workspaces[0], "--fresh", types=())
    await backfill.rows(
        "update workspace_backfill_jobs set created_at = cutoff_at where id = $1 and status = 'pending'", again
    )
    await backfill.start_worker(backfill.environment)
    await backfill.completed(again)
    one_leg = github.log[asked:]
    assert pages(one_leg) == pages(each for each in two_legs if each.operation != "CommitHistory")
    assert await all_rows(backfill.dsn) == before
    # A batch of parts that was not full at the leg's end, of each kind; and what the third one asked for.
    assert len(two_legs) <= len(one_leg) + 6 + len(THREADS)


async def test_what_is_new_since_another_job_comes_in_the_recent_leg(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, Plan("acme/old", pull_requests=0, issues=100, years=1, **LITTLE))
    github = serve(world)
    backfill.at(github)
    await backfill.start_worker(backfill.environment | {"WORKER_QUEUES": "workflows,recent"})
    workspace_id = await backfill.workspace(repository)
    await backfill.completed(await backfill.start(workspace_id, days=80, types=("issues",)))
    await backfill.rows("update backfill_coverage set as_of = as_of - interval '2 hours'")
    asked = threads_shown(github.log)
    old = min(repository.issues.values(), key=lambda issue: issue.updated_at)
    old.comment(world.account("somebody"), "still broken")
    job_id = await backfill.start(workspace_id, types=("issues",))

    async def recent_leg_is_over() -> bool:
        rows = await backfill.rows("select status, position from backfill_sweeps where backfill_job_id = $1", job_id)
        return [(row["status"], row["position"] != "{}") for row in rows] == [("pending", True)]

    await eventually(recent_leg_is_over)
    facts = await stored(backfill.dsn, repository.database_id)
    assert facts["issues"][old.number] == expected(repository)["issues"][old.number]
    await backfill.start_worker(backfill.environment | {"WORKER_QUEUES": "historical"})
    await backfill.completed(job_id)
    shown = threads_shown(github.log)
    assert set(shown.values()) == {1}
    assert len(shown) > len(asked) + 1
    await check(backfill.dsn, repository)
