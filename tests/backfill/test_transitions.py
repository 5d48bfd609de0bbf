"""What the mirror makes of writes that come late, of ends that nobody could announce, and of retries of a part."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from messages import (
    DataType,
    Failure,
    JobPlan,
    Pace,
    PartStatus,
    RepositoryOutcome,
    RepositoryRef,
    RepositoryTransition,
    TypeOutcome,
    Waiting,
)
from store import job_attempts, job_end, job_requests, job_start, sweeps, transitions
from store.database import Database
from store.sweeps import LeaseLostError, Sweep
from tests.support import shop

GONE = Failure(code="gone", message="GitHub has no o/one", at=datetime(2026, 11, 1, tzinfo=UTC))
TERMINATED = Failure(code="workflow_ended", message="it was terminated", error_class="bug")


@dataclass
class Job:
    """A job in progress with the repositories o/one and o/two, driven as its workflow's activities do."""

    pool: Database
    host: asyncpg.Connection
    workspace_id: str
    job_id: str
    plan: JobPlan
    repositories: list[RepositoryRef]

    async def begin(self) -> JobPlan:
        async with self.pool.transaction() as connection:
            self.plan = await job_start.begin(connection, self.job_id, Pace())
            self.repositories = await transitions.next_repositories(connection, self.job_id, None, 10)
        return self.plan

    async def record(
        self,
        of: RepositoryRef,
        status: PartStatus,
        sequence: int,
        failure: Failure | None = None,
        **types: PartStatus,
    ) -> None:
        names: dict[str, DataType] = {"pull_requests": "pull_requests", "issues": "issues"}
        outcomes = [TypeOutcome(data_type=names[name], status=its) for name, its in types.items()]
        change = RepositoryTransition(
            job_id=self.job_id,
            attempt=self.plan.attempt,
            sequence=sequence,
            outcome=RepositoryOutcome(repository=of, status=status, types=outcomes, failure=failure),
        )
        async with self.pool.transaction() as connection:
            await transitions.record(connection, change)

    async def finish(self, *, canceled: bool = False) -> Any:
        async with self.pool.transaction() as connection:
            await job_end.finish(connection, self.job_id, self.plan.attempt, canceled=canceled)
        return await self.host.fetchrow("select * from workspace_backfill_jobs where id = $1", self.job_id)

    async def retry(self, *repositories: str, types: tuple[DataType, ...] = ()) -> JobPlan:
        async with self.pool.transaction() as connection:
            await job_requests.ask_again(
                connection, self.job_id, repositories=repositories, data_types=types, actor=shop.OPERATOR
            )
        return await self.begin()

    async def take(self, of: RepositoryRef, data_type: DataType) -> Sweep:
        return await sweeps.take(self.pool, self.job_id, of, data_type, self.plan.cutoff_at, "somebody")

    async def complete(self, of: RepositoryRef, data_type: DataType) -> None:
        sweep = await self.take(of, data_type)
        async with self.pool.transaction() as connection:
            await sweeps.commit(connection, sweep, position={}, counts=sweep.counts, status="completed")

    async def progress(self, of: RepositoryRef) -> Any:
        return await self.host.fetchrow(
            "select * from workspace_backfill_progress where backfill_job_id = $1 and repository_id = $2",
            self.job_id,
            of.repository_id,
        )

    async def sweeps(self, of: RepositoryRef) -> dict[str, Any]:
        rows = await self.host.fetch(
            "select * from backfill_sweeps where backfill_job_id = $1 and repository_id = $2",
            self.job_id,
            of.repository_id,
        )
        return {row["data_type"]: row for row in rows}


@pytest.fixture
async def job(database: str) -> AsyncIterator[Job]:
    async with Database(database) as pool, shop.connected(database) as host:
        workspace_id = await shop.workspace(host, await shop.buyer(host), "o/one", "o/two")
        async with pool.transaction() as connection:
            job_id = await job_requests.ask_for(
                connection, workspace=workspace_id, data_types=("pull_requests", "issues"), actor=shop.OPERATOR
            )
            plan = await job_start.begin(connection, job_id, Pace())
            repositories = await transitions.next_repositories(connection, job_id, None, 10)
        repositories.sort(key=lambda each: each.full_name)
        yield Job(pool, host, workspace_id, job_id, plan, repositories)


