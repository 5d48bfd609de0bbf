"""The feed: every happening once, whichever source told it, back to the cutoff."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from bench.usage import peak_of_tree
from messages import DataType
from sandbox.github import StandIn, World
from sandbox.github.exchange.limits import Budget
from sandbox.github.exchange.requests import Reply, Request, message_reply
from sandbox.github.faults import BadGateway, Effect, Forbidden, NullNode, ServerError, Touch
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.rest import events as rest_events
from sandbox.github.world.clock import stamp
from sandbox.github.world.identity import Refusal
from sandbox.github.world.repositories import Repository
from tests.support.backfill.events import OPERATIONS, ROUTES, of_events, page, route
from tests.support.backfill.kills import kill_at
from tests.support.backfill.whole import Backfill
from tests.support.shop import connected
from tests.support.truth import check, check_feed
from tests.support.waiting import eventually, so

PLAN = Plan(
    "acme/rocket",
    pull_requests=20,
    issues=15,
    reviews=1,
    review_comments=1,
    comments=1,
    events=3,
    discussions=5,
    stars=250,
    forks=120,
    releases=105,
    pushes=300,
    ghosts=0.1,
    years=1.2,
)
TYPES: tuple[DataType, ...] = ("pull_requests", "issues", "discussions", "events")
Serve = Callable[..., StandIn]


def ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def is_of_events(request: Request) -> bool:
    return route(request) in (*OPERATIONS, *ROUTES)


async def begun(serve: Serve, backfill: Backfill, repository: Repository, **options: Any) -> tuple[StandIn, str]:
    github = serve(repository.world, **options)
    backfill.at(github)
    await backfill.start_worker(backfill.environment)
    return github, await backfill.workspace(repository)


async def run(
    backfill: Backfill,
    workspace_id: str,
    *,
    days: int = 10_000,
    within: float = 90,
    types: Sequence[DataType] = TYPES,
) -> str:
    job_id = await backfill.start(workspace_id, days=days, types=types)
    await backfill.completed(job_id, within=within)
    return job_id


async def versions(backfill: Backfill) -> list[tuple[Any, ...]]:
    return [
        tuple(row)
        for table in ("github_events_cache", "repository_star_history")
        for row in await backfill.rows(f"select xmin::text, ctid::text, tableoid::text from {table} order by 1, 2, 3")
    ]


async def proof(backfill: Backfill, job_id: str) -> dict[str, Any]:
    [row] = await backfill.rows(
        "select proof from backfill_sweeps where backfill_job_id = $1 and data_type = 'events'", job_id
    )
    found: dict[str, Any] = row["proof"]
    return found


@pytest.fixture
def backfill(direct: Backfill) -> Backfill:
    return direct


async def test_every_happening_is_one_row(serve: Serve, backfill: Backfill) -> None:
    repository = generate(World(), PLAN)
    fickle = repository.world.account("fickle")
    repository.star(fickle)
    repository.unstar(fickle)
    _, workspace_id = await begun(serve, backfill, repository)
    job_id = await run(backfill, workspace_id)
    await check(backfill.dsn, repository)
    [progress] = await backfill.rows("select * from workspace_backfill_progress where backfill_job_id = $1", job_id)
    [rows] = await backfill.rows("select count(*) as number from github_events_cache")
    assert progress["events_count"] == rows["number"]
    assert progress["data_types_completed"] == ["discussions", "events", "issues", "pull_requests"]
    told = await proof(backfill, job_id)
    assert {source: each["status"] for source, each in told["sources"].items()} == dict.fromkeys(
        ("stargazers", "star_history", "forks", "releases", "activity", "history", "events", "threads"), "complete"
    )
    assert sum(each["rows"] for each in told["sources"].values()) == rows["number"]
    assert told["notes"] == []
    kinds = {
        (row["source"], row["event_type"])
        for row in await backfill.rows("select distinct source, event_type from github_events_cache")
    }
    assert {
        ("stargazers", "WatchEvent"),
        ("events", "WatchEvent"),  # taken back
        ("forks", "ForkEvent"),
        ("releases", "ReleaseEvent"),
        ("activity", "PushEvent"),
        ("activity", "CreateEvent"),
        ("activity", "DeleteEvent"),
        ("history", "PushEvent"),
        ("threads", "PullRequestEvent"),
        ("threads", "IssuesEvent"),
    } <= kinds

    before = await versions(backfill)
    await run(backfill, workspace_id)
    assert await versions(backfill) == before, "a second run changes no row"


async def test_a_second_workspace_costs_one_request(serve: Serve, backfill: Backfill) -> None:
    repository = generate(World(), PLAN)
    github, workspace_id = await begun(serve, backfill, repository)
    await run(backfill, workspace_id, days=120)
    asked = len(github.log)
    star = repository.star(repository.world.account("late"))
    await run(backfill, await backfill.workspace(repository), days=120)
    [entry] = of_events(github.log[asked:])
    assert route(entry) == "events"
    [row] = await backfill.rows("select source from github_events_cache where actor_login = 'late'")
    assert row["source"] == "events"
    assert star.account.login == "late"
    await check_feed(backfill.dsn, repository, ago(120))


async def test_more_days_cost_no_page_twice(serve: Serve, backfill: Backfill) -> None:
    repository = generate(World(), PLAN)
    github, workspace_id = await begun(serve, backfill, repository)
    await run(backfill, workspace_id, days=120)
    await check_feed(backfill.dsn, repository, ago(120))
    first = of_events(github.log)
    asked = len(github.log)
    job_id = await run(backfill, workspace_id, days=3_650)
    await check_feed(backfill.dsn, repository)
    second = of_events(github.log[asked:])
    assert not Counter(map(page, first)) & Counter(map(page, second))
    # The survey tells that nothing is new since.
    assert Counter(map(route, second))["events"] == 0
    assert {route(entry) for entry in second} >= {"Stargazers", "CommitHistory"}
    asked = len(github.log)
    await run(backfill, workspace_id, days=3_650)
    assert not of_events(github.log[asked:])
    assert (await proof(backfill, job_id))["inherited_as_of"]


async def test_what_happened_since_is_read_from_every_source(serve: Serve, backfill: Backfill) -> None:
    """A day later, by GitHub's clock, one request is not enough."""
    repository = generate(World(), PLAN)
    world = repository.world
    github, workspace_id = await begun(serve, backfill, repository)
    await run(backfill, workspace_id, days=3_650)
    asked = len(github.log)
    world.clock.advance(86_400)
    somebody = world.account("somebody")
    for number in range(120):
        repository.star(world.account(f"crowd-{number}"))
        repository.push(somebody, commits=2)
    repository.fork(somebody)
    draft = repository.release(somebody, "v100", is_draft=True, at=stamp(ago(300)))
    draft.publish()
    repository.create_branch(somebody, "new")
    # More than the events API shows.
    for number in range(320):
        repository.add_event("GollumEvent", world.account(f"writer-{number}"))
    world.clock.advance(3_600)
    await run(backfill, workspace_id, days=3_650)
    assert Counter(map(route, of_events(github.log[asked:]))) == {
        "events": 4,  # the first told that an hour was over
        "Stargazers": 2,
        "Forks": 1,
        "releases": 2,
        "activity": 2,
    }
    await check_feed(backfill.dsn, repository)
    [pushes] = await backfill.rows(
        "select count(*) as number from github_events_cache where actor_login = 'somebody' and event_type = 'PushEvent'"
    )
    assert pushes["number"] == 120


