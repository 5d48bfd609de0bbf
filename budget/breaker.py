"""Decides from the reports of all workers whether a server is down, and which worker sends the next probe (decision
11).

This module only computes. `store/availability.py` holds the breaker for all workers. It reports failures and probes to
the breaker, and asks the breaker what a worker has to do. All moments are from Postgres's clock.

One failed request does not prove an outage, because the request may be too large, or its route may always fail. So
after a failed request a worker sends a *probe*: the smallest request of the same API. The API counts as down after
three requests in a row without an answer, if the last one is a probe. Two such requests suffice if another API of the
server is down. While an API is down, only probes are sent to it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from pydantic import BaseModel

CONFIRMED = 3
"""Requests in a row without an answer, the last of them a probe, that mark an API as away."""
CORROBORATED = 2
"""As many requests suffice if another API of the server is away."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """The durations that the breaker uses."""

    probe_every: timedelta = timedelta(seconds=60)
    """Interval of the starts of two probes while the server is away, whichever API they use."""
    probe_takes: timedelta = timedelta(seconds=10)
    """A probe without an answer after this time has failed."""
    lease: timedelta = timedelta(seconds=15)
    """A probe without a result after this time belonged to a killed worker. Longer than `probe_takes`."""
    confirmed_after: timedelta = timedelta(seconds=1)
    """Pause between a failed probe and the probe that confirms the failure."""
    suspicion: timedelta = timedelta(seconds=60)
    """Failures further apart than this do not count as in a row."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The breaker's answer to a worker. `do` is what the worker has to do next:

    - `ask`: send the request.
    - `probe`: send the smallest request of `api`, and report the result with `probed`.
    - `wait`: ask the breaker again in a moment, because a probe is under way or about to be sent.
    - `away`: send nothing before `until`, because the server is down.
    """

    do: Literal["ask", "probe", "wait", "away"]
    at: datetime
    """When the verdict was given."""
    api: str = ""
    until: datetime | None = None
    since: datetime | None = None
    """For away: when the first unanswered request failed."""
    reason: str = ""


class Availability(Protocol):
    """The breaker of one server, shared by all workers."""

    intervals: Intervals

    async def admit(self, api: str) -> Verdict:
        """Returns what a worker has to do before it sends a request to `api`. After one worker got the verdict `probe`,
        no other worker gets this verdict until the probe's lease ends.
        """
        ...

    async def failed(self, api: str, reason: str) -> datetime:
        """Records that a request to `api` got no answer. Returns the moment of the record, which the caller passes to
        `doubt`.
        """
        ...

    async def doubt(self, api: str, failed_at: datetime) -> Verdict:
        """Returns what a worker has to do after its request got no answer at `failed_at`. The verdict is `ask` if the
        API has answered a probe since then.
        """
        ...

    async def probed(self, api: str, began_at: datetime, reason: str | None) -> Verdict:
        """Records the result of a probe that began at `began_at`, and returns what the worker has to do next. `reason`
        says why the probe got no answer. `reason` is None if the probe got an answer.

        The verdict after an answer is `ask`. The verdict after a failed probe is `wait` if another probe has to confirm
        the failure, and `away` if the API is down.
        """
        ...


class Api(BaseModel):
    """The state of one API of a server. The APIs are `graphql`, `core` (REST) and `archive` (GH Archive)."""

    away: bool = False
    failures: int = 0
    """Requests in a row without an answer, including probes."""
    since: datetime | None = None
    """When the first of these requests failed."""
    failed_at: datetime | None = None
    """When the latest request without an answer failed."""
    reason: str = ""
    answered_at: datetime | None = None
    """When a probe was last answered; other answers are not recorded."""
    probed_at: datetime | None = None
    probe_after: datetime | None = None
    """The earliest moment at which a probe may confirm the failure of the last one."""


class Breaker(BaseModel):
    """The state of one server. While APIs of the server are down, one probe a minute is sent. The probes go to these
    APIs in turn.
    """

    apis: dict[str, Api] = {}
    next_probe_at: datetime | None = None
    """When the next probe may be sent, while an API is away."""
    probing_until: datetime | None = None
    """When the lease of the present probe ends."""

    def admit(self, now: datetime, api: str, intervals: Intervals) -> Verdict:
        """Returns what a worker has to do before it sends a request to `api`."""
        mine = self._of(api)
        if mine.away:
            return self._away(now, api, intervals)
        if mine.failures and (self._is_probing(now) or self._pauses(now, mine)):
            # It is being found out: one more request would say nothing more.
            return Verdict("wait", now)
        return Verdict("ask", now)

    def failed(self, now: datetime, api: str, reason: str, intervals: Intervals) -> None:
        """Records that a request to `api` got no answer. `reason` says why."""
        mine = self._of(api)
        if not mine.away and mine.failed_at is not None and now - mine.failed_at > intervals.suspicion:
            mine.failures, mine.since, mine.probe_after = 0, None, None
        mine.failures += 1
        mine.since, mine.failed_at, mine.reason = mine.since or now, now, reason

    def doubt(self, now: datetime, api: str, failed_at: datetime, intervals: Intervals) -> Verdict:
        """Returns what a worker has to do after its request to `api` got no answer at `failed_at`."""
        mine = self._of(api)
        if mine.answered_at is not None and mine.answered_at >= failed_at:
            return Verdict("ask", now)
        if mine.away:
            return self._away(now, api, intervals)
        if self._is_probing(now) or self._pauses(now, mine):
            return Verdict("wait", now)
        return self._lease(now, api, intervals)

    def probed(self, now: datetime, api: str, began_at: datetime, reason: str | None, intervals: Intervals) -> Verdict:
        """Records the result of a probe that began at `began_at`, and returns what the worker has to do next. `reason`
        says why the probe got no answer. `reason` is None if the probe got an answer.
        """
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
        """Returns what a worker has to do while `api` is down: wait, send nothing for some time, or send a probe. The
        probe may go to another API of the server that is down, too.
        """
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
        """Returns whether it is too early for the API's next probe. The breaker pauses after a failed probe, because
        two failures at the same moment prove no more than one.
        """
        return api.probe_after is not None and now < api.probe_after

    def _is_probing(self, now: datetime) -> bool:
        return self.probing_until is not None and now < self.probing_until

    def _of(self, api: str) -> Api:
        return self.apis.setdefault(api, Api())
