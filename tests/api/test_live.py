"""A job as server-sent events: a reader ends with what the database has, whatever happened on the way."""

import asyncio
import json
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import live, server, watched_jobs
from api.access import Access
from api.jobs import MOVING
from api.live import LiveJobs
from api.tokens import ServiceToken, UserTokens
from messages import DataType, Pace
from store import job_requests, job_start
from store.database import Database
from tests.support import shop
from tests.support.api import world
from tests.support.pooler import pooling
from tests.support.serving import serving
from tests.support.thoroughness import examples
from tests.support.waiting import PATIENCE, eventually, so

DATA_TYPES: tuple[DataType, ...] = ("pull_requests", "issues")


@pytest.fixture(scope="module")
async def pool(database: str) -> AsyncIterator[Database]:
    async with Database(database) as pool:
        yield pool


@dataclass
class Served:
    """The API with its streams, over real HTTP."""

    pool: Database
    live: LiveJobs
    url: str = ""


@asynccontextmanager
async def streaming(pool: Database, *, polling: bool = True) -> AsyncIterator[Served]:
    served, stop = Served(pool, LiveJobs(pool)), asyncio.Event()
    access = Access(UserTokens(world.SECRET, None), ServiceToken(world.SERVICE))
    api = server.application(pool, access, lambda: None, more=served.live.routes)
    api.on_shutdown.append(served.live.close)
    app = web.Application()
    app.add_subapp(server.PREFIX, api)
    async with asyncio.TaskGroup() as loops, serving(app) as served.url:
        if polling:
            loops.create_task(served.live.run(stop))
        try:
            yield served
        finally:
            stop.set()


@pytest.fixture(scope="module")
async def served(pool: Database) -> AsyncIterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watched_jobs, "INTERVAL_SECONDS", 0.01)
        async with streaming(pool) as served:
            yield served


@pytest.fixture(scope="module")
async def unpolled(pool: Database) -> AsyncIterator[Served]:
    """The same, but polls only when it is told to."""
    async with streaming(pool, polling=False) as served:
        yield served


