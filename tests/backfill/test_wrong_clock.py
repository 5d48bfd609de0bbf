"""GitHub's clock was wrong and is corrected: what was dated to the future is read and stored again."""

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
