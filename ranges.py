"""The types of numbers and texts with bounds, for the fields of rows (`rows`). The bounds are those of the columns: a
value within its bounds is never refused by Postgres.
"""

from typing import Annotated, NamedTuple


class Range(NamedTuple):
    """The smallest and the largest number that a field can hold. For a text, the fewest and the most characters."""

    low: int
    high: int


Integer = Annotated[int, Range(-(2**31), 2**31 - 1)]
"""A number for a column of type `integer`."""
Positive = Annotated[int, Range(1, 2**31 - 1)]
"""The number of a thread."""
GitHubId = Annotated[int, Range(1, 2**63 - 1)]
"""An id of GitHub's, for a column of type `bigint`. GitHub counts from 1."""
LONGEST_KEY = 500
Key = Annotated[str, Range(1, LONGEST_KEY)]
"""A text for a column with an index, such as a node id or a login. Postgres refuses an index entry beyond 2,704 bytes,
and a character has up to 4 of them."""
