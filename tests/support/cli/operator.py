"""An operator who runs commands in this process, and jobs to look at."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from temporalio.client import Client, WorkflowHandle

from cli import program
from messages import Waiting, WaitingReason, workspace_workflow_id
from sandbox.ports import LOOPBACK
from tests.support import shop
from tests.support.listener import heard

NOWHERE = f"postgresql://nobody:hunter2@{LOOPBACK}:1/nowhere"
NOBODY = "00000000-0000-4000-8000-000000000000"
OTHER_JOB = "11111111-1111-4111-8111-111111111111"
TWO_TYPES = ("--type", "pull_requests", "--type", "issues")
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

ENDS: list[tuple[dict[str, Any], int]] = [
    ({"status": "completed"}, 0),
    ({"status": "completed", "failed_repositories": 1}, 1),
    ({"status": "failed"}, 1),
    ({"status": "canceled"}, 1),
]
"""How a job can end, and the exit code that says so."""


@dataclass(frozen=True)
class Said:
    exit_code: int
    out: str
    err: str


@dataclass
class Operator:
    """Runs commands in this process, with a workspace of two repositories."""

    capsys: pytest.CaptureFixture[str]
    host: asyncpg.Connection
    client: Client
    buyer: shop.Buyer
    workspace_id: str
    task_queue: str
    environment: dict[str, str] = field(repr=False)

    async def __call__(self, *arguments: str) -> Said:
        self.capsys.readouterr()
        exit_code = await program.run(arguments)
        said = self.capsys.readouterr()
        return Said(exit_code, said.out, said.err)

    async def start(self, *arguments: str) -> dict[str, Any]:
        """Starts a job; returns its row."""
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
        """Writes a repository's progress row, and its sweeps by data type, as a worker leaves them."""
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

    async def halfway(self) -> Any:
        """Starts a job and writes its rows as half done: a type is complete, one runs and waits for GitHub, two have
        failed.
        """
        await self.host.execute(
            """
            insert into subscription_addons (
                user_id, addon_type, retention_days, status, polar_subscription_id, purchased_at, expires_at
            ) values ($1, 'extended_data_retention', 365, 'active', 'p', '2026-11-01T00:00Z', '2026-12-01T00:00Z')
            """,
            self.buyer.auth_user_id,
        )
        job_id = (await self.start(*TWO_TYPES))["id"]
        began = datetime.now(UTC) - timedelta(minutes=10)
        await self.set(job_id, status="in_progress", started_at=began, completed_repositories=0)
        await self.sweep(
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
        await self.sweep(job_id, "Octo/B", "failed", issues={"status": "failed", "error": GONE})
        return job_id


def one_line(said: Said) -> str:
    """Returns the line on standard error that says what is wrong. Fails if there is more than one line, or a secret in
    it.
    """
    assert said.out == ""
    [line] = said.err.splitlines()
    assert line.startswith("starter: ")
    assert "hunter2" not in line
    return line.removeprefix("starter: ")


def waits(reason: WaitingReason, **more: Any) -> Waiting:
    return Waiting(reason=reason, since=datetime.now(UTC), **more)
