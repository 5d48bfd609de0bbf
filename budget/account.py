"""Computes when an account may send a request within one of GitHub's budgets: GraphQL points, or REST requests.

`store/budgets.py` holds the budgets for all workers. It calls `Budget.ready_at` before a request, and `Budget.settle`
with GitHub's answer afterwards. All moments are from Postgres's clock. GitHub's clock is only used for the seconds
between an answer's `Date` header and a reset. The limits are documented at docs.github.com, "Rate limits" of the REST
and of the GraphQL API.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol
from uuid import UUID

from pydantic import BaseModel

Resource = Literal["graphql", "core"]
"""`core` is REST."""

MINUTE = timedelta(seconds=60)
POINTS_A_MINUTE: dict[Resource, int] = {"graphql": 2_000, "core": 900}
SECONDS_A_MINUTE: dict[Resource, float] = {"graphql": 60, "core": 30}
"""Most seconds of GitHub's own time in a minute, about the durations of its answers. GitHub allows 90, 60 of them for
GraphQL.
"""
CONCURRENT = 100
"""Requests in flight of one account, for both resources together."""
MARGIN = 0.95
"""Share of a minute's limits that is used, because our clock and GitHub's differ slightly."""

LONGEST_WAIT = timedelta(seconds=3_660)
"""No window of GitHub's exceeds an hour, so longer waits in headers are cut to this."""
SHORTEST_WAIT = timedelta(seconds=1)
"""Shortest wait after a limit, doubled with each further refusal, in case GitHub keeps naming a
reset that is due now."""
SECONDARY_WAIT = timedelta(seconds=60)
"""Wait after a refusal that does not say how long; doubled with each further one, up to `LONGEST_SECONDARY_WAIT`."""
LONGEST_SECONDARY_WAIT = timedelta(minutes=15)
SAME_WINDOW = timedelta(seconds=2)
"""Two resets at most this far apart belong to the same window, because GitHub rounds to whole seconds."""
WHOLE_SECOND = timedelta(seconds=1)
"""How much later than announced a window may be reset, because GitHub rounds to whole seconds."""
SILENCE = timedelta(minutes=1)
"""An account whose answers mention no window for this long counts as unlimited."""
RECOVERY = timedelta(minutes=2)
"""Time in which the pace doubles again after a secondary limit."""
SLOWEST = 0.1
"""Lowest share of a minute's limits to which secondary limits reduce the pace."""
LOOK_AGAIN = timedelta(seconds=0.1)
"""Pause before the next check of a request that has to wait only for requests in flight."""
UNINFORMED = 5
"""Most requests in flight while no window is known, since they may cost more than is left."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that is to be sent. `points` is its estimated cost, and `seconds` its estimated duration. If `fence` is
    a sweep, points are reserved only while that sweep holds its lease.
    """

    resource: Resource
    operation: str
    """The operation's name, or the REST route; costs are recorded by it."""
    points: int = 1
    seconds: float = 0.3
    repository: str = ""
    fence: object = None


@dataclass(frozen=True, slots=True)
class Told:
    """The end of a request: how it ended, how long it took, and what GitHub reported. `points` is the cost of the
    request, or None if the cost is unknown. The estimated cost then counts.
    """

    outcome: Literal["answered", "limited", "failed"]
    seconds: float
    points: int | None = None
    windows: Sequence[tuple[int, int, float]] = ()
    """(limit, used, seconds from GitHub's `Date` to the reset) of each window in the answer."""
    wait: float | None = None
    """For a rate limit: the seconds that GitHub asks for, if it says."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Points that are set aside for one request until that request is settled. If the worker is killed before, the
    points count as spent until the budget's reset.
    """

    id: UUID
    account: str
    ask: Ask


class Pool(Protocol):
    """The budgets of all accounts, shared by all workers."""

    async def reserve(self, ask: Ask, accounts: Sequence[str]) -> Reservation:
        """Reserves points of one of `accounts`. Among the accounts that can be used now, the account with the largest
        remaining budget is chosen.

        Raises `RetryLater` if no account can be used. The error has the moment at which an account can be used. Raises
        an error if `ask.fence` is a sweep that has lost its lease.
        """
        ...

    async def settle(self, reservation: Reservation, told: Told) -> None:
        """Records the result of a finished request, and ends the request's reservation."""
        ...

    async def hear(self, account: str, told: Told, operation: str) -> None:
        """Records the result of a finished request for which nothing was reserved."""
        ...

    async def learn(self, operation: str) -> None:
        """Stores this worker's price of `operation`, which the worker has learned from GitHub's answers. Other workers
        load the stored prices when they start.
        """
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """The part of an account's budget that unfinished requests reserve now."""

    points: int = 0
    """Points of this resource, including those of killed workers."""
    live_points: int = 0
    live_seconds: float = 0
    live: int = 0
    """Requests in flight, for this resource."""
    of_both: int = 0
    """Requests in flight, for both resources."""