class Client:
    """Keeps a job as its events tell it, as a page would."""

    def __init__(self, url: str, job_id: str, token: str = world.SERVICE) -> None:
        self._url = f"{url}/api/backfills/{job_id}/events"
        self._headers = world.bearer(token)
        self.job: dict[str, Any] | None = None
        self.repositories: dict[str, Any] = {}
        self.version: str | None = None
        self.seen: list[str] = []
        self.end: dict[str, Any] | None = None
        self.status: int | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Client":
        self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    def connect(self) -> None:
        self._task = asyncio.create_task(self._read())

    async def cut(self) -> None:
        """As when a connection breaks."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def has_seen(self, kind: str, times: int) -> bool:
        return self.seen.count(kind) >= times

    @property
    def connected(self) -> bool:
        return self._task is not None and not self._task.done()

    async def done(self) -> None:
        """The server has closed the stream."""
        assert self._task is not None
        await asyncio.wait_for(self._task, PATIENCE)

    async def shows(self, true: Callable[[dict[str, Any]], bool]) -> None:
        await eventually(so(lambda: self.job is not None and true(self.view)))

    async def opened(self) -> None:
        await eventually(so(lambda: self.job is not None))

    @property
    def view(self) -> dict[str, Any]:
        assert self.job is not None
        repositories = sorted(self.repositories.values(), key=lambda each: str(each["full_name"]))
        return self.job | {"repositories": repositories}

    async def _read(self) -> None:
        headers = self._headers | ({"Last-Event-ID": self.version} if self.version else {})
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self._url, headers=headers) as answer:
            self.status = answer.status
            event: dict[str, str] = {}
            async for line in answer.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    event[name] = value
                elif "data" in event:
                    self._take(event.pop("event"), json.loads(event.pop("data")), event.pop("id", None))

    def _take(self, kind: str, data: dict[str, Any], version: str | None) -> None:
        self.seen.append(kind)
        match kind:
            case "snapshot":
                self.job = dict(data["job"])
                self.repositories = {each["repository_id"]: each for each in self.job.pop("repositories")}
                assert data["version"] == version
            case "repository":
                self.repositories[data["repository_id"]] = data
            case "removed":
                del self.repositories[data["repository_id"]]
            case "job":
                self.job = data
            case "end":
                self.end = data
        self.version = version or self.version


async def read(served: Served, job_id: str) -> tuple[dict[str, Any], str]:
    """What a read of the same job answers, and its ETag."""
    url = f"{served.url}/api/backfills/{job_id}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=world.bearer(world.SERVICE)) as answer:
        return await answer.json(), answer.headers["ETag"].removeprefix("W/").strip('"')


def lasting(view: dict[str, Any]) -> dict[str, Any]:
    """Without what moves with the clock alone."""
    return {name: value for name, value in view.items() if name not in MOVING}


async def create(host: asyncpg.Connection, pool: Database, *names: str, begun: bool = True) -> str:
    workspace = await shop.workspace(host, await shop.buyer(host), *(names or ("octo/a", "octo/b", "octo/c")))
    async with pool.transaction() as connection:
        job_id = await job_requests.ask_for(
            connection, workspace=workspace, retention_days=365, data_types=DATA_TYPES, actor=shop.OPERATOR
        )
        if begun:
            await job_start.begin(connection, job_id, Pace())
    return job_id


async def sweep(connection: asyncpg.Connection, job_id: str, repository: str, stored: int) -> None:
    """What the commit of a page changes that people see."""
    await connection.execute(
        """
        insert into backfill_sweeps (backfill_job_id, repository_id, data_type, status, counts, expected)
        select $1, id, 'issues', 'in_progress', jsonb_build_object('issues', $3::int), 1000
        from repositories where full_name = $2
        on conflict (backfill_job_id, repository_id, data_type) do update set counts = excluded.counts
        """,
        job_id,
        repository,
        stored,
    )


async def finish(connection: asyncpg.Connection, job_id: str, status: str = "completed") -> None:
    await connection.execute(
        "update workspace_backfill_jobs set status = $2, completed_at = now() where id = $1", job_id, status
    )


async def test_a_snapshot_is_what_a_read_answers_and_changes_follow_as_whole_rows(
    served: Served, host: asyncpg.Connection
) -> None:
    job_id = await create(host, served.pool)
    async with Client(served.url, job_id) as client:
        await client.shows(lambda view: view["status"] == "in_progress")
        assert lasting(client.view) == lasting((await read(served, job_id))[0])
        version = client.version
        await sweep(host, job_id, "octo/b", 7)
        await client.shows(lambda view: view["repositories"][1]["types"][1]["stored"] == 7)
        await eventually(so(lambda: client.version != version))
        assert client.seen == ["snapshot", "repository", "job"]
        answer, etag = await read(served, job_id)
        assert (lasting(client.view), client.version) == (lasting(answer), etag)


async def test_it_ends_with_the_job_and_does_not_begin_again_until_it_is_retried(
    served: Served, host: asyncpg.Connection
) -> None:
    job_id = await create(host, served.pool)
    async with Client(served.url, job_id) as client:
        await client.shows(lambda view: view["status"] == "in_progress")
        await finish(host, job_id, "failed")
        await client.done()
        assert client.end == {"reason": "job_ended", "status": "failed", "attempt": 0}
        assert client.view["status"] == "failed"
        client.connect()
        await client.done()
        assert client.status == 204
        async with served.pool.transaction() as connection:
            await job_requests.ask_again(connection, job_id, actor=shop.OPERATOR)
        client.connect()
        await client.shows(lambda view: view["status"] == "pending" and view["attempt"] == 1)
        assert client.seen.count("end") == 1


async def test_whoever_opens_a_stream_after_a_retry_is_not_shown_the_end_before_it(
    unpolled: Served, host: asyncpg.Connection
) -> None:
    job_id = await create(host, unpolled.pool)
    async with Client(unpolled.url, job_id) as stays:
        await stays.opened()
        await finish(host, job_id, "failed")
        await unpolled.live.poll()
        async with unpolled.pool.transaction() as connection:
            await job_requests.ask_again(connection, job_id, actor=shop.OPERATOR)
        async with Client(unpolled.url, job_id) as client:
            await client.shows(lambda view: view["attempt"] == 1)
            assert (client.seen, client.end) == (["snapshot"], None)


async def test_a_retry_between_two_polls_ends_no_stream(unpolled: Served, host: asyncpg.Connection) -> None:
    job_id = await create(host, unpolled.pool)
    async with Client(unpolled.url, job_id) as client:
        await client.opened()
        await finish(host, job_id, "failed")
        async with unpolled.pool.transaction() as connection:
            await job_requests.ask_again(connection, job_id, actor=shop.OPERATOR)
        await unpolled.live.poll()
        await client.shows(lambda view: view["attempt"] == 1)
        assert client.end is None


async def test_who_comes_back_gets_what_has_changed_since_and_nothing_that_he_has(
    served: Served, host: asyncpg.Connection
) -> None:
    job_id = await create(host, served.pool)
    async with Client(served.url, job_id) as stays, Client(served.url, job_id) as client:
        await client.opened()
        await client.cut()
        await sweep(host, job_id, "octo/a", 1)
        await stays.shows(lambda view: view["repositories"][0]["types"][1]["stored"] == 1)
        client.connect()
        await eventually(so(lambda: client.version == stays.version))
        assert client.seen == ["snapshot", "repository", "job"]
        assert lasting(client.view) == lasting((await read(served, job_id))[0])


async def test_a_version_of_another_process_gets_a_snapshot(served: Served, host: asyncpg.Connection) -> None:
    job_id = await create(host, served.pool)
    async with Client(served.url, job_id) as client:
        await client.opened()
        await client.cut()
        client.version = "of another process"
        client.connect()
        await eventually(so(lambda: client.seen == ["snapshot", "snapshot"]))


async def test_repositories_that_leave_and_come_before_the_job_begins_are_followed(
    served: Served, host: asyncpg.Connection
) -> None:
    job_id = await create(host, served.pool, begun=False)
    await shop.workspace(host, await shop.buyer(host), "octo/d")
    await host.execute("update repositories set name = name")  # all of one transaction

    async def listed(statement: str, expected: list[str]) -> None:
        await host.execute(statement)
        await client.shows(lambda view: [each["full_name"] for each in view["repositories"]] == expected)

    named = "(select id from repositories where full_name = 'octo/{}')".format
    async with Client(served.url, job_id) as client:
        await client.opened()
        await listed(f"delete from workspace_repositories where repository_id = {named('b')}", ["octo/a", "octo/c"])
        assert client.seen[:2] == ["snapshot", "removed"]
        await listed(
            f"update workspace_repositories set repository_id = {named('d')} where repository_id = {named('c')}",
            ["octo/a", "octo/d"],
        )


async def test_a_job_that_is_deleted_ends_its_streams(served: Served, host: asyncpg.Connection) -> None:
    job_id = await create(host, served.pool)
    async with Client(served.url, job_id) as client:
        await client.opened()
        await host.execute("delete from workspace_backfill_jobs")
        await client.done()
        assert client.end == {"reason": "job_deleted"}


ALONE = {
    "a page": "update backfill_sweeps set expected = 5",
    "a type that failed": """update backfill_sweeps set error = '{"code": "gone", "message": "gone", "action": ""}'""",
    "progress": "update workspace_backfill_progress set error_message = 'gone'",
    "the job": "update workspace_backfill_jobs set failed_repositories = 1",
    "a note": """
        insert into backfill_notes (repository_id, data_type, what, kind, number)
        select id, 'issues', 'timeline', 'hidden', 1 from repositories where full_name = 'octo/a'
    """,
    "a note that is resolved": "delete from backfill_notes",
    "a repository's name": "update repositories set full_name = 'octo/aa' where full_name = 'octo/a'",
    "the workspace's name": "update workspaces set name = 'Another'",
    "the add-on": "update subscription_addons set expires_at = now()",
}


async def test_whatever_a_view_is_made_of_is_followed(unpolled: Served, host: asyncpg.Connection) -> None:
    tenant = await world.tenant(host, "octo/a", "octo/b")
    job_id = await world.job(host, tenant.workspace_id, "in_progress")
    await host.execute(
        "update workspace_backfill_jobs set subscription_addon_id = (select id from subscription_addons limit 1)"
    )
    await sweep(host, job_id, "octo/a", 1)
    async with Client(unpolled.url, job_id) as client:
        await client.opened()
        for what, statement in ALONE.items():
            batches = client.seen.count("job")
            await host.execute(statement)
            await unpolled.live.poll()
            await eventually(so(partial(client.has_seen, "job", batches + 1)))
            answer, etag = await read(unpolled, job_id)
            assert (lasting(client.view), client.version) == (lasting(answer), etag), what


async def test_whoever_is_no_member_is_refused(served: Served, host: asyncpg.Connection) -> None:
    tenant = await world.tenant(host)
    job_id = await world.job(host, tenant.workspace_id, "in_progress")
    for token, status in ((tenant.token("stranger"), 404), (tenant.token("viewer"), 200), ("forged", 401)):
        async with Client(served.url, job_id, token) as client:
            await eventually(so(lambda: client.status is not None))
            assert client.status == status
    async with Client(served.url, str(uuid.uuid4())) as client:
        await client.done()
        assert client.status == 404


async def test_a_member_who_is_removed_is_cut_off_and_learns_nothing_more(
    served: Served, host: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "CHECK_SECONDS", 0.1)
    tenant = await world.tenant(host)
    job_id = await world.job(host, tenant.workspace_id, "in_progress")
    async with (
        Client(served.url, job_id, tenant.token("viewer")) as client,
        Client(served.url, job_id, tenant.token("admin")) as stays,
    ):
        await client.opened()
        await stays.opened()
        await host.execute("delete from workspace_members where role = 'viewer'")
        await client.done()
        assert (client.seen, client.end) == (["snapshot", "end"], {"reason": "access_ended"})
        await finish(host, job_id)
        await stays.done()
        assert stays.seen == ["snapshot", "job", "end"]


async def test_a_token_that_expires_ends_the_stream(served: Served, host: asyncpg.Connection) -> None:
    tenant = await world.tenant(host)
    job_id = await world.job(host, tenant.workspace_id, "in_progress")
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    async with Client(served.url, job_id, world.user_token(tenant.people["owner"].auth_user_id, exp=expires)) as client:
        await client.done()
        assert (client.seen, client.end) == (["snapshot", "end"], {"reason": "access_ended"})
    assert datetime.now(UTC) >= expires


async def test_a_quiet_stream_is_kept_alive_by_comments(
    served: Served, host: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.02)
    url = f"{served.url}/api/backfills/{await create(host, served.pool)}/events"
    async with aiohttp.ClientSession() as session, session.get(url, headers=world.bearer(world.SERVICE)) as answer:
        assert answer.content_type == "text/event-stream"
        lines = [await asyncio.wait_for(answer.content.readline(), PATIENCE) for _ in range(12)]
    assert lines.count(b":\n") >= 3


async def test_a_reader_who_takes_nothing_is_dropped_while_others_go_on(
    served: Served, host: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SLOW_SECONDS", 0.3)
    job_id = await create(host, served.pool)
    address, port = served.url.removeprefix("http://").split(":")
    request = f"GET /api/backfills/{job_id}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.SERVICE}\r\n\r\n"
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, (address, int(port)))
        await loop.sock_sendall(slow, request.encode())
        await eventually(so(lambda: served.live.streams == 1))
        async with Client(served.url, job_id) as client:
            await client.opened()
            rounds = 0

            async def dropped() -> bool:
                nonlocal rounds
                rounds += 1
                await host.execute(
                    "update workspace_backfill_progress set error_message = $1", f"{rounds} " + "x" * 50_000
                )
                # All of them: the events of one batch may come in several pieces.
                await client.shows(
                    lambda view: all((each["error"] or "").startswith(f"{rounds} ") for each in view["repositories"])
                )
                return served.live.streams == 1

            await eventually(dropped)
            assert client.seen.count("snapshot") == 1
            assert lasting(client.view) == lasting((await read(served, job_id))[0])


async def test_there_are_as_many_streams_as_that_and_one_that_was_left_leaves_its_place(
    served: Served, host: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await world.tenant(host)
    job_id = await world.job(host, tenant.workspace_id, "in_progress")
    token = tenant.token("viewer")
    for limit, status in (("MOST_STREAMS_OF_A_USER", 429), ("MOST_STREAMS", 503)):
        with monkeypatch.context() as patch:
            patch.setattr(live, limit, 2)
            async with Client(served.url, job_id, token) as first, Client(served.url, job_id, token) as second:
                for each in (first, second):
                    await each.opened()
                async with Client(served.url, job_id, token) as third:
                    await third.done()
                    assert third.status == status
                await first.cut()
                await eventually(so(lambda: served.live.streams == 1))
                first.connect()
                await first.opened()


async def test_streams_of_a_server_that_stops_are_cut_off_at_once_and_without_an_end(
    pool: Database, host: asyncpg.Connection
) -> None:
    job_id = await create(host, pool)
    async with streaming(pool) as served:
        client = Client(served.url, job_id)
        client.connect()
        await client.opened()
    await client.cut()
    assert client.end is None


async def test_through_a_transaction_pooler_it_is_the_same(database: str, host: asyncpg.Connection) -> None:
    async with pooling(database) as dsn, Database(dsn) as pool, streaming(pool) as served:
        assert len({await backend(pool) for _ in range(6)}) > 1
        job_id = await create(host, pool)
        async with Client(served.url, job_id) as first, Client(served.url, job_id) as second:
            for stored in range(1, 6):
                await sweep(host, job_id, "octo/b", stored)
                for client in (first, second):
                    await client.shows(partial(stores, stored))
            assert lasting(first.view) == lasting((await read(served, job_id))[0])


def stores(issues: int, view: dict[str, Any]) -> bool:
    return bool(view["repositories"][1]["types"][1]["stored"] == issues)


async def backend(pool: Database) -> int:
    async with pool.transaction() as connection:
        pid: int = await connection.fetchval("select pg_backend_pid()")
    return pid


# --- Whatever happens in whatever order -------------------------------------------------------------------------------

NAMES = ("octo/a", "octo/b", "octo/c")
Step = tuple[str, int]
STEPS: st.SearchStrategy[Step] = st.tuples(
    st.sampled_from(
        ["page", "progress", "note", "note gone", "commit", "roll back", "job", "workspace", "poll", "cut", "connect"]
    ),
    st.integers(0, 2),
)


class Writers:
    """Three transactions that go on side by side, each with a repository of its own, and commit when they are told."""

    def __init__(self, dsn: str, job_id: str) -> None:
        self._dsn, self._job_id = dsn, job_id
        self._open: dict[int, tuple[asyncpg.Connection, Any]] = {}
        self._written = 0

    async def write(self, number: int, what: str) -> None:
        connection = await self._transaction(number)
        self._written += 1
        name = NAMES[number]
        match what:
            case "page":
                await sweep(connection, self._job_id, name, self._written)
            case "progress":
                await connection.execute(
                    """
                    update workspace_backfill_progress part set error_message = $2
                    from repositories where repositories.id = repository_id and full_name = $1
                    """,
                    name,
                    str(self._written),
                )
            case "note":
                await connection.execute(
                    """
                    insert into backfill_notes (repository_id, data_type, what, kind, number, count)
                    select id, 'issues', 'timeline', 'hidden', 1, $2 from repositories where full_name = $1
                    on conflict (repository_id, data_type, what, node_id) do update set count = excluded.count
                    """,
                    name,
                    self._written,
                )
            case "note gone":
                await connection.execute(
                    "delete from backfill_notes using repositories where id = repository_id and full_name = $1", name
                )

    async def end(self, number: int, *, commit: bool) -> None:
        if number in self._open:
            connection, transaction = self._open.pop(number)
            await (transaction.commit() if commit else transaction.rollback())
            await connection.close()

    async def _transaction(self, number: int) -> asyncpg.Connection:
        if number not in self._open:
            connection = await asyncpg.connect(self._dsn)
            await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
            transaction = connection.transaction()
            await transaction.start()
            self._open[number] = connection, transaction
        return self._open[number][0]


@settings(max_examples=examples(4, 100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=25))
async def test_a_reader_ends_with_what_the_database_has_whoever_commits_when_and_whatever_breaks(
    database: str, unpolled: Served, host: asyncpg.Connection, steps: list[Step]
) -> None:
    job_id = await create(host, unpolled.pool, *NAMES)
    writers = Writers(database, job_id)
    async with Client(unpolled.url, job_id) as first, Client(unpolled.url, job_id) as second:
        clients = (first, second)
        for what, number in steps:
            client = clients[number % 2]
            match what:
                case "commit" | "roll back":
                    await writers.end(number, commit=what == "commit")
                case "job":
                    await host.execute("update workspace_backfill_jobs set error_message = gen_random_uuid()::text")
                case "workspace":
                    await host.execute("update workspaces set name = gen_random_uuid()::text")
                case "poll":
                    await unpolled.live.poll()
                case "cut":
                    await client.cut()
                case "connect":
                    await client.cut()
                    client.connect()
                case _:
                    await writers.write(number, what)
        for number in range(3):
            await writers.end(number, commit=True)
        await unpolled.live.poll()
        truth = lasting((await read(unpolled, job_id))[0])
        # Who comes back makes the server look: those who stayed must not need that.
        for client in sorted(clients, key=lambda each: not each.connected):
            if not client.connected:
                client.connect()
            await client.shows(lambda view: lasting(view) == truth)
