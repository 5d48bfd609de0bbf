"""The operator's commands: what they write, what they say, and that whatever is wrong is one line."""

import asyncio
import getpass
import io
import json
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import pytest
from rich.console import Console
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

import reconciler
import starter
from errors import Unreachable
from messages import DATA_TYPES, Waiting, WaitingReason, workspace_workflow_id
from polar.inbox import Inbox
from sandbox.ports import LOOPBACK
from sandbox.postgres import Postgres
from sandbox.processes import Processes
from store.database import Database
from tests import shop
from tests.conftest import RunStarter
from tests.listener import heard, listening
from tests.programs import ROOT
from tests.waiting import PATIENCE, so

NOWHERE = f"postgresql://nobody:hunter2@{LOOPBACK}:1/nowhere"
NOBODY = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Said:
    exit_code: int
    out: str
    err: str


@dataclass
class Operator:
    """Runs commands in this process, with a workspace of two repositories to run them on."""

    capsys: pytest.CaptureFixture[str]
    host: asyncpg.Connection
    client: Client
    buyer: shop.Buyer
    workspace_id: str
    task_queue: str
    environment: dict[str, str] = field(repr=False)

    async def __call__(self, *arguments: str) -> Said:
        self.capsys.readouterr()
        exit_code = await starter.run(arguments)
        said = self.capsys.readouterr()
        return Said(exit_code, said.out, said.err)

    async def start(self, *arguments: str) -> dict[str, Any]:
        """Starts a job and answers its row."""
        said = await self("start", "--workspace", self.workspace_id, *arguments)
        assert (said.exit_code, said.err) == (0, "")
        return await self.job(said.out.strip())

    async def job(self, job_id: Any) -> dict[str, Any]:
        [row] = await self.host.fetch("select * from workspace_backfill_jobs where id = $1", uuid.UUID(str(job_id)))
        return dict(row)

    async def jobs(self) -> int:
        count: int = await self.host.fetchval("select count(*) from workspace_backfill_jobs")
        return count

    async def heard(self) -> list[dict[str, Any]]:
        return await heard(self.client, self.workspace_id)

    @property
    def workflow(self) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(workspace_workflow_id(self.workspace_id))

    async def set(self, job_id: Any, **columns: Any) -> None:
        assigned = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, 2))
        await self.host.execute(
            f"update workspace_backfill_jobs set {assigned} where id = $1", job_id, *columns.values()
        )

    async def sweep(
        self,
        job_id: Any,
        full_name: str,
        status: str = "in_progress",
        *,
        waiting_until: datetime | None = None,
        waiting: Waiting | None = None,
        **sweeps: dict[str, Any],
    ) -> None:
        """A repository's progress row and its sweeps by data type, as the worker leaves them."""
        repository_id = await self.host.fetchval("select id from repositories where full_name = $1", full_name)
        by_status = {
            each: [name for name, sweep in sweeps.items() if sweep["status"] == each]
            for each in ("completed", "failed", "skipped")
        }
        await self.host.execute(
            """
            insert into workspace_backfill_progress (
                backfill_job_id, repository_id, status, data_types_completed, data_types_failed, data_types_skipped,
                metadata
            ) values ($1, $2, $3, $4, $5, $6, $7)
            on conflict (backfill_job_id, repository_id) do update set status = excluded.status,
                data_types_completed = excluded.data_types_completed, data_types_failed = excluded.data_types_failed,
                data_types_skipped = excluded.data_types_skipped, metadata = excluded.metadata
            """,
            job_id,
            repository_id,
            status,
            *by_status.values(),
            ({"waiting_until": waiting_until.isoformat()} if waiting_until else {})
            | ({"waiting": waiting.model_dump(mode="json", exclude_defaults=True)} if waiting else {}),
        )
        for data_type, sweep in sweeps.items():
            await self.host.execute(
                """
                insert into backfill_sweeps (
                    backfill_job_id, repository_id, data_type, status, counts, expected, proof, error
                ) values ($1, $2, $3, $4, $5, $6, $7, $8)
                on conflict (backfill_job_id, repository_id, data_type) do update set status = excluded.status,
                    counts = excluded.counts, expected = excluded.expected, proof = excluded.proof,
                    error = excluded.error
                """,
                job_id,
                repository_id,
                data_type,
                sweep["status"],
                sweep.get("counts", {}),
                sweep.get("expected"),
                sweep.get("proof"),
                sweep.get("error"),
            )


