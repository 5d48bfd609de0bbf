"""Who we are towards GitHub: the order of credentials; tokens of installations made, shared, renewed and lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import aiohttp
import orjson
import pytest
from structlog.testing import capture_logs

import logs
from errors import JobOver, PartOver, RetryLater, RetryNow
from github.transport import credentials as module
from github.transport.credentials import App, Credentials, Token
from sandbox.github import Clock, StandIn, World
from sandbox.github.exchange.requests import Reply, Request
from sandbox.github.faults import Effect, Hang, Headers, PrimaryLimit, Reset, SecondaryLimit, ServerError, Truncated
from sandbox.github.world import apps
from sandbox.ports import LOOPBACK, free_port
from tests.support.keys import private_key, public_key
from tests.support.waiting import PATIENCE

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LISTS, CREATES = "/app/installations?", "/access_tokens"


@pytest.fixture
def world() -> World:
    return World(Clock(START, stopped=True))


@pytest.fixture
def app(world: World) -> apps.App:
    return world.add_app(public_key())


@pytest.fixture
def github(world: World) -> Iterator[StandIn]:
    with StandIn(world, tokens={"ghp_ann": "ann", "ghp_bob": "bob"}) as github:
        yield github


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
        yield session


@pytest.fixture
def credentials(session: aiohttp.ClientSession, github: StandIn, app: apps.App) -> Credentials:
    """Of the App alone. Their clock runs with the stand-in's, and nearly a year behind it at the first request."""
    return made(session, github, app)


def made(session: aiohttp.ClientSession, github: StandIn, app: apps.App, *tokens: str) -> Credentials:
    clock = github.world.clock
    number = str(app.database_id)
    return Credentials(tokens, App(session, github.url, number, private_key(), clock=lambda: clock.now().timestamp()))


def asked(github: StandIn, what: str) -> list[int]:
    """The statuses of the answers to requests of this kind."""
    return [entry.status for entry in github.log if what in entry.path]


def labels(found: object) -> list[str]:
    assert isinstance(found, tuple)
    return [each.label for each in found]


async def status_of(github: StandIn, session: aiohttp.ClientSession, secret: str) -> int:
    """What GitHub answers to a request with it."""
    header = {"Authorization": f"Bearer {secret}"}
    async with session.post(f"{github.url}/graphql", json={"query": "{ viewer { login } }"}, headers=header) as answer:
        return answer.status


async def test_an_installation_is_found_and_its_token_is_taken(
    credentials: Credentials, github: StandIn, app: apps.App, session: aiohttp.ClientSession
) -> None:
    installation = app.install("Acme")
    (found,) = await credentials.of("ACME")
    assert (found.label, found.account) == ("installation of Acme", installation.payer)
    assert await status_of(github, session, await found.secret()) == 200
    assert github.log[-1].account == found.account


async def test_the_best_come_first(session: aiohttp.ClientSession, github: StandIn, app: apps.App) -> None:
    for owner in ("zeta", "acme"):
        app.install(owner)
    credentials = made(session, github, app, "ghp_ann", "ghp_bob")
    tokens = ["token 1 of 2", "token 2 of 2"]
    assert labels(await credentials.of("acme")) == ["installation of acme", *tokens, "installation of zeta"]
    assert labels(await credentials.of("zeta")) == ["installation of zeta", *tokens, "installation of acme"]
    assert labels(await credentials.of("other"))[:2] == labels(await credentials.of(None))[:2] == tokens
    assert [each.account for each in await credentials.of(None)][:2] == [None, None]


async def test_tokens_alone() -> None:
    (token,) = await Credentials(("ghp_ann",)).of("acme")
    assert isinstance(token, Token)
    assert await token.secret() == "ghp_ann"


async def test_nobody_who_could_ask_is_a_named_failure(credentials: Credentials, app: apps.App) -> None:
    assert app.installations == {}
    with pytest.raises(PartOver, match="no installation of the GitHub App can be used for acme") as over:
        await credentials.of("acme")
    assert over.value.code == "forbidden"
    assert "install the App for acme" in over.value.action


@pytest.mark.parametrize("wrong", ["key", "id"])
async def test_an_app_that_is_not_accepted(
    session: aiohttp.ClientSession, github: StandIn, app: apps.App, wrong: str
) -> None:
    number, key = ("1", private_key()) if wrong == "id" else (str(app.database_id), private_key("another"))
    with pytest.raises(JobOver) as over:
        await Credentials(("ghp_ann",), App(session, github.url, number, key)).of("acme")
    assert over.value.code == "unauthorized"
    assert "GITHUB_APP_ID" in over.value.action
    assert "GITHUB_APP_PRIVATE_KEY" in over.value.action


