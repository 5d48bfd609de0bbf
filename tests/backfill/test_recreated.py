"""A name that passes to another repository in the middle of a job brings nothing of it, and takes nothing away."""

from typing import cast

import pytest

from activities.attempts import MOST_ATTEMPTS
from messages import DataType
from sandbox.github import World
from sandbox.github.exchange.requests import Request
from sandbox.github.faults import Touch
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from tests.support.backfill.reading import Read, Reading

OPERATIONS: list[tuple[DataType, str]] = [
    ("pull_requests", "PullRequests"),
    ("pull_requests", "PullRequestListing"),
    ("issues", "Issues"),
    ("issues", "IssueListing"),
    ("discussions", "Discussions"),
    ("discussions", "DiscussionListing"),
]


@pytest.mark.parametrize(("data_type", "operation"), OPERATIONS)
async def test_a_name_that_passes_to_another_repository_brings_none_of_its_threads(
    read: Read, data_type: DataType, operation: str
) -> None:
    plan = Plan("acme/small", pull_requests=60, issues=60, discussions=40, comments=1, reviews=1, years=1)
    reading: Reading = read(plan)
    assert (await reading.sweep(data_type)).outcome == "completed"
    query = f"select github_id, gone_at from {data_type} order by 1"
    before = await reading.rows(query)
    assert before

    def take_over(_: Request) -> None:
        reading.repository.rename("acme/moved")
        generate(cast("World", reading.repository.world), Plan("acme/small", 30, 30, discussions=20, seed=9))

    reading.github.faults.add(Touch(take_over), operation=operation)
    result = await reading.sweep(data_type, fresh="Listing" not in operation, attempts=MOST_ATTEMPTS + 1)
    assert result.outcome == "failed"
    assert result.failure is not None
    assert result.failure.code == "renamed"
    assert await reading.rows(query) == before