@pytest.fixture(scope="module")
async def database(postgres: Postgres, migrated_template: str) -> AsyncIterator[str]:
    async with shop.database(postgres, migrated_template) as dsn:
        yield dsn


@pytest.fixture(scope="module")
async def task_queue(temporal_client: Client) -> AsyncIterator[str]:
    queue = f"test-{uuid.uuid4().hex[:12]}"
    async with listening(temporal_client, queue):
        yield queue


@pytest.fixture
async def operator(
    environment: dict[str, str],
    temporal_client: Client,
    task_queue: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Operator]:
    environment |= {"TEMPORAL_TASK_QUEUE": task_queue}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with shop.emptied(environment["DATABASE_URL"]) as host:
        buyer = await shop.buyer(host)
        workspace_id = await shop.workspace(host, buyer, "octo/a", "Octo/B", slug="acme", keeps=30)
        yield Operator(capsys, host, temporal_client, buyer, workspace_id, task_queue, environment)


OTHER_JOB = "11111111-1111-4111-8111-111111111111"


def waits(reason: WaitingReason, **more: Any) -> Waiting:
    return Waiting(reason=reason, since=datetime.now(UTC), **more)


TWO_TYPES = ("--type", "pull_requests", "--type", "issues")


def one_line(said: Said) -> str:
    assert said.out == ""
    [line] = said.err.splitlines()
    assert line.startswith("starter: ")
    assert "hunter2" not in line
    return line.removeprefix("starter: ")


