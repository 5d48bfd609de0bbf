"""A thing that one answer shows twice is stored once, and hides no other that is missing."""

import pytest

from messages import DataType
from sandbox.github.faults import Doubled, OddTenth
from sandbox.github.generation import Plan
from tests.support.backfill.reading import Read, Reading

PLAN = Plan(
    "acme/odd",
    pull_requests=10,
    issues=10,
    discussions=8,
    reviews=2,
    review_comments=2,
    comments=2,
    events=2,
    deep_threads=1,
    years=1,
    stars=10,
    forks=4,
    pushes=10,
    releases=3,
)
THREADS: tuple[DataType, ...] = ("pull_requests", "issues", "discussions")


async def agrees(reading: Reading, data_type: DataType) -> None:
    for other in THREADS:
        if other != data_type:
            getattr(reading.repository, other).clear()
    await reading.agrees()


@pytest.mark.parametrize("data_type", THREADS)
async def test_threads_and_children_that_are_shown_twice_are_stored_once(data_type: DataType, read: Read) -> None:
    reading = read(PLAN)
    reading.github.faults.add(Doubled(), times=None)
    assert (await reading.sweep(data_type)).outcome == "completed"
    assert not await reading.rows("select from backfill_notes")
    await agrees(reading, data_type)


async def test_events_that_are_shown_twice_are_stored_once(read: Read) -> None:
    reading = read(PLAN)
    reading.github.faults.add(Doubled(), times=None)
    assert (await reading.sweep("events")).outcome == "completed"
    assert not await reading.rows("select from backfill_notes")
    number = "select event_type, count(*) from github_events_cache group by 1 order by 1"
    before = await reading.rows(number)
    reading.github.faults.clear()
    assert (await reading.sweep("events", fresh=True)).outcome == "completed"
    assert await reading.rows(number) == before


@pytest.mark.parametrize("data_type", THREADS)
async def test_what_is_shown_twice_hides_nothing_that_is_missing(data_type: DataType, read: Read) -> None:
    reading = read(PLAN)
    reading.github.faults.add(OddTenth(share=0.3, only=("hidden",)), times=None)
    reading.github.faults.add(Doubled(), times=None)
    assert (await reading.sweep(data_type)).outcome == "completed"
    assert await reading.rows("select from backfill_notes")
    reading.github.faults.clear()
    assert (await reading.sweep(data_type)).outcome == "completed"
    assert not await reading.rows("select from backfill_notes")
    await agrees(reading, data_type)
