"""`starter.py cancel`: a job that waits is canceled at once, one that runs by its workflow."""

import json
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from reconciler.loop import Reconciler
from store.database import Database
from tests.support.cli.operator import Operator, one_line


class TestCancel:
    """A job that waits is canceled at once; one that runs is stopped by its workflow."""

    async def test_a_job_that_waits(self, operator: Operator) -> None:
        job_id = (await operator.start())["id"]
        said = await operator("cancel", str(job_id))
        assert (said.exit_code, said.err) == (0, "")
        job = await operator.job(job_id)
        assert (job["status"], job["error_message"]) == ("canceled", None)
        assert job["completed_at"]

    async def test_a_job_that_runs(self, operator: Operator) -> None:
        job_id = (await operator.start())["id"]
        await operator.set(job_id, status="in_progress")
        assert (await operator("cancel", str(job_id))).exit_code == 0
        job = await operator.job(job_id)
        assert job["status"] == "in_progress"
        assert job["metadata"]["cancel_requested_at"]
        assert (await operator.heard())[-1] == {"signal": "cancel", "job_id": str(job_id), "attempt": 0}
        assert "Stopping at the end of a page" in (await operator("status", str(job_id))).out

    async def test_a_job_whose_workflow_is_gone_is_the_reconcilers(self, operator: Operator) -> None:
        job_id = (await operator.start())["id"]
        await operator.set(job_id, status="in_progress")
        await operator.workflow.terminate("by a test")
        assert (await operator("cancel", str(job_id))).exit_code == 0
        async with Database(operator.environment["DATABASE_URL"]) as pool:
            await Reconciler(pool, task_queue=operator.task_queue).reconcile()
        assert (await operator.job(job_id))["status"] == "canceled"

    async def test_a_job_that_is_canceled_already(self, operator: Operator) -> None:
        job_id = (await operator.start())["id"]
        await operator("cancel", str(job_id))
        before = await operator.job(job_id)
        assert (await operator("cancel", str(job_id))).exit_code == 0
        assert await operator.job(job_id) == before

    @pytest.mark.parametrize("status", ["completed", "failed"])
    async def test_a_job_that_has_ended(self, operator: Operator, status: str) -> None:
        job_id = (await operator.start())["id"]
        await operator.set(job_id, status=status)
        said = await operator("cancel", str(job_id))
        assert said.exit_code == 2
        assert f"is {status} already" in one_line(said)

    async def test_one_repository_of_a_job(self, operator: Operator) -> None:
        job_id = (await operator.start())["id"]
        await operator.set(job_id, status="in_progress")
        await operator.sweep(job_id, "octo/a", "in_progress")
        await operator.sweep(job_id, "Octo/B", "in_progress")
        said = await operator("cancel", str(job_id), "--repo", "Octo/A", "--json")
        assert (said.exit_code, said.err) == (0, "")
        answer = json.loads(said.out)
        shown = {each["full_name"]: each["cancel_requested"] for each in answer["repositories"]}
        assert (shown, answer["cancel_requested_at"]) == ({"octo/a": True, "Octo/B": False}, None)
        assert (await operator.heard())[-1] == {"signal": "cancel", "job_id": str(job_id), "attempt": 0}
        stopping = (await operator.job(job_id))["metadata"]["stopping"]
        assert len(stopping) == 1
        assert "stops at its next page" in (await operator("status", str(job_id))).out

    @pytest.mark.parametrize(
        ("name", "named"),
        [
            ("Octo/B", "--repo: Octo/B is completed already"),
            ("octo/c", "--repo: octo/c is not part of job"),
        ],
    )
    async def test_a_repository_that_has_ended_or_is_unknown(self, operator: Operator, name: str, named: str) -> None:
        job_id = (await operator.start())["id"]
        await operator.set(job_id, status="in_progress")
        await operator.sweep(job_id, "octo/a", "in_progress")
        await operator.sweep(job_id, "Octo/B", "completed")
        said = await operator("cancel", str(job_id), "--repo", "octo/a", "--repo", name)
        assert (said.exit_code, said.out) == (2, "")
        assert named in one_line(said)
        assert "stopping" not in (await operator.job(job_id))["metadata"], "all or none"

    async def test_temporal_that_fails_in_between_is_said(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = (await operator.start())["id"]
        await operator.set(job_id, status="in_progress")

        async def away(*_: Any, **__: Any) -> None:
            raise RPCError("no more", RPCStatusCode.UNAVAILABLE, b"")

        monkeypatch.setattr(WorkflowHandle, "signal", away)
        said = await operator("cancel", str(job_id))
        assert said.exit_code == 3
        assert "unavailable" in one_line(said)
