"""`starter.py start`: what it writes, signals and prints."""

from datetime import timedelta
from typing import Any

import pytest

from errors import Unreachable
from messages import DATA_TYPES
from reconciler import telling
from sandbox.ports import LOOPBACK
from tests.support.cli.operator import Operator, one_line


class TestStart:
    """Commits the job, tells Temporal, prints the id."""

    async def test_the_id_is_all_it_prints(self, operator: Operator) -> None:
        said = await operator("start", "--workspace", operator.workspace_id)
        assert (said.exit_code, said.err) == (0, "")
        job = await operator.job(said.out.strip())
        assert said.out == f"{job['id']}\n"
        assert (job["status"], job["requested_by"], job["attempt"]) == ("pending", "operator", 0)
        assert (job["retention_days"], job["cutoff_at"]) == (30, job["created_at"] - timedelta(days=30))
        assert job["backfill_types"] == list(DATA_TYPES)
        assert (job["total_repositories"], job["repositories_selected"], job["purchase_key"]) == (2, None, None)
        assert job["signaled_at"]
        assert await operator.heard() == [{"signal": "run", "job_id": str(job["id"])}]

    async def test_what_was_bought_is_how_far_it_goes_back_unless_told_otherwise(self, operator: Operator) -> None:
        for days, status in ((365, "active"), (99, "active"), (3650, "canceled")):
            await operator.host.execute(
                """
                insert into subscription_addons (user_id, addon_type, retention_days, status, polar_subscription_id)
                values ($1, 'extended_data_retention', $2, $3, gen_random_uuid())
                """,
                operator.buyer.auth_user_id,
                days,
                status,
            )
        bought = await operator.start()
        assert bought["retention_days"] == 365
        addon = await operator.host.fetchval("select id from subscription_addons where retention_days = 365")
        assert bought["subscription_addon_id"] == addon
        assert (await operator.start("--retention-days", "36500"))["retention_days"] == 36500

    async def test_a_workspace_that_keeps_nothing_must_be_told_how_far(self, operator: Operator) -> None:
        await operator.host.execute("update workspaces set data_retention_days = null")
        said = await operator("start", "--workspace", "acme")
        assert said.exit_code == 2
        assert "--retention-days: missing" in one_line(said)
        assert (await operator.start("--retention-days", "7"))["retention_days"] == 7

    async def test_repositories_and_types_can_be_selected(self, operator: Operator) -> None:
        job = await operator.start("--repo", "OCTO/b", "--repo", "octo/B", "--type", "issues")
        ids = await operator.host.fetchval("select array_agg(id) from repositories where full_name = 'Octo/B'")
        assert (job["repositories_selected"], job["total_repositories"]) == (ids, 1)
        assert job["backfill_types"] == ["issues"]

    async def test_a_workspace_has_a_slug_too(self, operator: Operator) -> None:
        said = await operator("start", "--workspace", "acme")
        assert str((await operator.job(said.out.strip()))["workspace_id"]) == operator.workspace_id

    async def test_a_second_job_is_told_to_the_workflow_that_runs(self, operator: Operator) -> None:
        started = [str((await operator.start())["id"]) for _ in range(2)]
        assert [each["job_id"] for each in await operator.heard()] == started

    async def test_with_temporal_away_nothing_is_written(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEMPORAL_ADDRESS", f"{LOOPBACK}:1")
        assert (await operator("start", "--workspace", "acme")).exit_code == 3
        assert await operator.jobs() == 0

    async def test_with_temporal_gone_after_the_commit_the_job_stands(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def gone(*_: Any, **__: Any) -> None:
            raise Unreachable("temporal_unreachable", "Temporal went away")

        monkeypatch.setattr(telling, "signal", gone)
        said = await operator("start", "--workspace", "acme")
        job = await operator.job(said.out.strip())
        assert (said.exit_code, job["status"], job["signaled_at"]) == (0, "pending", None)
        assert "is stored and will be signaled later" in said.err
