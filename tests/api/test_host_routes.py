"""The host application's old client, over the new jobs."""

import uuid
from typing import Any

import asyncpg
import pytest

from tests.support.api import world
from tests.support.api.sweeps import sweep
from tests.support.api.world import SERVICE, Api, Tenant

# `JobStatus` and `BackfillResponse` of the host's client.ts.
STATUS = {"id", "status", "progress", "message", "data", "created_at", "started_at", "completed_at", "error"}
RESPONSE = {"job_id", "status", "repository", "days", "estimated_completion", "status_url"}


async def test_what_the_workspace_backfill_manager_does(api: Api, host: asyncpg.Connection, tenant: Tenant) -> None:
    """Its server's client sends the key in a header of its own, and a callback that we never call."""
    wish = {"repository": "octo/rocket", "days": 90, "force": False, "callback_url": "https://example.com/done"}
    answer = await api.ask("POST", "/api/backfill/trigger", headers={"X-API-Key": SERVICE}, json=wish)
    assert answer.status == 202
    queued = answer.json
    assert queued.keys() >= STATUS | RESPONSE | {"timestamps"}
    assert (queued["status"], queued["progress"], queued["error"]) == ("queued", 0, None)
    assert queued["data"] == {"repository": "octo/rocket", "days": 90}
    job = await host.fetchrow("select * from workspace_backfill_jobs where id = $1", uuid.UUID(queued["id"]))
    assert job is not None
    assert (str(job["workspace_id"]), job["retention_days"]) == (tenant.workspace_id, 90)
    status = await api.ask("GET", queued["status_url"], headers={"X-API-Key": SERVICE})
    assert status.json == queued
    canceled = await api.ask("POST", f"/api/backfill/cancel/{queued['id']}", headers={"X-API-Key": SERVICE})
    assert (canceled.status, canceled.json["status"]) == (200, "cancelled")


@pytest.mark.parametrize(
    ("job", "types", "shown"),
    [
        ("pending", [], ("queued", 0)),
        ("in_progress", [("pull_requests", "completed", 0, None), ("issues", "in_progress", 50, 100)], ("running", 15)),
        ("in_progress", [("issues", "in_progress", 300, 100)], ("running", 10)),
        ("completed", [], ("completed", 100)),
        ("failed", [("issues", "completed", 5, 5), ("events", "failed", 0, None)], ("failed", 10)),
        ("canceled", [], ("cancelled", 0)),
    ],
    ids=["waits", "runs", "has more than was expected", "done", "failed", "canceled"],
)
async def test_status_and_progress(
    api: Api,
    host: asyncpg.Connection,
    tenant: Tenant,
    job: str,
    types: list[tuple[str, str, int, int | None]],
    shown: tuple[str, int],
) -> None:
    """Two repositories of five types: a type that is done is a tenth."""
    job_id = await world.job(host, tenant.workspace_id, job)
    for data_type, status, count, expected in types:
        counts = {data_type: count}
        await sweep(host, job_id, "octo/rocket", data_type, status=status, counts=counts, expected=expected)
    answer = (await api.ask("GET", f"/api/backfill/status/{job_id}", token=SERVICE)).json
    assert (answer["status"], answer["progress"]) == shown
    assert answer["message"]


async def test_a_job_with_failures_is_not_all_done(api: Api, host: asyncpg.Connection, tenant: Tenant) -> None:
    job_id = await world.job(host, tenant.workspace_id, "completed")
    await host.execute("update workspace_backfill_jobs set failed_repositories = 1 where id = $1", uuid.UUID(job_id))
    answer = (await api.ask("GET", f"/api/backfill/status/{job_id}", token=SERVICE)).json
    assert (answer["status"], answer["progress"] < 100) == ("completed", True)
    assert "1 failed" in answer["message"]


@pytest.mark.parametrize(
    ("wish", "status", "named"),
    [
        ({"repository": "octo/rocket", "days": 366}, 400, "days: 366"),
        ({"repository": "octo/rocket", "days": "90"}, 400, "days"),
        ({"days": 90}, 400, "repository"),
        ({"repository": "https://github.com/octo/rocket"}, 400, "repository"),
        ({"repository": "octo/unknown"}, 404, "nothing here"),
    ],
    ids=["more than bought", "text", "no repository", "an address", "unknown"],
)
async def test_what_is_wrong_is_named(api: Api, tenant: Tenant, wish: Any, status: int, named: str) -> None:
    answer = await api.ask("POST", "/api/backfill/trigger", token=tenant.token("admin"), json=wish)
    assert answer.status == status
    assert named in answer.json["error"]["message"]


async def test_of_several_workspaces_with_the_repository_one_is_taken_that_paid_and_that_the_caller_may_change(
    api: Api, host: asyncpg.Connection
) -> None:
    small, large = await world.tenant(host, "octo/shared", days=30), await world.tenant(host, "octo/shared", days=400)
    user = small.people["viewer"]
    wish = {"repository": "OCTO/shared", "days": 400}
    answer = await api.ask("POST", "/api/backfill/trigger", token=SERVICE, json=wish)
    job = await host.fetchval("select workspace_id from workspace_backfill_jobs where id = $1", answer.json["id"])
    assert str(job) == large.workspace_id
    await host.execute(
        "insert into workspace_members (workspace_id, user_id, role) values ($1, $2, 'viewer')",
        large.workspace_id,
        small.owner.app_user_id,
    )
    token = small.token("owner_id")
    assert (await api.ask("POST", "/api/backfill/trigger", token=token, json=wish)).status == 400
    mine = await api.ask("POST", "/api/backfill/trigger", token=token, json={**wish, "days": 30})
    job = await host.fetchval("select workspace_id from workspace_backfill_jobs where id = $1", mine.json["id"])
    assert str(job) == small.workspace_id
    assert (
        await api.ask("POST", "/api/backfill/trigger", token=world.user_token(user.auth_user_id), json=wish)
    ).status == 403


async def test_only_the_old_routes_take_the_key_and_only_the_service_has_one(api: Api, tenant: Tenant) -> None:
    path = f"/api/workspaces/{tenant.workspace_id}/notifications"
    assert (await api.ask("GET", path, headers={"X-API-Key": SERVICE})).status == 401
    token = tenant.token("owner")
    assert (await api.ask("GET", f"/api/backfill/status/{uuid.uuid4()}", headers={"X-API-Key": token})).status == 401
