"""GitHub is away: two workers' clients with the breaker in Postgres, against a stand-in that answers nobody."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic

import aiohttp
import pytest
from aiohttp import web

from budget.breaker import Intervals
from budget.prices import Prices
from errors import BackfillError, RetryLater, RetryNow, TooLarge
from github.client import GitHub
from github.events.archive import Archive, Wanted
from github.threads.pages import read_page
from github.threads.thread_types import THREAD_TYPES
from github.transport import connection
from github.transport.connection import Connection
from github.transport.credentials import App, Credentials
from messages import RepositoryRef
from sandbox.github import StandIn, World
from sandbox.github.faults import (
    BadGateway,
    Effect,
    Fault,
    GatewayTimeout,
    ProxyPage,
    Reset,
    ServerError,
    SomethingWentWrong,
    Truncated,
)
from sandbox.github.faults.outages import Way
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.world.repositories import Repository
from store.availability import SharedBreaker
from store.budgets import Budgets
from store.database import Database
from tests.support.keys import private_key, public_key
from tests.support.serving import serving
from tests.support.waiting import eventually, so

ISSUES = THREAD_TYPES["issues"]
MINUTE = timedelta(seconds=0.05)
"""What a minute is in these tests."""
QUICK = Intervals(
    probe_every=MINUTE,
    probe_takes=timedelta(seconds=2),
    lease=timedelta(seconds=5),
    confirmed_after=MINUTE / 60,
    suspicion=timedelta(seconds=30),
)
SLOW = Intervals(confirmed_after=timedelta(seconds=0.01))


@dataclass
class Scene:
    stack: AsyncExitStack
    database: Database
    github: StandIn
    repository: Repository
    sent: list[float]
    """When each request left, of all workers."""

    async def worker(self, intervals: Intervals = QUICK, *, app: bool = False) -> GitHub:
        """As another worker has it, with its token introduced."""
        url, prices, by_app = self.github.url, Prices(), None
        if app:
            session = await self.stack.enter_async_context(
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1))
            )
            by_app = App(session, url, str(next(iter(self.github.world.apps.values())).database_id), private_key())
        pool = Budgets(self.database, 1, prices)
        breaker = SharedBreaker(self.database, url, intervals)
        credentials = Credentials(() if app else ("ghp_ann",), by_app)
        client = await self.stack.enter_async_context(GitHub(url, f"{url}/graphql", credentials, pool, prices, breaker))
        await client.introduce()
        return client

    async def issues(self, client: GitHub, number: int = 5) -> int:
        ref = RepositoryRef(repository_id="0" * 32, github_id=self.repository.database_id, full_name="acme/rocket")
        read = await read_page(client.on_behalf_of("acme/rocket"), ISSUES, ref, number, None)
        return len(read.page.issues)

    async def rest(self, client: GitHub) -> str:
        answer = await client.on_behalf_of("acme/rocket").rest("/repos/acme/rocket")
        return str(answer.data["full_name"])

    def fail(self, effect: Effect, **how: object) -> Fault:
        return self.github.faults.add(effect, **({"times": None} | how))


@pytest.fixture
async def scene(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    world = World()
    repository = generate(world, Plan("acme/rocket", pull_requests=0, issues=12))
    sent: list[float] = []
    exchange = Connection._exchange

    async def counted(self: Connection, method: str, url: str, body: bytes | None, secret: str) -> object:
        sent.append(monotonic())
        return await exchange(self, method, url, body, secret)

    monkeypatch.setattr(Connection, "_exchange", counted)
    monkeypatch.setattr("github.transport.guard.LOOK_EVERY", 0.02)
    monkeypatch.setattr("github.transport.guard.LOOK_AGAIN", 0.01)
    with StandIn(world, tokens={"ghp_ann": "ann"}) as github:
        async with AsyncExitStack() as stack, Database(database, size=8) as opened:
            yield Scene(stack, opened, github, repository, sent)


class Slice:
    """Asks for pages, one after the other, as the slices of a sweep do; sleeps for as long as it is told."""

    def __init__(self, scene: Scene, client: GitHub, *, by_rest: bool) -> None:
        self._scene, self._client, self._by_rest = scene, client, by_rest
        self.lost: list[BackfillError] = []
        """What would have counted as an attempt."""
        self.waits: list[RetryLater] = []
        self.answered_at: list[float] = []

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await (self._scene.rest(self._client) if self._by_rest else self._scene.issues(self._client))
                self.answered_at.append(monotonic())
                await asyncio.sleep(0.02)
            except RetryLater as error:
                self.waits.append(error)
                await asyncio.sleep(max(0.0, (error.at - datetime.now(UTC)).total_seconds()))
            except BackfillError as error:
                self.lost.append(error)


REASONS: dict[Way, set[str]] = {
    "502": {"502", "its connections break"},
    "refused": {"it cannot be reached", "its connections break"},
    "hangs": {"it does not answer in time", "its connections break"},
    "endless": {"it does not answer in time", "its connections break"},
}
"""What breaks connections is the outage's beginning."""


