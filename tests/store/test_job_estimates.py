"""A job is counted in steps: what a second reads does not grow with the job, and the sums are those of all of it."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from temporalio.client import (
    Client,
    DescribeWorkflowInput,
    Interceptor,
    OutboundInterceptor,
    SignalWorkflowInput,
    StartWorkflowInput,
    WorkflowExecutionDescription,
    WorkflowHandle,
)

import reconciler.loop as ours
from messages import DATA_TYPES
from reconciler.loop import Reconciler
from store import addon_jobs, job_estimates, job_views, samples
from store.database import Connection, Database
from tests.support import shop
from tests.support.listener import listening
from tests.support.store.jobs import job

STEP = 10


@contextmanager
def steps_of(number: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_estimates, "AT_ONCE", number)
        patch.setattr(addon_jobs, "CHECKED_AT_ONCE", number)
        yield


class Counting(Database):
    """Counts the rows that its transactions read, by table."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.rows: Counter[str] = Counter()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with super().transaction() as connection:
            before = await self._read(connection)
            yield connection
            self.rows += await self._read(connection) - before

    async def _read(self, connection: Connection) -> Counter[str]:
        rows = await connection.fetch(
            "select relname, seq_tup_read + coalesce(idx_tup_fetch, 0) as rows from pg_stat_xact_user_tables"
        )
        return Counter({row["relname"]: row["rows"] for row in rows})


@pytest.fixture
async def task_queue(temporal_client: Client) -> AsyncIterator[str]:
    queue = f"test-{uuid.uuid4().hex[:12]}"
    async with listening(temporal_client, queue):
        yield queue


async def rows_read(dsn: str, client: Client, task_queue: str, job_id: str, *, turns: int) -> list[Counter[str]]:
    """By turn of the reconciler, each with a look at the add-ons. The job's workflow runs."""
    database = Counting(dsn)
    async with database:
        async with database.transaction() as connection:
            await connection.execute(
                "update workspace_backfill_jobs set status = 'pending', signaled_at = null where id = $1", job_id
            )
        reconciler = Reconciler(database, task_queue=task_queue, client=client)
        await reconciler.reconcile()
        async with database.transaction() as connection:
            await connection.execute("update workspace_backfill_jobs set status = 'in_progress' where id = $1", job_id)
        counted = []
        for _ in range(turns):
            database.rows = Counter()
            await reconciler.reconcile()
            counted.append(database.rows)
        async with database.transaction() as connection:
            status = await connection.fetchval("select status from workspace_backfill_jobs where id = $1", job_id)
            assert status == "in_progress"
    return counted


async def test_a_second_reads_about_as_many_rows_of_a_thousand_repositories_as_of_ten(
    module_database: str, temporal_client: Client, task_queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "FOLLOWED", timedelta(0))
    most = {}
    for repositories in (STEP, 1_000):
        # Among the rows of another job, without which Postgres would read small tables whole.
        async with shop.emptied(module_database) as host:
            await job(host, 1_500, owner="acme", status="completed")
            job_id = await job(host, repositories)
            with steps_of(STEP):
                turns = await rows_read(module_database, temporal_client, task_queue, job_id, turns=4)
                most[repositories] = max(turns, key=Counter.total)
    # A plan may change as statistics do; what grows with the job would read a hundred times as many.
    assert most[1_000].total() < 2 * most[STEP].total(), most


async def test_a_job_that_is_counted_in_steps_has_the_estimate_of_one_that_is_counted_whole(
    module_database: str, host: asyncpg.Connection
) -> None:
    job_id = await job(host, 25)
    async with Database(module_database) as database:
        seen = []
        for step, turns in ((10, 3), (100, 1)):
            with steps_of(step):
                for turn in range(turns):
                    assert await host.fetchval("select count(*) from backfill_samples") == 0, turn
                    async with database.transaction() as connection:
                        await job_estimates.estimate(connection)
            async with database.transaction() as connection:
                view = await job_views.look(connection, job_id)
                [sample] = await samples.of_job(connection, job_id)
            [kept] = await host.fetch("select units, points, requests from backfill_samples")
            ends = await host.fetchval("select estimated_completion_at from workspace_backfill_jobs")
            assert sample.rows == dict.fromkeys(DATA_TYPES, 25 * 10)
            assert tuple(kept) == (view.progress.stored, 25 * 5 * 2, 25 * 4 * 1)
            assert view.eta is not None and abs(ends - view.eta) < timedelta(seconds=60)
            seen.append(tuple(kept))
            await host.execute("delete from backfill_samples")
    assert seen[0] == seen[1]
    assert await host.fetchval("select count(*) from backfill_tallies") == 0


