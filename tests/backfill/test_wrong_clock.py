"""GitHub's clock was wrong and is corrected: what was dated to the future is read and stored again."""

from datetime import timedelta
from typing import Any

import pytest

from messages import DataType
from sandbox.github.generation import Plan
from sandbox.github.world.discussions import Discussion
from tests.support.backfill.reading import Read

PLANS: dict[DataType, Plan] = {
    "pull_requests": Plan("acme/odd", pull_requests=8, issues=0, reviews=2, review_comments=2, comments=2, years=1),
    "issues": Plan("acme/odd", pull_requests=0, issues=8, comments=2, years=1),
    "discussions": Plan("acme/odd", pull_requests=0, issues=0, discussions=8, comments=2, years=1),
}
FUTURE = "2031-01-01T00:00:00Z"


@pytest.mark.parametrize("data_type", PLANS)
async def test_a_thread_and_a_comment_dated_to_the_future_follow_their_later_changes(
    data_type: DataType, read: Read
) -> None:
    reading = read(PLANS[data_type])
    world = reading.repository.world
    thread = next(iter(getattr(reading.repository, data_type).values()))
    written = [thread, thread.comment(world.account("someone"), "as it was")]
    if data_type == "pull_requests":
        written += [thread.reviews[0], thread.reviews[0].comments[0]]
    with reading.repository.changed():
        for each in written:
            each.updated_at = FUTURE
    assert (await reading.sweep(data_type)).outcome == "completed"
    await reading.agrees()
    world.clock.advance(100)
    with reading.repository.changed():
        for each in written:
            each.body, each.updated_at = "as it is", world.clock.stamp()
        if not isinstance(thread, Discussion):
            thread.title = "as it is"
    assert (await reading.sweep(data_type)).outcome == "completed"
    await reading.agrees()


@pytest.mark.parametrize("data_type", PLANS)
async def test_what_changes_after_githubs_clock_was_set_back_is_stored(data_type: DataType, read: Read) -> None:
    reading = read(PLANS[data_type])
    world = reading.repository.world
    threads = list(getattr(reading.repository, data_type).values())
    begin = world.clock.now()

    def change(thread: Any, words: str) -> None:
        with reading.repository.changed():
            thread.body = words
            thread.updated_at = world.clock.stamp()
        thread.comment(world.account("someone"), words)

    world.clock.set(begin + timedelta(days=400))
    change(threads[0], "changed while the clock was ahead")
    assert (await reading.sweep(data_type)).outcome == "completed"
    world.clock.set(begin + timedelta(days=1))
    for thread in threads[:2]:
        change(thread, "changed after the clock was set back")
    threads[2].comment(world.account("someone"), "a word that does not bump its thread", bump=False)
    for words in ("once", "twice"):
        assert (await reading.sweep(data_type)).outcome == "completed"
        await reading.agrees()
        change(threads[3], f"changed {words}")


async def test_stars_after_githubs_clock_was_set_back_are_stored(read: Read) -> None:
    reading = read(Plan("acme/odd", pull_requests=0, issues=0, stars=8, years=1))
    world = reading.repository.world
    begin = world.clock.now()
    world.clock.set(begin + timedelta(days=400))
    assert (await reading.sweep("events")).outcome == "completed"
    world.clock.set(begin + timedelta(days=1))
    for number in range(250):
        reading.repository.star(world.account(f"late-{number}"))
    assert (await reading.sweep("events")).outcome == "completed"
    stars = "select count(*) from github_events_cache where event_type = 'WatchEvent'"
    assert [row["count"] for row in await reading.rows(stars)] == [258]
