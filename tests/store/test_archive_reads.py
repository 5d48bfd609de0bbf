"""A reading's row: its lease fences, its place moves with its hours, and names cannot change under it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from errors import JobOver
from messages import Failure, Pace
from store import archive_reads
from store.archive_reads import Read
from store.database import Database
from store.sweeps import LeaseLostError
from tests.support import shop
from tests.support.shop import connected

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def opened(database: str) -> AsyncIterator[Database]:
    async with Database(database, size=3) as opened:
        yield opened


@pytest.fixture
async def read_id(database: str, opened: Database) -> str:
    """Of two hours."""
    async with connected(database) as host:
        workspace_id = await shop.workspace(host, await shop.buyer(host), "octo/a", "octo/b")
    async with opened.transaction() as connection:
        scope = await archive_reads.scope(connection, workspace_id)
        read_id = await archive_reads.ask_for(
            connection, scope, event_types=(), first_hour=FIRST, last_hour=FIRST + timedelta(hours=1)
        )
        assert (await archive_reads.begin(connection, read_id, Pace())).status == "in_progress"
    return read_id


async def commit(database: Database, read: Read, stored: int = 1) -> Read:
    async with database.transaction() as connection:
        await archive_reads.fence(connection, read)
        return await archive_reads.commit(
            connection, read, missing=False, damaged=False, malformed=0, stored=stored, length=10, seconds=1.0
        )


async def test_whoever_takes_it_later_is_the_one(opened: Database, read_id: str) -> None:
    zombie = await archive_reads.take(opened, read_id, "first")
    read = await archive_reads.take(opened, read_id, "second")
    assert (zombie.attempts, read.attempts) == (1, 2)
    with pytest.raises(LeaseLostError):
        await commit(opened, zombie)
    await archive_reads.release(opened, zombie, failure=Failure(code="x", message="x"))
    read = await commit(opened, read)
    assert (read.next_hour, read.attempts, read.status, read.is_read) == (
        FIRST + timedelta(hours=1),
        0,
        "in_progress",
        False,
    )
    read = await commit(opened, read)
    assert (read.status, read.events_stored, read.bytes_read, read.is_read) == ("completed", 2, 20, True)
    async with opened.transaction() as connection:
        await archive_reads.end(connection, read_id, "canceled")
        view = await archive_reads.look(connection, read_id)
        assert (view.status, view.error, view.hours_read, view.hours_total) == ("completed", None, 2, 2)
        assert await archive_reads.bytes_per_second(connection) == 10


async def test_who_ends_it_ends_whoever_reads(opened: Database, read_id: str) -> None:
    read = await archive_reads.take(opened, read_id, "reader")
    async with opened.transaction() as connection:
        await archive_reads.end(connection, read_id, "canceled")
    with pytest.raises(LeaseLostError):
        await commit(opened, read)
    assert (await archive_reads.take(opened, read_id, "next")).status == "canceled"


async def test_a_repository_keeps_its_name_until_its_events_are_stored(
    database: str, opened: Database, read_id: str
) -> None:
    read = await archive_reads.take(opened, read_id, "reader")
    rename = "update repositories set name = 'c', full_name = 'octo/c' where full_name = 'octo/a'"
    async with connected(database) as renamer:
        await renamer.execute("set lock_timeout = '300ms'")
        async with opened.transaction() as connection:
            [ref] = await archive_reads.repositories(connection, read, [1])
            assert ref.full_name == "octo/a"
            with pytest.raises(asyncpg.LockNotAvailableError):
                await renamer.execute(rename)
            await renamer.execute("update repositories set full_name = 'octo/d' where full_name = 'octo/b'")
        await renamer.execute(rename)
    async with opened.transaction() as connection:
        names = {each.full_name for each in await archive_reads.repositories(connection, read)}
    assert names == {"octo/c", "octo/d"}


async def test_a_reading_that_was_deleted_is_over(opened: Database) -> None:
    with pytest.raises(JobOver):
        await archive_reads.take(opened, NOBODY, "reader")
    with pytest.raises(JobOver):
        async with opened.transaction() as connection:
            await archive_reads.begin(connection, NOBODY, Pace())
