"""Whose budget pays, and who may see: the client with the pool in Postgres, against a stand-in with real accounts."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from budget.prices import Prices, points
from errors import JobOver, RetryLater
from github.answers import Gone
from github.client import GitHub
from github.credentials import App, Credentials
from github.repositories import inspect
from github.threads import THREAD_TYPES, read_page, read_threads
from messages import RepositoryRef
from rows import Part
from sandbox.github import StandIn, World
from sandbox.github.faults import Effect
from sandbox.github.generate import Plan
from sandbox.github.generate import repository as generate
from sandbox.github.limits import Budget
from sandbox.github.repositories import Repository
from sandbox.github.requests import Request
from store.budgets import Budgets
from store.database import Database
from tests.keys import private_key, public_key

TOKENS = {"ghp_ann": "ann", "ghp_ann_too": "ann", "ghp_bob": "bob"}
ISSUES = THREAD_TYPES["issues"]


class Clients:
    """Makes workers' clients of one database and one stand-in."""

    def __init__(self, stack: AsyncExitStack, database: Database, stand_in: StandIn) -> None:
        self._stack, self.database, self.stand_in = stack, database, stand_in

    async def client(self, *tokens: str, app: bool = False, share: float = 1) -> GitHub:
        url, prices, by_app = self.stand_in.url, Prices(), None
        if app:
            session = await self._stack.enter_async_context(aiohttp.ClientSession())
            number = str(next(iter(self.stand_in.world.apps.values())).database_id)
            by_app = App(session, url, number, private_key())
        pool = Budgets(self.database, share, prices)
        return await self._stack.enter_async_context(
            GitHub(url, f"{url}/graphql", Credentials(tokens, by_app), pool, prices)
        )

    def payers(self, operation: str) -> list[str]:
        return [entry.account for entry in self.stand_in.log if entry.operation == operation]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def repository(world: World) -> Repository:
    return generate(world, Plan("acme/rocket", pull_requests=3, issues=5))


@pytest.fixture
async def clients(database: str, world: World) -> AsyncIterator[Clients]:
    with StandIn(world, tokens=TOKENS) as stand_in:
        async with AsyncExitStack() as stack, Database(database, size=5) as opened:
            yield Clients(stack, opened, stand_in)


def reference(repository: Repository) -> RepositoryRef:
    return RepositoryRef(
        repository_id="00000000-0000-4000-8000-000000000000",
        github_id=repository.database_id,
        full_name=repository.name_with_owner,
    )


async def page(github: GitHub, repository: Repository) -> int:
    ref = reference(repository)
    read = await read_page(github.on_behalf_of(ref.full_name), ISSUES, ref, 5, None)
    return len(read.page.issues)


async def test_tokens_of_one_account_are_one_budget(clients: Clients, repository: Repository) -> None:
    """Two workers with a token each of the same account: what the one hears of its limit, the other keeps to."""
    first, second = await clients.client("ghp_ann"), await clients.client("ghp_ann_too")
    await first.introduce()
    clients.stand_in.budget("ann").exhaust("graphql")
    await second.introduce()
    asked = len(clients.stand_in.log)
    for github in (first, second):
        with pytest.raises(RetryLater) as limited:
            await page(github, repository)
        assert timedelta(minutes=50) < limited.value.at - datetime.now(UTC) < timedelta(hours=1, minutes=1)
    assert len(clients.stand_in.log) == asked, "nothing is asked of an account whose limit is known"


async def test_where_one_account_is_limited_the_other_goes_on(clients: Clients, repository: Repository) -> None:
    github = await clients.client("ghp_ann", "ghp_bob")
    await github.introduce()
    clients.stand_in.budget("ann").exhaust("graphql")
    clients.stand_in.budget("bob").window("graphql").used = 100
    # The pool believes ann to have most left, asks, is refused, and asks bob within the same call.
    assert await page(github, repository) == 5
    assert clients.payers("Issues") == ["ann", "bob"]


