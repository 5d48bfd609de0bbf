"""The HTTP server over real HTTP: what is answered, and that 202 means that Postgres has it."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import asyncpg
import pytest
import structlog

import webhook
from release import VERSION
from sandbox.ports import LOOPBACK, free_port
from sandbox.postgres import Postgres
from store.database import Database
from tests.support import shop
from tests.support.polar.receiver import receiving
from tests.support.started import StartWebhook
from tests.support.waiting import PATIENCE, eventually

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def database(module_database: str) -> str:
    return module_database


@pytest.fixture
async def host(database: str) -> AsyncIterator[asyncpg.Connection]:
    async with shop.emptied(database) as connection:
        yield connection


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
        yield session


@pytest.fixture
async def url(database: str) -> AsyncIterator[str]:
    """A server that takes deliveries in; nobody works on them."""
    async with Database(database) as pool, receiving(pool) as (url, _):
        yield url


async def post(
    http: aiohttp.ClientSession, url: str, payload: Any, *, chunked: bool = False, **signing: Any
) -> tuple[int, Any]:
    body, headers = shop.signed(payload, **signing)
    return await send(http, url, body, headers, chunked=chunked)


async def send(
    http: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str], *, chunked: bool = False
) -> tuple[int, Any]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    async with http.post(f"{url}/webhooks/polar", data=chunks() if chunked else body, headers=headers) as response:
        return response.status, await response.json()


async def kept(host: asyncpg.Connection) -> list[str]:
    return [row["webhook_id"] for row in await host.fetch("select webhook_id from webhook_deliveries order by 1")]


class TestAnswers:
    """What the contract says, delivery by delivery."""

    async def test_a_purchase_is_kept_as_it_came_and_not_worked_on(
        self, http: aiohttp.ClientSession, url: str, host: asyncpg.Connection
    ) -> None:
        event, began = shop.event(buyer=await shop.buyer(host)), datetime.now(UTC)
        assert await post(http, url, event, webhook_id="msg_1") == (202, {"status": "accepted"})
        [delivery] = await shop.rows(host, "webhook_deliveries")
        assert (delivery["webhook_id"], delivery["type"]) == ("msg_1", "subscription.active")
        assert delivery["payload"] == event
        assert delivery["processed_at"] is None
        assert began <= delivery["received_at"] <= datetime.now(UTC)

    async def test_a_repeat_is_accepted_and_changes_nothing(
        self, http: aiohttp.ClientSession, url: str, host: asyncpg.Connection
    ) -> None:
        for status in ("active", "canceled"):
            assert (await post(http, url, shop.event(status=status), webhook_id="msg_1"))[0] == 202
        [delivery] = await shop.rows(host, "webhook_deliveries")
        assert delivery["payload"]["data"]["status"] == "active"

    async def test_many_repeats_at_once_are_one(
        self, http: aiohttp.ClientSession, url: str, host: asyncpg.Connection
    ) -> None:
        answers = await asyncio.gather(*(post(http, url, shop.event(), webhook_id="msg_1") for _ in range(10)))
        assert {status for status, _ in answers} == {202}
        assert await kept(host) == ["msg_1"]

    @pytest.mark.parametrize(
        "payload",
        [{"type": "a.kind.yet.to.come", "data": 7}, {"no": "type"}, [], 7, None, "text", {"type": ["?"]}],
        ids=repr,
    )
    async def test_json_that_means_nothing_is_accepted(
        self, http: aiohttp.ClientSession, url: str, host: asyncpg.Connection, payload: Any
    ) -> None:
        assert (await post(http, url, payload, webhook_id="msg_1"))[0] == 202
        assert await kept(host) == ["msg_1"]

    @pytest.mark.parametrize("spelled", ["\\u0000", "a\\u0000\\u0000b", "\\ud800", "\\\\u0000", "\U0001f995"], ids=repr)
    async def test_whatever_a_string_spells_the_delivery_is_kept_whole(
        self, http: aiohttp.ClientSession, url: str, host: asyncpg.Connection, spelled: str
    ) -> None:
        body = json.dumps(shop.event(name="@")).replace('"@"', f'"{spelled}"').encode()
        assert (await post(http, url, body))[0] == 202
        payload = await host.fetchval("select payload from webhook_deliveries")
        assert (json.loads(payload) if isinstance(payload, str) else payload) == json.loads(body)

    async def test_a_number_that_postgres_refuses_is_kept_all_the_same(
        self, http: aiohttp.ClientSession, url: str, host: asyncpg.Connection
    ) -> None:
        body = b'{"type": "subscription.active", "amount": 1e999999}'
        assert (await post(http, url, body))[0] == 202
        assert await host.fetchval("select payload from webhook_deliveries") == body.decode()

    async def test_headers_are_found_in_any_case(
        self, http: aiohttp.ClientSession, url: str, host: asyncpg.Connection
    ) -> None:
        body, headers = shop.signed(shop.event(), webhook_id="msg_1")
        shouted = {name.upper(): value for name, value in headers.items()}
        assert (await send(http, url, body, shouted))[0] == 202
        assert await kept(host) == ["msg_1"]

    @pytest.mark.parametrize(
        ("signing", "change"),
        [
            ({"secret": b"another"}, {}),
            ({"at": datetime.now(UTC) - timedelta(minutes=6)}, {}),
            ({"at": datetime.now(UTC) + timedelta(days=1)}, {}),  # from when the tests are collected, minutes ago
            ({}, {"webhook-id": "msg_another"}),
            ({}, {"webhook-signature": "v1,AAAA"}),
            ({}, {"webhook-signature": "\u00e9"}),
            ({}, {"webhook-timestamp": "soon"}),
            ({}, {"webhook-signature": ""}),
        ],
        ids=["secret", "old", "future", "id", "signature", "not ascii", "timestamp", "none"],
    )
    async def test_what_is_not_of_polar_is_403_and_not_kept(
        self,
        http: aiohttp.ClientSession,
        url: str,
        host: asyncpg.Connection,
        signing: dict[str, Any],
        change: dict[str, str],
    ) -> None:
        body, headers = shop.signed(shop.event(), **signing)
        status, answer = await send(http, url, body, headers | change)
        assert (status, answer["error"]["code"]) == (403, "bad_signature")
        assert await kept(host) == []

    @pytest.mark.parametrize(
        ("signing", "without", "reason"),
        [
            ({"secret": b"another"}, "", "no signature matches: 1 tried with the secret"),
            ({}, "webhook-timestamp", "missing: webhook-timestamp"),
            ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, "", "s behind this server's clock"),
        ],
        ids=["secret", "header", "time"],
    )
    async def test_the_log_says_why_it_was_refused_and_the_answer_does_not(
        self, http: aiohttp.ClientSession, url: str, signing: dict[str, Any], without: str, reason: str
    ) -> None:
        body, headers = shop.signed(shop.event(), **signing)
        headers.pop(without, None)
        with structlog.testing.capture_logs() as lines:
            status, answer = await send(http, url, body, headers)
        [line] = [line for line in lines if line["event"] == "delivery refused"]
        assert status == 403
        assert reason in line["reason"]
        assert reason not in json.dumps(answer)
        for secret in (shop.SECRET, headers["webhook-signature"], headers["webhook-signature"].partition(",")[2]):
            assert secret not in f"{line} {answer}"

    async def test_a_tampered_body_is_403_before_anything_is_read(
        self, http: aiohttp.ClientSession, url: str, host: asyncpg.Connection
    ) -> None:
        body, headers = shop.signed(shop.event())
        for tampered in (body.replace(b"active", b"paused"), b"not JSON", b"", b"\xff"):
            assert (await send(http, url, tampered, headers))[0] == 403
        assert await kept(host) == []

    @pytest.mark.parametrize(
        "body",
        [b"", b"not JSON", b"{", b'{"a": NaN}', b"{} {}", b"[" * 100_000, b"\x00", '{"a": "\ud7ff'.encode()],
        ids=["empty", "text", "half", "nan", "two", "deep", "nul", "cut"],
    )
    async def test_what_is_not_json_is_400(
        self, http: aiohttp.ClientSession, url: str, host: asyncpg.Connection, body: bytes
    ) -> None:
        status, answer = await post(http, url, body)
        assert (status, answer["error"]["code"]) == (400, "bad_json")
        assert await kept(host) == []

    async def test_a_signed_body_that_is_not_utf_8_is_400(self, http: aiohttp.ClientSession, url: str) -> None:
        # The package that signs takes text only: the key is the same, the way to the signature ours.
        body = '{"type": "é"}'.encode("latin-1")
        assert (await send(http, url, body, sign_bytes(body)))[0] == 400

    async def test_a_body_that_is_not_compressed_as_it_says_is_400(
        self, http: aiohttp.ClientSession, url: str, host: asyncpg.Connection
    ) -> None:
        body, headers = shop.signed(shop.event())
        status, answer = await send(http, url, body, headers | {"Content-Encoding": "gzip"})
        assert (status, answer["error"]["code"]) == (400, "bad_body")
        assert await kept(host) == []

    @pytest.mark.parametrize("chunked", [False, True])
    async def test_a_mebibyte_is_taken_and_more_is_413(
        self, http: aiohttp.ClientSession, url: str, host: asyncpg.Connection, chunked: bool
    ) -> None:
        for size, expected in ((MIB - 1, 202), (MIB + 1, 413), (4 * MIB, 413)):
            body = b'{"a": "' + b"x" * (size - 9) + b'"}'
            status, answer = await post(http, url, body, chunked=chunked)
            assert status == expected, size
        assert answer["error"] == {
            "code": "request_entity_too_large",
            "message": "the body is larger than 1,048,576 bytes",
        }
        assert len(await kept(host)) == 1

    @pytest.mark.parametrize(
        ("body", "encoding", "reason"),
        [
            (b"x" * (MIB + 1), "identity", "the body is larger than 1,048,576 bytes"),
            (b"not JSON", "identity", "the body is not JSON"),
            (b"{}", "gzip", "the body cannot be read"),
        ],
        ids=["large", "text", "not compressed"],
    )
    async def test_the_log_says_of_every_refusal_why(
        self, http: aiohttp.ClientSession, url: str, body: bytes, encoding: str, reason: str
    ) -> None:
        """Polar counts each refusal, and switches the webhook off after ten."""
        with structlog.testing.capture_logs() as lines:
            _, answer = await send(http, url, body, sign_bytes(body) | {"Content-Encoding": encoding})
        assert [line["reason"] for line in lines if line["event"] == "delivery refused"] == [reason]
        assert answer["error"]["message"] == reason

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", "/webhooks/polar", 405), ("POST", "/webhooks/stripe", 404), ("GET", "/", 404)],
    )
    async def test_other_ways_are_errors_in_json(
        self, http: aiohttp.ClientSession, url: str, method: str, path: str, status: int
    ) -> None:
        async with http.request(method, f"{url}{path}") as response:
            assert response.status == status
            assert (await response.json())["error"].keys() == {"code", "message"}


def sign_bytes(body: bytes) -> dict[str, str]:
    import base64
    import hmac

    now = str(int(time.time()))
    key = base64.b64decode(shop.SECRET.removeprefix("whsec_"))
    digest = hmac.digest(key, f"msg_1.{now}.".encode() + body, "sha256")
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": now,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


class TestPostgresAway:
    """The one case in which Polar has to send a delivery again, and then nothing is lost."""

    async def test_it_is_5xx_until_it_is_back(
        self, http: aiohttp.ClientSession, url: str, database: str, postgres: Postgres
    ) -> None:
        async with shop.emptied(database):
            name = database.rpartition("/")[2]
        async with shop.connected(postgres.url()) as administrator:
            await administrator.execute(f'alter database "{name}" allow_connections false')
            await administrator.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name
            )
            status, answer = await post(http, url, shop.event(), webhook_id="msg_1")
            assert (status, answer["error"]["code"]) == (503, "not_kept")
            async with http.get(f"{url}/readyz") as response:
                assert response.status == 503
            async with http.get(f"{url}/healthz") as response:
                assert (response.status, await response.json()) == (200, {"status": "ok", "version": VERSION})
            await administrator.execute(f'alter database "{name}" allow_connections true')
        assert (await post(http, url, shop.event(), webhook_id="msg_1"))[0] == 202
        async with shop.connected(database) as again:
            assert await kept(again) == ["msg_1"]

    async def test_one_that_hangs_is_5xx_inside_polars_ten_seconds(
        self, http: aiohttp.ClientSession, url: str, host: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(webhook, "KEEP_SECONDS", 0.3)
        await host.execute("begin; lock table webhook_deliveries")
        assert (await post(http, url, shop.event(), webhook_id="msg_1"))[0] == 503
        await host.execute("rollback")
        assert (await post(http, url, shop.event(), webhook_id="msg_1"))[0] == 202

    async def test_one_without_our_tables_is_5xx(
        self, http: aiohttp.ClientSession, url: str, host: asyncpg.Connection
    ) -> None:
        await host.execute("alter table webhook_deliveries rename to elsewhere")
        assert (await post(http, url, shop.event(), webhook_id="msg_1"))[0] == 503
        async with http.get(f"{url}/readyz") as response:
            assert response.status == 503
        await host.execute("alter table elsewhere rename to webhook_deliveries")
        assert (await post(http, url, shop.event(), webhook_id="msg_1"))[0] == 202


@pytest.mark.executed
class TestTheProgram:
    """`python webhook.py`, as it runs in production."""

    async def test_a_purchase_while_temporal_is_away_is_signaled_when_it_is_back(
        self,
        environment: dict[str, str],
        start_webhook: StartWebhook,
        http: aiohttp.ClientSession,
        host: asyncpg.Connection,
    ) -> None:
        buyer = await shop.buyer(host)
        workspace_id = await shop.workspace(host, buyer, "octo/a")
        temporal_host, temporal_port = environment["TEMPORAL_ADDRESS"].split(":")
        port = free_port()
        process, url = await start_webhook(environment | {"TEMPORAL_ADDRESS": f"{LOOPBACK}:{port}"})
        assert (await post(http, url, shop.event(buyer=buyer)))[0] == 202
        await eventually(lambda: host.fetchval("select count(*) from workspace_backfill_jobs"))
        async with http.get(f"{url}/readyz") as response:
            assert (response.status, await response.json()) == (200, {"postgres": "ok", "temporal": "unreachable"})
        [job] = await shop.rows(host, "workspace_backfill_jobs")
        assert (str(job["workspace_id"]), job["status"], job["signaled_at"]) == (workspace_id, "pending", None)

        async with passage(port, temporal_host, int(temporal_port)):
            await eventually(lambda: host.fetchval("select signaled_at from workspace_backfill_jobs"))

            async def all_is_well() -> bool:
                async with http.get(f"{url}/readyz") as response:
                    return bool(await response.json() == {"postgres": "ok", "temporal": "ok"})

            await eventually(all_is_well)
        assert process.log is not None
        log = process.log.read_text()
        assert log.count("jobs wait for a server") == 1
        assert "dGhlIHNlY3JldCBvZiB0aGUgdGVzdHM" not in log

    async def test_a_secret_of_the_merchants_own_starts_and_is_believed(
        self, environment: dict[str, str], start_webhook: StartWebhook, http: aiohttp.ClientSession
    ) -> None:
        own = "whsec_no base64 at all!"
        process, url = await start_webhook(environment | {"POLAR_WEBHOOK_SECRET": f"{own},{shop.SECRET}"})
        for signing in (own.encode(), shop.SECRET, shop.SECRET.encode()):
            assert (await post(http, url, shop.event(), secret=signing))[0] == 202
        assert (await post(http, url, shop.event(), secret=b"another"))[0] == 403
        assert process.log is not None
        log = process.log.read_text()
        assert "1 tried with any of 2 secrets" in log
        assert "no base64" not in log

    async def test_a_purchase_is_signaled_and_sigterm_ends_it_in_good_order(
        self,
        environment: dict[str, str],
        start_webhook: StartWebhook,
        http: aiohttp.ClientSession,
        host: asyncpg.Connection,
    ) -> None:
        buyer = await shop.buyer(host)
        await shop.workspace(host, buyer, "octo/a")
        process, url = await start_webhook(environment)
        assert (await post(http, url, shop.event(buyer=buyer)))[0] == 202
        await eventually(lambda: host.fetchval("select signaled_at from workspace_backfill_jobs"))
        process.send(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, PATIENCE) == 0
        assert process.log is not None
        lines = [json.loads(line) for line in process.log.read_text().splitlines()]
        told = {line["event"]: line for line in lines}
        assert told["listening"]["address"] == url
        assert told["delivery kept"].keys() >= {"delivery", "type"}
        assert told["delivery finished"]["jobs"]
        assert lines[-1]["event"] == "stopped"


@asynccontextmanager
async def passage(port: int, to_host: str, to_port: int) -> AsyncIterator[None]:
    """Whoever connects to `port` is connected to the other."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(to_host, to_port)
        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))

    async with await asyncio.start_server(connect, LOOPBACK, port):
        yield


