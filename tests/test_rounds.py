"""A loop goes on whatever a round of it raises, and says so once."""

import asyncio

import pytest
import structlog
from structlog.testing import capture_logs

from errors import RetryNow, Unreachable
from rounds import Rounds

AWAY, BUG = RetryNow("database", "Postgres is away"), KeyError("name")


def logged(*rounds: Exception | None) -> list[str]:
    """What is logged of these rounds, by what each of them raises."""
    loop = Rounds(structlog.get_logger(), waiting="waiting", broken="broken")
    with capture_logs() as lines:
        for error in rounds:
            with loop.round():
                if error is not None:
                    raise error
    return [line["event"] for line in lines]


@pytest.mark.parametrize(
    ("rounds", "lines"),
    [
        ((None, None), []),
        ((AWAY,), ["waiting"]),
        ((BUG,), ["broken"]),
        ((AWAY, AWAY, BUG, AWAY), ["waiting"]),
        ((BUG, BUG, None, BUG), ["broken", "broken"]),
        ((AWAY, None, AWAY, None, BUG), ["waiting", "waiting", "broken"]),
    ],
)
def test_of_failed_rounds_in_a_row_the_first_is_logged(rounds: tuple[Exception | None, ...], lines: list[str]) -> None:
    assert logged(*rounds) == lines


def test_what_it_waits_for_is_told_in_its_own_words_until_a_round_succeeds() -> None:
    loop = Rounds(structlog.get_logger(), waiting="waiting", broken="broken", again="again", waits_for=(Unreachable,))
    away, told = Unreachable("Temporal", "does not answer"), []
    with capture_logs() as lines:
        for error in (away, AWAY, None, None):
            with loop.round():
                if error is not None:
                    raise error
            told.append(loop.trouble)
    assert told == [str(away), f"RetryNow: {AWAY}", None, None]
    assert [line["event"] for line in lines] == ["waiting", "again"]


def test_a_cancel_ends_the_loop() -> None:
    loop = Rounds(structlog.get_logger(), waiting="waiting", broken="broken")
    with pytest.raises(asyncio.CancelledError), loop.round():
        raise asyncio.CancelledError
