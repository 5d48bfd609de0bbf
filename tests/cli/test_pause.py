"""`starter.py pause`: and `resume`: in the row first, then told to the workflow."""

import getpass
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from reconciler.loop import Reconciler
from sandbox.ports import LOOPBACK
from store.database import Database
from tests.support.cli.operator import Operator, one_line


class TestPause:
    """A job is paused and resumed in its row first; its workflow is told to look there."""

    @pytest.mark.parametrize("reference", ["job", "workspace"])
    async def test_a_job_or_the_latest_of_a_workspace(self, operator: Operator, reference: str) -> None:
        job_id = (await operator.start())["id"]
        await operator.set(job_id, status="in_progress")
        named = str(job_id) if reference == "job" else "acme"
        said = await operator("pause", named)
        assert (said.exit_code, said.out, said.err) == (0, "", "")
        metadata = (await operator.job(job_id))["metadata"]
        assert metadata["paused_by"] == f"operator:{getpass.getuser()}"
        assert "Paused by an operator since" in (await operator("status", named)).out
        assert (await operator("pause", named)).exit_code == 0
        assert (await operator("resume", named)).exit_code == 0
        assert (await operator("resume", named)).exit_code == 0
        job = await operator.job(job_id)
        assert "paused_at" not in job["metadata"]
        told = [(each["signal"], each.get("attempt")) for each in await operator.heard()]
        assert told == [("run", None), ("pause", 0), ("resume", 0)], "what is so already is told nobody"

    @pytest.mark.parametrize("command", ["pause", "resume"])
    async def test_a_job_that_has_ended_is_refused(self, operator: Operator, command: str) -> None:
        job_id = (await operator.start())["id"]
        await operator.set(job_id, status="completed")
        said = await operator(command, str(job_id))
        assert said.exit_code == 2
        assert "is completed already" in one_line(said)

    @pytest.mark.parametrize("command", ["pause", "resume"])
    async def test_with_temporal_away_nothing_is_written(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        before = await operator.start()
        monkeypatch.setenv("TEMPORAL_ADDRESS", f"{LOOPBACK}:1")
        assert (await operator(command, "acme")).exit_code == 3
        assert await operator.job(before["id"]) == before

    async def test_what_temporal_did_not_hear_the_reconciler_tells(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = (await operator.start())["id"]
        await operator.set(job_id, status="in_progress")
        there = WorkflowHandle.signal

        async def away(*_: Any, **__: Any) -> None:
            raise RPCError("no more", RPCStatusCode.UNAVAILABLE, b"")

        monkeypatch.setattr(WorkflowHandle, "signal", away)
        assert (await operator("pause", str(job_id))).exit_code == 3
        monkeypatch.setattr(WorkflowHandle, "signal", there)
        assert "paused_at" in (await operator.job(job_id))["metadata"]
        async with Database(operator.environment["DATABASE_URL"]) as pool:
            await Reconciler(pool, task_queue=operator.task_queue).reconcile()
            await Reconciler(pool, task_queue=operator.task_queue).reconcile()
        assert [each["signal"] for each in await operator.heard()] == ["run", "pause"]
