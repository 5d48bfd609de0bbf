"""What `migrate` keeps from people who work with the database meanwhile: a moment, however large its tables are."""

import asyncio

import asyncpg
import pytest

from schema import migrate as migration
from schema.migrate import migrate
from schema.plan import Step
from tests.support.schema.databases import Open


async def rows_read(connection: asyncpg.Connection) -> dict[str, int]:
    """By table of the host, how many rows this session has read of it one after the other, as whoever scans it does."""
    await connection.execute("select pg_stat_force_next_flush()")
    await connection.execute("select pg_stat_clear_snapshot()")
    read = await connection.fetch("select relname, seq_tup_read from pg_stat_user_tables")
    return {row["relname"]: row["seq_tup_read"] for row in read}


async def test_no_table_is_read_through_while_it_is_locked(
    host_database: str, monkeypatch: pytest.MonkeyPatch, connect: Open
) -> None:
    there = set(await rows_read(await connect(host_database)))
    take = migration._take
    locking: list[str] = []
    scanning: list[tuple[str, str]] = []

    async def watched(connection: asyncpg.Connection, step: Step, patience: float) -> None:
        before = await rows_read(connection)
        await take(connection, step, patience)
        after = await rows_read(connection)
        if not step.concurrently:
            locking.append(step.name)
            scanning.extend((step.statements[0], each) for each in there if after[each] != before[each])

    monkeypatch.setattr(migration, "_take", watched)
    await migrate(host_database, replace_host_keys=True, report=lambda _: None)
    assert {"pull_requests", "comments", "contributors"} <= set(locking)
    assert not scanning


async def test_whoever_wants_a_table_that_is_waited_for_is_let_through(
    host_database: str, monkeypatch: pytest.MonkeyPatch, connect: Open
) -> None:
    """While `migrate` waits for a long query to end, it stands in line itself, and all others behind it."""
    long_query, other = await connect(host_database), await connect(host_database)
    monkeypatch.setattr(migration, "PAUSE_SECONDS", 0.2)
    async with long_query.transaction():
        await long_query.fetch("select from pull_requests")
        migrating = asyncio.create_task(migrate(host_database, report=lambda _: None))
        stood_in_line = 0
        while stood_in_line < 3:
            assert not migrating.done()
            waits = await other.fetchval(
                "select exists (select from pg_locks where not granted and relation = 'pull_requests'::regclass)"
            )
            stood_in_line += bool(waits)
            # Postgres would let it wait until the long query ends, were `migrate` not to give up its place.
            await asyncio.wait_for(other.fetch("select count(*) from pull_requests"), 30)
    await migrating
