"""What a token may not see of every thread alike is found out once, left out, and takes nothing away that is stored."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from budget.prices import Prices
from github.client import GitHub
from github.nodes import permissions
from github.nodes.permissions import REMEMBERED, TEAMS, Withheld
from github.queries import documents
from github.threads.pages import Threads, read_page
from github.threads.thread_types import THREAD_TYPES
from github.transport.credentials import Credentials
from messages import RepositoryRef
from rows import Note
from sandbox.github import StandIn, World
from sandbox.github.exchange.limits import Budget
from sandbox.github.exchange.requests import Reply, Request, json_reply
from sandbox.github.faults import Effect, Refused, refused_commits, refused_teams
from sandbox.github.faults.fields import BY_APP, BY_TOKEN
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.world.repositories import Repository
from sandbox.purchase import HostRepository, create_workspace
from store import contributors, pages
from store.budgets import Budgets
from store.database import Database
from tests.support.shop import connected

PULL_REQUESTS = THREAD_TYPES["pull_requests"]
COMMITS = Note("refused", "commits", None, "", 1, BY_APP)


@dataclass
class TeamsNeedAScope(Effect):
    """GitHub refuses a whole query, statically, for one field that needs read:org."""

    def instead(self, request: Request, budget: Budget) -> Reply | None:  # noqa: ARG002 (an effect's signature)
        if b"on Team" not in request.body:
            return None
        return json_reply(200, {"errors": [{"type": "INSUFFICIENT_SCOPES", "message": "no scope"}]})


TEAMS_HIDDEN: dict[str, tuple[Effect, str]] = {
    "an App's permission": (refused_teams(), BY_APP),
    "a token's scope": (TeamsNeedAScope(), "the names of requested teams need the scope read:org"),
}


class Reading:
    """Pages of one repository, read by ann and bob, and stored."""

    def __init__(self, database: Database, stand_in: StandIn, repository: Repository, reference: RepositoryRef) -> None:
        self.stand_in, self.repository = stand_in, repository
        self._database, self._reference = database, reference

    def client(self, *tokens: str) -> GitHub:
        url = self.stand_in.url
        return GitHub(url, f"{url}/graphql", Credentials(tokens), Budgets(self._database, 1, Prices()))

    async def page(self, github: GitHub) -> Threads:
        bound = github.on_behalf_of(self._reference.full_name)
        read = await read_page(bound, PULL_REQUESTS, self._reference, 10, None)
        assert len(read.page.pull_requests) == len(self.repository.pull_requests), "no thread is hidden for a field"
        await contributors.write(self._database, read.page.contributors.values(), read.page.asked_at)
        async with self._database.transaction() as connection:
            await pages.write(connection, self._reference, read.page)
        return read

    def payers(self) -> list[str]:
        return [entry.account for entry in self.stand_in.log if entry.operation == "PullRequests"]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def repository(world: World) -> Repository:
    found = generate(world, Plan("acme/rocket", pull_requests=4, issues=0, teams=0))
    team = world.team("acme", "crew")
    for pull in found.pull_requests.values():
        pull.request_review(team)
        pull.request_review(world.account("zoe"))
    return found


@pytest.fixture
def stand_in(world: World) -> Iterator[StandIn]:
    with StandIn(world, tokens={"ghp_ann": "ann", "ghp_bob": "bob"}) as running:
        yield running


@pytest.fixture
async def reading(database: str, stand_in: StandIn, repository: Repository) -> AsyncIterator[Reading]:
    stored = HostRepository(
        repository.database_id,
        "acme",
        "rocket",
        is_private=False,
        is_archived=False,
        has_issues=True,
        has_discussions=False,
    )
    await create_workspace(database, [stored])
    async with Database(database, size=3) as opened, connected(database) as connection:
        repository_id = await connection.fetchval("select id::text from repositories")
        reference = RepositoryRef(
            repository_id=repository_id, github_id=repository.database_id, full_name="acme/rocket"
        )
        yield Reading(opened, stand_in, repository, reference)


async def test_commits_that_an_app_may_not_see_are_found_out_once_and_left_out(reading: Reading) -> None:
    fault = reading.stand_in.faults.add(refused_commits(), times=None)
    async with reading.client("ghp_ann") as github:
        first, second = [await reading.page(github) for _ in range(2)]
    assert len(reading.payers()) == 3, "once refused, then without"
    assert [row.commits for row in first.page.pull_requests] == [None] * 4
    assert first.hidden == second.hidden == [COMMITS], "one note, not one for each thread"
    reading.stand_in.faults.remove(fault)


async def test_who_may_see_the_commits_is_asked_instead(reading: Reading) -> None:
    reading.stand_in.budget("bob").window("graphql").used = 100
    reading.stand_in.faults.add(refused_commits(), times=None, account="ann")
    async with reading.client("ghp_ann", "ghp_bob") as github:
        await github.introduce()
        first, second = [await reading.page(github) for _ in range(2)]
    assert reading.payers() == ["ann", "bob", "bob"]
    assert (first.hidden, second.hidden) == ([], [])
    assert None not in [row.commits for row in first.page.pull_requests]


@pytest.mark.parametrize("reason", TEAMS_HIDDEN)
async def test_a_requested_team_that_is_not_shown_is_noted_once_and_the_stored_one_stays(
    reading: Reading, database: str, reason: str
) -> None:
    async with reading.client("ghp_bob") as github:
        assert (await reading.page(github)).hidden == []
    effect, words = TEAMS_HIDDEN[reason]
    reading.stand_in.faults.add(effect, times=None)
    reading.repository.pull_requests[1].title = "Another title"
    for pull in reading.repository.pull_requests.values():
        pull.review_requests = [each for each in pull.review_requests if each.reviewer.typename == "Team"]
    async with reading.client("ghp_ann") as github:
        read = await reading.page(github)
    assert set(read.hidden) == {Note("refused", "requested_reviewers", None, "", 1, words)}
    async with connected(database) as connection:
        named = await connection.fetch("select distinct username from requested_reviewers")
        titles = await connection.fetch("select title from pull_requests where number = 1")
    assert [row["username"] for row in named] == ["team:crew"], "zoe is asked no more; of the team nobody knows"
    assert titles[0]["title"] == "Another title"


async def test_a_poorer_token_takes_no_number_of_commits_away(reading: Reading, database: str) -> None:
    async with reading.client("ghp_bob") as github:
        await reading.page(github)
    reading.stand_in.faults.add(refused_commits(), times=None)
    reading.repository.pull_requests[1].title = "Another title"
    async with reading.client("ghp_ann") as github:
        await reading.page(github)
    async with connected(database) as connection:
        rows = await connection.fetch("select number, commits, title from pull_requests order by number")
    counts = {number: pull.commit_count for number, pull in reading.repository.pull_requests.items()}
    assert {row["number"]: row["commits"] for row in rows} == counts
    assert rows[0]["title"] == "Another title"


async def test_the_same_refusal_of_one_thread_alone_hides_it(reading: Reading) -> None:
    """Not of a field that needs a permission of its own."""
    hidden = Refused("PullRequest", "title", BY_TOKEN, when=lambda pull, _: pull.number == 2)
    reading.stand_in.faults.add(hidden, times=None)
    async with reading.client("ghp_ann") as github:
        bound = github.on_behalf_of("acme/rocket")
        read = await read_page(bound, PULL_REQUESTS, reading._reference, 10, None)
    assert (len(read.page.pull_requests), read.withheld, len(reading.payers())) == (3, [BY_TOKEN], 1)


def test_only_fields_of_threads_and_of_their_timelines_are_left_out() -> None:
    nodes = ("repository", "threads", "nodes")
    assert permissions.field_of((*nodes, 3, "commits")) == "commits"
    assert permissions.field_of(("nodes", 3, "commits")) == "commits"
    assert permissions.field_of(("n4", "commits")) == "commits"
    assert permissions.field_of((*nodes, 3, "timelineItems", "nodes", 7, "deployment")) == "deployment"
    assert permissions.field_of((*nodes, 3, "source")) is None
    assert permissions.field_of(("repository", "commits")) is None
    assert permissions.field_of(()) is None


@pytest.mark.parametrize("left_out", [{"commits"}, {"deployment"}, {TEAMS}, {TEAMS, "commits"}])
def test_a_document_without_fields_asks_for_all_else(left_out: set[str]) -> None:
    whole, less = documents.text("PullRequests"), documents.text("PullRequests", left_out=frozenset(left_out))
    asked = {"commits": "commits {", "deployment": "deployment {", TEAMS: "on Team"}
    for what, text in asked.items():
        assert text in whole
        assert (text in less) == (what not in left_out)
    assert "timelineItems" in less


def test_a_permission_is_taken_for_missing_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(permissions, "monotonic", lambda: now)
    withheld = Withheld()
    withheld.add("user:1", "acme/rocket", {"commits": BY_APP})
    withheld.add("user:1", "", {TEAMS: "no scope"})
    assert withheld.of("user:1", "acme/rocket") == {TEAMS: "no scope", "commits": BY_APP}
    assert withheld.of("user:1", "acme/other") == {TEAMS: "no scope"}
    assert withheld.of("user:2", "acme/rocket") == {}
    now += REMEMBERED
    assert withheld.of("user:1", "acme/rocket") == {}
