"""The one request that is under way before its turn, while the turn before it is committed."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class Request(Generic[AnswerT]):
    """A request that may go out before its turn. Two with the same `key` ask for the same."""

    key: object
    send: Callable[[], Coroutine[Any, Any, AnswerT]]


class LookAhead:
    """Sends requests, at most one of them before its turn, and counts them."""

    def __init__(self) -> None:
        self._under_way: tuple[object, asyncio.Task[Any]] | None = None
        self.sent = 0
        """Requests of the present turn."""

    def begin_turn(self) -> None:
        self.sent = 0

    @property
    def is_under_way(self) -> bool:
        """Whether a request was sent that no turn has asked for yet."""
        return self._under_way is not None

    def send_early(self, request: Request[Any]) -> None:
        """Sends what the next turn will ask for, unless a request is under way already."""
        if self._under_way is None:
            self._under_way = request.key, asyncio.create_task(request.send())

    async def answer(self, request: Request[AnswerT]) -> AnswerT:
        """The answer to a request, which may have been sent before its turn."""
        self.sent += 1
        if self._under_way is not None and self._under_way[0] != request.key:
            # Nobody will ask for what is under way: kept, it would hold the slice open for ever.
            await self.close()
        if self._under_way is None:
            return await request.send()
        _, task = self._under_way
        self._under_way = None
        answer: AnswerT = await task
        return answer

    async def send(self, request: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        """The answer to a request that never goes out early. What is under way stays so."""
        self.sent += 1
        return await request()

    async def close(self) -> None:
        """Gives up what is under way."""
        if self._under_way is not None:
            _, task = self._under_way
            self._under_way = None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
