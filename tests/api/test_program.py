"""`webhook.py` serves the API: what is asked of it reaches Temporal, and its log keeps secrets."""

import asyncpg
from aiohttp import ClientSession
from temporalio.client import Client

from tests.support.api.world import ORIGIN, SECRET, SERVICE, Api, Tenant
from tests.support.listener import heard, listening
from tests.support.started import StartWebhook
from tests.support.waiting import eventually


async def test_what_is_asked_reaches_the_workflow_and_no_secret_the_log(
    environment: dict[str, str],
    host: asyncpg.Connection,
    tenant: Tenant,
    start_webhook: StartWebhook,
    temporal_client: Client,
) -> None:
    given = {
        "SUPABASE_JWT_SECRET": SECRET,
        "BACKFILL_API_TOKEN": SERVICE,
        "API_ALLOWED_ORIGINS": f"{ORIGIN}/, http://x:1",
    }
    program, url = await start_webhook({**environment, **given})
    token = tenant.token("admin")
    async with ClientSession() as http, listening(temporal_client, environment["TEMPORAL_TASK_QUEUE"]):
        api = Api(url, http, [])
        asked = await api.ask("POST", f"/api/workspaces/{tenant.workspace_id}/backfills", token=token, json={})
        job_id = asked.json["job_id"]
        path = f"/api/backfills/{job_id}"

        async def signals() -> list[tuple[str, str]]:
            told = await heard(temporal_client, tenant.workspace_id)
            return [(each["signal"], each["job_id"]) for each in told]

        async def is_heard() -> bool:
            column = "select signaled_at is not null from workspace_backfill_jobs where id = $1"
            return bool(await host.fetchval(column, job_id))

        await eventually(is_heard)
        assert ("run", job_id) in await signals()  # beside the one that the add-on makes
        await host.execute("update workspace_backfill_jobs set status = 'in_progress' where id = $1", job_id)
        assert (await api.ask("POST", f"{path}/cancel", token=SERVICE)).status == 202

        async def is_told() -> bool:
            return ("cancel", job_id) in await signals()

        await eventually(is_told)
        assert (await api.ask("GET", path, token=f"{SERVICE}x")).status == 401
        seen = await api.ask("GET", path, token=token, headers={"Origin": ORIGIN})
        assert (seen.status, seen.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
        assert (await api.ask("GET", "/healthz")).status == 200
        assert (await api.ask("GET", "/nothing")).json["error"]["code"] == "not_found"
    log = program.tail(1_000)
    assert "token refused" in log
    for secret in (SECRET, SERVICE, token, token.rpartition(".")[2]):
        assert secret not in log


async def test_without_its_settings_the_api_refuses_everybody_and_says_so(
    environment: dict[str, str], tenant: Tenant, start_webhook: StartWebhook
) -> None:
    program, url = await start_webhook({**environment, "BACKFILL_API_TOKEN": " "})
    async with ClientSession() as http:
        for token in (SERVICE, tenant.token("owner"), " "):
            answer = await Api(url, http, []).ask("GET", f"/api/workspaces/{tenant.workspace_id}/backfill", token=token)
            assert answer.status == 401
    log = program.tail(1_000)
    assert "neither SUPABASE_JWT_SECRET nor SUPABASE_URL is set" in log
    assert "BACKFILL_API_TOKEN is not set" in log