async def test_a_cutoff_inside_the_year_of_activity(serve: Serve, backfill: Backfill) -> None:
    """No commit is asked for then, until more days are bought."""
    repository = generate(World(), PLAN)
    github, workspace_id = await begun(serve, backfill, repository)
    await run(backfill, workspace_id, days=100)
    await check_feed(backfill.dsn, repository, ago(100))
    assert "CommitHistory" not in map(route, github.log)
    await run(backfill, workspace_id, days=3_650)
    await check_feed(backfill.dsn, repository)
    assert "CommitHistory" in map(route, github.log)


@pytest.mark.parametrize("forgotten", [False, True])
async def test_a_branch_that_was_forced(forgotten: bool, serve: Serve, backfill: Backfill) -> None:
    """What it was before leads to what was before that, or, where GitHub has forgotten it, its new head does."""
    repository = generate(World(), Plan("acme/forced", pull_requests=3, issues=1, pushes=60, years=3))
    mona = repository.world.account("mona")
    year_ago, lately = stamp(ago(400)), stamp(ago(10))
    repository.git.activity[:] = [each for each in repository.git.activity if each.timestamp < year_ago]
    repository.git.branches[repository.default_branch] = repository.git.commits[
        next(each.after for each in reversed(repository.git.activity) if each.branch == repository.default_branch)
    ]
    repository.push(mona, commits=3, at=year_ago)
    forced = repository.push(mona, at=lately, force=True)
    if forgotten:
        del repository.git.commits[forced.before]
    github, workspace_id = await begun(serve, backfill, repository)
    await run(backfill, workspace_id)
    rows = await backfill.rows(
        "select payload ->> 'head' as head from github_events_cache where source in ('activity', 'history')"
    )
    chain, here = set(), repository.git.commits[forced.after]
    while here.parents:
        chain.add(here.oid)
        here = here.parents[0]
    assert chain <= {row["head"] for row in rows}
    if not forgotten:
        await check_feed(backfill.dsn, repository)
    before = await versions(backfill)
    asked = len(github.log)
    repository.world.clock.advance(7_200)
    await run(backfill, workspace_id)
    assert await versions(backfill) == before
    # Where a commit is forgotten, what replaced it is looked at again each time.
    assert Counter(map(route, github.log[asked:]))["CommitHistory"] == int(forgotten)


