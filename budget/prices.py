"""What an operation costs: GitHub's formula, corrected by what GitHub was seen to charge.

Points = the requests needed to fill every connection, each `first` reached, divided by 100 and rounded, at least 1
(docs.github.com, "Rate limits for the GraphQL API"). The formula is documented, not guaranteed: where the answer's
`rateLimit.cost` is another than the estimate, the operation's requests are taken for more, or fewer, from then on.
"""

from math import ceil, floor

ONE_POINT = 149
"""The most requests that still cost one point: 1.49 is rounded down."""


def points(requests: float) -> int:
    """Halves are rounded up."""
    return max(1, floor(requests / 100 + 0.5))


class Prices:
    """What was learned, by operation. One for all that a process asks; others' come in by `learn`."""

    def __init__(self) -> None:
        self._factors: dict[str, float] = {}
        self._seconds: dict[str, float] = {}

    def estimate(self, operation: str, requests: int) -> int:
        """Points that a query which needs so many requests will cost."""
        return points(requests * self._factors.get(operation, 1.0))

    def largest_page(self, operation: str, connections: int, most: int) -> int:
        """The parents to ask for at once, each with so many connections: as many as one point pays for.

        More at once would not be cheaper: of several points fewer are wasted on rounding, but none is gained by it.
        """
        affordable = ONE_POINT / self._factors.get(operation, 1.0)
        return max(1, min(most, floor((affordable - 1) / connections)))

    def observe(self, operation: str, requests: int, cost: int, parents: int = 1) -> bool:
        """What a query that needs so many requests, for so many parents, was charged. True if that is news."""
        if cost <= 0 or requests <= 0 or self.estimate(operation, requests) == cost:
            return False
        # The nearest that this charge allows; each parent has a whole number of connections.
        low, high = (100 * cost - 50 if cost > 1 else 1), 100 * cost + 49
        if requests * self._factors.get(operation, 1.0) < low:
            charged = 1 + parents * ceil((low - 1) / parents)
        else:
            charged = max(1, 1 + parents * floor((high - 1) / parents))
        self._factors[operation] = (charged if low <= charged <= high else low) / requests
        return True

    def factor(self, operation: str) -> float:
        return self._factors.get(operation, 1.0)

    def learn(self, operation: str, factor: float) -> None:
        """What another process found out."""
        self._factors[operation] = factor

    def seconds(self, operation: str, default: float) -> float:
        """How long such a request takes, by the last ones."""
        return self._seconds.get(operation, default)

    def took(self, operation: str, seconds: float) -> None:
        before = self._seconds.get(operation, seconds)
        self._seconds[operation] = before + (seconds - before) / 4
