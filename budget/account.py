"""What one account may still spend of one of GitHub's budgets (GraphQL points or REST requests), and when.

Pure: whoever keeps a `Budget` (store/budgets.py, for all workers together) asks it `ready_at` before a request and
tells it afterwards what GitHub answered. Every moment is the keeper's clock; GitHub's own clock only ever enters as the
seconds between its `Date` and a reset. Limits: docs.github.com, "Rate limits" of the REST and of the GraphQL API.
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
"""GitHub's own time, of which 90 s a minute are free, 60 of them for GraphQL; it is roughly what answers take."""
CONCURRENT = 100
"""Requests in flight of an account, of both resources together."""
MARGIN = 0.95
"""Of what a minute allows is used at most: our clock and GitHub's do not count the same instants."""

LONGEST_WAIT = timedelta(seconds=3_660)
"""No window of GitHub's is longer than an hour, whatever a header says."""
SHORTEST_WAIT = timedelta(seconds=1)
"""Doubled, too, with each refusal that follows: a reset of this very second, told again and again, is not believed."""
SECONDARY_WAIT = timedelta(seconds=60)
"""At the first refusal that does not say how long; doubled with each that follows, up to `LONGEST_SECONDARY_WAIT`."""
LONGEST_SECONDARY_WAIT = timedelta(minutes=15)
SAME_WINDOW = timedelta(seconds=2)
"""Two resets no further apart than this are of one window, heard twice: GitHub tells time in whole seconds."""
WHOLE_SECOND = timedelta(seconds=1)
"""So much later than it is told, for the same reason, a window may really be reset."""
SILENCE = timedelta(minutes=1)
"""For so long an account whose answers tell of no window is taken for one that has none."""
RECOVERY = timedelta(minutes=2)
"""After a secondary limit, the time in which the pace doubles again."""
SLOWEST = 0.1
"""Of what a minute allows; slower no secondary limit makes us."""
LOOK_AGAIN = timedelta(seconds=0.1)
"""When only requests in flight are in the way."""
UNINFORMED = 5
"""Requests in flight while nothing is known of a window: what they ask for may turn out to be too much."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that is to be made. `points` and `seconds` are estimates; `fence` is what its keeper checks."""

    resource: Resource
    operation: str
    """The operation's name, or the REST route: what costs are recorded under."""
    points: int = 1
    seconds: float = 0.3
    repository: str = ""
    fence: object = None


@dataclass(frozen=True, slots=True)
class Told:
    """How a request ended. `points` None: nobody knows, so it counts as estimated."""

    outcome: Literal["answered", "limited", "failed"]
    seconds: float
    points: int | None = None
    windows: Sequence[tuple[int, int, float]] = ()
    """(limit, used, seconds from GitHub's `Date` to the reset) that the answer told of."""
    wait: float | None = None
    """limited: seconds that GitHub asks for, if it says."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Points set aside for one request, until it is settled. One left by a killed worker is spent until the reset."""

    id: UUID
    account: str
    ask: Ask


class Pool(Protocol):
    """All accounts' budgets, shared by all workers."""

    async def reserve(self, ask: Ask, accounts: Sequence[str]) -> Reservation:
        """Sets points aside with the account that has most left.

        Raises `RetryLater` with the moment at which one of them may be asked, and whatever the fence raises.
        """
        ...

    async def settle(self, reservation: Reservation, told: Told) -> None:
        """The request is over."""
        ...

    async def hear(self, account: str, told: Told, operation: str) -> None:
        """A request that nothing was reserved for is over."""
        ...

    async def learn(self, operation: str) -> None:
        """The price of an operation is another than was thought."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """What is reserved of an account's budget at this moment."""

    points: int = 0
    """Of this resource, those of killed workers among them."""
    live_points: int = 0
    live_seconds: float = 0
    live: int = 0
    """Requests in flight, of this resource."""
    of_both: int = 0
    """Requests in flight, of both resources."""


class Window(BaseModel):
    """A window as GitHub told of it; the largest `used` counts, since answers overtake each other."""

    limit: int
    used: int
    resets_at: datetime


class Slowed(BaseModel):
    """The pace after a secondary limit: half of what was in use when it came, doubling every `RECOVERY`."""

    at: datetime
    concurrent: float
    points: float
    seconds: float


class Budget(BaseModel):
    """One account's budget of one resource. GitHub sometimes tells of two windows in turn: the tightest decides."""

    resource: Resource
    windows: list[Window] = []
    spent: list[tuple[datetime, int, float]] = []
    """(when, points, seconds) of the last minute, in whole seconds."""
    paused_until: datetime | None = None
    refusals: int = 0
    slowed: Slowed | None = None
    silent_until: datetime | None = None
    last_reset: datetime | None = None
    """Of the last window that is over."""
    period_seconds: float | None = None
    """How long a window lasts, where one was heard of that began at once after another."""

    def left(self, now: datetime, share: float, held: Held) -> float:
        """Points that may still be reserved in this window; infinite while nothing is known of one."""
        self._forget(now)
        return min(
            (max(1.0, each.limit * share) - each.used - held.points for each in self.windows), default=float("inf")
        )

    def ready_at(self, now: datetime, share: float, ask: Ask, held: Held) -> datetime:
        """When this may be asked: `now`, or the moment at which what is in the way is over. In Postgres' time.

        Only a window that GitHub told of can be planned with: while none is known, a few requests go ahead and ask.
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
        """When so much more fits under what a minute allows."""
        total = sum(each for _, each in spent)
        if total + held + more <= allowed or (total == 0 and held == 0):
            return now
        for when, each in spent:
            total -= each
            if total + held + more <= allowed:
                return when + MINUTE + timedelta(seconds=1)
        return now + LOOK_AGAIN

    def _pace(self, now: datetime, share: float) -> tuple[float, float, float]:
        """(requests at once, points a minute, seconds a minute) that are used at most."""
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
        """What a request's end says; `points` is what it cost, or was estimated at. `held` is without it."""
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
        """A window whose reset is past, or that allows nothing at all, says nothing."""
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
        """GitHub refuses for now: the account rests as long as it says, or a minute and growing."""
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