async def test_what_comes_after_the_jobs_cancel_changes_nothing(job: Job) -> None:
    """An activity of a child that was canceled may still be on its way when the job has ended."""
    [one, two] = job.repositories
    await job.record(one, "in_progress", 1)
    sweep = await job.take(one, "issues")
    assert (await job.finish(canceled=True))["status"] == "canceled"
    before = [dict(await job.progress(each)) for each in (one, two)]
    await job.record(one, "in_progress", 2)
    await job.record(one, "completed", 3, issues="completed", pull_requests="completed")
    await job.record(two, "failed", 1_000_000, failure=TERMINATED, issues="failed")
    with pytest.raises(LeaseLostError):
        async with job.pool.transaction() as connection:
            await sweeps.fence(connection, sweep)
    assert [dict(await job.progress(each)) for each in (one, two)] == before
    assert {row["status"] for row in (await job.sweeps(one)).values()} == {"canceled"}


async def test_a_repository_that_could_not_end_itself_keeps_what_was_complete(job: Job) -> None:
    [one, two] = job.repositories
    await job.record(one, "in_progress", 1)
    await job.complete(one, "pull_requests")
    zombie = await job.take(one, "issues")
    await job.record(one, "failed", 1_000_000, TERMINATED, pull_requests="failed", issues="failed")
    row = await job.progress(one)
    assert (row["data_types_completed"], row["data_types_failed"]) == (["pull_requests"], ["issues"])
    swept = await job.sweeps(one)
    assert (swept["pull_requests"]["status"], swept["issues"]["status"]) == ("completed", "failed")
    assert swept["issues"]["error"]["code"] == "workflow_ended"
    with pytest.raises(LeaseLostError):
        async with job.pool.transaction() as connection:
            await sweeps.fence(connection, zombie)
    await job.record(two, "completed", 1, pull_requests="completed", issues="completed")
    ended = await job.finish()
    assert (ended["status"], ended["completed_repositories"], ended["failed_repositories"]) == ("completed", 1, 1)


async def test_a_retry_of_one_type_leaves_the_other_of_a_repository_that_was_gone_as_it_was(job: Job) -> None:
    [one, two] = job.repositories
    for each in (one, two):
        await job.record(each, "failed", 2, GONE, pull_requests="failed", issues="failed")
    assert (await job.finish())["status"] == "failed"
    plan = await job.retry("o/one", types=("issues",))
    assert (plan.data_types, [each.full_name for each in job.repositories]) == (["issues"], ["o/one"])
    async with job.pool.transaction() as connection:
        begun = await transitions.begun_types(connection, job.job_id, one.repository_id)
    left = begun["pull_requests"]
    assert left.failure is not None
    assert (left.status, left.failure.code, left.failure.at) == ("failed", "gone", GONE.at)
    assert "issues" not in begun
    await job.complete(one, "issues")
    row = await job.progress(one)
    assert (row["data_types_completed"], row["retry_count"]) == (["issues"], 1)

    # Told once, however often it is met again.
    outcome = RepositoryOutcome(repository=one, status="failed", types=[left])
    change = RepositoryTransition(job_id=job.job_id, attempt=1, sequence=2, outcome=outcome)
    async with job.pool.transaction() as connection:
        await transitions.record(connection, change)
    ended = await job.finish()
    assert [each["repository"] for each in ended["error_details"]] == ["o/one", "o/two"]
    assert (ended["status"], ended["failed_repositories"]) == ("failed", 2)
    assert (await job.progress(one))["data_types_failed"] == ["pull_requests"]


async def test_a_retry_does_not_take_up_what_came_to_the_workspace_since(job: Job) -> None:
    for each in job.repositories:
        await job.record(each, "failed", 2, GONE, pull_requests="failed", issues="failed")
    await job.finish()
    await job.host.execute(
        """
        with later as (
            insert into repositories (github_id, owner, name, full_name) values (99, 'o', 'later', 'o/later')
            returning id
        )
        insert into workspace_repositories (workspace_id, repository_id, added_by)
        select workspaces.id, later.id, owner_id from workspaces, later where workspaces.id = $1
        """,
        job.workspace_id,
    )
    await job.retry()
    assert sorted(each.full_name for each in job.repositories) == ["o/one", "o/two"]


async def test_the_end_says_what_is_not_there(job: Job) -> None:
    [one, two] = job.repositories
    ended = await job.finish(canceled=True)
    assert (ended["status"], ended["error_message"]) == ("canceled", None)
    await job.retry("o/one")
    await job.record(one, "failed", 1, GONE, pull_requests="failed", issues="failed")
    ended = await job.finish()
    assert ended["status"] == "canceled", "nothing of it is complete, and not all of it has failed"
    assert ended["error_message"] == "1 of 2 repositories failed: o/one; 1 of 2 repositories stay canceled"
    await job.retry("o/two")
    await job.record(two, "completed", 1, pull_requests="completed", issues="completed")
    ended = await job.finish()
    assert (ended["status"], ended["error_message"]) == ("completed", "1 of 2 repositories failed: o/one")
    assert ended["cutoff_at"] == ended["created_at"] - timedelta(days=30)