@pytest.mark.parametrize("minutes", [-20, 20])
async def test_a_clock_that_is_wrong_costs_one_request(
    session: aiohttp.ClientSession, github: StandIn, app: apps.App, minutes: int
) -> None:
    """GitHub's date decides from its first answer on, for what is signed and for what is renewed."""
    github.world.clock.set(datetime.now(UTC) + timedelta(minutes=minutes))
    app.install("acme")
    credentials = Credentials(app=App(session, github.url, str(app.database_id), private_key()))
    (found,) = await credentials.of("acme")
    assert await found.secret() == await found.secret()
    assert (asked(github, LISTS), asked(github, CREATES)) == ([401, 200], [201])


async def test_a_clock_that_is_a_little_fast_costs_nothing(
    session: aiohttp.ClientSession, github: StandIn, app: apps.App
) -> None:
    github.world.clock.set(datetime.now(UTC) - timedelta(seconds=50))
    app.install("acme")
    await Credentials(app=App(session, github.url, str(app.database_id), private_key())).of("acme")
    assert asked(github, LISTS) == [200]


async def test_a_token_is_used_until_near_its_end(
    credentials: Credentials, github: StandIn, app: apps.App, session: aiohttp.ClientSession
) -> None:
    app.install("acme")
    (found,) = await credentials.of("acme")
    first = await found.secret()
    github.world.clock.advance(3_600 - module.RENEWED_BEFORE - 1)
    assert await found.secret() == first
    github.world.clock.advance(1)
    second = await found.secret()
    assert second != first
    assert await found.secret() == second
    assert [await status_of(github, session, each) for each in (first, second)] == [200, 200]
    assert asked(github, CREATES) == [201, 201]


async def test_a_token_that_lives_for_seconds(credentials: Credentials, github: StandIn, app: apps.App) -> None:
    app.token_seconds = 8
    app.install("acme")
    (found,) = await credentials.of("acme")
    first = await found.secret()
    github.world.clock.advance(3)
    assert await found.secret() == first
    github.world.clock.advance(1)
    assert await found.secret() != first


async def test_all_who_ask_at_once_share_one_creation(credentials: Credentials, github: StandIn, app: apps.App) -> None:
    app.install("acme")
    (found,) = await credentials.of("acme")
    askers = [asyncio.create_task(found.secret()) for _ in range(20)]
    await asyncio.sleep(0)
    askers[0].cancel()
    secrets = await asyncio.gather(*askers, return_exceptions=True)
    assert isinstance(secrets[0], asyncio.CancelledError)
    assert len(set(secrets[1:])) == 1
    assert asked(github, CREATES) == [201]


async def test_all_who_ask_at_once_share_one_failure(credentials: Credentials, github: StandIn, app: apps.App) -> None:
    app.install("acme")
    (found,) = await credentials.of("acme")
    github.faults.add(ServerError(502), path=f"*{CREATES}")
    failures = await asyncio.gather(*(found.secret() for _ in range(20)), return_exceptions=True)
    assert {type(each) for each in failures} == {RetryNow}
    assert asked(github, CREATES) == [502]
    assert await found.secret()


async def test_all_who_ask_at_once_share_one_list(credentials: Credentials, github: StandIn, app: apps.App) -> None:
    app.install("acme")
    found = await asyncio.gather(*(credentials.of(owner) for owner in ("acme", "other", None) * 5))
    assert {each.label for every in found for each in every} == {"installation of acme"}
    assert asked(github, LISTS) == [401, 200]


async def test_all_who_ask_at_once_share_a_list_that_fails(
    credentials: Credentials, github: StandIn, app: apps.App
) -> None:
    app.install("acme")
    github.faults.add(ServerError(502), path=f"{LISTS}*", when=lambda request: request.app is not None)
    failures = await asyncio.gather(*(credentials.of("acme") for _ in range(20)), return_exceptions=True)
    assert {type(each) for each in failures} == {RetryNow}
    assert asked(github, LISTS) == [401, 502]
    assert await credentials.of("acme")


async def test_a_token_that_is_refused_is_made_anew(
    credentials: Credentials, github: StandIn, app: apps.App, session: aiohttp.ClientSession
) -> None:
    app.install("acme")
    (found,) = await credentials.of("acme")
    first = await found.secret()
    github.refuse_token(first)
    assert await status_of(github, session, first) == 401
    await credentials.refused(found, first)
    second = await found.secret()
    assert await status_of(github, session, second) == 200
    # A second request that was under way with the first token hears its 401 late.
    await credentials.refused(found, first)
    assert await found.secret() == second
    await credentials.refused(found)
    assert await found.secret() not in (first, second)


async def test_a_refused_token_of_the_settings_stays() -> None:
    credentials = Credentials(("ghp_ann",))
    (token,) = await credentials.of(None)
    await credentials.refused(token)
    assert await token.secret() == "ghp_ann"