@pytest.mark.parametrize("way", REASONS)
async def test_while_github_answers_nobody_workers_share_a_probe_and_lose_no_attempt(
    way: Way, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ninety minutes, of a twentieth of a second each; then everything goes on."""
    if way in ("hangs", "endless"):
        monkeypatch.setattr(connection, "TIMEOUT_SECONDS", 5)
    first, second = await scene.worker(), await scene.worker()
    slices = [Slice(scene, each, by_rest=by_rest) for each in (first, second) for by_rest in (False, True)]
    stop = asyncio.Event()
    running = [asyncio.create_task(each.run(stop)) for each in slices]
    try:
        await eventually(so(lambda: all(each.answered_at for each in slices)))
        await asyncio.to_thread(scene.github.begin_outage, way)
        gone = monotonic()
        over = gone + 90 * MINUTE.total_seconds()
        await eventually(so(lambda: monotonic() > over and all(each.waits for each in slices)))
        meanwhile = len([each for each in scene.sent if each > gone])
        await asyncio.to_thread(scene.github.end_outage)
        back = monotonic()
        await eventually(so(lambda: all(each.answered_at[-1] > back for each in slices)))
    finally:
        stop.set()
        await asyncio.gather(*running)

    assert [each.lost for each in slices] == [[]] * len(slices)
    assert meanwhile <= 100
    waits = [wait for each in slices for wait in each.waits]
    assert {(each.code, each.waits_for) for each in waits} == {("github_away", "github_away")}
    # One API alone is named where the other's last answer came after the first failure.
    name = r"GitHub(?:'s (?:GraphQL|REST) API)?"
    words = [re.fullmatch(rf"{name} is away since \d\d:\d\d UTC \((.*)\)", each.message) for each in waits]
    assert {each[1] if each else "" for each in words} <= REASONS[way]


@pytest.mark.parametrize(
    ("effect", "reason"),
    [
        (ServerError(500), "500"),
        (ServerError(503), "503"),
        (GatewayTimeout(), "504"),
        (ProxyPage(421), "421"),
        (ProxyPage(405), "405"),
        (Reset(), "its connections break"),
        (Truncated(), "its answers are cut short"),
        (SomethingWentWrong(), "it finishes nothing"),
    ],
    ids=["500", "503", "504", "421", "a proxy's page", "reset", "half an answer", "nothing inside 200"],
)
async def test_whatever_is_no_answer_counts(scene: Scene, effect: Effect, reason: str) -> None:
    client = await scene.worker(SLOW)
    scene.fail(effect)
    sent = len(scene.sent)
    with pytest.raises(RetryLater) as waits:
        await scene.issues(client)
    assert re.fullmatch(rf"GitHub is away since \d\d:\d\d UTC \({reason}\)", waits.value.message)
    assert len(scene.sent) - sent == 3, "the request and two probes"


async def test_a_page_that_is_too_large_is_no_outage(scene: Scene) -> None:
    client = await scene.worker(SLOW)
    scene.fail(BadGateway(), operation="Issues", page_over=5)
    for _ in range(5):
        with pytest.raises(TooLarge):
            await scene.issues(client, 10)
    assert await scene.issues(client, 5) == 5
    assert await scene.rest(client) == "acme/rocket"


@pytest.mark.parametrize("status", [500, 502])
async def test_a_route_that_always_fails_is_no_outage(scene: Scene, status: int) -> None:
    client = await scene.worker(SLOW)
    scene.fail(ServerError(status), path="/repos/acme/rocket*")
    for _ in range(5):
        with pytest.raises(RetryNow, match=f"http_{status}"):
            await scene.rest(client)
    assert await scene.issues(client) == 5


async def test_a_moment_of_two_failures_is_no_outage(scene: Scene) -> None:
    client = await scene.worker(SLOW)
    scene.fail(BadGateway(), times=2)
    with pytest.raises(TooLarge):
        await scene.issues(client)
    assert await scene.issues(client) == 5


@pytest.mark.parametrize(("away", "name"), [("graphql", "GitHub's GraphQL API"), ("rest", "GitHub's REST API")])
async def test_where_one_api_is_away_the_other_goes_on_and_it_says_which(scene: Scene, away: str, name: str) -> None:
    client = await scene.worker(SLOW)
    scene.fail(BadGateway(), kind=away)
    there, gone = (scene.rest, scene.issues) if away == "graphql" else (scene.issues, scene.rest)
    for _ in range(3):
        with pytest.raises(RetryLater) as waits:
            await gone(client)
        assert await there(client)
    assert re.fullmatch(rf"{name} is away since \d\d:\d\d UTC \(502\)", waits.value.message)
    assert timedelta(seconds=50) < waits.value.at - datetime.now(UTC) <= timedelta(seconds=60)


async def test_a_worker_that_comes_while_github_is_away_sends_nothing(scene: Scene) -> None:
    client = await scene.worker(SLOW)
    scene.fail(BadGateway())
    with pytest.raises(RetryLater):
        await scene.issues(client)
    sent = len(scene.sent)
    with pytest.raises(RetryLater, match="GitHub is away since"):
        await scene.worker(SLOW)
    assert len(scene.sent) == sent


async def test_a_worker_that_is_killed_while_it_probes_blocks_nobody(scene: Scene) -> None:
    intervals = Intervals(probe_every=timedelta(seconds=1), lease=timedelta(seconds=5), confirmed_after=timedelta(0))
    client = await scene.worker(intervals)
    scene.fail(BadGateway())
    with pytest.raises(RetryLater):
        await scene.issues(client)
    scene.github.faults.clear()
    killed = SharedBreaker(scene.database, scene.github.url, intervals)
    while (verdict := await killed.admit("graphql")).do == "away":  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    assert verdict.do == "probe"
    assert (await killed.admit("graphql")).do == "wait"
    assert await scene.issues(client) == 5, "after the lease"


async def test_an_app_whose_tokens_cannot_be_made_waits_too(scene: Scene) -> None:
    scene.github.world.add_app(public_key()).install("acme")
    client = await scene.worker(SLOW, app=True)
    assert await scene.issues(client) == 5
    await asyncio.to_thread(scene.github.begin_outage, "refused")
    again = await anew(scene)
    with pytest.raises(RetryLater) as waits:
        await scene.issues(again)
    assert waits.value.waits_for == "github_away"


async def anew(scene: Scene) -> GitHub:
    """A worker that has made no token yet."""
    session = await scene.stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)))
    url, prices = scene.github.url, Prices()
    app = App(session, url, str(next(iter(scene.github.world.apps.values())).database_id), private_key())
    breaker = SharedBreaker(scene.database, url, SLOW)
    pool = Budgets(scene.database, 1, prices)
    return await scene.stack.enter_async_context(
        GitHub(url, f"{url}/graphql", Credentials((), app), pool, prices, breaker)
    )


# --- GH Archive, which is another server


@asynccontextmanager
async def archive(scene: Scene, status: Callable[[str], int]) -> AsyncIterator[Archive]:
    """An archive that answers a file, by name, with this status."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status(request.path))

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    async with serving(application) as url, Archive(url, SharedBreaker(scene.database, url, SLOW)) as opened:
        yield opened


HOUR = datetime(2026, 3, 1, 9, tzinfo=UTC)


async def test_an_archive_that_answers_nobody_is_waited_for_and_github_is_not(scene: Scene) -> None:
    client = await scene.worker(SLOW)
    async with archive(scene, lambda _path: 503) as opened:
        for _ in range(2):
            with pytest.raises(RetryLater, match=r"GH Archive is away since \d\d:\d\d UTC \(503\)"):
                await opened.read(HOUR, Wanted(frozenset({77}), None))
    assert await scene.issues(client) == 5


async def test_one_file_that_always_fails_is_no_outage_of_the_archive(scene: Scene) -> None:
    async with archive(scene, lambda path: 500 if path.endswith("2026-03-01-9.json.gz") else 404) as opened:
        for _ in range(4):
            with pytest.raises(RetryNow, match="http_500"):
                await opened.read(HOUR, Wanted(frozenset({77}), None))
        assert await opened.read(HOUR + timedelta(hours=1), Wanted(frozenset({77}), None)) is None
