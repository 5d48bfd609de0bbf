"""Sends one request ahead of its turn, while the previous turn is being committed."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class Request(Generic[AnswerT]):
    """A request that may be sent ahead of its turn. Two requests with the same `key` have the same answer."""

    key: object
    send: Callable[[], Coroutine[Any, Any, AnswerT]]


class LookAhead:
    """Sends requests and counts them. At most one request is sent ahead of its turn."""

    def __init__(self) -> None:
        self._under_way: tuple[object, asyncio.Task[Any]] | None = None
        self.sent = 0
        """Requests sent in the present turn."""

    def begin_turn(self) -> None:
        self.sent = 0

    @property
    def is_under_way(self) -> bool:
        """Whether a request was sent ahead and no turn has used its answer yet."""
        return self._under_way is not None

    def send_early(self, request: Request[Any]) -> None:
        """Sends the next turn's request ahead, unless another request was already sent ahead."""
        if self._under_way is None:
            self._under_way = request.key, asyncio.create_task(request.send())

    async def answer(self, request: Request[AnswerT]) -> AnswerT:
        """Returns the answer to a request. Sends the request unless it was sent ahead. Cancels any other request that
        was sent ahead.
        """
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
        """Sends a request that is never sent ahead, and returns its answer. A request that was sent ahead stays in
        flight.
        """
        self.sent += 1
        return await request()

    async def close(self) -> None:
        """Cancels the request that was sent ahead, if there is one."""
        if self._under_way is not None:
            _, task = self._under_way
            self._under_way = None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
