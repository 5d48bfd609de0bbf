"""A job that was read before is read again by its changes alone, and looks as if all of it had been read."""

import asyncpg
import pytest

from store import job_views
from store.database import Database
from store.job_views import Known
from tests.support.store.jobs import job

CHANGES = {
    "a page": """update backfill_sweeps set counts = '{"issues": 8}', most_stored = 8, least_left = 2
        where data_type = 'issues' and repository_id = (select id from repositories where full_name = 'octo/r3')""",
    "a wait": """update workspace_backfill_progress set metadata = '{"waiting": {"reason": "no_worker",
        "since": "2026-11-01T00:00:00Z"}}'
        where repository_id = (select id from repositories where full_name = 'octo/r3')""",
    "a name": "update repositories set full_name = 'octo/zz', name = 'zz' where full_name = 'octo/r3'",
    "a note": """insert into backfill_notes (repository_id, data_type, what, node_id, kind, number, count, words)
        select id, 'issues', 'comments', 'I_1', 'hidden', 7, 2, '' from repositories where full_name = 'octo/r3'
        on conflict do nothing""",
    "a cancel of one": """update workspace_backfill_jobs set metadata = jsonb_build_object('stopping',
        (select jsonb_agg(id) from repositories where full_name = 'octo/r3'))""",
    "a repository that left": """delete from workspace_backfill_progress
        where repository_id = (select id from repositories where full_name = 'octo/r3')""",
    "a pause": "update workspace_backfill_jobs set metadata = jsonb_build_object('paused_at', now())",
}


@pytest.mark.parametrize("change", CHANGES)
async def test_after_a_change_a_known_job_looks_as_if_all_of_it_was_read(
    host: asyncpg.Connection, module_database: str, change: str
) -> None:
    job_id, known = await job(host, 12), Known()
    async with Database(module_database, size=1) as database:
        for statement in ("select 1", CHANGES[change], CHANGES[change]):
            await host.execute(statement)
            async with database.transaction() as connection:
                again = await job_views.look(connection, job_id, known)
            async with database.transaction() as connection:
                whole = await job_views.look(connection, job_id)
            moving = {"as_of", "eta", "headline", "time_left", "time_left_reason"}
            assert again.model_dump(exclude=moving) == whole.model_dump(exclude=moving)
            assert [each.full_name for each in again.repositories] == [each.full_name for each in whole.repositories]


async def test_of_a_known_job_only_the_repository_that_changed_is_made_again(
    host: asyncpg.Connection, module_database: str
) -> None:
    job_id, known = await job(host, 12), Known()
    async with Database(module_database, size=1) as database:
        async with database.transaction() as connection:
            first = await job_views.look(connection, job_id, known)
        await host.execute(CHANGES["a page"])
        async with database.transaction() as connection:
            again = await job_views.look(connection, job_id, known)
    changed = [
        one.full_name for one, other in zip(first.repositories, again.repositories, strict=True) if one is not other
    ]
    assert changed == ["octo/r3"]
