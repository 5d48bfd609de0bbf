"""A list that fails for good is left for another way, and the proof says so."""

from typing import Any

import pytest

from sandbox.github.faults import BadGateway, Effect, ServerError
from sandbox.github.generate import Plan
from tests.backfill.reading import Read, Reading
from tests.backfill.test_reading import REVIEWED
from tests.shop import connected

FOR_GOOD: dict[str, Effect] = {"500": ServerError(), "502": BadGateway(), "422": ServerError(422)}


async def fell_back(reading: Reading) -> list[str]:
    """What the proof of the latest sweep says."""
    async with connected(reading.dsn) as connection:
        proof: dict[str, Any] = await connection.fetchval(
            "select proof from backfill_sweeps order by completed_at desc limit 1"
        )
    words: list[str] = proof.get("fell_back", [])
    return words


@pytest.mark.parametrize("status", FOR_GOOD)
async def test_without_the_list_of_review_comments_reviews_are_asked_for_one_by_one(status: str, read: Read) -> None:
    reading = read(REVIEWED)
    reading.github.faults.add(FOR_GOOD[status], times=None, path="*/pulls/comments?*")
    result = await reading.sweep("pull_requests", attempts=10)
    assert result.outcome == "completed", result.failure
    assert any("review by review" in words for words in await fell_back(reading))
    assert len(reading.github.log) < 80
    await reading.agrees()


@pytest.mark.parametrize("status", FOR_GOOD)
async def test_without_the_list_of_comments_the_numbers_of_comments_tell(status: str, read: Read) -> None:
    reading = read(Plan("acme/talk", pull_requests=0, issues=120, comments=2, events=1, years=1))
    assert (await reading.sweep("issues")).outcome == "completed"
    assert not await fell_back(reading)
    silent = [issue for issue in reading.repository.issues.values() if issue.comments][3]
    silent.comment(None, "without a bump", bump=False)
    reading.github.faults.add(FOR_GOOD[status], times=None, path="*/issues/comments?*")
    result = await reading.sweep("issues", attempts=10)
    assert result.outcome == "completed", result.failure
    assert any("by their numbers" in words for words in await fell_back(reading))
    await reading.agrees()


async def test_a_500_that_repeats_is_taken_for_too_large(read: Read) -> None:
    reading = read(Plan("acme/wide", pull_requests=0, issues=60, comments=1, events=1, years=1))
    reading.github.faults.add(
        ServerError(), times=None, operation="Issues", when=lambda request: request.variables["first"] > 10
    )
    result = await reading.sweep("issues", attempts=3)
    assert result.outcome == "completed", result.failure
    await reading.agrees()
