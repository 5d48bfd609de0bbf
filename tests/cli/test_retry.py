"""`starter.py retry`: the same job again, as its next attempt."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from cli import program
from errors import Unreachable
from reconciler import telling
from reconciler.loop import Reconciler
from store.database import Database
from tests.support.cli.operator import TWO_TYPES, Operator, one_line


class TestRetry:
    """The same job again: pending, as its next attempt, with what to do again written down before it is signaled."""

    async def failed(self, operator: Operator, **columns: Any) -> uuid.UUID:
        job_id: uuid.UUID = (await operator.start(*TWO_TYPES))["id"]
        await operator.sweep(
            job_id,
            "octo/a",
            "failed",
            pull_requests={"status": "completed"},
            issues={"status": "failed", "error": {"code": "gone", "message": "it is gone"}},
        )
        await operator.sweep(
            job_id, "Octo/B", "completed", pull_requests={"status": "completed"}, issues={"status": "skipped"}
        )
        end = {"status": "completed", "failed_repositories": 1, "completed_repositories": 1}
        await operator.set(job_id, **(end | columns), completed_at=datetime.now(UTC))
        return job_id

    async def test_it_is_pending_again_before_temporal_hears(self, operator: Operator) -> None:
        job_id = await self.failed(operator, error_message="1 of 2 repositories failed", transition=9)
        before = await operator.job(job_id)
        said = await operator("retry", str(job_id))
        assert (said.exit_code, said.out, said.err) == (0, "", "")
        job = await operator.job(job_id)
        assert (job["status"], job["attempt"], job["transition"]) == ("pending", 1, 0)
        assert (job["completed_at"], job["error_message"]) == (None, None)
        assert job["cutoff_at"] == before["cutoff_at"]
        assert job["signaled_at"] > before["signaled_at"]
        retry = job["metadata"]["retry"]
        assert retry | {"repository_ids": [], "data_types": [], "requested_by": "operator"} == retry
        assert (await operator.heard())[-1] == {
            "signal": "retry",
            "job_id": str(job_id),
            "repository_ids": [],
            "data_types": [],
            "attempt": 1,
        }

    async def test_a_selection_is_signaled(self, operator: Operator) -> None:
        job_id = await self.failed(operator)
        said = await operator("retry", str(job_id), "--repo", "OCTO/A", "--type", "issues")
        assert (said.exit_code, said.err) == (0, "")
        repository = await operator.host.fetchval("select id::text from repositories where full_name = 'octo/a'")
        told = (await operator.heard())[-1]
        assert (told["repository_ids"], told["data_types"]) == ([repository], ["issues"])

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["--repo", "octo/b"], "nothing to retry"),
            (["--type", "pull_requests"], "nothing to retry"),
            (["--repo", "octo/a", "--type", "pull_requests"], "nothing to retry"),
            (["--repo", "octo/c"], "--repo: octo/c is not part of job"),
        ],
    )
    async def test_a_selection_of_what_is_done_is_refused(
        self, operator: Operator, arguments: list[str], named: str
    ) -> None:
        job_id = await self.failed(operator)
        said = await operator("retry", str(job_id), *arguments)
        assert said.exit_code == 2
        assert named in one_line(said)
        assert (await operator.job(job_id))["attempt"] == 0

    async def test_a_job_of_one_type_has_no_other_to_retry(self, operator: Operator) -> None:
        job_id = await self.failed(operator, backfill_types=["issues"])
        said = await operator("retry", str(job_id), "--type", "pull_requests")
        assert said.exit_code == 2
        assert "--type: pull_requests is not part of job" in one_line(said)

    async def test_a_complete_job_is_refused(self, operator: Operator) -> None:
        job_id = await self.failed(operator)
        await operator.sweep(
            job_id, "octo/a", "completed", pull_requests={"status": "completed"}, issues={"status": "completed"}
        )
        said = await operator("retry", str(job_id))
        assert said.exit_code == 2
        assert "nothing to retry" in one_line(said)

    async def test_while_the_job_runs_the_retry_waits_for_the_end_of_the_attempt(self, operator: Operator) -> None:
        job_id = await self.failed(operator, status="in_progress")
        said = await operator("retry", str(job_id), "--repo", "octo/a")
        assert (said.exit_code, said.err) == (0, "")
        job = await operator.job(job_id)
        assert (job["status"], job["attempt"]) == ("in_progress", 0)
        [waiting] = job["metadata"]["retries_waiting"]
        assert waiting["data_types"] == []
        assert [each["signal"] for each in await operator.heard()] == ["run"], "nothing is to be begun yet"
        assert "1 more retry waits" in (await operator("status", str(job_id))).out

    @pytest.mark.parametrize("status", ["pending", "in_progress"])
    async def test_of_a_job_that_has_not_ended_what_has_not_failed_is_refused(
        self, operator: Operator, status: str
    ) -> None:
        job_id = (await operator.start())["id"]
        await operator.set(job_id, status=status)
        said = await operator("retry", str(job_id))
        assert said.exit_code == 2
        assert f"is {status}, and nothing of what was selected has failed" in one_line(said)

    async def test_a_job_that_was_canceled_before_it_began_can_be_done_after_all(self, operator: Operator) -> None:
        job_id = (await operator.start())["id"]
        assert (await operator("cancel", str(job_id))).exit_code == 0
        assert (await operator("retry", str(job_id))).exit_code == 0
        job = await operator.job(job_id)
        assert (job["status"], job["attempt"]) == ("pending", 1)

    async def test_a_lost_signal_is_sent_by_the_reconciler(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = await self.failed(operator)
        there = telling.signal

        async def gone(*_: Any, **__: Any) -> None:
            raise Unreachable("temporal_unreachable", "Temporal went away")

        monkeypatch.setattr(telling, "signal", gone)
        assert (await operator("retry", str(job_id), "--type", "issues")).exit_code == 0
        monkeypatch.setattr(telling, "signal", there)
        async with Database(operator.environment["DATABASE_URL"]) as pool:
            await Reconciler(pool, task_queue=operator.task_queue).reconcile()
        assert (await operator.heard())[-1]["data_types"] == ["issues"]

    async def test_two_operators_at_once_make_one_attempt(self, operator: Operator) -> None:
        job_id = await self.failed(operator)
        codes = await asyncio.gather(*(program.run(["retry", str(job_id)]) for _ in range(3)))
        assert codes == [0, 0, 0], "who asks for what is so already has it"
        assert (await operator.job(job_id))["attempt"] == 1
