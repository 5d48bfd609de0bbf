"""Computes how many rows of each data type were stored over time, from samples of the totals. The time is divided into
spans of equal length (buckets).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import floor
from typing import NamedTuple

MOST_BUCKETS = 120
LENGTHS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400)
"""The lengths that a bucket may have, in seconds. If all are too short, a bucket has a number of whole days."""


class Bucket(NamedTuple):
    """One time span of a chart, with the number of rows that were stored in it, by data type. The first bucket also
    counts the rows that were stored before the job.
    """

    at: datetime
    rows: dict[str, int]


class Buckets(NamedTuple):
    bucket_seconds: int
    buckets: list[Bucket]


def of(samples: Sequence[tuple[datetime, Mapping[str, int]]], since: datetime, until: datetime) -> Buckets:
    """Returns the buckets from `since` to `until`. `samples` are totals by data type, each at its moment, oldest first.
    A total that became smaller, because rows were deleted, adds nothing until it exceeds its former value. Rows between
    two samples are spread evenly over the time between the samples.
    """
    seconds = max((until - since).total_seconds(), 1.0)
    length = next((each for each in LENGTHS if seconds / each < MOST_BUCKETS), 0)
    length = length or 86_400 * (floor(seconds / 86_400 / MOST_BUCKETS) + 1)
    number = floor(seconds / length) + 1
    came: list[dict[str, float]] = [{} for _ in range(number)]
    before, moment = dict[str, int](), since
    for at, rows in samples:
        for name, stored in rows.items():
            if (new := stored - before.get(name, 0)) > 0:
                _spread(came, name, new, (moment - since).total_seconds(), (at - since).total_seconds(), length)
        before = {name: max(stored, before.get(name, 0)) for name, stored in rows.items()}
        moment = at
    return Buckets(
        length,
        [Bucket(since + timedelta(seconds=place * length), rows) for place, rows in enumerate(_whole(came))],
    )


def _spread(came: list[dict[str, float]], name: str, new: int, first: float, last: float, length: int) -> None:
    first, last = max(first, 0.0), max(last, 0.0)
    low, high = min(floor(first / length), len(came) - 1), min(floor(last / length), len(came) - 1)
    for place in range(low, high + 1):
        begin, end = max(first, place * length), min(last, (place + 1) * length)
        part = 1.0 if low == high else max(end - begin, 0.0) / (last - first)
        came[place][name] = came[place].get(name, 0) + new * part


def _whole(came: Sequence[Mapping[str, float]]) -> list[dict[str, int]]:
    """Returns the rows of each bucket in whole numbers, rounded so that the sum of each data type stays the same."""
    over: dict[str, float] = {}
    found = []
    for rows in came:
        whole = {}
        for name, number in rows.items():
            exact = number + over.get(name, 0.0)
            over[name] = exact - round(exact)
            if round(exact):
                whole[name] = round(exact)
        found.append(whole)
    return found