@pytest.mark.parametrize("how", ["forbidden", "not_found", "empty"])
async def test_stargazers_that_are_not_shown_are_counted(how: Refusal, serve: Serve, backfill: Backfill) -> None:
    repository = generate(World(), replace(PLAN, years=3))
    repository.stargazers_refusal = how
    github, workspace_id = await begun(serve, backfill, repository)
    job_id = await run(backfill, workspace_id, days=365)
    await check_feed(backfill.dsn, repository, ago(365))
    assert await backfill.rows("select from repository_star_history where stars > 0")
    told = await proof(backfill, job_id)
    assert told["sources"]["stargazers"]["status"] == "skipped"
    assert told["sources"]["star_history"]["status"] == "complete"
    ended = await backfill.run_starter(backfill.environment, "status", job_id)
    assert "counts only" in ended.stdout
    ended = await backfill.run_starter(backfill.environment, "status", job_id, "--json")
    [view] = [each for each in orjson.loads(ended.stdout)["repositories"][0]["types"] if each["data_type"] == "events"]
    assert view["status"] == "completed"
    assert view["notes"][0].startswith("stars: counts only: GitHub ")
    assert view["proof"]["sources"]["stargazers"]["reason"]

    # More days of counts, from where they ended; and who gave the stars, once GitHub shows it.
    asked = len(github.log)
    await run(backfill, workspace_id, days=3_650)
    await check_feed(backfill.dsn, repository)
    paths = [entry.path for entry in github.log[asked:] if route(entry) == "stargazers/history"]
    assert [path.rpartition("=")[2] for path in paths] == ["3", "4", "5", "6"][: len(paths)]
    assert Counter(map(route, github.log[asked:]))["Stargazers"] == 1, "one request looks again"
    repository.stargazers_refusal = None
    repository.world.clock.advance(7_200)
    job_id = await run(backfill, workspace_id, days=3_650)
    [people] = await backfill.rows("select count(*) as number from github_events_cache where event_type = 'WatchEvent'")
    assert people["number"] >= len(repository.stars)
    assert (await proof(backfill, job_id))["notes"] == []


class Denied(Effect):
    """403 or 404 for a route that is there."""

    def __init__(self, status: int) -> None:
        self.status = status

    def instead(self, request: Request, budget: Budget) -> Reply:  # noqa: ARG002
        return message_reply(self.status, "Not Found" if self.status == 404 else "Resource not accessible")


@pytest.mark.parametrize("status", [403, 404])
async def test_what_else_is_refused_is_said_or_read_another_way(status: int, serve: Serve, backfill: Backfill) -> None:
    repository = generate(World(), PLAN)
    github, workspace_id = await begun(serve, backfill, repository)
    for denied in ("releases", "activity"):
        github.faults.add(Denied(status), times=None, path=f"*/{denied}*")
    job_id = await run(backfill, workspace_id)
    told = await proof(backfill, job_id)
    assert [note.partition(":")[0] for note in told["notes"]] == ["activity"]
    assert told["sources"]["releases"]["status"] == "complete"
    assert told["sources"]["releases"]["fell_back"]
    # Without activity the commits tell of every push.
    [pushes] = await backfill.rows("select count(*) as number from github_events_cache where source = 'history'")
    assert pushes["number"] > 300