async def test_a_token_that_is_refused_is_set_aside_and_none_left_is_one_clear_failure(
    clients: Clients, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("github.client.DOUBT", 0)
    github = await clients.client("ghp_ann", "ghp_bob")
    await github.introduce()
    clients.stand_in.budget("bob").window("graphql").used = 100
    clients.stand_in.refuse_token("ghp_ann")
    assert [await page(github, repository) for _ in range(3)] == [5, 5, 5]
    refused = [entry for entry in clients.stand_in.log if entry.status == 401]
    assert len(refused) == 2, "one 401 may be a mistake; after two it is left alone for a while"
    clients.stand_in.refuse_token("ghp_bob")
    with pytest.raises(JobOver) as over:
        await page(github, repository)
    assert "GITHUB_TOKENS" in over.value.action


async def test_who_cannot_see_a_private_repository_is_not_believed(clients: Clients, repository: Repository) -> None:
    """ann may not see it and has more left: she is asked once, and bob from then on."""
    repository.is_private = True
    repository.collaborators.append(clients.stand_in.world.account("bob"))
    github = await clients.client("ghp_ann", "ghp_bob")
    await github.introduce()
    for resource in ("graphql", "core"):
        clients.stand_in.budget("bob").window(resource).used = 100
    ref = reference(repository)
    bound = github.on_behalf_of(ref.full_name)
    assert (await inspect(bound, ref.github_id, ref.full_name)).is_private
    assert [await page(github, repository) for _ in range(2)] == [5, 5]
    node_ids = [issue.node_id(True) for issue in repository.issues.values()]
    parts = [Part("thread", node_id, None, datetime.now(UTC)) for node_id in node_ids]
    read = await read_threads(bound, ISSUES, parts)
    assert (len(read.page.issues), read.gone) == (5, []), "by node id they are there, too"
    assert clients.payers("Issues") == ["ann", "bob", "bob"]
    repository.collaborators.clear()
    with pytest.raises(Gone):
        await page(github, repository)


async def test_a_private_repository_is_read_by_its_owners_installation(
    clients: Clients, repository: Repository
) -> None:
    repository.is_private = True
    app = clients.stand_in.world.add_app(public_key())
    installation = app.install("acme")
    other = app.install("zeta")
    github = await clients.client("ghp_ann", app=True)
    ref = reference(repository)
    assert (await inspect(github.on_behalf_of(ref.full_name), ref.github_id, ref.full_name)).is_private
    assert await page(github, repository) == 5
    assert clients.payers("Issues") == [installation.payer]
    assert not [entry for entry in clients.stand_in.log if entry.account == other.payer]


async def test_an_installations_token_that_dies_in_the_middle_is_made_anew(
    clients: Clients, repository: Repository
) -> None:
    app = clients.stand_in.world.add_app(public_key())
    installation = app.install("acme")
    github = await clients.client(app=True)
    assert await page(github, repository) == 5
    [dead] = installation.tokens
    clients.stand_in.refuse_token(dead)
    assert await page(github, repository) == 5
    assert len(installation.tokens) == 1
    assert dead not in installation.tokens
    assert [entry.status for entry in clients.stand_in.log if entry.operation in ("", "Issues")][-3:] == [401, 201, 200]


class _Dearer(Effect):
    """GitHub charges more than its formula says: as if each parent had a connection more."""

    def instead(self, request: Request, budget: Budget) -> None:  # noqa: ARG002
        if request.operation == "Issues":
            request.cost = points(1 + 5 * request.variables["first"])


async def test_what_is_charged_beside_the_formula_is_learned_by_all(clients: Clients, repository: Repository) -> None:
    clients.stand_in.faults.add(_Dearer(), times=None, kind="graphql")
    github = await clients.client("ghp_ann")
    ref = reference(repository)
    bound = github.on_behalf_of(ref.full_name)
    assert github.prices.largest_page("Issues", ISSUES.connections, 50) == 37
    for _ in range(6):
        most = github.prices.largest_page("Issues", ISSUES.connections, 50)
        await read_page(bound, ISSUES, ref, most, None)
    assert most == 29
    assert clients.stand_in.log[-1].cost == 1, "the page that one point pays for"
    other = await clients.client("ghp_ann")
    await Budgets(clients.database, 1, other.prices).load_prices()
    assert other.prices.largest_page("Issues", ISSUES.connections, 50) == 29


async def test_every_request_is_recorded_with_its_estimate_and_its_price(
    clients: Clients, repository: Repository, database: str
) -> None:
    github = await clients.client("ghp_ann")
    await page(github, repository)
    ref = reference(repository)
    await inspect(github.on_behalf_of(ref.full_name), ref.github_id, ref.full_name)
    async with Database(database, size=1) as opened, opened.transaction() as connection:
        rows = await connection.fetch("select * from github_requests order by at")
        assert [(row["operation"], row["resource"], row["estimated_points"], row["points"]) for row in rows] == [
            ("Viewer", "graphql", 1, 1),
            ("Issues", "graphql", 1, 1),
            ("repository", "core", 1, 1),
        ]
        assert {row["repository"] for row in rows[1:]} == {"acme/rocket"}
        assert not await connection.fetchval("select count(*) from github_reservations")
