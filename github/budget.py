"""What each token may still spend of GitHub's hourly budgets, GraphQL points and REST requests apart.

GitHub's own words decide: the headers of every answer. Between them a token is taken at what was last heard, less what
is in flight. Times are seconds on the monotonic clock, so that a wrong wall clock neither spins nor stalls.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Literal

from errors import BackfillError, JobOver, RetryLater

Resource = Literal["graphql", "core"]

LONGEST_WAIT = 3_660.0
"""Seconds: no window of GitHub's is longer than an hour, whatever a header says."""
SHORTEST_WAIT = 1.0
SECONDARY_WAIT = 60.0
"""Seconds to wait at the first refusal that does not say how long; doubled with each that follows, up to 15 minutes."""

DOUBT = 5.0
"""Seconds until a token that was refused once is tried again."""
SET_ASIDE = 60.0
"""Seconds until a token that was refused again and again is."""


@dataclass(slots=True)
class Heard:
    """A window as GitHub told of it; in one window the largest `used` counts, since answers overtake each other."""

    limit: int
    used: int
    resets_at: float


@dataclass(slots=True)
class Window:
    """One token's budget of one resource. GitHub sometimes tells of two windows in turn: the tightest decides."""

    heard: list[Heard] = field(default_factory=list)
    paused_until: float = 0.0
    refusals: int = 0
    in_flight: int = 0

    def spendable(self, share: float, now: float) -> float:
        """Points left for us before the reserve begins; infinite while nothing is known."""
        self.heard = [each for each in self.heard if now < each.resets_at]
        return min((each.limit * share - each.used - self.in_flight for each in self.heard), default=float("inf"))

    def free_at(self, share: float, now: float) -> float:
        """When a request may go out: `now`, or the moment the pause or the last window that is used up ends."""
        at = max(now, self.paused_until)
        if self.spendable(share, now) < 1:
            spent = [each.resets_at for each in self.heard if each.limit * share - each.used - self.in_flight < 1]
            at = max(at, *spent)
        return at


@dataclass(slots=True)
class Token:
    """A token and its windows. Refused (401) it is set aside until `refused_until`, and is tried again then."""

    secret: str = field(repr=False)
    name: str
    refused_until: float = 0.0
    strikes: int = 0
    windows: dict[Resource, Window] = field(default_factory=lambda: {"graphql": Window(), "core": Window()})


class Budget:
    """Chooses the token for the next request, and hears what GitHub answered about it."""

    def __init__(self, tokens: tuple[str, ...], share: float) -> None:
        self._share = share
        self._tokens = [Token(secret, f"token {index + 1} of {len(tokens)}") for index, secret in enumerate(tokens)]

    def take(self, resource: Resource) -> Token:
        """The token with most left. Raises `RetryLater` when all have to wait and `JobOver` when none is accepted."""
        now = monotonic()
        accepted = [token for token in self._tokens if token.refused_until <= now]
        if not accepted:
            raise self._none_accepted(now)
        free_at = {id(token): token.windows[resource].free_at(self._share, now) for token in accepted}
        ready = [token for token in accepted if free_at[id(token)] <= now]
        if not ready:
            wait = min(free_at.values()) - now
            raise RetryLater("rate_limited", f"GitHub's {resource} budget is used up", _in(wait))
        token = max(ready, key=lambda each: each.windows[resource].spendable(self._share, now))
        token.windows[resource].in_flight += 1
        return token

    def settle(self, token: Token, resource: Resource) -> None:
        """The request is over, however it ended."""
        token.windows[resource].in_flight -= 1

    def hear(self, token: Token, resource: Resource, limit: int, used: int, seconds_to_reset: float) -> None:
        """What an answer said of the window. One whose reset is past says nothing."""
        wait = min(seconds_to_reset, LONGEST_WAIT)
        if wait <= 0:
            return
        resets_at = monotonic() + wait
        window = token.windows[resource]
        for heard in window.heard:
            if abs(heard.resets_at - resets_at) < 5:
                heard.limit, heard.used = limit, max(heard.used, used)
                return
        window.heard.append(Heard(limit, used, resets_at))

    def accepted(self, token: Token, resource: Resource) -> None:
        """A request was answered: refusals are counted anew."""
        token.windows[resource].refusals = 0
        token.strikes = 0

    def limited(self, token: Token, resource: Resource, wait: float | None) -> RetryLater:
        """GitHub refused for now: the token rests for `wait` seconds, or for a minute and growing if it did not say.

        The error's time is when any token may go on.
        """
        now = monotonic()
        window = token.windows[resource]
        if now >= window.paused_until:
            # All that were in flight together hear of one limit: it counts once.
            window.refusals += 1
        if wait is None:
            wait = min(SECONDARY_WAIT * 2 ** (window.refusals - 1), 900.0)
        wait = min(max(wait, SHORTEST_WAIT), LONGEST_WAIT)
        window.paused_until = max(window.paused_until, now + wait)
        usable = [each for each in self._tokens if each.refused_until <= now]
        free_at = min((each.windows[resource].free_at(self._share, now) for each in usable), default=now + wait)
        return RetryLater("rate_limited", f"GitHub limits {token.name} ({resource})", _in(free_at - now))

    def refuse(self, token: Token) -> BackfillError:
        """GitHub does not know this token (401): it is set aside. One 401 may be GitHub's mistake; two are its word."""
        now = monotonic()
        token.strikes += 1
        token.refused_until = now + (DOUBT if token.strikes == 1 else SET_ASIDE)
        if any(each.refused_until <= now for each in self._tokens):
            return RetryLater("unauthorized", f"GitHub refuses {token.name} (401); others are left", _in(0))
        return self._none_accepted(now)

    def _none_accepted(self, now: float) -> BackfillError:
        if all(token.strikes > 1 for token in self._tokens):
            return JobOver(
                "unauthorized", "GitHub accepts none of the tokens (401)", "put a valid token into GITHUB_TOKENS"
            )
        wait = min(token.refused_until for token in self._tokens) - now
        return RetryLater("unauthorized", "GitHub refuses every token (401); asking once more", _in(wait))


def _in(seconds: float) -> datetime:
    # Jittered upwards, so that all who wait for one reset do not ask in the same instant.
    return datetime.now(UTC) + timedelta(seconds=seconds + random.uniform(0.1, 0.5))
