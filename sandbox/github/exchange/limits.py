"""Rate limits: the windows of points and of requests that each account has, and the secondary limits that GitHub
documents.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf
from typing import Literal

from sandbox.github.world.clock import Clock, stamp

Resource = Literal["graphql", "core"]


@dataclass(slots=True)
class Limits:
    """The limits of an account. A window begins with its first request and lasts `window_seconds`.

    `minute_seconds` is the length of a minute in the secondary limits; tests make it shorter.
    `graphql_seconds_per_minute` limits the time that GitHub works for an account in a minute. GitHub documents 60
    seconds of processor time. The stand-in counts the duration of answers, and only if it has a `Pace`.
    """

    graphql: int = 5_000
    core: int = 5_000
    window_seconds: float = 3_600
    concurrent: int = 100
    graphql_per_minute: int = 2_000
    core_per_minute: int = 900
    graphql_seconds_per_minute: float = inf
    minute_seconds: float = 60

    def of(self, resource: Resource) -> int:
        return self.graphql if resource == "graphql" else self.core

    def per_minute(self, resource: Resource) -> int:
        return self.graphql_per_minute if resource == "graphql" else self.core_per_minute


@dataclass(slots=True)
class Window:
    """One window of one resource. `used` can exceed `limit`, because a query is run whole if any points are left when
    it begins.
    """

    limit: int
    reset: datetime
    used: int = 0

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)

    @property
    def reset_at(self) -> str:
        return stamp(self.reset)

    def summary(self) -> dict[str, int]:
        used = min(self.used, self.limit)
        reset = int(self.reset.timestamp())
        return {"limit": self.limit, "used": used, "remaining": self.remaining, "reset": reset}

    def headers(self, resource: Resource) -> dict[str, str]:
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-used": str(min(self.used, self.limit)),
            "x-ratelimit-reset": str(int(self.reset.timestamp())),
            "x-ratelimit-resource": resource,
        }


@dataclass(slots=True)
class Budget:
    """What an account has used of each resource, and how fast its requests come at present. All tokens of the account
    share one budget.
    """

    clock: Clock
    limits: Limits
    running: int = 0
    windows: dict[Resource, Window] = field(default_factory=dict)
    _minute: dict[Resource, deque[datetime]] = field(default_factory=dict)
    _seconds: deque[tuple[datetime, float]] = field(default_factory=deque)

    def window(self, resource: Resource) -> Window:
        """Returns the present window of the resource. If the last window is over, a new one begins."""
        now = self.clock.now()
        window = self.windows.get(resource)
        if window is None or now >= window.reset:
            window = Window(self.limits.of(resource), now + timedelta(seconds=self.limits.window_seconds))
            self.windows[resource] = window
        window.limit = self.limits.of(resource)
        return window

    def exhaust(self, resource: Resource) -> None:
        """Uses up the resource's window, as if another client of the same account had used it."""
        window = self.window(resource)
        window.used = window.limit

    def took(self, seconds: float) -> None:
        """Counts `seconds` that GitHub took for a GraphQL answer. `Limits.graphql_seconds_per_minute` limits their
        sum.
        """
        self._seconds.append((self.clock.now(), seconds))

    def too_fast(self, resource: Resource) -> bool:
        """Counts a request. Returns whether the account now exceeds a limit by the minute, or the limit of concurrent
        requests.
        """
        now = self.clock.now()
        begin = now - timedelta(seconds=self.limits.minute_seconds)
        recent = self._minute.setdefault(resource, deque())
        while recent and recent[0] <= begin:
            recent.popleft()
        while self._seconds and self._seconds[0][0] <= begin:
            self._seconds.popleft()
        recent.append(now)
        return (
            len(recent) > self.limits.per_minute(resource)
            or self.running > self.limits.concurrent
            or sum(seconds for _, seconds in self._seconds) > self.limits.graphql_seconds_per_minute
        )
