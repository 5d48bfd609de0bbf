"""Transactions of others go on, whatever becomes of who began one."""

import pytest

from errors import RetryNow
from store.database import Database

LOCK = "select pg_advisory_xact_lock(1)"


async def test_a_transaction_that_says_nothing_ends_with_its_locks_and_its_holder_tries_again(database: str) -> None:
    """A worker that was frozen, or whose machine lost its power: Postgres would wait for it for two hours."""
    async with Database(database, idle_seconds=0.2) as frozen, Database(database) as successor:
        with pytest.raises(RetryNow, match="database"):
            async with frozen.transaction() as connection:
                await connection.execute(LOCK)
                async with successor.transaction() as other:
                    await other.execute(LOCK)
                await connection.execute("select 1")


async def test_the_limit_is_of_our_transactions_and_not_of_the_connection(database: str) -> None:
    """A pooler hands the connection on to the host application."""
    async with Database(database, size=1, idle_seconds=7) as ours:
        async with ours.transaction() as connection:
            assert await connection.fetchval("show idle_in_transaction_session_timeout") == "7s"
            pid = await connection.fetchval("select pg_backend_pid()")
        pool = ours._pool
        assert pool is not None
        async with pool.acquire() as connection:
            assert await connection.fetchval("select pg_backend_pid()") == pid
            assert await connection.fetchval("show idle_in_transaction_session_timeout") == "0"


async def test_the_last_word_of_a_transaction_is_its_end(database: str) -> None:
    """What came after it would be a round trip more, and behind a pooler on the connection of somebody else."""
    async with Database(database, size=1) as ours, Database(database, size=1) as another:
        async with ours.transaction() as connection:
            pid = await connection.fetchval("select pg_backend_pid()")
        async with another.transaction() as connection:
            last = await connection.fetchval("select query from pg_stat_activity where pid = $1", pid)
    assert last == "COMMIT;"
