"""What one request tells of many small repositories spares their sweeps requests, and never a row."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import activities.surveys
from activities.events.position import EventPlace, EventPosition
from activities.events.surveyed import counted_by, without_news
from github.client import GitHub
from github.repositories import Facts
from github.surveys.counts import Survey
from github.transport.connection import TIMEOUT_SECONDS
from messages import DataType, RepositoryRef, Waiting
from sandbox.github import Clock, StandIn, World
from sandbox.github.exchange.requests import Reply, Request
from sandbox.github.faults import (
    BadGateway,
    Edited,
    Effect,
    Forbidden,
    PrimaryLimit,
    SecondaryLimit,
    SomethingWentWrong,
)
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.world.repositories import Repository
from store import job_attempts, surveys
from store.budgets import PATIENCE
from store.database import Database
from tests.support.backfill.reading import TOKEN
from tests.support.backfill.surveying import Surveying
from tests.support.shop import emptied
from workflows import retries

HOURS = 3_600
WAITS = "select metadata -> 'waiting' as waiting from workspace_backfill_progress"
THREADS: tuple[DataType, ...] = ("pull_requests", "issues", "discussions")
LISTS = ("pullRequests", "issues", "discussions")


@dataclass
class After(Effect):
    """Calls `do` once an answer is made, and before it is sent."""

    do: Callable[[], object]

    def afterwards(self, request: Request, reply: Reply) -> Reply:  # noqa: ARG002 (the signature of Effect)
        self.do()
        return reply


class Stage:
    """Small repositories, and jobs over them; its clock stands still between."""

    def __init__(self, dsn: str, database: Database, stack: ExitStack) -> None:
        self._dsn, self._database, self._stack = dsn, database, stack

    def of(self, *plans: Plan) -> Surveying:
        # GitHub's present is ours at the end of a test, so that what was read an hour ago is an hour old for us, too.
        world = World(Clock(datetime.now(UTC) - timedelta(hours=6), stopped=True))
        repositories = [generate(world, plan) for plan in plans]
        github = self._stack.enter_context(StandIn(world, tokens={TOKEN: "viewer"}))
        return Surveying(world, repositories, github, self._database, self._dsn)


@pytest.fixture
async def stage(module_database: str) -> AsyncIterator[Stage]:
    async with emptied(module_database) as connection:
        await connection.execute("truncate contributors, github_events_cache cascade")
    with ExitStack() as stack:
        async with Database(module_database, size=4) as database:
            yield Stage(module_database, database, stack)


def small(name: str, **sizes: Any) -> Plan:
    return Plan(f"acme/{name}", **({"pull_requests": 0, "issues": 0, "years": 1} | sizes))


def empty(survey: dict[str, Any], *names: str) -> None:
    """The answer as if nothing were in these lists of any repository."""
    for key, repository in survey["data"].items():
        if key != "rateLimit":
            for name in names:
                nothing = {"hasNextPage": False, "endCursor": None}
                repository[name] = {"totalCount": 0, "pageInfo": nothing, "edges": []}


async def test_what_github_counts_as_empty_is_covered_without_being_opened(stage: Stage) -> None:
    them = stage.of(small("nothing"), small("issues", issues=4), small("stars", stars=2))
    them.repositories[0].empty()
    asked = await them.job()
    assert asked == {"Survey": 1, "SmallRepositories": 1, "events": 3, "activity": 2}
    await them.agrees()
    rows = await them.rows("select proof from backfill_sweeps where data_type in ('pull_requests', 'issues')")
    assert [row["proof"]["proved_by"] for row in rows] == ["count"] * 6
    covered = await them.rows("select data_type, low = '-infinity' as whole from backfill_coverage")
    assert Counter(row["data_type"] for row in covered if row["whole"]) == dict.fromkeys(
        ("pull_requests", "issues", "events"), 3
    )


async def test_a_later_job_within_the_hour_finds_nothing_new_by_one_request(stage: Stage) -> None:
    sizes = {"pull_requests": 3, "issues": 3, "discussions": 2, "stars": 1, "forks": 1, "releases": 1, "pushes": 2}
    them = stage.of(*(small(f"r{number}", **sizes) for number in range(3)))
    world = them.repositories[0].world
    # Events go by our clock, too.
    world.clock.set(datetime.now(UTC))
    first = await them.job()
    assert first["Survey"] == 1
    assert await them.job() == {"Survey": 1}
    await them.agrees()
    one, other, third = them.repositories
    someone = world.account("somebody")
    one.open_issue(someone, "news")
    # The survey lists all of them, since a comment moves none to the top.
    oldest = min(other.discussions.values(), key=lambda each: each.updated_at)
    oldest.comment(someone, "nobody is told", bump=False)
    third.star(someone)
    # The comments of that discussion are more than one page.
    changed = {"IssuesById": 1, "DiscussionsById": 1, "DiscussionComments": 1, "events": 2}
    assert await them.job() == {"Survey": 1} | changed
    await them.agrees()


def test_events_that_were_not_read_as_far_down_are_read_although_nothing_is_new() -> None:
    at = datetime.now(UTC)
    told = Survey(
        facts=Facts(1, "acme/one", is_private=False, is_archived=False, has_issues=True, has_discussions=True),
        asked_at=at,
        stars=0,
        forks=0,
        releases=0,
        never_pushed=False,
        pushed_at=at,
        shows_stargazers=True,
        branch="main",
        head="1" * 40,
        threads={},
    )
    # A longer retention within the hour: `/events` goes on below what the earlier sweep read of it.
    position = EventPosition(fresh=True, inherited_as_of=at, counted=counted_by(told)).begin()
    assert without_news(position, told).places["events"].status == "open"
    read_so_far = position.with_place("events", EventPlace(until=at))
    assert without_news(read_so_far, told).places["events"].status == "complete"


async def test_events_that_were_refused_are_no_news_that_there_is_not(stage: Stage) -> None:
    them = stage.of(small("one", issues=3, pushes=2))
    them.repositories[0].world.clock.set(datetime.now(UTC))
    them.github.faults.add(Forbidden(), path="*/events?*")
    await them.job()
    skipped = "select from backfill_notes where data_type = 'events' and what = 'events'"
    assert len(await them.rows(skipped)) == 1
    assert (await them.job())["events"] == 1, "GitHub may show them now"
    assert await them.rows(skipped) == []
    await them.agrees()


async def test_what_was_changed_after_the_survey_is_found_by_the_next_job(stage: Stage) -> None:
    them = stage.of(small("still"), small("busy", issues=3))
    still, busy = them.repositories
    someone = still.world.account("somebody")

    def change() -> None:
        still.open_pull_request(someone, "the first")
        busy.open_issue(someone, "another")

    them.github.faults.add(After(change), operation="Survey")
    await them.job()
    as_of = await them.rows("select min(as_of) as at from backfill_coverage where data_type = 'pull_requests'")
    assert as_of[0]["at"] <= still.world.clock.now()
    still.world.clock.advance(2 * HOURS)
    await them.job()
    await them.agrees()


async def test_a_count_that_lies_is_found_out_by_the_next_job(stage: Stage) -> None:
    them = stage.of(small("lied-about", pull_requests=4, issues=5, discussions=2))
    them.github.faults.add(Edited(lambda survey: empty(survey, *LISTS)), operation="Survey")
    await them.job(types=THREADS)
    assert await them.rows("select count(*) from issues") == [(0,)]
    await them.job(types=THREADS)
    await them.agrees()


async def test_a_count_that_lies_takes_nothing_out(stage: Stage) -> None:
    them = stage.of(small("lied-about", pull_requests=4, issues=5, discussions=2, stars=2, forks=1, releases=1))
    await them.job()
    before = await them.rows("select count(*) from github_events_cache")

    def lie(survey: dict[str, Any]) -> None:
        empty(survey, *LISTS)
        survey["data"]["n0"] |= {"stargazerCount": 0, "forkCount": 0, "releases": {"totalCount": 0}}

    them.github.faults.add(Edited(lie), times=2, operation="Survey")
    them.repositories[0].world.clock.advance(2 * HOURS)
    await them.job()
    await them.agrees()
    assert await them.rows("select count(*) from github_events_cache") == before
    # What was covered before is gone here: the count alone is no reason to believe that GitHub has nothing.
    await them.rows("delete from backfill_coverage")
    await them.rows(
        "delete from github_events_cache where event_id = (select min(event_id) from github_events_cache"
        " where event_type = 'WatchEvent')"
    )
    await them.job()
    await them.agrees()


SOME = {"pull_requests": 3, "issues": 2, "reviews": 2, "review_comments": 2, "stars": 2, "forks": 1, "pushes": 2}


async def test_small_repositories_come_whole_several_in_one_request(stage: Stage) -> None:
    them = stage.of(small("one", **SOME), small("two", **SOME))
    asked = await them.job()
    together = {"Survey": 1, "SmallRepositories": 1, "ReviewComments": 1}
    assert asked == together | {"activity": 2, "events": 2}
    await them.agrees()
    [told] = await them.rows("select sum(requests) as requests, sum(points) as points from backfill_sweeps")
    assert (told["requests"], told["points"]) == (4, 0), "what came together is no sweep's own"


async def test_small_repositories_come_whole_again_once_a_plan_fetches_more(stage: Stage) -> None:
    them = stage.of(*(small(f"r{number}", issues=4, pull_requests=3) for number in range(3)))
    first = await them.job(types=THREADS)
    await them.rows("update backfill_coverage set plan_version = plan_version - 1")
    assert await them.job(types=THREADS) == first
    await them.agrees()


@pytest.mark.parametrize("what", ["SmallRepositories", "ReviewComments", "stargazers"])
async def test_what_does_not_come_with_the_others_is_asked_for_by_its_sweep(what: str, stage: Stage) -> None:
    them = stage.of(small("one", **SOME), small("two", **SOME))
    if what == "stargazers":
        them.repositories[0].stargazers_refusal = "forbidden"
    else:
        them.github.faults.add(BadGateway(), times=3 if what == "SmallRepositories" else 1, operation=what)
    asked = await them.job()
    assert asked["PullRequests"] == (2 if what == "SmallRepositories" else 0)
    assert asked["Stargazers"] == {"SmallRepositories": 2, "stargazers": 1}.get(what, 0)
    await them.agrees()


def without_a_review(answer: dict[str, Any]) -> None:
    """As if GitHub had failed at one of the reviews."""
    answer["data"]["nodes"][0] = None


async def test_a_review_that_did_not_come_with_the_others_is_asked_for_alone(stage: Stage) -> None:
    them = stage.of(small("one", **SOME))
    them.github.faults.add(Edited(without_a_review), operation="ReviewComments")
    await them.job()
    first, second = (each.variables["ids"] for each in them.github.log if each.operation == "ReviewComments")
    assert len(first) > 2
    assert second == first[:1]
    await them.agrees()


def without_a_comment(answer: dict[str, Any]) -> None:
    """As if one review had a comment less than GitHub counts of it."""
    [node, *_] = [each for each in answer["data"]["nodes"] if each["comments"]["nodes"]]
    node["comments"]["nodes"].pop()


async def test_a_review_comment_that_is_not_shown_together_with_others_is_read_again_for_itself(stage: Stage) -> None:
    them = stage.of(small("one", **SOME), small("two", **SOME))
    them.github.faults.add(Edited(without_a_comment), operation="ReviewComments")
    asked = await them.job()
    assert asked["ReviewComments"] == 2, "one for all, and one for the review that was short"
    await them.agrees()
    assert await them.rows("select from backfill_notes") == []


async def test_what_an_older_server_leaves_out_is_known_to_who_covers_it(stage: Stage) -> None:
    them = stage.of(small("one", **SOME))
    them.github.lacks = frozenset({"PullRequest.isDraft", "Repository.discussions"})
    asked = await them.job(types=("pull_requests", "issues"))
    assert asked["Survey"] == 2, "once as it is, once as the server can answer it"
    assert asked["PullRequests"] == 1, "each sweep asks for what its coverage says was left out"
    covered = await them.rows("select left_out from backfill_coverage where data_type = 'pull_requests'")
    assert "PullRequest.isDraft" in covered[0]["left_out"]


async def test_what_was_surveyed_moments_ago_is_not_surveyed_again_by_the_same_job(stage: Stage) -> None:
    them = stage.of(small("one", **SOME), small("two", **SOME))
    them.github.faults.add(BadGateway(), operation="Survey")
    asked = await them.job(surveys=3)
    assert asked["Survey"] == 3, "too large for two at once, then each by itself"
    assert asked["SmallRepositories"] == asked["ReviewComments"] == 1
    await them.agrees()


async def test_a_survey_stops_sending_long_before_it_times_out(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    longest = activities.surveys.SENDS_FOR + PATIENCE + timedelta(seconds=TIMEOUT_SECONDS)
    assert longest + timedelta(seconds=10) < retries.SURVEY_TIMEOUT, "what comes later is paid twice"
    monkeypatch.setattr(activities.surveys, "SENDS_FOR", timedelta(0))
    them = stage.of(small("one", **SOME))
    asked = await them.job()
    assert (asked["Survey"], asked["SmallRepositories"], asked["PullRequests"]) == (0, 0, 1)
    await them.agrees()


async def test_pages_of_small_repositories_that_wait_for_long_are_paid_once(stage: Stage) -> None:
    them = stage.of(small("one", **SOME), small("two", discussions=2, **SOME))
    someone = them.world.account("somebody")

    async def wait() -> None:
        # As behind a repository that is read for hours; somebody writes meanwhile.
        earlier = "told_at = told_at - interval '1 hour', answered_at = answered_at - interval '1 hour'"
        await them.rows(f"update backfill_surveys set {earlier}")
        them.world.clock.advance(HOURS)
        them.repositories[0].open_issue(someone, "meanwhile")
        [pull, *_] = them.repositories[1].pull_requests.values()
        pull.review(someone, "APPROVED", comments=("on a line",))
        them.world.clock.advance(5)

    asked = await them.job(between=wait)
    assert asked["SmallRepositories"] == 1
    assert [asked[each] for each in ("PullRequests", "Issues", "Discussions", "Stargazers", "Forks")] == [0] * 5
    await them.agrees()


async def test_a_worker_that_is_killed_while_it_surveys_loses_what_is_in_flight_and_no_more(stage: Stage) -> None:
    them = stage.of(small("one", **SOME), small("two", **SOME))
    answering = asyncio.Event()
    loop = asyncio.get_running_loop()
    them.github.faults.add(After(lambda: loop.call_soon_threadsafe(answering.set)), operation="ReviewComments")

    async def killed(database: Database, github: GitHub, job_id: str, repositories: Sequence[RepositoryRef]) -> None:
        work = asyncio.create_task(activities.surveys.survey(database, github, job_id, repositories, asyncio.Event()))
        await answering.wait()
        work.cancel()
        await asyncio.wait([work])
        assert work.cancelled()

    asked = await them.job(survey=killed)
    assert (asked["Survey"], asked["SmallRepositories"], asked["PullRequests"], asked["Issues"]) == (1, 1, 0, 0)
    await them.agrees()


async def test_a_worker_that_is_told_to_end_while_it_surveys_stores_what_it_was_answered(stage: Stage) -> None:
    them = stage.of(small("one", **SOME), small("two", **SOME))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    them.github.faults.add(After(lambda: loop.call_soon_threadsafe(stop.set)), operation="SmallRepositories")

    async def stopped(database: Database, github: GitHub, job_id: str, repositories: Sequence[RepositoryRef]) -> None:
        await activities.surveys.survey(database, github, job_id, repositories, stop)

    asked = await them.job(survey=stopped)
    assert (asked["SmallRepositories"], asked["PullRequests"]) == (1, 0)
    assert asked["ReviewComments"] == 2, "each sweep asks for its own"
    await them.agrees()


async def test_a_repository_that_takes_many_pages_is_counted_as_long_until_it_is_covered(stage: Stage) -> None:
    them = stage.of(small("large", issues=21), small("small", issues=4))
    asked = await them.job()
    [[large]] = await them.rows("select id::text from repositories where name = 'large'")
    assert them.long == [large]
    assert asked["Issues"] == 1, "it is read by its sweep"
    await them.job()
    assert them.long == []


async def test_private_repositories_are_surveyed_with_those_of_their_owner_and_public_ones_with_any(
    stage: Stage,
) -> None:
    them = stage.of(*(Plan(f"{owner}/{name}", pull_requests=0, issues=1) for owner in "ab" for name in "xy"))
    assert (await them.job(types=("issues",)))["Survey"] == 1
    await them.rows("update repositories set is_private = true where name = 'x'")
    them.world.clock.advance(2 * HOURS)
    assert (await them.job(types=("issues",)))["Survey"] == 3, "of both owners' public ones, and of each's private one"


async def test_a_completed_repository_keeps_no_answers_while_its_job_goes_on(stage: Stage) -> None:
    them = stage.of(small("one", **SOME), small("two", **SOME))
    await them.job()
    [[job_id, repository_id]] = await them.rows(
        "select backfill_job_id::text, repository_id::text from backfill_surveys order by 2 limit 1"
    )
    async with them.transaction() as connection:
        await surveys.forget_completed(connection, job_id, repository_id)
        assert await connection.fetchval("select count(*) from backfill_surveys") == 2, "it has not ended"
        await connection.execute("update workspace_backfill_progress set status = 'completed'")
        await surveys.forget_completed(connection, job_id, repository_id)
        assert await connection.fetchval("select count(*) from backfill_surveys") == 1


async def test_a_survey_gives_its_slot_back_for_a_limit_and_goes_on_where_it_stopped(stage: Stage) -> None:
    them = stage.of(small("one", **SOME), small("two", **SOME))
    waits: list[Waiting] = []

    async def limited(operation: str) -> None:
        them.github.faults.add(SecondaryLimit(retry_after=60), operation=operation)

    async def over() -> None:
        waits.extend(Waiting.model_validate(row["waiting"]) for row in await them.rows(WAITS))
        # Nearly over: a moment longer is waited for in place.
        await them.rows(
            "update github_budgets set state = state - 'slowed'"
            " || jsonb_build_object('paused_until', clock_timestamp() + interval '3 seconds')"
        )

    operations = ["Survey", "SmallRepositories", "ReviewComments"]
    for each in operations:
        await limited(each)
    asked = await them.job(limits=3, at_limit=over)
    assert [asked[each] for each in operations] == [2] * 3, "refused once, then answered; nothing else is asked again"
    assert asked["PullRequests"] == 0
    assert [each.reason for each in waits] == ["github_limit"] * 6
    assert all(each.until and each.until - each.since > timedelta(seconds=50) for each in waits)
    assert "GitHub" in waits[0].detail
    assert [row["waiting"]["reason"] for row in them.surveyed] == ["turn", "turn"]
    await them.agrees()


async def test_a_limit_that_ends_in_an_hour_is_not_waited_for_by_a_survey(stage: Stage) -> None:
    them = stage.of(small("one", **SOME))
    them.github.faults.add(SecondaryLimit(retry_after=3_600), operation="Survey")

    async def over() -> None:
        await them.rows("update github_budgets set state = state - '{paused_until,slowed}'::text[]")

    asked = await them.job(between=over)
    assert (asked["Survey"], asked["SmallRepositories"], asked["PullRequests"]) == (1, 0, 1)
    await them.agrees()


async def test_a_survey_does_not_wait_for_a_limit_that_leaves_no_time_for_another_attempt(stage: Stage) -> None:
    """Its repositories would show that wait while they wait for their turn."""
    them = stage.of(small("one", **SOME), small("two", **SOME))
    them.github.faults.add(SecondaryLimit(retry_after=60), operation="SmallRepositories")

    async def over() -> None:
        await them.rows("update github_budgets set state = state - '{paused_until,slowed}'::text[]")

    asked = await them.job(within=timedelta(seconds=80), between=over)
    assert (asked["Survey"], asked["SmallRepositories"]) == (1, 1)
    assert [row["waiting"]["reason"] for row in them.surveyed] == ["turn", "turn"]
    await them.agrees()


async def test_the_attempt_after_a_limit_shows_it_no_longer(stage: Stage) -> None:
    them = stage.of(small("one", **SOME))
    shown, loop = [], asyncio.get_running_loop()

    def look() -> None:
        [row] = asyncio.run_coroutine_threadsafe(them.rows(WAITS), loop).result()
        shown.append(row["waiting"]["reason"])

    async def over() -> None:
        await them.rows("update github_budgets set state = state - '{paused_until,slowed}'::text[]")
        them.github.faults.add(After(look), operation="Survey")

    them.github.faults.add(SecondaryLimit(retry_after=60), operation="Survey")
    await them.job(limits=1, at_limit=over)
    assert shown == ["turn"], "while it asks"


async def test_a_repository_that_has_begun_shows_no_wait_of_a_survey(stage: Stage) -> None:
    them = stage.of(small("one", **SOME))
    await them.job()
    [known] = await them.rows(
        "select backfill_job_id::text as job, repository_id::text as id from backfill_sweeps limit 1"
    )
    now = datetime.now(UTC)
    limit = Waiting(reason="github_limit", since=now, until=now + timedelta(minutes=1))

    async def shows(waiting: Waiting | None, before: Waiting, status: str) -> str:
        await them.rows(
            "update workspace_backfill_progress set status = $1, metadata = $2", status, {"waiting": before.as_json()}
        )
        async with them.transaction() as connection:
            await surveys.show_wait(connection, known["job"], [known["id"]], waiting)
        [row] = await them.rows(WAITS)
        return str(row["waiting"]["reason"])

    turn, paused = Waiting(reason="turn", since=now), Waiting(reason="paused", since=now)
    assert await shows(limit, turn, "pending") == "github_limit"
    assert await shows(None, limit, "pending") == "turn"
    assert await shows(limit, paused, "pending") == await shows(None, paused, "pending") == "paused"
    assert await shows(None, limit, "in_progress") == "github_limit", "its own"
    assert await shows(limit, turn, "in_progress") == "turn"


async def test_a_job_that_is_ended_from_outside_leaves_no_survey(stage: Stage) -> None:
    them = stage.of(small("one", **SOME))
    await them.job()
    [[job_id]] = await them.rows("update workspace_backfill_jobs set status = 'in_progress' returning id::text")
    assert await them.rows("select from backfill_surveys") != []
    async with them.transaction() as connection:
        await job_attempts.end(connection, job_id, status="canceled", reason=None)
    assert await them.rows("select from backfill_surveys") == []


async def test_a_survey_that_comes_after_its_jobs_end_is_not_kept(stage: Stage) -> None:
    them = stage.of(small("one", **SOME))
    await them.job()
    await them.rows("delete from backfill_surveys")
    [ended] = await them.rows(
        "select backfill_job_id::text as job, repository_id::text as id from backfill_sweeps limit 1"
    )
    async with them.transaction() as connection:
        await surveys.keep(connection, ended["job"], {ended["id"]: {}})
        await surveys.keep_answers(connection, ended["job"], {ended["id"]: b""})
    assert await them.rows("select from backfill_surveys") == []


FAILURES: dict[str, Callable[[], Effect]] = {
    "502": BadGateway,
    "something went wrong": SomethingWentWrong,
    "refused": Forbidden,
    "limited": PrimaryLimit,
}


@pytest.mark.parametrize("failure", [name for name in FAILURES if name != "limited"])
async def test_without_a_survey_each_repository_asks_for_itself(failure: str, stage: Stage) -> None:
    them = stage.of(small("one", issues=3), small("two", pull_requests=2))
    them.github.faults.add(FAILURES[failure](), times=None, operation="Survey")
    asked = await them.job()
    assert asked["PullRequests"] == asked["Issues"] == asked["Stargazers"] == asked["Forks"] == 2
    await them.agrees()


async def test_one_repository_that_has_no_survey_leaves_the_others_theirs(stage: Stage) -> None:
    them = stage.of(*(small(name, issues=2) for name in ("renamed", "passed-on", "stays")))
    renamed, passed_on, _ = them.repositories
    await them.job()
    renamed.rename("acme/new-name")
    passed_on.rename("acme/elsewhere")
    generate(them.world, small("passed-on", issues=1))
    for each in them.repositories:
        each.open_issue(renamed.world.account("somebody"), "news")
    renamed.world.clock.advance(2 * HOURS)
    asked = await them.job(types=("issues",))
    assert asked["Survey"] == 1
    assert sum(asked[str(each.database_id)] for each in them.repositories) == 1, "only what has another's name"
    await them.agrees()


@dataclass(frozen=True)
class Small:
    """One repository of a drawn workspace, and what is done to it."""

    pull_requests: int
    issues: int
    discussions: int
    stars: int
    forks: int
    releases: int
    pushes: int
    is_empty: bool
    after_survey: tuple[str, ...]
    between_jobs: tuple[str, ...]
    lied_about: tuple[str, ...]

    def plan(self, number: int) -> Plan:
        sizes = {name: getattr(self, name) for name in (*THREADS, "stars", "forks", "releases", "pushes")}
        return small(f"r{number}", people=5, seed=number, **sizes)


CHANGES: dict[str, Callable[[Repository, Any], object]] = {
    "issue": lambda repo, who: repo.open_issue(who, "new"),
    "pull request": lambda repo, who: repo.open_pull_request(who, "new"),
    "comment": lambda repo, who: [each.comment(who, "new") for each in list(repo.issues.values())[:1]],
    "review": lambda repo, who: [
        each.review(who, "APPROVED", comments=("on a line",)) for each in list(repo.pull_requests.values())[:1]
    ],
    "star": lambda repo, who: repo.star(who),
    "fork": lambda repo, who: repo.fork(who),
    "push": lambda repo, who: repo.push(who),
    # GitHub refuses a release of a repository without commits.
    "release": lambda repo, who: (
        [repo.push(who) for _ in range(repo.is_empty)] + [repo.release(who, f"v{len(repo.releases)}.new")]
    ),
}
LIES = (*LISTS, "stargazerCount", "forkCount", "releases")


def smalls() -> st.SearchStrategy[list[Small]]:
    few, changes = st.integers(0, 4), st.lists(st.sampled_from(sorted(CHANGES)), max_size=3, unique=True).map(tuple)
    return st.lists(
        st.builds(
            Small,
            pull_requests=few,
            issues=few,
            discussions=few,
            stars=few,
            forks=st.integers(0, 2),
            releases=st.integers(0, 2),
            pushes=few,
            is_empty=st.sampled_from((False, False, True)),
            after_survey=changes,
            between_jobs=changes,
            lied_about=st.lists(st.sampled_from(LIES), max_size=2, unique=True).map(tuple),
        ),
        min_size=1,
        max_size=4,
    )


def lie_about(repositories: Sequence[Small], survey: dict[str, Any]) -> None:
    """Sets to nothing what is lied about. Aliases are in the order of names, which is that of numbers."""
    for number, repository in enumerate(repositories):
        of: dict[str, Any] = {"data": {"n": survey["data"][f"n{number}"]}}
        for name in repository.lied_about:
            if name in LISTS:
                empty(of, name)
            else:
                of["data"]["n"][name] = {"totalCount": 0} if name == "releases" else 0


@settings(max_examples=4, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(repositories=smalls(), pause=st.sampled_from((60, 2 * HOURS)))
async def test_after_a_job_without_lies_and_changes_every_table_is_the_truth(
    repositories: list[Small], pause: int, module_database: str
) -> None:
    async with emptied(module_database) as connection:
        await connection.execute("truncate contributors, github_events_cache cascade")
    with ExitStack() as stack:
        async with Database(module_database, size=4) as database:
            them = Stage(module_database, database, stack).of(
                *(each.plan(number) for number, each in enumerate(repositories))
            )
            world, calm = them.repositories[0].world, True
            for drawn, repository in zip(repositories, them.repositories, strict=True):
                if drawn.is_empty:
                    repository.empty()
                calm = calm and not drawn.after_survey and not drawn.lied_about

            def change(when: str) -> None:
                for drawn, repository in zip(repositories, them.repositories, strict=True):
                    for place, name in enumerate(getattr(drawn, when)):
                        CHANGES[name](repository, world.account(f"{when}-{place}"))
                        world.clock.advance(1)

            them.github.faults.add(Edited(lambda survey: lie_about(repositories, survey)), operation="Survey")
            them.github.faults.add(After(lambda: change("after_survey")), operation="Survey")
            await them.job()
            if calm:
                await them.agrees()
            change("between_jobs")
            world.clock.advance(pause)
            await them.job()
            world.clock.advance(2 * HOURS)
            await them.job()
            await them.agrees()
