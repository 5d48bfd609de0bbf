"""A server that learned GitHub's new format of node ids names everything anew. Nothing is stored twice."""

import pytest

from messages import DataType
from sandbox.github.faults import BrokenTimeline, OldNodeIds
from sandbox.github.generation import Plan
from tests.support.backfill.reading import Read

PLAN = Plan("acme/odd", pull_requests=8, issues=8, reviews=2, review_comments=2, comments=2, events=3, years=1)
TYPES: tuple[DataType, ...] = ("pull_requests", "issues")


@pytest.mark.parametrize("by_rest", [False, True])
@pytest.mark.parametrize("data_type", TYPES)
async def test_events_with_node_ids_of_the_older_format_are_not_doubled(
    data_type: DataType, by_rest: bool, read: Read
) -> None:
    reading = read(PLAN)
    reading.github.faults.add(OldNodeIds(), times=None)
    assert (await reading.sweep(data_type)).outcome == "completed"
    reading.github.faults.clear()
    threads = list(getattr(reading.repository, data_type).values())
    for thread in threads[:3]:
        thread.edit(title=f"{thread.title}!")
    if by_rest:
        number = next(each.number for each in threads[:3] if any(it.typename == "LabeledEvent" for it in each.events))
        reading.github.faults.add(BrokenTimeline(number=number, item_types=frozenset({"LABELED_EVENT"})), times=None)
    assert (await reading.sweep(data_type, attempts=50)).outcome == "completed"
    twice = "select count(*) from issue_events group by event_type, created_at, payload, issue_id, pull_request_id"
    assert {row["count"] for row in await reading.rows(twice)} == {1}
    if by_rest:
        assert any(entry.path.endswith("/timeline?per_page=100") for entry in reading.github.log)
    else:
        assert not await reading.rows("select from backfill_absences")
    reading.github.faults.clear()
    assert (await reading.sweep(data_type, fresh=True)).outcome == "completed"
    assert not await reading.rows("select from backfill_absences")
    assert {row["count"] for row in await reading.rows(twice)} == {1}
    (reading.repository.issues if data_type == "pull_requests" else reading.repository.pull_requests).clear()
    await reading.agrees()
