"""How long a turn is kept that Postgres does not take."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import asyncpg
import pytest

from activities import commits
from activities.commits import KEPT_SECONDS, Commits
from activities.position import Position
from activities.turn import Sources, Turn
from errors import PartOver, RetryNow
from rows import Page
from store.sweeps import Sweep


class NoSources:
    """Nothing is asked of them."""

    database = github = None


class Refused(Commits):
    """Each commit ends in `error`, or only the first `times`."""

    def __init__(self, error: Exception, times: int = 1_000) -> None:
        self.give_up = asyncio.Event()
        super().__init__(cast(Sources, NoSources()), cast(Sweep, None), self.give_up)
        self._error = error
        self._times = times
        self.tries: list[tuple[Turn[Any], bool]] = []
        self.in_pieces: list[bool] = []

    async def _store(self, turn: Turn[Any], *, again: bool, in_pieces: bool) -> None:
        self.tries.append((turn, again))
        self.in_pieces.append(in_pieces)
        if len(self.tries) <= self._times:
            raise self._error


RESTARTS = RetryNow("database", "Postgres restarts")


async def test_the_attempt_fails_with_postgres_reason_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "KEPT_SECONDS", 0.1)
    monkeypatch.setattr(commits, "FIRST_PAUSE", 0.01)
    refused, turn = Refused(RESTARTS), Turn(Position())
    with pytest.raises(RetryNow, match="Postgres restarts"):
        await refused.commit(turn)
    assert len(refused.tries) > 1
    assert all(tried is turn for tried, _ in refused.tries)
    assert [again for _, again in refused.tries] == [False] + [True] * (len(refused.tries) - 1)


async def test_a_worker_that_has_to_end_does_not_wait_for_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "FIRST_PAUSE", 0.9 * KEPT_SECONDS)
    refused = Refused(RESTARTS)
    committing = asyncio.create_task(refused.commit(Turn(Position())))
    await asyncio.sleep(0)
    assert len(refused.tries) == 1
    refused.give_up.set()
    async with asyncio.timeout(KEPT_SECONDS / 2):
        with pytest.raises(RetryNow):
            await committing
    assert len(refused.tries) == 2


async def test_a_bug_is_raised_at_once() -> None:
    refused = Refused(KeyError("name"))
    with pytest.raises(KeyError):
        await refused.commit(Turn(Position()))
    assert len(refused.tries) == 1


@pytest.mark.parametrize(("times", "in_pieces"), [(1, [False, False]), (2, [False, False, True])])
async def test_what_postgres_refuses_once_may_be_a_race_and_is_written_whole_again(
    times: int, in_pieces: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "FIRST_PAUSE", 0.01)
    refused = Refused(asyncpg.UniqueViolationError("another has the name"), times)
    await refused.commit(Turn(Position(), page=Page(datetime.now(UTC))))
    assert refused.in_pieces == in_pieces


async def test_what_postgres_refuses_again_and_again_ends_the_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "FIRST_PAUSE", 0.01)
    refused = Refused(asyncpg.CheckViolationError("no"))
    with pytest.raises(PartOver, match="unstorable"):
        await refused.commit(Turn(Position()))
    assert len(refused.tries) == 2
