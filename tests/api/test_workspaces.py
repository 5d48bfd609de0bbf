"""A workspace before and after its first job, and the history of its jobs."""

from typing import Any

import asyncpg
import pytest

from store import job_end
from store.database import Database
from tests.support import shop
from tests.support.api import world
from tests.support.api.sweeps import sweep
from tests.support.api.world import Api, Tenant


async def ask(api: Api, workspace_id: str, path: str = "", token: str = world.SERVICE) -> dict[str, Any]:
    answer = await api.ask("GET", f"/api/workspaces/{workspace_id}{path}", token=token)
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


@pytest.mark.parametrize(
    ("caller", "role", "may_change"),
    [
        ("owner_id", "owner", True),
        ("admin", "admin", True),
        ("editor", "editor", False),
        ("viewer", "viewer", False),
        ("service", "service", True),
    ],
)
async def test_a_workspace_says_what_its_caller_may(
    api: Api, tenant: Tenant, caller: str, role: str, may_change: bool
) -> None:
    view = await ask(api, tenant.workspace_id, token=tenant.token(caller))
    assert (view["role"], view["may_change"]) == (role, may_change)


async def test_a_workspace_without_add_on_and_job_says_so(api: Api, host: asyncpg.Connection) -> None:
    workspace_id = await shop.workspace(host, await shop.buyer(host), "octo/rocket")
    view = await ask(api, workspace_id)
    assert (view["addon"], view["latest_job_id"]) == (None, None)
    assert await ask(api, workspace_id, "/backfills") == {"backfills": [], "next": None}


async def test_the_add_on_is_the_best_that_is_active_else_the_latest(api: Api, host: asyncpg.Connection) -> None:
    tenant = await world.tenant(host, days=365)
    await world.addon(host, tenant.owner, 90)
    await world.addon(host, tenant.owner, 1825, "canceled")
    addon = (await ask(api, tenant.workspace_id))["addon"]
    assert (addon["retention_days"], addon["status"], addon["renews"]) == (365, "active", True)
    await host.execute("update subscription_addons set status = 'expired' where status = 'active'")
    await host.execute("update subscription_addons set last_event_at = now() where retention_days = 1825")
    addon = (await ask(api, tenant.workspace_id))["addon"]
    assert (addon["retention_days"], addon["status"]) == (1825, "canceled")


async def test_the_history_has_every_job_once_newest_first(api: Api, host: asyncpg.Connection, database: str) -> None:
    tenant = await world.tenant(host, "octo/moon")
    jobs = [await world.job(host, tenant.workspace_id, status) for status in ("completed", "failed", "canceled")]
    jobs.append(await world.job(host, tenant.workspace_id, "in_progress"))
    for job_id in (jobs[0], jobs[3]):
        counts = {"issues": 40, "comments": 2, "timeline_events": 7}
        await sweep(host, job_id, "octo/moon", "issues", counts=counts, expected=40)
    found: list[dict[str, Any]] = []
    page = await ask(api, tenant.workspace_id, "/backfills?limit=3")
    found += page["backfills"]
    page = await ask(api, tenant.workspace_id, f"/backfills?limit=3&before={page['next']}")
    found += page["backfills"]
    assert (page["next"], [each["id"] for each in found]) == (None, jobs[::-1])
    assert [each["headline"]["state"] for each in found] == ["fetching", "canceled", "failed", "completed"]
    async with Database(database) as pool, pool.transaction() as connection:
        await job_end.finish(connection, jobs[3], 0, canceled=False)
    ended = (await ask(api, tenant.workspace_id, "/backfills?limit=1"))["backfills"]
    assert [each["rows_stored"] for each in (found[0], found[-1], *ended)] == [49, 49, 49]
    charted = (await api.ask("GET", f"/api/backfills/{jobs[3]}/chart", token=world.SERVICE)).json["buckets"]
    assert sum(sum(each["rows"].values()) for each in charted) == 49, "the chart counts the same"


async def test_the_history_and_the_job_have_the_same_headline(api: Api, host: asyncpg.Connection) -> None:
    tenant = await world.tenant(host)
    for status in ("pending", "in_progress", "completed", "failed", "canceled"):
        await world.job(host, tenant.workspace_id, status)
    for each in (await ask(api, tenant.workspace_id, "/backfills"))["backfills"]:
        answer = await api.ask("GET", f"/api/backfills/{each['id']}", token=world.SERVICE)
        assert answer.json["headline"]["state"] == each["headline"]["state"]
        assert each["status"] in ("pending", "canceled") or each["headline"] == answer.json["headline"]


async def test_an_error_says_what_to_do(api: Api, host: asyncpg.Connection) -> None:
    tenant = await world.tenant(host)
    job_id = await world.job(host, tenant.workspace_id, "failed")
    await host.execute(
        """
        insert into backfill_sweeps (backfill_job_id, repository_id, data_type, status, error)
        select backfill_job_id, repository_id, type, 'failed', '{"code": "gone", "message": "it is gone"}'::jsonb
        || case when type = 'issues' then '{"action": "ask its owner"}' else '{}'::jsonb end
        from workspace_backfill_progress, unnest('{issues,events}'::text[]) type where backfill_job_id = $1
        """,
        job_id,
    )
    answer = await api.ask("GET", f"/api/backfills/{job_id}", token=world.SERVICE)
    errors = {each["data_type"]: each["error"] for each in answer.json["repositories"][0]["types"] if each["error"]}
    assert errors["issues"]["what_to_do"] == "ask its owner"
    assert errors["events"]["what_to_do"].startswith("check that the repository still exists")


async def test_the_latest_90_days_are_done_once_the_history_is_begun(api: Api, host: asyncpg.Connection) -> None:
    tenant = await world.tenant(host)
    job_id = await world.job(host, tenant.workspace_id, "in_progress")
    legs = {
        "pull_requests": ("historical", {}),
        "issues": ("recent", {}),
        "discussions": ("recent", {"leg_over": True}),
    }
    for data_type, (leg, position) in legs.items():
        await host.execute(
            """
            insert into backfill_sweeps (backfill_job_id, repository_id, data_type, status, leg, position)
            select backfill_job_id, repository_id, $2, 'in_progress', $3, $4 from workspace_backfill_progress
            where backfill_job_id = $1
            """,
            job_id,
            data_type,
            leg,
            position,
        )
    answer = await api.ask("GET", f"/api/backfills/{job_id}", token=world.SERVICE)
    done = {each["data_type"] for each in answer.json["repositories"][0]["types"] if each["recent_done"]}
    assert done == {"pull_requests", "discussions"}