async def test_the_recent_leg_is_90_days_before_the_job_and_the_only_one_if_no_more_were_bought(job: Job) -> None:
    created_at = await job.host.fetchval("select created_at from workspace_backfill_jobs where id = $1", job.job_id)
    await job.host.execute("update workspaces set tier = 'team' where id = $1", job.workspace_id)
    for days, since in ((365, created_at - timedelta(days=90)), (90, None), (30, None)):
        await job.host.execute(
            "update workspace_backfill_jobs set cutoff_at = created_at - make_interval(days => $2) where id = $1",
            job.job_id,
            days,
        )
        plan = await job.begin()
        assert (plan.recent_since, plan.tier) == (since, "team")


async def test_what_only_the_workflow_knows_to_have_failed_is_not_tried_again_in_the_next_leg(job: Job) -> None:
    [one, _] = job.repositories
    await job.record(one, "in_progress", 1)
    for data_type in ("pull_requests", "issues"):
        await job.take(one, data_type)
    lost = TypeOutcome(data_type="issues", status="failed", failure=TERMINATED)
    change = RepositoryTransition(
        job_id=job.job_id,
        attempt=0,
        sequence=2,
        outcome=RepositoryOutcome(repository=one, status="in_progress", types=[lost]),
    )
    async with job.pool.transaction() as connection:
        await transitions.record(connection, change)
        begun = await transitions.begun_types(connection, job.job_id, one.repository_id)
        last = [await transitions.last_transition(connection, job.job_id, one.repository_id, it) for it in (0, 1)]
        assert [each.sequence for each in last] == [2, 0]
    assert {name: its.status for name, its in begun.items()} == {"issues": "failed", "pull_requests": "in_progress"}
    assert begun["issues"].failure == TERMINATED
    assert (await job.progress(one))["status"] == "in_progress"


# --- Waiting ----------------------------------------------------------------------------------------------------------

LIMITED = Waiting(
    reason="github_limit", since=datetime(2026, 11, 1, tzinfo=UTC), until=datetime(2026, 11, 2, tzinfo=UTC)
)


async def waits(job: Job, of: RepositoryRef) -> str | None:
    """The reason in the progress row; both keys go together."""
    metadata = (await job.progress(of))["metadata"]
    waiting = metadata.get("waiting")
    assert ("waiting_until" in metadata) == (waiting is not None and "until" in waiting)
    return waiting["reason"] if waiting else None


async def wait(job: Job, of: RepositoryRef, sequence: int, status: PartStatus = "in_progress") -> None:
    change = RepositoryTransition(
        job_id=job.job_id,
        attempt=job.plan.attempt,
        sequence=sequence,
        outcome=RepositoryOutcome(repository=of, status=status),
        waiting=LIMITED,
        waiting_until=LIMITED.until,
    )
    async with job.pool.transaction() as connection:
        await transitions.record(connection, change)


async def test_a_repository_waits_for_its_turn_until_it_is_begun_and_for_nothing_once_it_has_ended(job: Job) -> None:
    [one, two] = job.repositories
    assert await waits(job, one) == "turn"
    await job.record(one, "in_progress", 1)
    assert await waits(job, one) is None
    await wait(job, one, 2)
    assert await waits(job, one) == "github_limit"
    await wait(job, one, 3, "failed")
    assert await waits(job, one) is None
    await wait(job, two, 1)
    await job.finish(canceled=True)
    assert [await waits(job, each) for each in (one, two)] == [None, None]
    await job.retry()
    assert [await waits(job, each) for each in (one, two)] == ["turn", "turn"]


async def test_a_late_wait_is_not_written(job: Job) -> None:
    [one, _] = job.repositories
    await job.record(one, "in_progress", 2)
    await wait(job, one, 1)
    assert await waits(job, one) is None


async def test_a_job_that_is_ended_from_outside_waits_for_nothing(job: Job) -> None:
    [one, two] = job.repositories
    await wait(job, one, 1)
    async with job.pool.transaction() as connection:
        await job_attempts.end(connection, job.job_id, status="failed", reason=TERMINATED)
    assert [await waits(job, each) for each in (one, two)] == [None, None]


async def test_a_slice_that_a_worker_begins_no_longer_waits_for_one(job: Job) -> None:
    [one, two] = job.repositories
    for each, reason in ((one, "no_worker"), (two, "github_away")):
        await job.host.execute(
            "update workspace_backfill_progress set status = 'in_progress', metadata = $3"
            " where backfill_job_id = $1 and repository_id = $2",
            job.job_id,
            each.repository_id,
            {"waiting": {"reason": reason, "since": "2026-11-01T00:00:00Z"}},
        )
        await job.take(each, "issues")
    assert [await waits(job, each) for each in (one, two)] == [None, "github_away"]
