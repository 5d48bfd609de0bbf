"""The mirror of a job's repositories: the job's counts are those of its rows."""

import asyncio

from messages import Pace, RepositoryOutcome, RepositoryTransition
from sandbox.postgres import Postgres
from store import job_requests, job_start, transitions
from store.database import Database
from tests.support import shop
from tests.support.waiting import eventually

WAITS_FOR_A_LOCK = (
    "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
)


async def test_two_repositories_that_end_at_once_are_both_counted(postgres: Postgres, migrated_template: str) -> None:
    async with (
        shop.database(postgres, migrated_template) as dsn,
        Database(dsn) as database,
        shop.connected(dsn) as host,
    ):
        workspace_id = await shop.workspace(host, await shop.buyer(host), "acme/one", "acme/two")
        async with database.transaction() as connection:
            job_id = await job_requests.ask_for(
                connection, workspace=workspace_id, data_types=("issues",), actor=shop.OPERATOR
            )
            await job_start.begin(connection, job_id, Pace())
            first, second = (
                RepositoryTransition(
                    job_id=job_id,
                    attempt=0,
                    sequence=1,
                    outcome=RepositoryOutcome(repository=repository, status="completed"),
                )
                for repository in await transitions.next_repositories(connection, job_id, None, 10)
            )

        async def end_second() -> None:
            async with database.transaction() as connection:
                await transitions.record(connection, second)

        async def waits() -> bool:
            return bool(await host.fetchval(WAITS_FOR_A_LOCK))

        async with database.transaction() as connection:
            await transitions.record(connection, first)
            ending = asyncio.create_task(end_second())
            await eventually(waits)
        await ending
        completed = await host.fetchval(
            "select completed_repositories from workspace_backfill_jobs where id = $1", job_id
        )
        assert completed == 2