async def test_an_empty_repository_has_no_events(serve: Serve, backfill: Backfill) -> None:
    repository = World().add_repository("acme/empty")
    repository.empty()
    _, workspace_id = await begun(serve, backfill, repository)
    job_id = await run(backfill, workspace_id)
    [sweep] = await backfill.rows(
        "select * from backfill_sweeps where backfill_job_id = $1 and data_type = 'events'", job_id
    )
    assert (sweep["status"], sweep["counts"]) == ("completed", {"events": 0})
    assert not await backfill.rows("select from github_events_cache")


STARS = 12_000


async def test_more_stars_than_rest_lists(serve: Serve, whole: Backfill, monkeypatch: pytest.MonkeyPatch) -> None:
    """REST would end at its limit. What is stored is not kept: for all of them the worker takes hardly more memory
    than for a third of them."""
    monkeypatch.setattr(rest_events, "STARGAZERS_LIMIT", STARS - 1_000)
    repository = generate(World(), Plan("acme/famous", pull_requests=2, issues=1, stars=STARS, years=1))
    github = serve(repository.world)
    whole.at(github)
    worker = await whole.start_worker(whole.environment)
    job_id = await whole.start(await whole.workspace(repository), types=("events",))
    await eventually(so(lambda: len(of_events(github.log)) >= STARS // 300))
    early = peak_of_tree(worker.pid)
    await whole.completed(job_id)
    late = peak_of_tree(worker.pid)
    assert late - early < 5e6
    [stars] = await whole.rows("select count(*) as number from github_events_cache where source = 'stargazers'")
    assert stars["number"] == STARS
    asked = of_events(github.log)
    assert sum(entry.cost for entry in asked if route(entry) == "Stargazers") <= STARS // 100 + 1
    await check_feed(whole.dsn, repository, data_types=["events"])


PASSING: dict[str, tuple[Effect, dict[str, Any]]] = {
    "502 of large pages": (BadGateway(), {"times": 4, "page_over": 30}),
    "502 of lists": (BadGateway(), {"times": 2, "kind": "rest", "path": "*/releases*"}),
    "500": (ServerError(), {"times": 2}),
    "a star that is null in large pages": (NullNode(over=10), {"times": 3, "operation": "Stargazers"}),
    "a commit that is null in large pages": (NullNode(over=10), {"times": 2, "operation": "CommitHistory"}),
}


@pytest.mark.parametrize("name", PASSING)
async def test_what_passes_costs_no_event(name: str, serve: Serve, backfill: Backfill) -> None:
    repository = generate(World(), PLAN)
    github, workspace_id = await begun(serve, backfill, repository)
    effect, how = PASSING[name]
    fault = github.faults.add(effect, **how)
    await run(backfill, workspace_id)
    assert fault.hits > 0
    await check_feed(backfill.dsn, repository)


async def test_a_refused_cursor_costs_no_event(serve: Serve, backfill: Backfill) -> None:
    repository = generate(World(), PLAN)
    github, workspace_id = await begun(serve, backfill, repository)
    refused: list[str] = []

    def refuse(request: Request) -> None:
        cursor = request.variables.get("after")
        if cursor and request.operation in ("Stargazers", "Forks") and not refused:
            refused.append(str(cursor))
            github.faults.refuse_cursor(str(cursor))

    github.faults.add(Touch(refuse), times=None, kind="graphql")
    await run(backfill, workspace_id)
    assert refused
    await check_feed(backfill.dsn, repository)


KILLS = 8


async def test_kills_lose_nothing_and_ask_for_nothing_again(serve: Serve, whole: Backfill) -> None:
    repository = generate(World(), PLAN)
    github = serve(repository.world, latency=0.01)
    whole.at(github)
    whole.environment["HEARTBEAT_TIMEOUT_SECONDS"] = "60"
    moments = random.Random(20261124)
    worker = await whole.start_worker(whole.environment)
    job_id = await whole.start(await whole.workspace(repository), types=TYPES)
    for _ in range(KILLS):
        killing = kill_at(github, worker, moments.randint(1, 2), moments.uniform(0, 0.05), when=is_of_events)
        await whole.died(worker)
        github.faults.remove(killing)
        worker = await whole.start_worker(whole.environment)
    await whole.completed(job_id)
    await check_feed(whole.dsn, repository)
    again = Counter(map(page, of_events(github.log)))
    assert sum(number - 1 for number in again.values()) <= KILLS


async def test_what_the_host_stored_before_is_not_doubled(serve: Serve, backfill: Backfill) -> None:
    """Under bare ids, and seconds off, as its webhook did; some of it would be purged tonight."""
    repository = generate(World(), PLAN)
    _, workspace_id = await begun(serve, backfill, repository)
    dice = random.Random(1)
    await run(backfill, workspace_id)
    told = await backfill.rows("select * from github_events_cache order by event_id")
    chosen = dice.sample(told, 300)
    async with connected(backfill.dsn) as connection:
        await connection.execute("truncate github_events_cache, backfill_coverage")
        await connection.executemany(
            """
            insert into github_events_cache (
              event_id, event_type, actor_login, created_at, payload, repository_owner, repository_name, processed)
            values ($1, $2, $3, $4, $5, 'acme', 'rocket', $6)
            """,
            [
                (
                    row["event_id"].partition("_")[2] if row["source"] == "events" else str(number),
                    row["event_type"],
                    row["actor_login"].upper() if row["event_type"] == "WatchEvent" else row["actor_login"],
                    row["created_at"] + timedelta(seconds=dice.uniform(-2, 2)),
                    row["payload"],
                    dice.random() < 0.5,
                )
                for number, row in enumerate(chosen)
            ],
        )
    await run(backfill, workspace_id)
    [rows] = await backfill.rows("select count(*) as number from github_events_cache")
    assert rows["number"] == len(told)
    async with connected(backfill.dsn) as connection:
        await connection.execute(
            "delete from github_events_cache where processed and created_at < now() - interval '90 days'"
        )
    [rows] = await backfill.rows("select count(*) as number from github_events_cache")
    assert rows["number"] == len(told), "the purge took what was paid for"


async def test_a_name_that_passes_to_another_repository_brings_none_of_its_events(
    serve: Callable[..., StandIn], whole: Backfill
) -> None:
    world = World()
    repository = generate(world, Plan("acme/small", 3, 3, stars=120, forks=120, releases=5, pushes=20))
    github = serve(world)

    def take_over(_: Request) -> None:
        repository.rename("acme/moved")
        generate(world, Plan("acme/small", 2, 2, stars=30, forks=30, releases=30, pushes=30, seed=9))

    github.faults.add(Touch(take_over), operation="Forks")
    whole.at(github)
    await whole.start_worker(whole.environment)
    job_id = await whole.start(await whole.workspace(repository), types=("events",))
    job = await whole.ended(job_id)
    assert [each["code"] for each in job["error_details"]] == ["renamed"]
    said = await whole.run_starter(whole.environment, "retry", job_id)
    assert said.exit_code == 0, said.stderr
    await whole.until("status = 'completed' and attempt = 1", job_id)
    await check_feed(whole.dsn, repository, data_types=["events"])


async def test_a_rename_between_two_runs(serve: Serve, backfill: Backfill) -> None:
    repository = generate(World(), PLAN)
    _, workspace_id = await begun(serve, backfill, repository)
    await run(backfill, workspace_id)
    [before] = await backfill.rows("select count(*) as number from github_events_cache")
    repository.rename("hub/spaceship")
    await run(backfill, workspace_id)
    names = await backfill.rows(
        "select repository_owner, repository_name, count(*) as number from github_events_cache group by 1, 2"
    )
    assert [tuple(row) for row in names] == [("hub", "spaceship", before["number"])]
    await check_feed(backfill.dsn, repository)


async def test_events_wait_for_the_threads_that_they_are_told_from(serve: Serve, whole: Backfill) -> None:
    repository = generate(World(), Plan("acme/slow", pull_requests=40, issues=10, stars=5))
    github = serve(repository.world)
    # Threads take long, the rest is read at once.
    github.faults.add(Slow(0.3), times=None, operation="PullRequests")
    whole.at(github)
    await whole.start_worker(whole.environment)
    await run(whole, await whole.workspace(repository))
    ended = {
        row["data_type"]: row["completed_at"]
        for row in await whole.rows("select data_type, completed_at from backfill_sweeps")
    }
    assert max(ended.values()) == ended["events"]
    await check_feed(whole.dsn, repository)


class Slow(Effect):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


async def test_events_of_a_repository_that_is_forbidden(serve: Serve, backfill: Backfill) -> None:
    repository = generate(World(), PLAN)
    github, workspace_id = await begun(serve, backfill, repository)
    github.faults.add(Forbidden(), times=None, operation="Survey")
    github.faults.add(Forbidden(), times=None, kind="rest", path="*/repositories/*")
    job = await backfill.ended(await backfill.start(workspace_id, types=TYPES))
    assert job["status"] == "failed"
