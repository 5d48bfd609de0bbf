"""A GitHub that answers anything that its schema allows: each type ends, after a bounded number of requests."""

import pytest

from messages import DataType
from sandbox.github.faults import Babble
from sandbox.github.generation import Plan
from tests.support.backfill.reading import Read
from tests.support.thoroughness import examples

PLAN = Plan(
    "acme/babel",
    pull_requests=6,
    issues=6,
    discussions=5,
    reviews=2,
    review_comments=2,
    comments=2,
    events=2,
    stars=20,
    forks=3,
    releases=3,
    pushes=10,
    years=1,
)
SEEDS = range(examples(1, 20))
"""More of them search for longer."""
TYPES: tuple[DataType, ...] = ("pull_requests", "issues", "discussions")
ANYWAY = 100
"""Requests that a sweep of nothing may take: each phase is tried a few times, at each size."""


def most_requests(things: int) -> int:
    """A thing that does not come by any page is asked for by itself: once, for most of them."""
    return ANYWAY + things


@pytest.mark.parametrize("data_type", TYPES)
@pytest.mark.parametrize(("odds", "stubborn"), [(0.05, False), (0.1, True)], ids=["at random", "the same again"])
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_sweep_of_a_github_that_babbles_ends(
    seed: int, odds: float, stubborn: bool, data_type: DataType, read: Read
) -> None:
    """Stubborn: asked again it answers the same, so that what would go on as long as it is answered so never ends."""
    reading = read(PLAN)
    things = sum(reading.repository.counts().values())
    reading.github.faults.add(Babble(seed, odds, stubborn=stubborn), times=None)
    result = await reading.sweep_within(most_requests(things), data_type)
    assert result.outcome in ("completed", "failed", "skipped")
    assert result.failure is None or result.failure.code != "bug", result.failure
