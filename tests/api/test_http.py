"""The API's manners: errors in one shape, limits, security headers, CORS."""

import asyncio
import gzip
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from api import jobs, limits, server
from api.models import Backfill
from progress.views import JobView
from store.database import Database
from tests.support.api import world
from tests.support.api.world import ORIGIN, SERVICE, Api, Tenant


@pytest.fixture
def trigger(tenant: Tenant) -> str:
    return f"/api/workspaces/{tenant.workspace_id}/backfills"


JSON = {"Content-Type": "application/json"}


class TestErrors:
    """`{"error": {"code", "message"}}`, whatever it is."""

    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/api/nothing", 404, "not_found"),
            ("GET", "/api/backfills", 404, "not_found"),
            ("DELETE", "/api/backfills/{job}", 405, "method_not_allowed"),
            ("GET", "/api/backfills/{job}/retry", 405, "method_not_allowed"),
            ("OPTIONS", "/api/backfills/{job}", 405, "method_not_allowed"),
        ],
    )
    async def test_unknown_routes_and_methods(self, api: Api, method: str, path: str, status: int, code: str) -> None:
        answer = await api.ask(method, path.format(job=uuid.uuid4()), token=SERVICE)
        assert (answer.status, answer.json["error"]["code"]) == (status, code)
        assert answer.json["error"]["message"]
        assert ("Allow" in answer.headers) == (status == 405)

    @pytest.mark.parametrize(
        "body",
        [b"{", b"not json", b'{"a": 1} {}', b"\xff", b'{"\\ud800": 1}', b"[" * 5_000, b'{"retention_days": NaN'],
        ids=["cut off", "text", "two", "not UTF-8", "half a character", "deep", "no number"],
    )
    async def test_what_is_no_json(self, api: Api, trigger: str, body: bytes) -> None:
        answer = await api.ask("POST", trigger, token=SERVICE, data=body, headers=JSON)
        assert (answer.status, answer.json["error"]["code"]) == (400, "bad_json")

    @pytest.mark.parametrize(
        "headers",
        [
            {"Content-Type": "text/plain"},
            {"Content-Type": "application/x-www-form-urlencoded"},
            {**JSON, "Content-Encoding": "gzip"},
        ],
        ids=lambda headers: " ".join(headers.values()),
    )
    async def test_what_does_not_say_that_it_is_json(self, api: Api, trigger: str, headers: dict[str, str]) -> None:
        body = gzip.compress(b"{}") if "Content-Encoding" in headers else b"{}"
        answer = await api.ask("POST", trigger, token=SERVICE, data=body, headers=headers)
        assert (answer.status, answer.json["error"]["code"]) == (415, "unsupported_media_type")

    async def test_what_is_not_compressed_as_it_says(self, api: Api, trigger: str) -> None:
        headers = {**JSON, "Content-Encoding": "gzip"}
        answer = await api.ask("POST", trigger, token=SERVICE, data=b"{}", headers=headers)
        assert (answer.status, answer.json["error"]["code"]) == (400, "bad_body")

    async def test_a_broken_server_tells_a_number_and_its_log_the_rest(
        self, api: Api, host: asyncpg.Connection, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fails(*_: Any) -> Any:
            raise KeyError("hunter2")

        job_id = await world.job(host, tenant.workspace_id)
        monkeypatch.setattr(jobs, "look", fails)
        with capture_logs() as logged:
            answer = await api.ask("GET", f"/api/backfills/{job_id}", token=SERVICE)
        assert (answer.status, answer.json["error"]["code"]) == (500, "internal_error")
        assert "hunter2" not in answer.text
        assert "Traceback" not in answer.text
        [line] = [each for each in logged if each["log_level"] == "error"]
        assert line["incident"] in answer.json["error"]["message"]
        assert line["exc_info"]

    async def test_without_postgres_it_is_to_be_tried_again(self, postgres: Any, migrated_template: str) -> None:
        name = f"test_{uuid.uuid4().hex[:12]}"
        async with world.serving_api(await postgres.create_database(name, migrated_template)) as api:
            await postgres.drop_database(name)
            answer = await api.ask("GET", f"/api/backfills/{uuid.uuid4()}", token=SERVICE)
        assert answer.status in (500, 503)
        assert name not in answer.text


class TestLimits:
    """One caller does not burden the others."""

    @pytest.mark.parametrize("chunked", [False, True], ids=["whole", "in chunks"])
    async def test_a_large_body_is_refused(self, api: Api, trigger: str, chunked: bool) -> None:
        body = b'{"a": "' + b"x" * limits.LARGEST_BODY + b'"}'

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 8_192):
                yield body[start : start + 8_192]

        answer = await api.ask("POST", trigger, token=SERVICE, data=chunks() if chunked else body, headers=JSON)
        assert (answer.status, answer.json["error"]["code"]) == (413, "too_large")

    async def test_a_body_is_not_read_for_who_may_not_come_in(self, api: Api, trigger: str) -> None:
        answer = await api.ask("POST", trigger, data=b"x" * (limits.LARGEST_BODY + 1), headers=JSON)
        assert answer.status == 401

    async def test_a_body_that_does_not_come_is_not_waited_for(
        self, api: Api, trigger: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "BODY_SECONDS", 0.05)
        never = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"{"
            await never.wait()

        answer = await api.ask("POST", trigger, token=SERVICE, data=slow(), headers=JSON)
        assert (answer.status, answer.json["error"]["code"]) == (408, "timeout")

    async def test_what_takes_too_long_ends(
        self, api: Api, host: asyncpg.Connection, database: str, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = await world.job(host, tenant.workspace_id)
        monkeypatch.setattr(server, "ANSWER_SECONDS", 0.2)
        async with Database(database) as other, other.transaction() as connection:
            await connection.execute("lock table workspace_backfill_jobs in access exclusive mode")
            answer = await api.ask("GET", f"/api/backfills/{job_id}", token=SERVICE)
        assert (answer.status, answer.json["error"]["code"]) == (503, "timeout")
        assert answer.headers["Retry-After"]
        assert (await api.ask("GET", "/api/openapi.json")).status == 200


class TestHeaders:
    """Of every answer, good or bad."""

    @pytest.mark.parametrize("path", ["/api/openapi.json", "/api/nothing", "/api/backfills/x"])
    async def test_browsers_are_told_to_be_careful(self, api: Api, path: str) -> None:
        headers = (await api.ask("GET", path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert "Server" not in headers

    async def test_what_is_private_is_kept_by_its_reader_alone(
        self, api: Api, host: asyncpg.Connection, tenant: Tenant
    ) -> None:
        job_id = await world.job(host, tenant.workspace_id)
        headers = (await api.ask("GET", f"/api/backfills/{job_id}", token=SERVICE)).headers
        assert headers["Cache-Control"] == "private, no-cache"
        assert headers["Vary"] == "Authorization, Origin"

    async def test_a_head_is_a_get_without_a_body(self, api: Api, host: asyncpg.Connection, tenant: Tenant) -> None:
        job_id = await world.job(host, tenant.workspace_id)
        answer = await api.ask("HEAD", f"/api/backfills/{job_id}", token=SERVICE)
        assert (answer.status, answer.text) == (200, "")
        assert (await api.ask("HEAD", f"/api/backfills/{job_id}")).status == 401


ASKED = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


class TestOrigins:
    """CORS for the origins that were named."""

    async def test_a_named_origin_may_ask_and_see(self, api: Api, trigger: str) -> None:
        preflight = await api.ask("OPTIONS", trigger, headers={"Origin": ORIGIN, **ASKED})
        assert (preflight.status, preflight.headers["Access-Control-Allow-Origin"]) == (204, ORIGIN)
        assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
        allowed = preflight.headers["Access-Control-Allow-Headers"].split(", ")
        assert {"Authorization", "Idempotency-Key", "If-None-Match", "Last-Event-ID"} <= set(allowed)
        assert "Access-Control-Allow-Credentials" not in preflight.headers
        answer = await api.ask("GET", "/api/backfills/x", headers={"Origin": ORIGIN})
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (401, ORIGIN)
        assert "ETag" in answer.headers["Access-Control-Expose-Headers"]

    @pytest.mark.parametrize("origin", ["https://evil.example", f"{ORIGIN}.evil.example", ORIGIN.upper(), "null", "*"])
    async def test_another_may_not(self, api: Api, trigger: str, origin: str) -> None:
        preflight = await api.ask("OPTIONS", trigger, headers={"Origin": origin, **ASKED})
        assert preflight.status == 405
        answer = await api.ask("GET", "/api/openapi.json", headers={"Origin": origin})
        for each in (preflight, answer):
            assert "Access-Control-Allow-Origin" not in each.headers
            assert each.headers["Vary"] == "Origin"


def test_the_view_of_the_store_and_the_answer_have_the_same_fields() -> None:
    """Those of `starter.py status --json`, but for the ids of other people and of other workspaces' jobs."""
    shown = {name for name, each in JobView.model_fields.items() if not each.exclude}
    assert shown - Backfill.model_fields.keys() == {"paused_by"}
    assert json.dumps(Backfill.model_json_schema()).count('"job_id"') == 0