class Window(BaseModel):
    """A budget's window as GitHub reports it. Answers may arrive out of order, so the largest `used` of a window
    counts.
    """

    limit: int
    used: int
    resets_at: datetime


class Slowed(BaseModel):
    """The reduced pace of an account after a secondary limit. The pace begins at half of what the account used in the
    minute before the limit, and doubles every `RECOVERY`.
    """

    at: datetime
    concurrent: float
    points: float
    seconds: float


class Budget(BaseModel):
    """One account's budget of one resource. GitHub sometimes reports two different windows in turn. In that case, the
    window with fewer points left counts.
    """

    resource: Resource
    windows: list[Window] = []
    spent: list[tuple[datetime, int, float]] = []
    """(when, points, seconds) spent in the last minute; `when` in whole seconds."""
    paused_until: datetime | None = None
    refusals: int = 0
    slowed: Slowed | None = None
    silent_until: datetime | None = None
    last_reset: datetime | None = None
    """When the previous window was reset."""
    period_seconds: float | None = None
    """The length of a window; known once one window directly followed another."""

    def left(self, now: datetime, share: float, held: Held) -> float:
        """Returns how many points may still be reserved before the reset. Returns infinity while no window is known.
        `share` is the part of the budget, 0 to 1, that backfills may use.
        """
        self._forget(now)
        return min(
            (max(1.0, each.limit * share) - each.used - held.points for each in self.windows), default=float("inf")
        )

    def ready_at(self, now: datetime, share: float, ask: Ask, held: Held) -> datetime:
        """Returns when the request `ask` may be sent: `now`, or a later moment. `share` is the part of the budget, 0 to
        1, that backfills may use.

        Only answers tell how much of the budget is left. So until an answer reports a window, at most `UNINFORMED`
        requests may be in flight at once. This limit is lifted for some time after an answer that reports no window.
        """
        self._forget(now)
        at = max(now, self.paused_until or now)
        for window in self.windows:
            allowed = max(1.0, window.limit * share)
            if window.used + held.points + min(ask.points, allowed) > allowed:
                at = max(at, window.resets_at)
        if at > now:
            return at
        if not self.windows and held.live >= UNINFORMED and not (self.silent_until and now < self.silent_until):
            return now + LOOK_AGAIN
        concurrent, points, seconds = self._pace(now, share)
        if held.of_both + 1 > max(1.0, concurrent):
            return now + LOOK_AGAIN
        return max(
            self._below(now, [(when, each) for when, each, _ in self.spent], held.live_points, ask.points, points),
            self._below(now, [(when, each) for when, _, each in self.spent], held.live_seconds, ask.seconds, seconds),
        )

    def _below(
        self, now: datetime, spent: Sequence[tuple[datetime, float]], held: float, more: float, allowed: float
    ) -> datetime:
        """Returns when `more` points or seconds can be spent without exceeding `allowed`, the limit of one minute. All
        amounts are points, or all amounts are seconds.

        `spent` holds the moments and amounts of the last minute. `held` is the amount that requests in flight reserve.
        If only requests in flight exceed the limit, returns `now` plus `LOOK_AGAIN`, because nobody knows when they
        end.
        """
        total = sum(each for _, each in spent)
        if total + held + more <= allowed or (total == 0 and held == 0):
            return now
        for when, each in spent:
            total -= each
            if total + held + more <= allowed:
                return when + MINUTE + timedelta(seconds=1)
        return now + LOOK_AGAIN

    def _pace(self, now: datetime, share: float) -> tuple[float, float, float]:
        """Returns the account's present limits as a tuple: the number of requests at once, the points a minute, and the
        seconds of GitHub's time a minute.
        """
        part = min(share, MARGIN)
        concurrent, points = CONCURRENT * part, POINTS_A_MINUTE[self.resource] * part
        seconds = SECONDS_A_MINUTE[self.resource] * part
        if self.slowed is not None:
            grown = 2.0 ** min(20.0, max(0.0, (now - self.slowed.at) / RECOVERY))
            concurrent = min(concurrent, self.slowed.concurrent * grown)
            points = min(points, max(self.slowed.points, SLOWEST * points) * grown)
            seconds = min(seconds, max(self.slowed.seconds, SLOWEST * seconds) * grown)
        return concurrent, points, seconds

    def settle(self, now: datetime, points: int, told: Told, held: Held) -> None:
        """Records that a request has ended. `points` is the request's cost, or the estimate if the cost is unknown.
        `held` is the part of the budget that other unfinished requests reserve.
        """
        self._forget(now)
        self._spend(now, points, told.seconds)
        for limit, used, wait in told.windows:
            self._hear(now, limit, used, timedelta(seconds=min(wait, LONGEST_WAIT.total_seconds())))
        if told.outcome == "answered":
            self.refusals = 0
            if not self.windows:
                self.silent_until = now + SILENCE
        elif told.outcome == "limited":
            self._limited(now, told.wait, held)
        elif told.points is None:
            # Nobody said what it cost: what was set aside for it is gone.
            for window in self.windows:
                window.used += points

    def _spend(self, now: datetime, points: int, seconds: float) -> None:
        second = now.replace(microsecond=0)
        if self.spent and self.spent[-1][0] >= second:
            when, before, took = self.spent[-1]
            self.spent[-1] = (when, before + points, round(took + seconds, 3))
        else:
            self.spent.append((second, points, round(seconds, 3)))

    def _hear(self, now: datetime, limit: int, used: int, wait: timedelta) -> None:
        """Records a window that GitHub reported: `used` of `limit` points are used, and the window is reset after
        `wait`. A window whose reset is past, or whose limit is 0, is ignored.
        """
        if wait <= timedelta(0) or limit <= 0 or used < 0:
            return
        resets_at = now + wait + WHOLE_SECOND
        for window in self.windows:
            if abs(window.resets_at - resets_at) < SAME_WINDOW:
                window.limit, window.used = limit, max(window.used, used)
                window.resets_at = max(window.resets_at, resets_at)
                return
        self.windows.append(Window(limit=limit, used=used, resets_at=resets_at))
        if self.last_reset is not None and now - self.last_reset < wait:
            # It began after the last one was over: all of it was ahead a moment ago.
            self.period_seconds = (resets_at - self.last_reset).total_seconds()

    def _limited(self, now: datetime, wait: float | None, held: Held) -> None:
        """Pauses the account after a rate limit. If the hour's budget is not used up, the account is also slowed down,
        because it sent too much at once.

        `wait` is how many seconds GitHub asks to wait. If `wait` is None, the pause is a minute, and it doubles with
        each further limit.
        """
        first = self.paused_until is None or now >= self.paused_until
        if first:
            # All that were in flight together hear of one limit: it counts once.
            self.refusals += 1
        grown = 2 ** min(self.refusals - 1, 10)
        if wait is None:
            pause = min(SECONDARY_WAIT * grown, LONGEST_SECONDARY_WAIT)
        else:
            least = min(SHORTEST_WAIT * grown, LONGEST_SECONDARY_WAIT)
            pause = max(timedelta(seconds=min(wait, LONGEST_WAIT.total_seconds())), least)
        used_up = any(now < each.resets_at and each.used >= each.limit for each in self.windows)
        if first and not used_up:
            # Not the hour's budget, so it was too much at once.
            self.slowed = Slowed(
                at=now + pause,
                concurrent=max(1.0, (held.of_both + 1) / 2),
                points=sum(each for _, each, _ in self.spent) / 2,
                seconds=sum(each for _, _, each in self.spent) / 2,
            )
        self.paused_until = max(self.paused_until or now, now + pause)

    def _forget(self, now: datetime) -> None:
        self.last_reset = max(
            (each.resets_at for each in self.windows if now >= each.resets_at), default=self.last_reset
        )
        self.windows = [each for each in self.windows if now < each.resets_at]
        self.spent = [each for each in self.spent if now < each[0] + MINUTE + timedelta(seconds=1)]
        if self.slowed is not None and now > self.slowed.at + 10 * RECOVERY:
            self.slowed = None