@pytest.mark.parametrize("end", ["suspend", "uninstall"])
async def test_an_installation_that_ends_is_set_aside(
    session: aiohttp.ClientSession, github: StandIn, app: apps.App, end: str
) -> None:
    installation = app.install("acme")
    credentials = made(session, github, app, "ghp_ann")
    found = (await credentials.of("acme"))[0]
    secret = await found.secret()
    getattr(installation, end)()
    assert await status_of(github, session, secret) in (401, 403)
    await credentials.refused(found, secret)
    with capture_logs() as lines, pytest.raises(RetryNow) as retry:
        await found.secret()
    assert retry.value.code == "set_aside"
    assert [(line["log_level"], line["credential"]) for line in lines] == [("warning", "installation of acme")]
    assert labels(await credentials.of("acme")) == ["token 1 of 1"]
    if end == "suspend":
        installation.unsuspend()
    else:
        app.install("acme")
    assert labels(await credentials.of("acme")) == ["token 1 of 1"], "what was listed is believed for a while"
    github.world.clock.advance(module.LISTED_AGAIN_AFTER)
    again = (await credentials.of("acme"))[0]
    assert await status_of(github, session, await again.secret()) == 200


async def test_an_installation_that_is_listed_as_suspended(
    session: aiohttp.ClientSession, github: StandIn, app: apps.App
) -> None:
    app.install("acme").suspend()
    credentials = made(session, github, app, "ghp_ann")
    with capture_logs() as lines:
        assert labels(await credentials.of("acme")) == ["token 1 of 1"]
    assert "installation of acme" in [line.get("credential") for line in lines]
    assert asked(github, CREATES) == []


async def test_an_unknown_owner_is_looked_for_and_remembered(
    credentials: Credentials, github: StandIn, app: apps.App
) -> None:
    app.install("acme")
    for _ in range(3):
        assert labels(await credentials.of("newcomer")) == ["installation of acme"]
    app.install("newcomer")
    github.world.clock.advance(module.LISTED_AGAIN_AFTER - 1)
    assert labels(await credentials.of("newcomer")) == ["installation of acme"]
    github.log.clear()
    github.world.clock.advance(1)
    assert labels(await credentials.of("acme")) == ["installation of acme"]
    assert github.log == [], "an owner that is known needs no list"
    assert labels(await credentials.of("newcomer")) == ["installation of newcomer", "installation of acme"]
    assert asked(github, LISTS) == [200]


async def test_an_owner_that_is_renamed_keeps_the_token(
    credentials: Credentials, github: StandIn, app: apps.App
) -> None:
    installation = app.install("acme")
    (before,) = await credentials.of("acme")
    secret = await before.secret()
    installation.account.rename("acme-inc")
    github.world.clock.advance(module.LISTED_AGAIN_AFTER)
    (after,) = await credentials.of("acme-inc")
    assert (after, after.label) == (before, "installation of acme-inc")
    assert await after.secret() == secret


async def test_a_list_of_many_pages(credentials: Credentials, github: StandIn, app: apps.App) -> None:
    for number in range(205):
        app.install(f"owner-{number}")
    found = await credentials.of("owner-204")
    assert (len(found), found[0].label) == (205, "installation of owner-204")
    assert asked(github, LISTS) == [401, 200, 200, 200]


class Enterprise(Effect):
    """The first installation that is listed is an enterprise's, which has no login."""

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        first, *others = orjson.loads(reply.body)
        reply.body = orjson.dumps([first | {"account": {"id": 5, "slug": request.id}}, *others])
        return reply


async def test_an_installation_of_an_enterprise_is_passed_over(
    credentials: Credentials, github: StandIn, app: apps.App
) -> None:
    for owner in ("acme", "other"):
        app.install(owner)
    github.faults.add(Enterprise(), path=f"{LISTS}*", when=lambda request: request.app is not None)
    assert labels(await credentials.of("acme")) == ["installation of other"]


@pytest.mark.parametrize("path", [f"{LISTS}*", f"*{CREATES}"])
@pytest.mark.parametrize(
    ("effect", "code"),
    [
        (ServerError(500), "http_500"),
        (ServerError(503), "http_503"),
        (Reset(), "connection"),
        (Truncated(), "bad_answer"),
    ],
    ids=lambda each: type(each).__name__ if not isinstance(each, str) else each,
)
async def test_what_passes_is_asked_again(
    credentials: Credentials, github: StandIn, app: apps.App, path: str, effect: Effect, code: str
) -> None:
    app.install("acme")
    # Past the claim of time that is refused at the first request.
    await credentials.of(None)
    github.world.clock.advance(module.LISTED_AGAIN_AFTER)
    app.install("other")
    github.faults.add(effect, path=path)
    with pytest.raises(RetryNow) as retry:
        await (await credentials.of("other"))[0].secret()
    assert retry.value.code == code
    assert await (await credentials.of("other"))[0].secret()


