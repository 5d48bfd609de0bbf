"""Holds requests back while a server is down (decision 11). The clients for GitHub and GH Archive send their requests
through this module.

`budget.breaker` makes the decisions. Its state is in Postgres, where all workers share it. This module sends probes,
waits while another worker probes, and tells callers how long to wait.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC
from time import monotonic
from typing import TypeVar

import structlog

from budget.breaker import Availability, Verdict
from errors import BackfillError, RetryLater, RetryNow

log = structlog.get_logger(__name__)
T = TypeVar("T")

LOOK_EVERY = 5.0
"""Seconds between two checks whether other workers found the server down, as long as it answers this worker."""
LOOK_AGAIN = 0.25
"""Seconds between two checks while another worker probes."""

_NO_ANSWER = {
    "timeout": "it does not answer in time",
    "unreachable": "it cannot be reached",
    "connection": "its connections break",
    "bad_answer": "its answers are cut short",
    "too_large": "it finishes nothing",
    "github_error": "it answers with errors",
}
_NAMES = {"graphql": "GitHub's GraphQL API", "core": "GitHub's REST API", "archive": "GH Archive"}


def no_answer(error: RetryNow) -> str:
    """Returns in a few words why the server gave no answer. Returns an empty text for an error of any other kind."""
    if error.code.startswith("http_") and error.code not in ("http_202", "http_413"):
        return error.code.removeprefix("http_")
    return _NO_ANSWER.get(error.code, "")


class Guard:
    """Holds back requests to one server while that server is down. `probe` sends the smallest request of an API. A
    refusal of this request counts as an answer.
    """

    def __init__(self, availability: Availability, probe: Callable[[str], Awaitable[object]]) -> None:
        self._availability = availability
        self._probe = probe
        self._answered: dict[str, float] = {}
        """API -> when a request of this worker was last answered."""
        self._looked: dict[str, float] = {}
        """API -> when Postgres last showed that the API is available."""

    async def run(self, api: str, request: Callable[[], Awaitable[T]]) -> T:
        """Runs `request` and returns its result. Raises `RetryLater` (github_away) if the server is down before the
        request, or if the request gets no answer and the server turns out to be down. Otherwise raises the request's
        own error.
        """
        await self.admit(api)
        try:
            result = await request()
        except RetryNow as error:
            if reason := no_answer(error):
                await self._judge(api, reason)
            raise
        self._answered[api] = monotonic()
        return result

    async def admit(self, api: str) -> None:
        """Waits until a request may be sent. Raises `RetryLater` (github_away) if the server is down."""
        while monotonic() >= self._looked.get(api, float("-inf")) + LOOK_EVERY:
            verdict = await self._availability.admit(api)
            if verdict.do == "ask":
                self._looked[api] = monotonic()
            else:
                await self._follow(verdict)

    async def _judge(self, api: str, reason: str) -> None:
        """Finds out whether the server is down, after a request that got no answer. Returns if the server answers other
        requests. Raises `RetryLater` if the server is down.
        """
        failed = monotonic()
        self._looked.pop(api, None)
        failed_at = await self._availability.failed(api, reason)
        while self._answered.get(api, float("-inf")) <= failed:
            verdict = await self._availability.doubt(api, failed_at)
            if verdict.do == "ask":
                return
            await self._follow(verdict)

    async def _follow(self, verdict: Verdict) -> None:
        """Does what the breaker's verdict says: waits, sends a probe, or raises `RetryLater`. After it returns, the
        caller asks the breaker for a new verdict.
        """
        if verdict.do == "wait":
            await asyncio.sleep(LOOK_AGAIN * random.uniform(0.5, 1))  # nosec B311 # a pause, no secret
        elif verdict.do == "away":
            raise self._away(verdict)
        else:
            reason = await self._no_answer_to_a_probe(verdict.api)
            then = await self._availability.probed(verdict.api, verdict.at, reason)
            if reason is None:
                self._answered[verdict.api] = monotonic()
                log.info("a probe was answered", api=verdict.api)
            elif then.do == "away":
                log.warning("GitHub is away", api=verdict.api, why=then.reason, next_probe_at=str(then.until))
                raise self._away(then)

    async def _no_answer_to_a_probe(self, api: str) -> str | None:
        seconds = self._availability.intervals.probe_takes.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                await self._probe(api)
        except TimeoutError:
            return _NO_ANSWER["timeout"]
        except RetryNow as error:
            return no_answer(error) or None
        except BackfillError as error:
            log.info("a probe was refused, which is an answer", api=api, why=error.message)
        return None

    def _away(self, verdict: Verdict) -> RetryLater:
        since = verdict.since or verdict.at
        began = monotonic() - (verdict.at - since).total_seconds()
        # One API alone is named only where another is known to answer.
        alone = any(at > began for api, at in self._answered.items() if api != verdict.api)
        name = _NAMES[verdict.api] if alone or verdict.api == "archive" else "GitHub"
        message = f"{name} is away since {since.astimezone(UTC):%H:%M} UTC ({verdict.reason})"
        return RetryLater("github_away", message, verdict.until or verdict.at, waits_for="github_away", since=since)