async def test_a_retry_is_counted_from_its_beginning(module_database: str, host: asyncpg.Connection) -> None:
    job_id = await job(host, 15)
    async with Database(module_database) as database:
        with steps_of(STEP):
            async with database.transaction() as connection:
                await job_estimates.estimate(connection)
            await host.execute("update workspace_backfill_jobs set attempt = 1")
            for _ in range(2):
                async with database.transaction() as connection:
                    await job_estimates.estimate(connection)
        async with database.transaction() as connection:
            [sample] = await samples.of_job(connection, job_id)
    assert sample.rows == dict.fromkeys(DATA_TYPES, 15 * 10)


async def test_what_was_added_to_a_workspace_is_found_in_steps_and_gets_one_job(
    module_database: str, host: asyncpg.Connection
) -> None:
    await job(host, 25)
    await host.execute(
        "delete from workspace_backfill_progress where repository_id in"
        " (select repository_id from workspace_backfill_progress order by repository_id desc limit 12)"
    )
    created: list[str] = []
    after, looks = None, 0
    async with Database(module_database) as database:
        with steps_of(STEP):
            while after is not None or not looks:
                async with database.transaction() as connection:
                    ids, after = await addon_jobs.create_added(connection, after)
                created.extend(ids)
                looks += 1
    assert looks == 3
    [job_id] = created
    selected = await host.fetchval("select repositories_selected from workspace_backfill_jobs where id = $1", job_id)
    assert len(selected) == 12


class Looking(Interceptor):
    """Looks, each time that Temporal is asked for something, whether a transaction stays open meanwhile."""

    def __init__(self, host: asyncpg.Connection) -> None:
        self.asked: list[str] = []
        self.open: list[str] = []
        self._host = host

    async def look(self, asks: str) -> None:
        self.asked.append(asks)
        self.open += [
            f"{asks}: {row['query']}"
            for row in await self._host.fetch(
                "select query from pg_stat_activity where datname = current_database() and xact_start is not null"
                " and application_name <> $1",
                shop.OURS,
            )
        ]

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        return _Asking(next, self)


class _Asking(OutboundInterceptor):
    def __init__(self, following: OutboundInterceptor, looking: Looking) -> None:
        super().__init__(following)
        self._looking = looking

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        await self._looking.look("start")
        return await super().start_workflow(input)

    async def describe_workflow(self, input: DescribeWorkflowInput) -> WorkflowExecutionDescription:  # noqa: A002
        await self._looking.look("describe")
        return await super().describe_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:  # noqa: A002
        await self._looking.look("signal")
        await super().signal_workflow(input)


async def test_no_transaction_is_open_while_temporal_is_asked(
    module_database: str, host: asyncpg.Connection, temporal_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "QUIET", timedelta(0))
    await job(host, 2)
    await host.execute("update workspace_backfill_jobs set status = 'pending', signaled_at = null")
    for hours in range(2):
        await host.execute(
            "insert into archive_reads (workspace_id, repository_ids, first_hour, last_hour, next_hour)"
            " select id, '{}', now(), now(), now() - make_interval(hours => $1) from workspaces",
            hours,
        )
    looking = Looking(host)
    config = temporal_client.config()
    config["interceptors"] = [looking]
    async with Database(module_database) as database:
        reconciler = Reconciler(database, task_queue=f"nobody-{uuid.uuid4().hex}", client=Client(**config))
        await reconciler.reconcile()
        await host.execute(
            "update workspace_backfill_jobs set status = 'in_progress', metadata = metadata || $1",
            {"cancel_requested_at": "2026-11-28T12:00:00Z", "pause_changed_at": "2026-11-28T12:00:00Z"},
        )
        await reconciler.reconcile()
    assert sorted(set(looking.asked)) == ["describe", "signal", "start"]
    assert looking.open == []
