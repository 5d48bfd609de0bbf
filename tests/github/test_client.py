"""Whose budget pays, and who may see: the client with the pool in Postgres, against a stand-in with real accounts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from budget.prices import Prices, points
from errors import JobOver, PartOver, RetryLater
from github.answers.refusals import Gone
from github.client import GitHub
from github.repositories import inspect
from github.threads.pages import read_page, read_threads
from github.threads.thread_types import THREAD_TYPES
from github.transport.credentials import App, Credentials
from messages import RepositoryRef
from rows import Part
from sandbox.github import StandIn, World
from sandbox.github.exchange.limits import Budget, Limits
from sandbox.github.exchange.requests import Entry, Request
from sandbox.github.faults import Edited, Effect, Forbidden, Headers, Held, Latency, PrimaryLimit, SecondaryLimit
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.world.repositories import Repository
from store.budgets import Budgets
from store.database import Database
from tests.support.keys import private_key, public_key
from tests.support.waiting import eventually, so

TOKENS = {"ghp_ann": "ann", "ghp_ann_too": "ann", "ghp_bob": "bob", "ghp_cy": "cy"}
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
    monkeypatch.setattr("github.transport.accounts.DOUBT", 0)
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


# --- Limits, told in every way that GitHub has

DROPPED = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-used", "x-ratelimit-reset", "Date")
HOURS = timedelta(hours=1, minutes=2)


def asked(clients: Clients) -> list[Entry]:
    """But for the question whose token it is."""
    return [entry for entry in clients.stand_in.log if entry.operation != "Viewer"]


def at_once(entries: list[Entry]) -> int:
    """The most requests that were in flight together."""
    moments = [(entry.started, 1) for entry in entries] + [(entry.started + entry.seconds, -1) for entry in entries]
    flying, most = 0, 0
    for _, step in sorted(moments):
        flying += step
        most = max(most, flying)
    return most


async def test_an_answer_with_nothing_remaining_is_good_and_stops_what_follows(
    clients: Clients, repository: Repository
) -> None:
    github = await clients.client("ghp_ann")
    await github.introduce()
    clients.stand_in.budget("ann").window("graphql").used = 4_999
    began = datetime.now(UTC)
    assert await page(github, repository) == 5
    with pytest.raises(RetryLater) as limited:
        await page(github, repository)
    assert began + timedelta(minutes=50) < limited.value.at < datetime.now(UTC) + HOURS
    assert len(asked(clients)) == 1


LIMITS: dict[str, tuple[Effect, timedelta, timedelta]] = {
    "primary, RATE_LIMITED inside 200": (PrimaryLimit(), timedelta(minutes=50), HOURS),
    "primary, RATE_LIMIT inside 200": (PrimaryLimit(type="RATE_LIMIT"), timedelta(minutes=50), HOURS),
    "secondary, 403": (SecondaryLimit(retry_after=300), timedelta(seconds=290), timedelta(seconds=301)),
    "secondary, inside 200": (
        SecondaryLimit(retry_after=300, status=200),
        timedelta(seconds=290),
        timedelta(seconds=301),
    ),
    "secondary, without a word for how long": (
        SecondaryLimit(retry_after=None),
        timedelta(seconds=55),
        timedelta(seconds=61),
    ),
}


@pytest.mark.parametrize("name", LIMITS)
async def test_a_limit_is_asked_for_once_and_never_read_as_nothing(
    name: str, clients: Clients, repository: Repository
) -> None:
    effect, least, most = LIMITS[name]
    github = await clients.client("ghp_ann")
    await github.introduce()
    clients.stand_in.faults.add(effect, operation="Issues")
    began = datetime.now(UTC)
    for _ in range(3):
        with pytest.raises(RetryLater) as limited:
            await page(github, repository)
        assert began + least < limited.value.at < datetime.now(UTC) + most
    assert len(asked(clients)) == 1


@pytest.mark.parametrize("kind", ["graphql", "rest"])
async def test_a_refusal_that_is_over_is_asked_again_within_the_same_call(
    kind: str, clients: Clients, repository: Repository
) -> None:
    """`retry-after` says a second; `remaining` 0 with a reset an hour ahead, beside it, is a false alarm."""
    github = await clients.client("ghp_ann")
    await github.introduce()
    stand_in = clients.stand_in
    later = str(int(datetime.now(UTC).timestamp()) + 3_500)
    wrong = {"x-ratelimit-remaining": "0", "x-ratelimit-used": "5000", "x-ratelimit-reset": later}
    for effect in (SecondaryLimit(retry_after=1), Headers(set=wrong)):
        stand_in.faults.add(effect, kind=kind)
    if kind == "graphql":
        assert await page(github, repository) == 5
    else:
        assert (await github.rest("/repos/acme/rocket")).data["full_name"] == "acme/rocket"
    assert [entry.status for entry in asked(clients)] == [403, 200]


async def test_of_three_accounts_whose_refusals_make_no_sense_none_waits_for_ever(
    clients: Clients, repository: Repository
) -> None:
    """Each is refused once, which is enough of one request: it is asked again in seconds, and then knows more."""
    github = await clients.client("ghp_ann", "ghp_bob", "ghp_cy")
    await github.introduce()
    for effect in (PrimaryLimit(), Headers(set={"x-ratelimit-reset": "9" * 12})):
        clients.stand_in.faults.add(effect, times=None, operation="Issues")
    with pytest.raises(RetryLater) as limited:
        await page(github, repository)
    assert limited.value.at - datetime.now(UTC) < timedelta(seconds=6)
    with pytest.raises(RetryLater) as limited:
        await page(github, repository)
    assert limited.value.at - datetime.now(UTC) < HOURS
    assert clients.payers("Issues") == ["ann", "bob", "cy"]


async def test_without_any_header_many_requests_flow(clients: Clients, repository: Repository) -> None:  # noqa: ARG001
    """Nothing is known of a window then, not even from a body, as in REST: the first answers are enough to go on."""
    github = await clients.client("ghp_ann")
    await github.introduce()
    clients.stand_in.faults.add(Headers(drop=DROPPED), times=None)
    first, others = Held(), Held()
    clients.stand_in.faults.add(first, times=5)
    asking = asyncio.gather(*(github.rest("/repos/acme/rocket") for _ in range(30)))
    await eventually(so(lambda: first.waiting == 5))
    clients.stand_in.faults.add(others, times=None)
    first.release()
    await eventually(so(lambda: others.waiting > 10))
    others.release()
    await asking
    entries = asked(clients)
    assert len(entries) == 30
    assert at_once(entries[:5]) <= 5


async def test_a_refusal_for_good_is_told_from_a_limit(clients: Clients, repository: Repository) -> None:
    github = await clients.client("ghp_ann")
    await github.introduce()
    clients.stand_in.faults.add(Forbidden(), operation="Issues")
    with pytest.raises(PartOver) as over:
        await page(github, repository)
    assert over.value.code == "forbidden"
    assert len(asked(clients)) == 1
    assert await page(github, repository) == 5, "and stops nothing else"


async def test_a_query_that_asks_for_too_many_nodes_is_never_asked_again(
    clients: Clients, repository: Repository
) -> None:
    github = await clients.client("ghp_ann", "ghp_bob")
    await github.introduce()

    def refuse(content: dict[str, Any]) -> None:
        message = "This query requests up to 600,000 possible nodes which exceeds the maximum limit of 500,000."
        content.clear()
        content["errors"] = [{"type": "MAX_NODE_LIMIT_EXCEEDED", "message": message}]

    clients.stand_in.faults.add(Edited(refuse), times=None, operation="Issues")
    with pytest.raises(PartOver) as over:
        await page(github, repository)
    assert (over.value.code, over.value.action) == ("query_refused", "this is a bug of ours")
    assert len(asked(clients)) == 1, "nor with another account"


async def test_a_rename_is_followed(clients: Clients, repository: Repository) -> None:
    github = await clients.client("ghp_ann")
    await github.introduce()
    repository.rename("acme/saucer")
    answer = await github.rest("/repos/acme/rocket")
    assert (answer.data["full_name"], answer.data["id"]) == ("acme/saucer", repository.database_id)
    assert [entry.status for entry in asked(clients)] == [301, 200]
    assert answer.cost == 2, "GitHub counts the redirect, too"


async def test_two_workers_keep_under_every_secondary_limit_together(
    clients: Clients, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many requests as they like, by two clients of one account: never more at once, nor more a minute, than GitHub
    allows, and as many at once as are left beside the margin. Numbers and minute are small ones, on both sides."""
    monkeypatch.setattr("budget.account.CONCURRENT", 6)
    monkeypatch.setattr("budget.account.POINTS_A_MINUTE", {"graphql": 12, "core": 8})
    monkeypatch.setattr("budget.account.MINUTE", timedelta(seconds=1))
    limits = Limits(concurrent=6, graphql_per_minute=12, core_per_minute=8, minute_seconds=1)
    clients.stand_in.limits = limits
    first, second = await clients.client("ghp_ann"), await clients.client("ghp_ann_too")
    await first.introduce()
    await second.introduce()
    held = Held()
    clients.stand_in.faults.add(held, times=None)

    async def ask(github: GitHub, number: int) -> None:
        while True:
            try:
                await (page(github, repository) if number % 3 else github.rest("/repos/acme/rocket"))
                return
            except RetryLater as error:
                await asyncio.sleep(max(0.0, (error.at - datetime.now(UTC)).total_seconds()))

    asking = asyncio.gather(*(ask((first, second)[number % 2], number) for number in range(33)))
    await eventually(so(lambda: held.waiting >= 5))
    held.release()
    await asking
    entries = asked(clients)
    assert {entry.status for entry in entries} == {200}
    assert not [entry for entry in entries if entry.errors]
    assert len(entries) == 33
    # A request of each resource may be let in at the same instant: that one more is what the margin is for.
    assert at_once(entries) <= 6


async def test_two_calls_refused_side_by_side_by_an_account_each_are_refused(
    clients: Clients, repository: Repository
) -> None:
    """Each takes the other's account for one that may be allowed; in the end GitHub's word is given, each time."""
    repository.is_private = True
    github = await clients.client("ghp_ann", "ghp_bob")
    await github.introduce()
    clients.stand_in.faults.add(Latency(seconds=0.05), times=None, operation="Issues")
    for _ in range(2):
        ended = await asyncio.gather(*(page(github, repository) for _ in range(4)), return_exceptions=True)
        assert {type(each) for each in ended} == {Gone}