class TestSettings:
    """A wrong one is a line on standard error that names it, without its value, and exit code 2; nothing starts."""

    GOOD: dict[str, str] = {  # noqa: RUF012
        "DATABASE_URL": f"postgresql://nobody:hunter2@{LOOPBACK}:1/nowhere",
        "POLAR_WEBHOOK_SECRET": shop.SECRET,
        "POLAR_RETENTION_PRODUCTS": json.dumps(shop.PRODUCTS),
        "TEMPORAL_ADDRESS": f"{LOOPBACK}:1",
    }

    @pytest.mark.parametrize(
        ("name", "value", "exit_code"),
        [
            ("DATABASE_URL", None, 2),
            ("DATABASE_URL", "foo", 2),
            ("DATABASE_URL", "postgresql://u:hunter2@h:port/x", 2),
            ("POLAR_WEBHOOK_SECRET", None, 2),
            ("POLAR_WEBHOOK_SECRET", " , ", 2),
            ("POLAR_RETENTION_PRODUCTS", None, 2),
            ("POLAR_RETENTION_PRODUCTS", "{", 2),
            ("POLAR_RETENTION_PRODUCTS", "{}", 2),
            ("POLAR_RETENTION_PRODUCTS", '["a"]', 2),
            ("POLAR_RETENTION_PRODUCTS", '{"a": 0}', 2),
            ("POLAR_RETENTION_PRODUCTS", '{"a": "365"}', 2),
            ("POLAR_RETENTION_PRODUCTS", '{"a": 1.5}', 2),
            ("POLAR_RETENTION_PRODUCTS", '{"a": true}', 2),
            ("PORT", "http", 2),
            ("PORT", "70000", 2),
            ("LOG_FORMAT", "xml", 2),
            ("SMTP_URL", "smtp://hunter2", 2),
            ("NOTIFY_URL", "http://hunter2", 2),
            ("DATABASE_URL", f"postgresql://nobody:hunter2@{LOOPBACK}:1/nowhere", 3),
        ],
    )
    def test_one_line_names_it(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
        name: str,
        value: str | None,
        exit_code: int,
    ) -> None:
        for each, good in self.GOOD.items():
            monkeypatch.setenv(each, good)
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
        assert webhook.main() == exit_code
        captured = capfd.readouterr()
        [line] = captured.err.splitlines()
        assert captured.out == ""
        assert (name if exit_code == 2 else f"{LOOPBACK}:1/nowhere") in line
        assert "hunter2" not in line

    def test_a_port_that_is_taken_is_named(
        self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], environment: dict[str, str]
    ) -> None:
        for each, value in environment.items():
            monkeypatch.setenv(each, value)
        monkeypatch.setenv("PORT", environment["TEMPORAL_ADDRESS"].rpartition(":")[2])
        assert webhook.main() == 2
        [line] = capfd.readouterr().err.splitlines()
        assert "PORT" in line
