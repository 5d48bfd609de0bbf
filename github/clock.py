"""Parses GitHub's times: ISO 8601 in bodies, HTTP dates in headers."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import ceil
from time import time as seconds_now

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)
"""Moments outside are refused. Sums of a moment and a span of time then stay within what a datetime can hold."""


def time(value: str) -> datetime:
    """Returns the moment of an ISO 8601 text. Raises `ValueError` if the text has no UTC offset, or if the moment is at
    an end of the calendar.
    """
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no offset")
    if not EARLIEST <= moment <= LATEST:
        raise ValueError(f"{value!r} is at an end of the calendar")
    return moment


def time_or_none(value: str | None) -> datetime | None:
    """Returns the moment of an ISO 8601 text as `time` does. Returns None if `value` is None or empty."""
    return None if value is None or value == "" else time(value)


def of_epoch(seconds: float) -> datetime:
    """Returns the moment that is `seconds` after the beginning of 1970. Raises `OverflowError` if a datetime cannot
    hold the moment.
    """
    return EPOCH + timedelta(seconds=seconds)


def date_of(headers: Mapping[str, str], name: str = "Date") -> datetime | None:
    """Returns the HTTP date in the header `name`. Returns None if the header is missing or unreadable. The header
    `Date` holds when the server sent the answer, by the server's clock.
    """
    try:
        return parsedate_to_datetime(headers[name]).astimezone(UTC)
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def now_by(headers: Mapping[str, str]) -> datetime:
    """Returns the server's time at the moment of its answer. Returns our own time if the answer has no date."""
    return date_of(headers) or datetime.fromtimestamp(seconds_now(), UTC)


def asked_at(headers: Mapping[str, str], seconds: float) -> datetime:
    """Returns when the request was sent, by the server's clock. `seconds` is how long the answer took.

    The header `Date` holds when the answer was made. The answer may lack changes that happened during the request, so
    the answer is dated to the beginning of the request.
    """
    return now_by(headers) - timedelta(seconds=ceil(seconds))
