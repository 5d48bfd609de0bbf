"""What is answered of jobs, and what comes of asking for one."""

import uuid
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import asyncpg
import pytest

from messages import DATA_TYPES
from tests.support.api import world
from tests.support.api.sweeps import sweep
from tests.support.api.world import SERVICE, Answer, Api, Tenant


async def stored(host: asyncpg.Connection, job_id: str) -> dict[str, Any]:
    row = await host.fetchrow("select * from workspace_backfill_jobs where id = $1", uuid.UUID(job_id))
    assert row is not None
    return dict(row)


class TestOneJob:
    """Everything that a progress view needs."""

    async def test_types_tell_what_is_stored_expected_and_wrong(
        self, api: Api, host: asyncpg.Connection, tenant: Tenant
    ) -> None:
        job_id = await world.job(host, tenant.workspace_id, "in_progress")
        failure = {"code": "gone", "message": "GitHub answers 404", "action": "look whether it was deleted"}
        counts = {"pull_requests": 25, "reviews": 70}
        await sweep(host, job_id, "octo/rocket", "pull_requests", counts=counts, expected=100)
        await sweep(host, job_id, "octo/rocket", "issues", status="failed", error=failure)
        proof = {"as_of": "2026-11-01T00:00:00+00:00", "notes": ["stars: counts only"]}
        await sweep(host, job_id, "octo/rocket", "events", status="completed", proof=proof)
        job = (await api.ask("GET", f"/api/backfills/{job_id}", token=SERVICE)).json
        assert (job["id"], job["workspace_id"], job["status"]) == (job_id, tenant.workspace_id, "in_progress")
        assert (job["retention_days"], job["data_types"]) == (365, list(DATA_TYPES))
        moon, rocket = job["repositories"]
        assert (moon["full_name"], rocket["full_name"]) == ("octo/moon", "octo/rocket")
        pulls, issues, _, events, _ = rocket["types"]
        assert (pulls["status"], pulls["stored"], pulls["expected"]) == ("in_progress", 25, 100)
        assert pulls["counts"] == counts
        assert (issues["status"], issues["error"]["code"]) == ("failed", "gone")
        assert (events["status"], events["notes"]) == ("completed", ["stars: counts only"])
        assert (job["eta"], job["time_left"], job["time_left_reason"]["state"]) == (None, None, "totals_unknown")

    async def test_the_addon_tells_what_was_bought_and_what_is_due(
        self, api: Api, host: asyncpg.Connection, tenant: Tenant
    ) -> None:
        pending = {"applies_at": "2027-01-01T00:00:00+00:00"}
        addon_id = await world.addon(
            host, tenant.owner, 30, polar_status="past_due", pending_update=pending, pending_days=90
        )
        job_id = await world.job(host, tenant.workspace_id)
        await host.execute(
            "update workspace_backfill_jobs set subscription_addon_id = $1 where id = $2", addon_id, job_id
        )
        addon = (await api.ask("GET", f"/api/backfills/{job_id}", token=SERVICE)).json["addon"]
        assert (addon["retention_days"], addon["status"], addon["past_due"]) == (30, "active", True)
        assert (addon["changes_at"], addon["changes_to_days"]) == ("2027-01-01T00:00:00Z", 90)
        assert addon["purchased_at"]
        await host.execute("delete from subscription_addons where id = $1", addon_id)

    async def test_waiting_tells_why_and_until_when_and_nothing_of_another_workspace_s_job(
        self, api: Api, host: asyncpg.Connection, tenant: Tenant
    ) -> None:
        job_id = await world.job(host, tenant.workspace_id, "in_progress")
        other, since = str(uuid.uuid4()), datetime.now(UTC).isoformat()
        waiting = {"reason": "another_job", "since": since, "until": since, "job_id": other, "data_types": []}
        await host.execute(
            "update workspace_backfill_progress set metadata = $2 where backfill_job_id = $1",
            uuid.UUID(job_id),
            {"waiting": waiting},
        )
        answer = await api.ask("GET", f"/api/backfills/{job_id}", token=SERVICE)
        assert answer.json["waiting"]["reason"] == "another_job"
        assert answer.json["repositories"][0]["waiting"]["until"]
        assert other not in answer.text

    async def test_the_latest_job_of_a_workspace(self, api: Api, host: asyncpg.Connection, tenant: Tenant) -> None:
        await world.job(host, tenant.workspace_id, "completed")
        latest = await world.job(host, tenant.workspace_id)
        path = f"/api/workspaces/{tenant.workspace_id}/backfill"
        assert (await api.ask("GET", path, token=tenant.token("viewer"))).json["id"] == latest

    async def test_a_workspace_without_a_job_says_so(self, api: Api, host: asyncpg.Connection) -> None:
        tenant = await world.tenant(host)
        answer = await api.ask("GET", f"/api/workspaces/{tenant.workspace_id}/backfill", token=SERVICE)
        assert (answer.status, answer.json["error"]["code"]) == (404, "no_backfill")