class TestBadInput:
    """One line on standard error that names it, exit code 2; nothing is asked of any server."""

    @pytest.mark.parametrize(
        ("line", "named"),
        [
            ("", "COMMAND: missing"),
            ("begin", '"begin"'),
            ("--version", "--version"),
            ("strat --workspace x", '"strat"'),
            ("start", "--workspace"),
            ("start --workspace", "--workspace"),
            ("start x", "--workspace"),
            ("start --workspace x y", "y"),
            ("start --workspace x --fast", "--fast"),
            *(
                (f"start --workspace x --retention-days {days}", "--retention-days: must be a whole number from 1 to")
                for days in ("25abc", "1e3", "-5", "0", "1.0", "1_000", "36501", "٣", "0x10", "+5", "999999999999")
            ),
            ("start --workspace x --retention-days", "--retention-days"),
            ("start --workspace x --retention-days 5 --retention-days 6", "--retention-days"),
            ("start --workspace x --type stars", '"stars"'),
            ("start --workspace x --type", "--type"),
            ("start --workspace x --repo", "--repo"),
            ("status", "JOB|WORKSPACE"),
            ("status a b", "b"),
            ("status a --jsn", "--jsn"),
            ("status a --json=maybe", "json"),
            ("watch", "JOB|WORKSPACE"),
            ("retry", "JOB"),
            ("retry x --type 7", '"7"'),
            ("cancel", "JOB"),
            ("cancel x y", "y"),
            ("list all", "all"),
            ("migrate --force", "--force"),
        ],
    )
    async def test_an_argument(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, named: str
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", NOWHERE)
        exit_code = await starter.run(line.split())
        said = capsys.readouterr()
        assert exit_code == 2
        assert named in one_line(Said(exit_code, said.out, said.err))

    @pytest.mark.parametrize(
        "line", ["status x", "watch x", "list", "start --workspace x", "retry x", "cancel x", "migrate"]
    )
    @pytest.mark.parametrize(
        ("name", "value", "exit_code"),
        [
            ("DATABASE_URL", "", 2),
            ("DATABASE_URL", "foo", 2),
            ("DATABASE_URL", "postgresql://u:hunter2@h:port/x", 2),
            ("LOG_FORMAT", "xml", 2),
            ("DATABASE_URL", NOWHERE, 3),
        ],
        ids=["missing", "foo", "port", "log", "away"],
    )
    async def test_a_setting(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        temporal_client: Client,
        line: str,
        name: str,
        value: str,
        exit_code: int,
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", NOWHERE)
        monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_client.service_client.config.target_host)
        monkeypatch.setenv(name, value)
        assert await starter.run(line.split()) == exit_code
        said = capsys.readouterr()
        where = one_line(Said(exit_code, said.out, said.err))
        assert ("DATABASE_" in where or "LOG_FORMAT" in where) if exit_code == 2 else f"{LOOPBACK}:1/nowhere" in where

    @pytest.mark.parametrize("line", ["start --workspace x", f"retry {NOBODY}", f"cancel {NOBODY}"])
    @pytest.mark.parametrize(
        ("name", "value", "exit_code"),
        [
            ("TEMPORAL_ADDRESS", "http://localhost:7233", 2),
            ("TEMPORAL_TLS", "perhaps", 2),
            ("TEMPORAL_NAMESPACE", "nowhere", 2),
            ("TEMPORAL_ADDRESS", f"{LOOPBACK}:1", 3),
        ],
        ids=["url", "tls", "namespace", "away"],
    )
    async def test_a_setting_of_temporal(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch, line: str, name: str, value: str, exit_code: int
    ) -> None:
        monkeypatch.setenv(name, value)
        said = await operator(*line.split())
        assert said.exit_code == exit_code
        assert (name if exit_code == 2 else f"{LOOPBACK}:1") in one_line(said)

    @pytest.mark.parametrize(
        ("line", "named"),
        [
            ("start --workspace nobody's", "--workspace: there is no workspace nobody's"),
            (f"start --workspace {NOBODY}", f"--workspace: there is no workspace {NOBODY}"),
            ("start --workspace acme --repo octo/a --repo octo/c", "--repo: octo/c is not a repository of"),
            ("start --workspace acme --repo octo", "--repo: octo is not"),
            ("status nobody's", "JOB|WORKSPACE: there is no job and no workspace nobody's"),
            (f"watch {NOBODY}", f"JOB|WORKSPACE: there is no job and no workspace {NOBODY}"),
            ("status acme", "JOB|WORKSPACE: workspace acme has no backfill yet"),
            (f"retry {NOBODY}", f"JOB: there is no job {NOBODY}"),
            ("retry 25abc", "JOB: there is no job 25abc"),
            (f"cancel {NOBODY}", f"JOB: there is no job {NOBODY}"),
            ("cancel acme", "JOB: there is no job acme"),
        ],
    )
    async def test_what_is_not_there(self, operator: Operator, line: str, named: str) -> None:
        said = await operator(*line.split())
        assert said.exit_code == 2
        assert named in one_line(said)
        assert await operator.jobs() == 0

    @pytest.mark.parametrize("line", ["--help", "-h", "start --help"])
    async def test_to_ask_for_help_is_not_wrong(self, capsys: pytest.CaptureFixture[str], line: str) -> None:
        assert await starter.run(line.split()) == 0
        said = capsys.readouterr()
        assert "--workspace" in said.out if "start" in line else "retry" in said.out
        assert said.err == ""

    async def test_a_database_without_our_tables(
        self, empty_database: str, operator: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", empty_database)
        for line in ("list", "status acme", "start --workspace acme"):
            said = await operator(*line.split())
            assert said.exit_code == 2
            assert "starter.py migrate" in one_line(said)


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

        monkeypatch.setattr(reconciler, "signal", gone)
        said = await operator("start", "--workspace", "acme")
        job = await operator.job(said.out.strip())
        assert (said.exit_code, job["status"], job["signaled_at"]) == (0, "pending", None)
        assert "is stored and will be signaled later" in said.err


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
        there = reconciler.signal

        async def gone(*_: Any, **__: Any) -> None:
            raise Unreachable("temporal_unreachable", "Temporal went away")

        monkeypatch.setattr(reconciler, "signal", gone)
        assert (await operator("retry", str(job_id), "--type", "issues")).exit_code == 0
        monkeypatch.setattr(reconciler, "signal", there)
        async with Database(operator.environment["DATABASE_URL"]) as pool:
            await reconciler.Reconciler(pool, task_queue=operator.task_queue).reconcile()
        assert (await operator.heard())[-1]["data_types"] == ["issues"]

    async def test_two_operators_at_once_make_one_attempt(self, operator: Operator) -> None:
        job_id = await self.failed(operator)
        codes = await asyncio.gather(*(starter.run(["retry", str(job_id)]) for _ in range(3)))
        assert codes == [0, 0, 0], "who asks for what is so already has it"
        assert (await operator.job(job_id))["attempt"] == 1


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
        assert "in_progress (canceling)" in (await operator("status", str(job_id))).out

    async def test_a_job_whose_workflow_is_gone_is_the_reconcilers(self, operator: Operator) -> None:
        job_id = (await operator.start())["id"]
        await operator.set(job_id, status="in_progress")
        await operator.workflow.terminate("by a test")
        assert (await operator("cancel", str(job_id))).exit_code == 0
        async with Database(operator.environment["DATABASE_URL"]) as pool:
            await reconciler.Reconciler(pool, task_queue=operator.task_queue).reconcile()
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
        assert "in_progress, paused since" in (await operator("status", named)).out
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
            await reconciler.Reconciler(pool, task_queue=operator.task_queue).reconcile()
            await reconciler.Reconciler(pool, task_queue=operator.task_queue).reconcile()
        assert [each["signal"] for each in await operator.heard()] == ["run", "pause"]


AS_OF = "2026-11-23T12:00:00Z"
PROOF = {"as_of": AS_OF, "proved_by": "count", "threads_stored": 100, "threads_github": 100}
GONE = {
    "code": "gone",
    "message": "octo/b is gone [404]",
    "action": "remove it",
    "error_class": "part_over",
    "repository": "Octo/B",
    "data_type": "issues",
    "cursor": None,
    "at": None,
}


class TestStatus:
    """Everything that is known, for people and for programs."""

    async def halfway(self, operator: Operator) -> Any:
        await operator.host.execute(
            """
            insert into subscription_addons (
                user_id, addon_type, retention_days, status, polar_subscription_id, purchased_at, expires_at
            ) values ($1, 'extended_data_retention', 365, 'active', 'p', '2026-11-01T00:00Z', '2026-12-01T00:00Z')
            """,
            operator.buyer.auth_user_id,
        )
        job_id = (await operator.start(*TWO_TYPES))["id"]
        began = datetime.now(UTC) - timedelta(minutes=10)
        await operator.set(job_id, status="in_progress", started_at=began, completed_repositories=0)
        await operator.sweep(
            job_id,
            "octo/a",
            waiting_until=datetime.now(UTC) + timedelta(minutes=3),
            pull_requests={
                "status": "completed",
                "counts": {"pull_requests": 100, "reviews": 30, "comments": 4},
                "expected": 100,
                "proof": PROOF,
            },
            issues={"status": "in_progress", "counts": {"issues": 50, "comments": 0}, "expected": 200},
        )
        await operator.sweep(job_id, "Octo/B", "failed", issues={"status": "failed", "error": GONE})
        return job_id

    async def test_the_json_is_complete(self, operator: Operator) -> None:
        job_id = await self.halfway(operator)
        said = await operator("status", str(job_id), "--json")
        assert (said.exit_code, said.err) == (0, "")
        job = json.loads(said.out)
        row = await operator.job(job_id)
        [failed, waiting] = job.pop("repositories")
        waiting_until = waiting.pop("waiting_until")
        assert job.pop("waiting_until") == waiting_until
        assert job.pop("waiting") is None, "an older release said only until when"
        # 150 of 300 in ten minutes; what failed is not coming any more.
        left = datetime.fromisoformat(job.pop("eta")) - datetime.fromisoformat(job.pop("as_of"))
        assert timedelta(minutes=10) <= left < timedelta(minutes=11)
        assert {name: job.pop(name) for name in ("cutoff_at", "created_at", "started_at")} == {
            name: row[name].isoformat().replace("+00:00", "Z") for name in ("cutoff_at", "created_at", "started_at")
        }
        assert job == {
            "id": str(job_id),
            "workspace_id": operator.workspace_id,
            "workspace_name": "acme",
            "workspace_slug": "acme",
            "status": "in_progress",
            "attempt": 0,
            "requested_by": "operator",
            "retention_days": 365,
            "data_types": ["pull_requests", "issues"],
            "total_repositories": 2,
            "completed_repositories": 0,
            "failed_repositories": 0,
            "completed_at": None,
            "cancel_requested_at": None,
            "paused_at": None,
            "paused_by": None,
            "retries_waiting": 0,
            "error_message": None,
            "unshown": 0,
            "addon": {
                "retention_days": 365,
                "status": "active",
                "purchased_at": "2026-11-01T00:00:00Z",
                "expires_at": "2026-12-01T00:00:00Z",
                "past_due": False,
                "renews": True,
                "changes_at": None,
                "changes_to_days": None,
            },
        }
        for repository in (failed, waiting):
            assert uuid.UUID(repository.pop("repository_id"))
        nothing = {"error": None, "started_at": None, "completed_at": None}
        untold: dict[str, Any] = {"stored": 0, "expected": None, "counts": {}, "as_of": None, "error": None}
        untold |= {"proof": None, "notes": [], "unshown": None}
        assert failed == nothing | {
            "full_name": "Octo/B",
            "status": "failed",
            "waiting": None,
            "waiting_until": None,
            "types": [
                untold | {"data_type": "pull_requests", "status": "failed"},
                untold | {"data_type": "issues", "status": "failed", "error": GONE},
            ],
        }
        assert waiting == nothing | {
            "waiting": None,
            "full_name": "octo/a",
            "status": "in_progress",
            "types": [
                {
                    "data_type": "pull_requests",
                    "status": "completed",
                    "stored": 100,
                    "expected": 100,
                    "counts": {"pull_requests": 100, "reviews": 30, "comments": 4},
                    "as_of": AS_OF,
                    "proof": PROOF,
                    "notes": [],
                    "unshown": None,
                    "error": None,
                },
                untold
                | {
                    "data_type": "issues",
                    "status": "in_progress",
                    "stored": 50,
                    "expected": 200,
                    "counts": {"issues": 50, "comments": 0},
                },
            ],
        }

    async def test_before_it_began_the_repositories_are_those_it_will_begin_with(self, operator: Operator) -> None:
        await operator.start(*TWO_TYPES)
        job = json.loads((await operator("status", "acme", "--json")).out)
        assert [(each["full_name"], each["status"]) for each in job["repositories"]] == [
            ("Octo/B", "pending"),
            ("octo/a", "pending"),
        ]
        pending: dict[str, Any] = {
            "status": "pending",
            "stored": 0,
            "expected": None,
            "counts": {},
            "as_of": None,
            "error": None,
        }
        pending |= {"proof": None, "notes": [], "unshown": None}
        assert job["repositories"][0]["types"] == [
            {"data_type": "pull_requests", **pending},
            {"data_type": "issues", **pending},
        ]
        assert {job[name] for name in ("eta", "waiting", "waiting_until", "addon")} == {None}

    @pytest.mark.parametrize(
        ("waiting", "words"),
        [
            (waits("another_job", job_id=OTHER_JOB), f"waiting for job {OTHER_JOB}, which sweeps the same, since "),
            (waits("no_worker", detail="q-historical"), "waiting for a worker on task queue q-historical, since "),
            (waits("github_away"), "waiting: GitHub is away since "),
            (waits("openai_limit", detail="too many tokens"), "waiting for OpenAI (too many tokens)"),
        ],
    )
    async def test_whatever_a_job_waits_for_is_said_in_a_sentence(
        self, operator: Operator, waiting: Waiting, words: str
    ) -> None:
        job_id = (await operator.start(*TWO_TYPES))["id"]
        await operator.set(job_id, status="in_progress")
        running = {"status": "in_progress", "counts": {"issues": 1}}
        await operator.sweep(job_id, "octo/a", waiting=waiting, issues=running)
        turn = waits("turn")
        await operator.sweep(job_id, "Octo/B", "pending", waiting=turn)
        said = await operator("status", "acme")
        lines = [" ".join(line.split()) for line in said.out.splitlines() if line.strip()]
        assert f"in_progress, 0 of 2 repositories complete, {words}" in lines[2]
        [issues] = [line for line in lines if line.startswith("octo/a issues")]
        assert words in issues
        [pending] = [line for line in lines if line.startswith("Octo/B issues")]
        assert "pending 0 waiting for its turn, since " in pending
        job = json.loads((await operator("status", "acme", "--json")).out)
        assert (job["waiting"]["reason"], job["waiting"]["job_id"]) == (waiting.reason, waiting.job_id)
        by_name = {each["full_name"]: each["waiting"]["reason"] for each in job["repositories"]}
        assert by_name == {"octo/a": waiting.reason, "Octo/B": "turn"}

    async def test_a_type_that_waits_beside_one_that_goes_on_is_said_alone(self, operator: Operator) -> None:
        job_id = (await operator.start(*TWO_TYPES))["id"]
        await operator.set(job_id, status="in_progress")
        running = {"status": "in_progress", "counts": {}}
        waiting = waits("another_job", job_id=OTHER_JOB, data_types=["issues"])
        await operator.sweep(job_id, "octo/a", waiting=waiting, issues=running, pull_requests=running)
        said = await operator("status", "acme")
        lines = [" ".join(line.split()) for line in said.out.splitlines() if line.strip()]
        assert lines[2] == "in_progress, 0 of 2 repositories complete"
        assert [line.split(" ")[1] for line in lines if OTHER_JOB in line] == ["issues"]

    async def test_the_table_has_a_row_for_everything(self, operator: Operator) -> None:
        job_id = await self.halfway(operator)
        said = await operator("status", "acme")
        assert (said.exit_code, said.err) == (0, "")
        lines = [" ".join(line.split()) for line in said.out.splitlines() if line.strip()]
        assert lines[0] == f"Backfill {job_id} of acme (acme)"
        assert lines[1].endswith(": pull_requests, issues")
        assert lines[2].startswith("in_progress, 0 of 2 repositories complete, waiting for GitHub until ")
        assert lines[3].startswith("add-on: 365 days, active, bought 2026-11-01")
        assert "Octo/B pull_requests failed 0" in lines
        assert "Octo/B issues failed 0 gone: octo/b is gone [404] (remove it)" in lines
        [done] = [line for line in lines if line.startswith("octo/a pull_requests")]
        assert done.startswith("octo/a pull_requests completed 100 100 2026-11-23 ")
        assert done.endswith(" proved by count: 100 of GitHub's 100")

    @pytest.mark.parametrize(
        ("told", "words"),
        [
            (
                {"polar_status": "past_due"},
                "; a payment is past due: Polar tries again, and the add-on stays until Polar revokes it",
            ),
            ({"cancel_at_period_end": True}, ", until 2026-12-01 00:00; canceled, ends then"),
            (
                {"pending_update": {"applies_at": "2026-12-24T00:00:00Z"}, "pending_days": 3650},
                "; 3650 days from 2026-12-24 00:00",
            ),
            ({"pending_update": {"applies_at": "2026-12-24T00:00:00Z"}}, "; another product from 2026-12-24"),
        ],
        ids=["past due", "canceled", "changes", "changes to another"],
    )
    async def test_what_is_going_to_become_of_the_addon_is_said(
        self, operator: Operator, told: dict[str, Any], words: str
    ) -> None:
        await self.halfway(operator)
        await operator.host.execute("update subscription_addons set metadata = $1", told)
        [line] = [each for each in (await operator("status", "acme")).out.splitlines() if each.startswith("add-on: ")]
        assert words in line

    @pytest.mark.parametrize(
        ("columns", "exit_code"),
        [
            ({"status": "pending"}, 0),
            ({"status": "in_progress", "failed_repositories": 1}, 0),
            ({"status": "completed"}, 0),
            ({"status": "completed", "failed_repositories": 1}, 1),
            ({"status": "failed"}, 1),
            ({"status": "canceled"}, 1),
        ],
        ids=str,
    )
    async def test_the_exit_code_says_how_it_ended(
        self, operator: Operator, columns: dict[str, Any], exit_code: int
    ) -> None:
        job_id = (await operator.start())["id"]
        await operator.set(job_id, **columns)
        for arguments in (["status", str(job_id)], ["status", str(job_id), "--json"]):
            said = await operator(*arguments)
            assert (said.exit_code, said.err) == (exit_code, "")

    async def test_a_workspace_is_its_latest_job(self, operator: Operator) -> None:
        await operator.start()
        latest = await operator.start()
        for reference in ("acme", operator.workspace_id):
            assert json.loads((await operator("status", reference, "--json")).out)["id"] == str(latest["id"])

    async def test_markup_in_names_is_shown_and_not_obeyed(self, operator: Operator) -> None:
        await operator.host.execute("update workspaces set name = '[red]x[/] :boom: [/'")
        await operator.start()
        assert "[red]x[/] :boom: [/" in (await operator("status", "acme")).out


class TestList:
    """The latest jobs, newest first."""

    async def test_there_are_none(self, operator: Operator) -> None:
        assert await operator("list") == Said(0, "no backfills yet\n", "")
        assert json.loads((await operator("list", "--json")).out) == []

    async def test_the_newest_is_first(self, operator: Operator) -> None:
        ids = [str((await operator.start())["id"]) for _ in range(3)]
        await operator.set(ids[0], status="completed", failed_repositories=1)
        said = await operator("list")
        assert (said.exit_code, said.err) == (0, "")
        assert [line.split()[0] for line in said.out.splitlines() if line.strip()][-3:] == ids[::-1]
        listed = json.loads((await operator("list", "--json")).out)
        assert [each["id"] for each in listed] == ids[::-1]
        assert listed[-1].keys() >= {"status", "workspace_slug", "retention_days", "created_at", "failed_repositories"}


class TestListOfDeliveries:
    """What Polar sent and could not be finished."""

    async def test_there_are_none(self, operator: Operator) -> None:
        assert await operator("list", "--unprocessed") == Said(0, "every delivery is finished\n", "")

    async def test_a_purchase_by_somebody_unknown_is_shown_with_what_stands_in_its_way(
        self, operator: Operator
    ) -> None:
        [unknown] = await shop.deliver(operator.host, shop.event(buyer=shop.Buyer()))
        async with Database(operator.environment["DATABASE_URL"]) as pool:
            inbox = Inbox(pool, shop.PRODUCTS, created=lambda: None)
            assert await inbox.finish_one()
            await shop.deliver(operator.host, {"type": "refund.created"})
            assert await inbox.finish_one()
        said = await operator("list", "--unprocessed")
        words = " ".join(said.out.split())
        assert (said.exit_code, said.err) == (0, "")
        assert unknown[:8] in words and "unknown_buyer" in words and "refund.created" not in words
        [listed] = json.loads((await operator("list", "--unprocessed", "--json")).out)
        assert (listed["webhook_id"], listed["type"], listed["attempts"]) == (unknown, "subscription.active", 1)
        assert listed["error"].startswith("unknown_buyer: ") and listed["next_attempt_at"]


class TestWatch:
    """Follows a job to its end."""

    async def test_without_a_terminal_it_is_a_line_a_change(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(starter, "LOOK_SECONDS", 0.02)
        job_id = (await operator.start())["id"]
        operator.capsys.readouterr()
        watching = asyncio.create_task(starter.run(["watch", str(job_id)]))
        out = ""

        async def said(line: str) -> bool:
            nonlocal out
            out += operator.capsys.readouterr().out
            return line in out

        await shop.eventually(lambda: said(f"job {job_id}: pending, 0 of 2 repositories complete"))
        await operator.set(job_id, status="in_progress")
        for stored in (10, 20):
            issues = {"status": "in_progress", "counts": {"issues": stored, "comments": 3}, "expected": 30}
            await operator.sweep(job_id, "octo/a", issues=issues)
            await shop.eventually(lambda: said(f"octo/a issues: in_progress, {stored} of 30, 3 comments"))  # noqa: B023
        limited = datetime.now(UTC) + timedelta(minutes=5)
        await operator.sweep(job_id, "octo/a", waiting_until=limited, issues=issues)
        clock = limited.astimezone().strftime("%H:%M")
        await shop.eventually(lambda: said(f"octo/a: waiting for GitHub until {clock}"))
        await operator.sweep(job_id, "octo/a", "failed", issues=issues | {"status": "failed", "error": GONE})
        await operator.set(job_id, status="completed", failed_repositories=1, error_message="1 of 2 failed: octo/a")
        assert await asyncio.wait_for(watching, PATIENCE) == 1
        assert await said("octo/a issues: failed, 20 of 30, 3 comments: gone: octo/b is gone [404] (remove it)")
        assert await said(f"job {job_id}: completed, 0 of 2 repositories complete, 1 failed: 1 of 2 failed: octo/a")
        lines = [line.partition(" ")[2] for line in out.splitlines()]
        assert all(line != following for line, following in pairwise(lines))

    @pytest.mark.parametrize(
        ("columns", "exit_code"),
        [
            ({"status": "completed"}, 0),
            ({"status": "completed", "failed_repositories": 1}, 1),
            ({"status": "failed"}, 1),
            ({"status": "canceled"}, 1),
        ],
        ids=str,
    )
    async def test_the_exit_code_says_how_it_ended(
        self, operator: Operator, columns: dict[str, Any], exit_code: int
    ) -> None:
        job_id = (await operator.start())["id"]
        await operator.set(job_id, **columns)
        assert (await operator("watch", "acme")).exit_code == exit_code

    async def test_right_after_a_retry_it_does_not_see_the_old_end(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(starter, "LOOK_SECONDS", 0.02)
        job_id = (await operator.start())["id"]
        await operator.set(job_id, status="failed")
        assert (await operator("retry", str(job_id))).exit_code == 0
        watching = asyncio.create_task(starter.run(["watch", str(job_id)]))
        await asyncio.sleep(0.2)
        assert not watching.done()
        await operator.set(job_id, status="completed")
        assert await watching == 0

    async def test_on_a_terminal_it_draws(self, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
        job_id = await TestStatus().halfway(operator)
        screen = io.StringIO()
        console = Console(file=screen, force_terminal=True, width=160, markup=False, emoji=False, highlight=False)
        monkeypatch.setattr(starter, "LOOK_SECONDS", 0.02)
        monkeypatch.setattr(starter, "_console", lambda: console)
        watching = asyncio.create_task(starter.run(["watch", str(job_id)]))
        wanted = ("octo/a issues", "50 of 200", "waiting for GitHub until", "ready about", "Octo/B issues", "gone:")

        async def drawn() -> bool:
            return not [words for words in wanted if words not in screen.getvalue()]

        await shop.eventually(drawn)
        await operator.set(job_id, status="completed", failed_repositories=1)
        assert await watching == 1

    async def test_a_postgres_that_stays_away_ends_it_with_3(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
    ) -> None:
        monkeypatch.setattr(starter, "LOOK_SECONDS", 0.02)
        monkeypatch.setattr(starter, "PATIENCE_SECONDS", 0.5)
        job_id = (await operator.start())["id"]
        operator.capsys.readouterr()
        watching = asyncio.create_task(starter.run(["watch", str(job_id)]))
        await shop.eventually(so(lambda: "pending" in operator.capsys.readouterr().out))
        name = operator.environment["DATABASE_URL"].rpartition("/")[2]
        async with shop.connected(postgres.url()) as administrator:
            await administrator.execute(f'alter database "{name}" allow_connections false')
            await administrator.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name
            )
            assert await asyncio.wait_for(watching, PATIENCE) == 3
            await administrator.execute(f'alter database "{name}" allow_connections true')
        assert len(operator.capsys.readouterr().err.splitlines()) == 1


@pytest.mark.executed
class TestTheProgram:
    """`python starter.py`, as it runs in production."""

    async def test_what_is_wrong_is_one_line_and_an_exit_code(
        self, environment: dict[str, str], run_starter: RunStarter
    ) -> None:
        wrong = [
            (environment, ["begin"], 2),
            (environment | {"DATABASE_URL": "foo"}, ["list"], 2),
            (environment | {"DATABASE_URL": NOWHERE}, ["status", "acme"], 3),
            (environment | {"TEMPORAL_ADDRESS": f"{LOOPBACK}:1"}, ["start", "--workspace", "acme"], 3),
        ]
        for ended, (_, arguments, exit_code) in zip(
            await asyncio.gather(*(run_starter(each, *arguments) for each, arguments, _ in wrong)), wrong, strict=True
        ):
            assert (ended.exit_code, ended.stdout, len(ended.stderr.splitlines())) == (exit_code, "", 1), arguments

    async def test_from_an_empty_database_to_a_job(
        self, empty_database: str, environment: dict[str, str], run_starter: RunStarter
    ) -> None:
        environment = environment | {"DATABASE_URL": empty_database}
        for _ in range(2):
            assert (await run_starter(environment, "migrate")).exit_code == 0
        async with shop.connected(empty_database) as host:
            workspace_id = await shop.workspace(host, await shop.buyer(host), "octo/a")
        started = await run_starter(environment, "start", "--workspace", workspace_id)
        assert (started.exit_code, started.stderr) == (0, "")
        status = await run_starter(environment, "status", started.stdout.strip(), "--json")
        assert json.loads(status.stdout)["status"] == "pending"

    async def test_ctrl_c_ends_the_watching_quietly(self, operator: Operator, programs: Processes) -> None:
        job_id = (await operator.start())["id"]
        watch = programs.start(
            "watch", [sys.executable, ROOT / "starter.py", "watch", str(job_id)], env=operator.environment
        )
        assert watch.log is not None
        log = watch.log

        async def begun() -> bool:
            return "pending" in log.read_text()

        await shop.eventually(begun)
        watch.send(signal.SIGINT)
        assert await asyncio.to_thread(watch.wait, PATIENCE) == 130
        assert len(log.read_text().splitlines()) == 1
        assert (await operator.job(job_id))["status"] == "pending"
