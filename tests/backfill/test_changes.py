"""Threads that change, appear, close and are talked about while the sweep runs: none is missed."""

import itertools
import random
from collections.abc import Callable

import pytest

from sandbox.github import StandIn, World
from sandbox.github.exchange.requests import Request
from sandbox.github.faults import Touch
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.world.pull_requests import PullRequest
from sandbox.github.world.repositories import Repository
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.whole import Backfill
from tests.support.truth import check

PLAN = Plan(
    "acme/busy",
    pull_requests=240,
    issues=370,
    reviews=1.5,
    review_comments=1,
    comments=1,
    events=2,
    deep_pull_requests=2,
    deep_threads=2,
    years=2,
)


def change(repository: Repository, chance: random.Random) -> str:
    """Does one thing to one thread, as people do; answers what."""
    someone = repository.world.account(f"person-{chance.randint(1, 20)}")
    threads = [*repository.pull_requests.values(), *repository.issues.values()]
    thread = chance.choice(threads)
    what = chance.choice(
        ["edit", "comment", "silent comment", "close", "label", "review", "review comment", "issue", "pull request"]
    )
    if what == "edit":
        thread.edit(title=f"{thread.title} ({chance.random():.4f})", body="changed \x00 \N{SAUROPOD}", by=someone)
    elif what == "comment":
        thread.comment(someone, "while you were sweeping")
    elif what == "silent comment":
        # GitHub sometimes adds a comment and leaves the thread's updatedAt alone.
        thread.comment(someone, "nobody will notice", bump=False)
    elif what == "close":
        thread.reopen(someone) if thread.state == "CLOSED" else thread.close(someone) if not thread.closed else None
    elif what == "label":
        thread.label(f"label-{chance.randint(1, 9)}", someone)
    elif what == "review" and isinstance(thread, PullRequest):
        thread.review(someone, "APPROVED", comments=("and a word on a line",))
    elif what == "review comment" and isinstance(thread, PullRequest) and thread.reviews:
        review = chance.choice(thread.reviews)
        if review.state != "PENDING":
            review.comment(someone, "silent too", bump=False)
    elif what == "issue":
        repository.open_issue(someone, "new while sweeping", "body")
    else:
        repository.open_pull_request(someone, "new while sweeping", "body")
    return what


@pytest.fixture
def backfill(direct: Backfill) -> Backfill:
    return direct


async def test_nothing_that_changes_during_the_sweep_is_missed(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, PLAN)
    github = serve(world)
    chance = random.Random(7)
    done: set[str] = set()

    def change_some(request: Request) -> None:
        """From the first page of the history on, but not at the last, which lists what changed: it must find it all."""
        if request.variables["after"] and not request.variables["changes"]:
            done.update(change(repository, chance) for _ in range(5))

    for operation in ("PullRequests", "Issues"):
        github.faults.add(Touch(change_some), times=7, operation=operation)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    await backfill.completed(await backfill.start(await backfill.workspace(repository)))
    assert len(done) == 9, f"only {done}"
    await check(backfill.dsn, repository)


async def test_what_changes_during_the_catch_up_is_found_by_its_next_round(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    """More than a listing's page of threads changes, so the round is not atomic and another one follows."""
    world = World()
    repository = generate(world, Plan("acme/storm", pull_requests=10, issues=230, years=1, **LITTLE))
    github = serve(world)
    issues = itertools.cycle(list(repository.issues.values()))

    def storm(_request: Request) -> None:
        for issue in itertools.islice(issues, 40):
            issue.edit(body=f"storm {next(words)}")

    words = itertools.count()
    github.faults.add(Touch(storm), times=None, operation="Issues", when=lambda it: bool(it.variables["after"]))
    github.faults.add(Touch(storm), times=2, operation="IssueListing")
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    job_id = await backfill.start(await backfill.workspace(repository), types=("issues",))
    await backfill.completed(job_id)
    [sweep] = await backfill.rows("select proof from backfill_sweeps where backfill_job_id = $1", job_id)
    assert sweep["proof"]["rounds"] > 1
    repository.pull_requests.clear()
    await check(backfill.dsn, repository)
