"""What odd threads cost: about a request each at first, and one for a hundred of them in each job after."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pytest

from activities.threads import completeness_proof
from sandbox.github.exchange.requests import Request
from sandbox.github.faults import Miscounted, Refused
from sandbox.github.generation import Plan
from sandbox.github.graphql.context import Field
from tests.support.backfill.reading import Read, Reading

THREADS, ODD = 200, 10
AT_FIRST, AGAIN = 12, 1
"""A fifth of the measure: 50 odd threads of 1,000 cost 60 requests more at first and 5 more in the next job."""


@dataclass
class MiscountedTimelines(Miscounted):
    """Of these threads only."""

    name: str = "*.timelineItems"
    by: int = 1
    numbers: Collection[int] = ()

    def resolved(self, request: Request, field: Field, value: Any) -> Any:
        of_these = getattr(field.source, "number", None) in self.numbers
        return super().resolved(request, field, value) if of_these else value


async def requests(reading: Reading, *, fresh: bool = False) -> int:
    before = len(reading.github.log)
    result = await reading.sweep("issues", fresh=fresh)
    assert result.outcome == "completed", result.failure
    return len(reading.github.log) - before


async def test_odd_threads_cost_a_request_each_at_first_and_one_for_all_in_the_next_job(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a larger repository, of which not all threads are listed again in each sweep.
    monkeypatch.setattr(completeness_proof, "FEW_THREADS", THREADS // 2)
    reading = read(Plan("acme/odd", pull_requests=0, issues=THREADS, comments=1, events=1, years=1))
    issues = list(reading.repository.issues.values())
    odd = issues[:: THREADS // ODD]
    for issue in odd:
        issue.event("CrossReferencedEvent", None, source=issues[1])
    plain, plain_again = await requests(reading), await requests(reading)
    hidden = {issue.number for issue in odd[: ODD // 2]}
    miscounted = {issue.number for issue in odd[ODD // 2 : -1]}
    faults = reading.github.faults
    faults.add(
        Refused("CrossReferencedEvent", "source", when=lambda event, _: event.thread.number in hidden), times=None
    )
    faults.add(MiscountedTimelines(numbers=miscounted), times=None)
    faults.add(Miscounted("Repository.issues", by=1), times=None)  # a thread that is counted and not listed
    assert await requests(reading, fresh=True) <= plain + AT_FIRST
    rows = await reading.rows("select what, count(*) from backfill_notes group by 1 order by 1")
    assert [tuple(row) for row in rows] == [("thread", 1), ("timeline", ODD - 1)]
    assert await requests(reading) <= plain_again + AGAIN
    assert await requests(reading) <= plain_again + AGAIN
