"""Computes the prices of operations by GitHub's formula, corrected by the costs that GitHub reports.

The formula takes the number of requests that would fill every connection of a query up to its `first`. The price in
points is a hundredth of this number, rounded, and at least 1 (docs.github.com, "Rate limits for the GraphQL API").
GitHub does not guarantee the formula. If an answer's `rateLimit.cost` differs from the price, later prices of the
operation are multiplied by a correction factor.
"""

from math import ceil, floor

ONE_POINT = 149
"""Most requests that cost one point: 1.49 is rounded down."""


def points(requests: float) -> int:
    """Returns the price in points that GitHub's formula gives for this number of requests. Halves are rounded up."""
    return max(1, floor(requests / 100 + 0.5))


class Prices:
    """The prices and durations of operations that this process has learned from GitHub's answers. `learn` adds a price
    that another process has learned.
    """

    def __init__(self) -> None:
        self._factors: dict[str, float] = {}
        self._seconds: dict[str, float] = {}

    def estimate(self, operation: str, requests: int) -> int:
        """Returns the estimated price of a query, in points. `requests` is the number that GitHub's formula starts
        from: how many requests would fill all connections of the query.
        """
        return points(requests * self._factors.get(operation, 1.0))

    def largest_page(self, operation: str, connections: int, most: int) -> int:
        """Returns how many parents a page may have if it is to cost one point: at least 1, and at most `most`.
        `connections` is the number of connections of each parent.

        A larger page would cost several points. It would not save points, because the price grows with the number of
        connections.
        """
        affordable = ONE_POINT / self._factors.get(operation, 1.0)
        return max(1, min(most, floor((affordable - 1) / connections)))

    def observe(self, operation: str, requests: int, cost: int, parents: int = 1) -> bool:
        """Records that a query cost `cost` points. Returns True if this changed the operation's price.

        `requests` is the number that GitHub's formula starts from. `parents` is the number of parents whose connections
        the query reads. All parents have the same number of connections.
        """
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
        """Records the correction factor of `operation` that another process has learned."""
        self._factors[operation] = factor

    def seconds(self, operation: str, default: float) -> float:
        """Returns the expected duration of a request of this operation, in seconds. It is an average in which the
        latest requests count most. Returns `default` if no request was measured yet.
        """
        return self._seconds.get(operation, default)

    def took(self, operation: str, seconds: float) -> None:
        before = self._seconds.get(operation, seconds)
        self._seconds[operation] = before + (seconds - before) / 4