class TestEtags:
    """Who has it already is told so."""

    async def test_an_unchanged_job_is_304_and_a_changed_one_is_not(
        self, api: Api, host: asyncpg.Connection, tenant: Tenant
    ) -> None:
        job_id = await world.job(host, tenant.workspace_id, "in_progress")
        await sweep(host, job_id, "octo/rocket", "issues", counts={"issues": 10}, expected=100)
        path, token = f"/api/backfills/{job_id}", tenant.token("viewer")
        first = await api.ask("GET", path, token=token)
        known = {"If-None-Match": first.headers["ETag"]}
        again = await api.ask("GET", path, token=token, headers=known)
        assert (again.status, again.text, again.headers["ETag"]) == (304, "", first.headers["ETag"])
        assert (await api.ask("GET", path, token=tenant.token("stranger"), headers=known)).status == 404
        await host.execute("update backfill_sweeps set counts = '{\"issues\": 11}' where backfill_job_id = $1", job_id)
        changed = await api.ask("GET", path, token=token, headers=known)
        assert (changed.status, changed.headers["ETag"] == first.headers["ETag"]) == (200, False)

    @pytest.mark.parametrize("path", ["/api/workspaces/{workspace}/notifications", "/api/backfill/status/{job}"])
    async def test_other_reads_have_one_too(
        self, api: Api, host: asyncpg.Connection, tenant: Tenant, path: str
    ) -> None:
        job_id = await world.job(host, tenant.workspace_id, "completed")
        path = path.format(workspace=tenant.workspace_id, job=job_id)
        first = await api.ask("GET", path, token=SERVICE)
        again = await api.ask(
            "GET", path, token=SERVICE, headers={"If-None-Match": f'"other", {first.headers["ETag"]}'}
        )
        assert (first.status, again.status) == (200, 304)


