"""Who may do what: a table of role and route, and what those get who may not."""

import uuid
from typing import Any

import asyncpg
import pytest

from tests.support import shop
from tests.support.api import world
from tests.support.api.world import Api, Tenant

READERS = ("owner_id", "owner", "admin", "editor", "viewer", "service")
CHANGERS = ("owner_id", "owner", "admin", "service")
CALLERS = (*READERS, "stranger", "nobody")

ROUTES = {
    "GET /api/workspaces/{workspace}/backfill": ("completed", 200),
    "GET /api/workspaces/{workspace}": ("completed", 200),
    "GET /api/workspaces/{workspace}/backfills": ("completed", 200),
    "GET /api/workspaces/{workspace}/notifications": ("completed", 200),
    "GET /api/backfills/{job}": ("completed", 200),
    "GET /api/backfills/{job}/timeline": ("completed", 200),
    "GET /api/backfills/{job}/chart": ("completed", 200),
    "GET /api/backfills/{job}/events": ("completed", 200),
    "POST /api/workspaces/{workspace}/backfills": ("completed", 202),
    "POST /api/backfills/{job}/retry": ("failed", 202),
    "POST /api/backfills/{job}/pause": ("in_progress", 202),
    "POST /api/backfills/{job}/resume": ("in_progress", 202),
    "POST /api/backfills/{job}/cancel": ("in_progress", 202),
    "GET /api/backfill/status/{job}": ("completed", 200),
    "POST /api/backfill/cancel/{job}": ("in_progress", 200),
}
"""The status of the job that each is tried on, and what those get who may."""


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", ROUTES)
async def test_members_read_owners_and_admins_change_others_find_nothing(
    api: Api, host: asyncpg.Connection, tenant: Tenant, route: str, caller: str
) -> None:
    status, done = ROUTES[route]
    job_id = await world.job(host, tenant.workspace_id, status)
    before = await host.fetchrow("select * from workspace_backfill_jobs where id = $1", job_id)
    jobs = await host.fetchval("select count(*) from workspace_backfill_jobs")
    method, path = route.format(workspace=tenant.workspace_id, job=job_id).split(" ")
    sent: dict[str, Any] = {"json": {}} if method == "POST" else {}
    token = None if caller == "nobody" else tenant.token(caller)
    answer = await api.ask(method, path, token=token, **sent)
    may = caller in (READERS if method == "GET" else CHANGERS)
    refused = {"nobody": 401, "stranger": 404}.get(caller, 403)
    assert answer.status == (done if may else refused), answer.text
    if not may:
        assert await host.fetchrow("select * from workspace_backfill_jobs where id = $1", job_id) == before
        assert await host.fetchval("select count(*) from workspace_backfill_jobs") == jobs


@pytest.mark.parametrize("route", ROUTES)
async def test_what_one_may_not_see_is_answered_as_what_does_not_exist(
    api: Api, host: asyncpg.Connection, tenant: Tenant, route: str
) -> None:
    job_id = await world.job(host, tenant.workspace_id, ROUTES[route][0])
    sent: dict[str, Any] = {"json": {}} if route.startswith("POST") else {}
    token = tenant.token("stranger")
    answers = [
        await api.ask(*route.format(workspace=workspace, job=job).split(" "), token=token, **sent)
        for workspace, job in (
            (tenant.workspace_id, job_id),
            (uuid.uuid4(), uuid.uuid4()),
            ("not-a-uuid", "not-a-uuid"),
        )
    ]
    assert {(each.status, each.text) for each in answers} == {
        (404, '{"error": {"code": "not_found", "message": "there is nothing here that you may see"}}')
    }


async def test_who_is_invited_and_has_not_accepted_sees_nothing(api: Api, host: asyncpg.Connection) -> None:
    """The host's own database says of a member when he was invited, and when he accepted."""
    tenant = await world.tenant(host)
    await world.job(host, tenant.workspace_id)
    path = f"/api/workspaces/{tenant.workspace_id}/backfill"
    await host.execute("alter table workspace_members add column invited_at timestamptz, add accepted_at timestamptz")
    try:
        assert (await api.ask("GET", path, token=tenant.token("viewer"))).status == 200
        await host.execute("update workspace_members set invited_at = now()")
        assert (await api.ask("GET", path, token=tenant.token("viewer"))).status == 404
        assert (await api.ask("GET", path, token=tenant.token("owner_id"))).status == 200
        await host.execute("update workspace_members set accepted_at = now()")
        assert (await api.ask("GET", path, token=tenant.token("viewer"))).status == 200
    finally:
        await host.execute("alter table workspace_members drop column invited_at, drop column accepted_at")


async def test_the_present_owner_counts(api: Api, host: asyncpg.Connection) -> None:
    tenant = await world.tenant(host)
    await world.job(host, tenant.workspace_id)
    heir = await shop.buyer(host)
    await host.execute("update workspaces set owner_id = $1 where id = $2", heir.app_user_id, tenant.workspace_id)
    path = f"/api/workspaces/{tenant.workspace_id}/backfill"
    assert (await api.ask("GET", path, token=tenant.token("owner_id"))).status == 404
    assert (await api.ask("GET", path, token=world.user_token(heir.auth_user_id))).status == 200


async def test_an_app_users_id_is_not_an_auth_users_id(api: Api, tenant: Tenant) -> None:
    path = f"/api/workspaces/{tenant.workspace_id}/backfill"
    assert (await api.ask("GET", path, token=world.user_token(tenant.owner.app_user_id))).status == 404


@pytest.mark.parametrize("caller", CALLERS)
async def test_the_host_s_old_trigger_is_for_those_who_may_change(
    api: Api, host: asyncpg.Connection, tenant: Tenant, caller: str
) -> None:
    jobs = await host.fetchval("select count(*) from workspace_backfill_jobs")
    token = None if caller == "nobody" else tenant.token(caller)
    wanted = {"repository": "octo/moon", "days": 90}
    answer = await api.ask("POST", "/api/backfill/trigger", token=token, json=wanted)
    refused = {"nobody": 401, "stranger": 404}.get(caller, 403)
    assert answer.status == (202 if caller in CHANGERS else refused), answer.text
    assert await host.fetchval("select count(*) from workspace_backfill_jobs") == jobs + (caller in CHANGERS)
