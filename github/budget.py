"""What each token may still spend of GitHub's hourly budgets, GraphQL points and REST requests apart.

GitHub's own words decide: the headers of every answer. Between them a token is taken at what was last heard, less what
is in flight. Times are seconds on the monotonic clock, so that a wrong wall clock neither spins nor stalls.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Literal

from errors import JobOver, RetryLater

Resource = Literal["graphql", "core"]

LONGEST_WAIT = 3_660.0
"""Seconds: no window of GitHub's is longer than an hour, whatever a header says."""
SHORTEST_WAIT = 1.0
SECONDARY_WAIT = 60.0
"""Seconds to wait at the first refusal that does not say how long; doubled with each that follows, up to 15 minutes."""


@dataclass(slots=True)
class Window:
    """One token's budget of one resource, as last heard."""

    limit: int | None = None
    used: int = 0
    resets_at: float = 0.0
    paused_until: float = 0.0
    refusals: int = 0
    in_flight: int = 0

    def known(self, now: float) -> bool:
        return self.limit is not None and now < self.resets_at

    def spendable(self, share: float, now: float) -> float:
        """Points left for us before the reserve begins; infinite while nothing is known of the window."""
        if self.limit is None or not self.known(now):
            return float("inf")
        return self.limit * share - self.used - self.in_flight

    def free_at(self, share: float, now: float) -> float:
        """When a request may go out: `now`, or the moment the pause or the window ends."""
        at = max(now, self.paused_until)
        if self.spendable(share, now) < 1:
            at = max(at, self.resets_at)
        return at


@dataclass(slots=True)
class Token:
    """A token and its windows. `refused` is set once GitHub no longer accepts it."""

    secret: str = field(repr=False)
    name: str
    refused: bool = False
    windows: dict[Resource, Window] = field(default_factory=lambda: {"graphql": Window(), "core": Window()})


class Budget:
    """Chooses the token for the next request, and hears what GitHub answered about it."""

    def __init__(self, tokens: tuple[str, ...], share: float) -> None:
        self._share = share
        self._tokens = [Token(secret, f"token {index + 1} of {len(tokens)}") for index, secret in enumerate(tokens)]

    def take(self, resource: Resource) -> Token:
        """The token with most left. Raises `RetryLater` when all have to wait and `JobOver` when none is accepted."""
        now = monotonic()
        accepted = [token for token in self._tokens if not token.refused]
        if not accepted:
            raise JobOver(
                "unauthorized", "GitHub accepts none of the tokens (401)", "put a valid token into GITHUB_TOKENS"
            )
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
        """What an answer said of the window. Answers arrive out of order: in one window the largest `used` counts."""
        now = monotonic()
        window = token.windows[resource]
        wait = min(max(seconds_to_reset, 0.0), LONGEST_WAIT)
        if wait == 0.0:
            return
        same_window = window.known(now) and abs(window.resets_at - (now + wait)) < 5
        window.used = max(window.used, used) if same_window else used
        window.limit = limit
        window.resets_at = now + wait

    def accepted(self, token: Token, resource: Resource) -> None:
        """A request was answered: refusals are counted anew."""
        token.windows[resource].refusals = 0

    def limited(self, token: Token, resource: Resource, wait: float | None) -> RetryLater:
        """GitHub refused for now: the token rests for `wait` seconds, or for a minute and growing if it did not say."""
        window = token.windows[resource]
        window.refusals += 1
        if wait is None:
            wait = min(SECONDARY_WAIT * 2 ** (window.refusals - 1), 900.0)
        wait = min(max(wait, SHORTEST_WAIT), LONGEST_WAIT)
        window.paused_until = max(window.paused_until, monotonic() + wait)
        return RetryLater("rate_limited", f"GitHub limits {token.name} ({resource})", _in(wait))

    def refuse(self, token: Token) -> int:
        """GitHub does not know this token (401): it is set aside. Returns how many are left."""
        token.refused = True
        return sum(not each.refused for each in self._tokens)


def _in(seconds: float) -> datetime:
    # Jittered upwards, so that all who wait for one reset do not ask in the same instant.
    return datetime.now(UTC) + timedelta(seconds=seconds + random.uniform(0.1, 0.5))