class TestTrigger:
    """A new job, for what was bought at most."""

    async def ask(self, api: Api, tenant: Tenant, body: dict[str, Any]) -> world.Answer:
        path = f"/api/workspaces/{tenant.workspace_id}/backfills"
        return await api.ask("POST", path, token=tenant.token("admin"), json=body)

    async def test_without_a_wish_it_is_for_all_that_was_bought(
        self, api: Api, host: asyncpg.Connection, tenant: Tenant
    ) -> None:
        hurried = len(api.hurried)
        answer = await self.ask(api, tenant, {})
        assert (answer.status, answer.json.keys()) == (202, {"job_id"})
        job = await stored(host, answer.json["job_id"])
        assert (job["retention_days"], job["status"], job["requested_by"]) == (365, "pending", "api")
        assert job["repositories_selected"] is None
        assert job["subscription_addon_id"] is not None
        assert len(api.hurried) == hurried + 1

    async def test_a_selection_is_kept(self, api: Api, host: asyncpg.Connection, tenant: Tenant) -> None:
        wish = {"retention_days": 90, "repositories": ["Octo/Moon"], "data_types": ["issues", "pull_requests"]}
        job = await stored(host, (await self.ask(api, tenant, wish)).json["job_id"])
        assert (job["retention_days"], job["backfill_types"]) == (90, ["pull_requests", "issues"])
        assert len(job["repositories_selected"]) == 1

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ({"retention_days": 366}, "retention_days: 366 days are more than the 365"),
            ({"retention_days": 0}, "retention_days"),
            ({"retention_days": "90"}, "retention_days"),
            ({"retention_days": True}, "retention_days"),
            ({"retention_days": 10**30}, "retention_days"),
            ({"repositories": ["octo/rocket", "octo/none"]}, "repositories: octo/none"),
            ({"repositories": ["octo"]}, "'octo'"),
            ({"repositories": ["o/\u0000"]}, "repositories.0"),
            ({"repositories": []}, "repositories"),
            ({"data_types": ["stars"]}, "'stars'"),
            ({"days": 5}, "days"),
            ([], "the body"),
        ],
        ids=[
            "more days than bought",
            "no days",
            "text",
            "true",
            "a huge number",
            "unknown repository",
            "no full name",
            "a null character",
            "no repositories",
            "unknown type",
            "unknown field",
            "a list",
        ],
    )
    async def test_what_is_wrong_is_named(
        self, api: Api, host: asyncpg.Connection, tenant: Tenant, body: Any, named: str
    ) -> None:
        jobs = await host.fetchval("select count(*) from workspace_backfill_jobs")
        answer = await self.ask(api, tenant, body)
        assert (answer.status, answer.json["error"]["code"]) == (400, "bad_input")
        assert named in answer.json["error"]["message"]
        assert "--" not in answer.text
        assert await host.fetchval("select count(*) from workspace_backfill_jobs") == jobs

    @pytest.mark.parametrize("status", ["inactive", "canceled", "expired"])
    async def test_who_bought_nothing_gets_nothing(self, api: Api, host: asyncpg.Connection, status: str) -> None:
        tenant = await world.tenant(host, days=None)
        await world.addon(host, tenant.owner, 365, status)
        assert (await self.ask(api, tenant, {})).status == 400
        assert (await self.ask(api, tenant, {"retention_days": 1})).status == 400

    async def test_an_admin_s_own_addon_is_not_the_workspace_s(self, api: Api, host: asyncpg.Connection) -> None:
        tenant = await world.tenant(host, days=30)
        await world.addon(host, tenant.people["admin"], 3650)
        assert (await self.ask(api, tenant, {"retention_days": 31})).status == 400
        assert (await self.ask(api, tenant, {"retention_days": 30})).status == 202


