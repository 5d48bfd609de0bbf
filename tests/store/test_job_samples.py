"""How a job came along is kept in a bounded number of rows, whatever it waits for and however long it takes."""

import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from messages import Waiting
from progress import chart, pace, totals
from progress.pace import Mark
from progress.views import JobState
from store import job_timeline, job_waits, samples
from store.database import Connection, Database
from tests.support import shop
from tests.support.api import world
from tests.support.progress import jobs
from tests.support.progress.jobs import NOW, part, repository


@pytest.fixture(scope="module")
async def pool(module_database: str) -> AsyncIterator[Database]:
    async with Database(module_database) as pool:
        yield pool


@pytest.fixture
async def connection(pool: Database) -> AsyncIterator[Connection]:
    async with pool.transaction() as connection:
        yield connection


@pytest.fixture
async def job_id(connection: Connection) -> str:
    host: Any = connection
    return await world.job(host, await shop.workspace(host, await shop.buyer(host), "octo/rocket"), "in_progress")


def at(job_id: str, seconds: float, stored: int = 0, **given: Any) -> JobState:
    types = part("issues", stored=stored, counts={"issues": stored, "comments": stored})
    moment = NOW + timedelta(seconds=seconds)
    return jobs.job(repository(types), id=job_id, started_at=NOW, as_of=moment, data_types=["issues"], **given)


async def take(connection: Connection, job: JobState) -> None:
    stored = totals.of(job).progress.stored
    await samples.take(connection, job, Mark(pace.worked_seconds(job, 0), stored, stored, 0), pace.rows(job))


@pytest.mark.parametrize("seconds", [600, 90 * 86_400], ids=["ten minutes", "three months"])
async def test_samples_are_bounded_and_cover_all_of_the_time(connection: Connection, job_id: str, seconds: int) -> None:
    for number in range(601):
        await take(connection, at(job_id, seconds * number / 600, number))
    kept = await samples.of_job(connection, job_id)
    assert 60 < len(kept) <= 240
    assert kept[0].at == NOW
    assert NOW + timedelta(seconds=seconds) - kept[-1].at <= timedelta(seconds=seconds / 50)
    gaps = [after.at - before.at for before, after in itertools.pairwise(kept)]
    assert max(gaps) <= timedelta(seconds=seconds / 25)


async def test_a_sample_that_comes_too_soon_is_none(connection: Connection, job_id: str) -> None:
    for seconds in (0, 0.4, 0.9, 1.2):
        await take(connection, at(job_id, seconds))
    assert [each.at - NOW for each in await samples.of_job(connection, job_id)] == [
        timedelta(0),
        timedelta(seconds=1.2),
    ]


async def test_marks_are_of_the_attempt_its_beginning_and_its_half(connection: Connection, job_id: str) -> None:
    await take(connection, at(job_id, 0, 7, attempt=0))
    for seconds in range(0, 101, 10):
        await take(connection, at(job_id, 1_000 + seconds, 10 + seconds, attempt=1))
    assert await samples.marks(connection, job_id, 1, 1_100) == [Mark(1_000, 10, 10, 0)]
    assert await samples.marks(connection, job_id, 1, 2_100) == [Mark(1_000, 10, 10, 0), Mark(1_050, 60, 60, 0)]
    assert await samples.marks(connection, job_id, 2, 10) == []


def waiting(seconds: float, reason: Any = "github_limit", until: float | None = None) -> Waiting:
    ends = None if until is None else NOW + timedelta(seconds=until)
    return Waiting(reason=reason, since=NOW + timedelta(seconds=seconds), until=ends)


async def follow(connection: Connection, job_id: str, *steps: tuple[float, Waiting | None]) -> list[tuple[Any, ...]]:
    """The waits that are kept: reason, and since when and until when, in seconds."""
    for seconds, its in steps:
        await job_waits.follow(connection, at(job_id, seconds, waiting=its))
    return [
        (each.reason, (each.since - NOW).total_seconds(), each.ended_at and (each.ended_at - NOW).total_seconds())
        for each in reversed(await job_waits.of_job(connection, job_id))
    ]


class TestWaits:
    async def test_one_wait_is_one_whoever_waits(self, connection: Connection, job_id: str) -> None:
        found = await follow(
            connection,
            job_id,
            (10, waiting(9, until=60)),
            (11, waiting(8, until=61)),
            (62, waiting(50, until=70)),
            (75, None),
        )
        assert found == [("github_limit", 9, 70)]

    async def test_another_reason_is_another_wait(self, connection: Connection, job_id: str) -> None:
        found = await follow(connection, job_id, (10, waiting(9)), (20, waiting(5, "github_away")), (30, None))
        assert found == [("github_limit", 9, 20), ("github_away", 20, 30)]

    async def test_what_waits_now_has_no_end(self, connection: Connection, job_id: str) -> None:
        assert await follow(connection, job_id, (10, waiting(9))) == [("github_limit", 9, None)]
        waited = await job_waits.seconds(connection, job_id, NOW, NOW + timedelta(seconds=20))
        assert waited == pytest.approx(11)

    async def test_the_latest_are_kept(
        self, connection: Connection, job_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(job_waits, "_FORGET", job_waits._FORGET.replace(f"offset {job_waits.KEPT}", "offset 3"))
        steps = [(each + after, waiting(each) if not after else None) for each in range(0, 100, 10) for after in (0, 5)]
        assert [since for _, since, _ in await follow(connection, job_id, *steps)] == [70, 80, 90]


async def test_the_chart_ends_with_what_is_stored_now(connection: Connection, job_id: str) -> None:
    await connection.execute(
        "update workspace_backfill_jobs set started_at = $2::timestamptz - interval '1 minute' where id = $1",
        job_id,
        NOW,
    )
    await take(connection, at(job_id, 0, 5))
    await follow(connection, job_id, (1, waiting(1, until=9)), (10, None), (11, waiting(11, "github_away")), (12, None))
    await connection.execute(
        """
        insert into backfill_sweeps (backfill_job_id, repository_id, data_type, counts)
        select $1, repository_id, 'issues', '{"issues": 20, "comments": 4}' from workspace_backfill_progress
        where backfill_job_id = $1
        """,
        job_id,
    )
    found = await job_timeline.chart_of(connection, job_id)
    assert sum(each.rows.get("issues", 0) for each in found.buckets.buckets) == 24
    assert len(found.buckets.buckets) <= chart.MOST_BUCKETS
    assert [(each.reason, each.since, each.until) for each in found.waits] == [
        ("github_limit", NOW + timedelta(seconds=1), NOW + timedelta(seconds=9))
    ]


async def test_a_job_that_is_gone_takes_its_history_with_it(connection: asyncpg.Connection, job_id: str) -> None:
    await take(connection, at(job_id, 0))  # type: ignore[arg-type]
    await follow(connection, job_id, (10, waiting(9)))  # type: ignore[arg-type]
    await connection.execute("delete from workspace_backfill_jobs where id = $1", job_id)
    for table in ("backfill_samples", "backfill_waits"):
        assert await connection.fetchval(f"select count(*) from {table} where backfill_job_id = $1", job_id) == 0