@pytest.mark.parametrize("path", [f"{LISTS}*", f"*{CREATES}"])
async def test_an_answer_that_never_comes_is_asked_for_again(github: StandIn, app: apps.App, path: str) -> None:
    app.install("acme")

    async def patiently(credentials: Credentials) -> str:
        """A stand-in that is starved may be late, too: its answer is asked for again."""
        while True:
            with contextlib.suppress(RetryNow):
                return await (await credentials.of("acme"))[0].secret()

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5)) as hasty:
        credentials = made(hasty, github, app)
        await patiently(credentials)
        github.world.clock.advance(3_600)
        app.install("other")
        hang = github.faults.add(Hang(), path=path)
        with pytest.raises(RetryNow) as retry:
            await (await credentials.of("other"))[0].secret()
        assert retry.value.code == "timeout"
        assert hang.hits == 1
        assert await patiently(credentials)


async def test_an_answer_without_a_date_leaves_the_time_as_last_heard(
    credentials: Credentials, github: StandIn, app: apps.App
) -> None:
    app.install("acme")
    (found,) = await credentials.of("acme")
    github.faults.add(Headers(drop=("Date",)), times=None)
    first = await found.secret()
    github.world.clock.advance(3_600)
    assert await found.secret() != first
    assert asked(github, CREATES) == [201, 201]


async def test_a_github_that_is_not_there(session: aiohttp.ClientSession) -> None:
    credentials = Credentials(app=App(session, f"http://{LOOPBACK}:{free_port()}", "1", private_key()))
    with pytest.raises(RetryNow) as retry:
        await credentials.of("acme")
    assert retry.value.code == "unreachable"


@pytest.mark.parametrize(
    ("effect", "seconds"),
    [(SecondaryLimit(retry_after=7), 7), (SecondaryLimit(retry_after=None), 60), (PrimaryLimit(), 3_600)],
)
async def test_a_limit_is_waited_for(
    credentials: Credentials, github: StandIn, app: apps.App, effect: Effect, seconds: float
) -> None:
    app.install("acme")
    (found,) = await credentials.of("acme")
    github.faults.add(effect, path=f"*{CREATES}")
    began, wait, slack = datetime.now(UTC), timedelta(seconds=seconds), timedelta(seconds=2)
    with pytest.raises(RetryLater) as later:
        await found.secret()
    assert later.value.code == "rate_limited"
    assert began + wait - slack < later.value.at < datetime.now(UTC) + wait + slack


async def test_no_secret_is_shown(session: aiohttp.ClientSession, github: StandIn, app: apps.App) -> None:
    """Neither in lines, before they are redacted, nor in errors, nor in what a debugger prints."""
    token, key = "ghp_ann", private_key()
    installation = app.install("acme")
    credentials = made(session, github, app, token)
    shown: list[object] = []
    with capture_logs() as lines:
        for effect in (ServerError(500), Reset(), Truncated(), SecondaryLimit()):
            github.faults.add(effect, path=f"*{CREATES}")
            with pytest.raises((RetryNow, RetryLater)) as failure:
                await (await credentials.of("acme"))[0].secret()
            shown.append(repr(failure.value))
        found = await credentials.of("acme")
        secret = await found[0].secret()
        assert logs.redact(f"it is {secret[4:]}, {secret}") == f"it is {secret[4:]}, {logs.REDACTED}"
        installation.suspend()
        await credentials.refused(found[0])
        with pytest.raises(RetryNow) as failure:
            await found[0].secret()
        shown.append(repr(failure.value))
        with pytest.raises(JobOver) as over:
            await Credentials(app=App(session, github.url, "1", key)).of("acme")
        shown.append(repr(over.value))
    text = repr((shown, lines, found, credentials))
    for hidden in (token, secret, *key.splitlines(), "eyJ"):
        assert hidden not in text
    assert logs.redact(f"{key!r} {token}") == f"'{logs.REDACTED}' {logs.REDACTED}"


async def test_a_dead_token_is_no_secret_any_more(credentials: Credentials, github: StandIn, app: apps.App) -> None:
    """What is looked for in every line does not grow with the hours."""
    installation, before = app.install("acme"), len(logs._secrets)
    (found,) = await credentials.of("acme")
    await found.secret()
    once = len(logs._secrets)
    for _ in range(3):
        github.world.clock.advance(3_600)
        await found.secret()
    assert len(logs._secrets) == once > before
    installation.uninstall()
    app.install("other")
    await credentials.of("other")
    assert len(logs._secrets) == before