class TestControl:
    """Retry and cancel."""

    async def test_a_retry_is_the_same_job_with_its_cutoff(
        self, api: Api, host: asyncpg.Connection, tenant: Tenant
    ) -> None:
        job_id = await world.job(host, tenant.workspace_id, "failed")
        before = await stored(host, job_id)
        wish = {"repositories": ["octo/moon"], "data_types": ["issues"]}
        answer = await api.ask("POST", f"/api/backfills/{job_id}/retry", token=tenant.token("owner"), json=wish)
        assert (answer.status, answer.json) == (202, {"job_id": job_id})
        after = await stored(host, job_id)
        assert (after["status"], after["attempt"], after["cutoff_at"]) == ("pending", 1, before["cutoff_at"])
        assert after["metadata"]["retry"]["data_types"] == ["issues"]
        assert len(after["metadata"]["retry"]["repository_ids"]) == 1

    async def test_a_retry_needs_no_body(self, api: Api, host: asyncpg.Connection, tenant: Tenant) -> None:
        job_id = await world.job(host, tenant.workspace_id, "failed")
        answer = await api.ask("POST", f"/api/backfills/{job_id}/retry", token=tenant.token("owner"))
        assert answer.status == 202

    @pytest.mark.parametrize("status", ["pending", "in_progress"])
    async def test_cancel(self, api: Api, host: asyncpg.Connection, tenant: Tenant, status: str) -> None:
        job_id = await world.job(host, tenant.workspace_id, status)
        hurried = len(api.hurried)
        answer = await api.ask("POST", f"/api/backfills/{job_id}/cancel", token=tenant.token("admin"))
        assert (answer.status, answer.json) == (202, {"job_id": job_id})
        job = await stored(host, job_id)
        assert job["status"] == "canceled" or "cancel_requested_at" in job["metadata"]
        assert len(api.hurried) == hurried + 1

    async def test_cancel_of_one_repository(self, api: Api, host: asyncpg.Connection, tenant: Tenant) -> None:
        job_id = await world.job(host, tenant.workspace_id, "in_progress")
        path, hurried = f"/api/backfills/{job_id}/cancel", len(api.hurried)
        for repository in ("octo/moon", "octo/rocket"):
            await sweep(host, job_id, repository, "issues", status="in_progress")

        async def ask(role: str, *names: str) -> Answer:
            return await api.ask("POST", path, token=tenant.token(role), json={"repositories": list(names)})

        assert (await ask("editor", "octo/moon")).status == 403
        assert (await ask("admin")).status == 400, "an empty list is not the whole job"
        unknown = await ask("admin", "octo/moon", "octo/sun")
        assert (unknown.status, "octo/sun is not part of job" in unknown.json["error"]["message"]) == (400, True)
        answer = await ask("admin", "Octo/Moon")
        assert (answer.status, answer.json, len(api.hurried)) == (202, {"job_id": job_id}, hurried + 1)
        shown = (await api.ask("GET", f"/api/backfills/{job_id}", token=tenant.token("viewer"))).json
        names = {each["full_name"]: each["cancel_requested"] for each in shown["repositories"]}
        assert (names, shown["cancel_requested_at"]) == ({"octo/moon": True, "octo/rocket": False}, None)

    async def test_pause_and_resume(self, api: Api, host: asyncpg.Connection, tenant: Tenant) -> None:
        job_id = await world.job(host, tenant.workspace_id, "in_progress")
        path, token = f"/api/backfills/{job_id}", tenant.token("admin")
        for _ in range(2):
            paused = await api.ask("POST", f"{path}/pause", token=token)
            assert (paused.status, paused.json) == (202, {"job_id": job_id})
        shown = (await api.ask("GET", path, token=token)).json
        assert (shown["status"], shown["paused_at"] is None, shown["eta"]) == ("in_progress", False, None)
        assert (await api.ask("POST", f"{path}/resume", token=token)).status == 202
        assert (await api.ask("GET", path, token=token)).json["paused_at"] is None

    async def test_who_asked_when_and_from_where_is_kept(
        self, api: Api, host: asyncpg.Connection, tenant: Tenant
    ) -> None:
        job_id = await world.job(host, tenant.workspace_id, "in_progress")
        await api.ask("POST", f"/api/backfills/{job_id}/pause", token=tenant.token("admin"))
        await api.ask("POST", f"/api/backfill/cancel/{job_id}", token=SERVICE)
        pause, cancel = (await stored(host, job_id))["metadata"]["audit"]
        admin = tenant.people["admin"].auth_user_id
        assert (pause["action"], pause["who"], pause["source"]) == ("pause", f"user:{admin}", "api")
        assert (cancel["action"], cancel["who"], cancel["source"]) == ("cancel", "service", "host")
        assert (pause["address"], cancel["address"]) == ("127.0.0.1", "127.0.0.1")

    @pytest.mark.parametrize(
        ("proxies", "forwarded", "address"),
        [
            ([], "203.0.113.9", "127.0.0.1"),
            (["127.0.0.0/8"], "203.0.113.9", "203.0.113.9"),
            (["127.0.0.0/8"], "198.51.100.1, 203.0.113.9", "203.0.113.9"),
            (["127.0.0.0/8", "10.0.0.0/8"], "198.51.100.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
            (["127.0.0.0/8"], "nobody", "127.0.0.1"),
            (["127.0.0.0/8"], "", "127.0.0.1"),
            (["::/0"], "203.0.113.9", "127.0.0.1"),
        ],
    )
    async def test_a_proxy_of_ours_is_believed_about_the_address_before_it_and_nobody_else(
        self,
        database: str,
        host: asyncpg.Connection,
        tenant: Tenant,
        proxies: list[str],
        forwarded: str,
        address: str,
    ) -> None:
        job_id = await world.job(host, tenant.workspace_id, "in_progress")
        async with world.serving_api(database, proxies=[ip_network(each) for each in proxies]) as api:
            headers = {"X-Forwarded-For": forwarded}
            await api.ask("POST", f"/api/backfills/{job_id}/pause", token=SERVICE, headers=headers)
        [pause] = (await stored(host, job_id))["metadata"]["audit"]
        assert pause["address"] == address

    @pytest.mark.parametrize("what", ["pause", "resume", "cancel", "retry"])
    async def test_what_cannot_be_done_now_is_a_conflict(
        self, api: Api, host: asyncpg.Connection, tenant: Tenant, what: str
    ) -> None:
        job_id = await world.job(host, tenant.workspace_id, "completed")
        for data_type in DATA_TYPES:
            for repository in ("octo/rocket", "octo/moon"):
                await sweep(host, job_id, repository, data_type, status="completed")
        answer = await api.ask("POST", f"/api/backfills/{job_id}/{what}", token=SERVICE)
        assert (answer.status, answer.json["error"]["code"]) == (409, "conflict")
        assert answer.json["error"]["message"]

    async def test_a_trigger_with_the_same_key_is_the_same_job(
        self, api: Api, host: asyncpg.Connection, tenant: Tenant
    ) -> None:
        other = await world.tenant(host)
        asked = []
        for workspace, key in ((tenant, "one"), (tenant, "one"), (tenant, "two"), (other, "one")):
            path = f"/api/workspaces/{workspace.workspace_id}/backfills"
            headers = {"Idempotency-Key": key}
            asked.append((await api.ask("POST", path, token=SERVICE, json={}, headers=headers)).json["job_id"])
        assert asked[0] == asked[1]
        assert len({*asked}) == 3
        bad = await api.ask("POST", path, token=SERVICE, json={}, headers={"Idempotency-Key": "a b"})
        assert bad.status == 400


class TestNotifications:
    """In-app notifications, each reader his own."""

    async def test_pages_are_newest_first_and_hold_each_once(self, api: Api, host: asyncpg.Connection) -> None:
        tenant = await world.tenant(host)
        job_id, viewer = str(uuid.uuid4()), tenant.people["viewer"].auth_user_id
        told = [await world.notification(host, tenant.workspace_id, job_id, viewer) for _ in range(5)]
        # Of one transaction, at the very same moment.
        await host.execute("update notifications set created_at = now() where id = any($1::uuid[])", told[1:4])
        await world.notification(host, tenant.workspace_id, job_id, tenant.owner.auth_user_id)
        await world.notification(host, str(uuid.uuid4()), job_id, viewer)
        path, seen, cursor = f"/api/workspaces/{tenant.workspace_id}/notifications?limit=2", [], ""
        while cursor is not None:
            page = (
                await api.ask("GET", path + (f"&before={cursor}" if cursor else ""), token=tenant.token("viewer"))
            ).json
            seen += page["notifications"]
            cursor = page["next"]
        assert sorted(each["id"] for each in seen) == sorted(told)
        moments = [each["created_at"] for each in seen]
        assert moments == sorted(moments, reverse=True)
        assert (seen[0]["job_id"], seen[0]["status"], seen[0]["read"]) == (job_id, "completed", False)

    async def test_the_service_sees_what_the_owner_was_told(self, api: Api, host: asyncpg.Connection) -> None:
        tenant = await world.tenant(host)
        told = await world.notification(host, tenant.workspace_id, "job", tenant.owner.auth_user_id)
        await world.notification(host, tenant.workspace_id, "job", tenant.people["admin"].auth_user_id)
        path = f"/api/workspaces/{tenant.workspace_id}/notifications"
        for token in (SERVICE, tenant.token("owner_id")):
            assert [each["id"] for each in (await api.ask("GET", path, token=token)).json["notifications"]] == [told]

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=101", "limit=+5", "limit=5x", "limit=1&limit=2", "before=yesterday", "page=2"]
    )
    async def test_a_bad_parameter_is_named(self, api: Api, tenant: Tenant, query: str) -> None:
        path = f"/api/workspaces/{tenant.workspace_id}/notifications?{query.replace('+', '%2B')}"
        answer = await api.ask("GET", path, token=SERVICE)
        assert (answer.status, answer.json["error"]["code"]) == (400, "bad_input")
        assert query.partition("=")[0] in answer.json["error"]["message"]
