"""Whether a server answers anybody: what all workers together know of it, and who asks next (decision 11).

Pure: whoever keeps a `Breaker` (store/availability.py, for all workers together) tells it of failures and probes, and
asks it what to do. Every moment is the keeper's clock.

One failed request says nothing of a server: it may be too large, or its route may always fail. So a *probe*, the
smallest request of the same API, is sent after it. Three requests in a row without an answer, the last of them a probe,
mean that the API is away. Until a probe is answered nothing else is sent to it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from pydantic import BaseModel

CONFIRMED = 3
"""Requests in a row without an answer, the last of them a probe, after which an API is away."""
CORROBORATED = 2
"""The same, where another API of this server is away."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """How long things of the breaker take."""

    probe_every: timedelta = timedelta(seconds=60)
    """Between the beginnings of two probes while the server is away, whichever API they ask."""
    probe_takes: timedelta = timedelta(seconds=10)
    """At most: then it got no answer."""
    lease: timedelta = timedelta(seconds=15)
    """After this a probe without a result was a killed worker's. Longer than `probe_takes`."""
    confirmed_after: timedelta = timedelta(seconds=1)
    """Between a probe that failed and the one that confirms it."""
    suspicion: timedelta = timedelta(seconds=60)
    """Failures older than this are not of the same row."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do now.

    `ask`: send the request. `probe`: send the smallest request of `api`, and say what came of it (`Breaker.probed`).
    `wait`: another worker probes, look again in a moment. `away`: nothing before `until`.
    """

    do: Literal["ask", "probe", "wait", "away"]
    at: datetime
    """The moment of the verdict."""
    api: str = ""
    until: datetime | None = None
    since: datetime | None = None
    """away: when the first request failed that got no answer."""
    reason: str = ""


class Availability(Protocol):
    """The breaker of one server, shared by all workers."""

    intervals: Intervals

    async def admit(self, api: str) -> Verdict:
        """Before a request. A probe is leased to whoever is told to send it."""
        ...

    async def failed(self, api: str, reason: str) -> datetime:
        """A request got no answer; answers with the moment, for `doubt`."""
        ...

    async def doubt(self, api: str, failed_at: datetime) -> Verdict:
        """After a request that got no answer: `ask` if the API has answered somebody since."""
        ...

    async def probed(self, api: str, began_at: datetime, reason: str | None) -> Verdict:
        """A probe is over; `reason` says why it got no answer, None that it got one. Answers `ask` or `away`, or
        `wait` while another probe has to confirm it."""
        ...


class Api(BaseModel):
    """One API of a server: `graphql`, `core` (REST), `archive`."""

    away: bool = False
    failures: int = 0
    """Requests in a row that got no answer, probes among them."""
    since: datetime | None = None
    """When the first of them failed."""
    failed_at: datetime | None = None
    """When the last of them did."""
    reason: str = ""
    answered_at: datetime | None = None
    """When a probe was last answered; other answers are not written down."""
    probed_at: datetime | None = None
    probe_after: datetime | None = None
    """When a probe may confirm the one that failed."""


class Breaker(BaseModel):
    """One server. Its APIs share the probe of the minute, in turn."""

    apis: dict[str, Api] = {}
    next_probe_at: datetime | None = None
    """While an API is away."""
    probing_until: datetime | None = None
    """The lease of the probe that is under way."""

    def admit(self, now: datetime, api: str, intervals: Intervals) -> Verdict:
        """Before a request."""
        mine = self._of(api)
        if mine.away:
            return self._away(now, api, intervals)
        if mine.failures and (self._is_probing(now) or self._pauses(now, mine)):
            # It is being found out: one more request would say nothing more.
            return Verdict("wait", now)
        return Verdict("ask", now)

    def failed(self, now: datetime, api: str, reason: str, intervals: Intervals) -> None:
        """A request got no answer."""
        mine = self._of(api)
        if not mine.away and mine.failed_at is not None and now - mine.failed_at > intervals.suspicion:
            mine.failures, mine.since, mine.probe_after = 0, None, None
        mine.failures += 1
        mine.since, mine.failed_at, mine.reason = mine.since or now, now, reason

    def doubt(self, now: datetime, api: str, failed_at: datetime, intervals: Intervals) -> Verdict:
        """After a request that got no answer at `failed_at`."""
        mine = self._of(api)
        if mine.answered_at is not None and mine.answered_at >= failed_at:
            return Verdict("ask", now)
        if mine.away:
            return self._away(now, api, intervals)
        if self._is_probing(now) or self._pauses(now, mine):
            return Verdict("wait", now)
        return self._lease(now, api, intervals)

    def probed(self, now: datetime, api: str, began_at: datetime, reason: str | None, intervals: Intervals) -> Verdict:
        """A probe that began at `began_at` is over."""
        mine = self._of(api)
        self.probing_until = None
        others_away = any(each.away for name, each in self.apis.items() if name != api)
        if reason is None:
            mine.away, mine.failures, mine.since, mine.reason, mine.probe_after = False, 0, None, "", None
            mine.answered_at = now
            # A server that answers one API is asked for the others at once.
            self.next_probe_at = now if others_away else None
            return Verdict("ask", now)
        self.failed(now, api, reason, intervals)
        if not mine.away and mine.failures < (CORROBORATED if others_away else CONFIRMED):
            mine.probe_after = now + intervals.confirmed_after
            return Verdict("wait", now)
        mine.away = True
        if self.next_probe_at is None or self.next_probe_at <= now:
            # Never at once: who has just heard that it is away must be able to tell until when.
            self.next_probe_at = max(began_at + intervals.probe_every, now + intervals.probe_every / 2)
        return self._away(now, api, intervals)

    def _away(self, now: datetime, api: str, intervals: Intervals) -> Verdict:
        """When to come again, or whom to probe, while this API is away."""
        if self._is_probing(now):
            return Verdict("wait", now)
        if self.next_probe_at is not None and now < self.next_probe_at:
            mine = self._of(api)
            return Verdict("away", now, api, self.next_probe_at, mine.since, mine.reason)
        away = [(each.probed_at or now, name) for name, each in self.apis.items() if each.away]
        return self._lease(now, min(away)[1], intervals)

    def _lease(self, now: datetime, api: str, intervals: Intervals) -> Verdict:
        self.probing_until = now + intervals.lease
        self._of(api).probed_at = now
        return Verdict("probe", now, api)

    def _pauses(self, now: datetime, api: Api) -> bool:
        """Whether its next probe would come too soon to confirm the one before."""
        return api.probe_after is not None and now < api.probe_after

    def _is_probing(self, now: datetime) -> bool:
        return self.probing_until is not None and now < self.probing_until

    def _of(self, api: str) -> Api:
        return self.apis.setdefault(api, Api())
