"""One request is under way before its turn: it is asked once, and given up if it is not what the turn wants."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from activities.threads.look_ahead import LookAhead, Request


class Asked:
    """Requests that note when they go out and how they end."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self._is_out: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.given_up: list[str] = []
        self.released = asyncio.Event()

    def request(self, key: str) -> Request[str]:
        async def send() -> str:
            self.out.append(key)
            self._is_out[key].set()
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                self.given_up.append(key)
                raise
            return f"answer to {key}"

        return Request(key, send)

    async def until_out(self, key: str) -> None:
        await self._is_out[key].wait()


@asynccontextmanager
async def looking_ahead() -> AsyncIterator[tuple[LookAhead, Asked]]:
    look_ahead, asked = LookAhead(), Asked()
    yield look_ahead, asked
    await look_ahead.close()


async def test_a_request_that_is_under_way_is_not_sent_again() -> None:
    async with looking_ahead() as (look_ahead, asked):
        look_ahead.send_early(asked.request("page 2"))
        await asked.until_out("page 2")
        assert look_ahead.is_under_way
        asked.released.set()
        assert await look_ahead.answer(asked.request("page 2")) == "answer to page 2"
        assert asked.out == ["page 2"]
        assert not look_ahead.is_under_way


async def test_what_no_turn_wants_is_given_up_and_the_right_one_sent() -> None:
    async with looking_ahead() as (look_ahead, asked):
        look_ahead.send_early(asked.request("page 2"))
        await asked.until_out("page 2")
        wanted = asyncio.create_task(look_ahead.answer(asked.request("page 2 of half the size")))
        await asked.until_out("page 2 of half the size")
        assert asked.given_up == ["page 2"]
        asked.released.set()
        assert await wanted == "answer to page 2 of half the size"


async def test_only_one_is_under_way() -> None:
    async with looking_ahead() as (look_ahead, asked):
        look_ahead.send_early(asked.request("page 2"))
        look_ahead.send_early(asked.request("page 3"))
        await asked.until_out("page 2")
        assert asked.out == ["page 2"]


async def test_a_request_for_something_else_leaves_it_under_way() -> None:
    """Parts are fetched between two pages: the page that was asked for ahead is still wanted."""
    async with looking_ahead() as (look_ahead, asked):
        asked.released.set()
        look_ahead.send_early(asked.request("page 2"))
        assert await look_ahead.send(asked.request("parts").send) == "answer to parts"
        assert look_ahead.is_under_way
        assert await look_ahead.answer(asked.request("page 2")) == "answer to page 2"
        assert sorted(asked.out) == ["page 2", "parts"]


async def test_its_failure_is_that_of_the_turn_that_wants_it() -> None:
    look_ahead = LookAhead()

    async def fail() -> str:
        raise ValueError("no")

    look_ahead.send_early(Request("page 2", fail))
    with pytest.raises(ValueError, match="no"):
        await look_ahead.answer(Request("page 2", fail))
    assert not look_ahead.is_under_way


async def test_a_turn_counts_the_requests_that_it_uses() -> None:
    async with looking_ahead() as (look_ahead, asked):
        asked.released.set()
        look_ahead.begin_turn()
        look_ahead.send_early(asked.request("page 2"))
        await look_ahead.send(asked.request("parts").send)
        assert look_ahead.sent == 1
        look_ahead.begin_turn()
        await look_ahead.answer(asked.request("page 2"))
        assert look_ahead.sent == 1
