"""Parses GitHub's times: ISO 8601 in bodies, HTTP dates in headers."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import ceil
from time import time as seconds_now

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time(value: str) -> datetime:
    """Returns the moment of an ISO 8601 text. Raises `ValueError` if it has no offset."""
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no offset")
    return moment


def time_or_none(value: str | None) -> datetime | None:
    """Returns the moment of an ISO 8601 text as `time` does; None for None and for an empty text."""
    return None if value is None or value == "" else time(value)


def of_epoch(seconds: float) -> datetime:
    """Returns the moment so many seconds after 1970. Raises `OverflowError` if no calendar has it."""
    return EPOCH + timedelta(seconds=seconds)


def date_of(headers: Mapping[str, str], name: str = "Date") -> datetime | None:
    """Returns the HTTP date in the header `name`; None if the header is missing or unreadable. `Date` is when the
    server sent the answer, by its own clock.
    """
    try:
        return parsedate_to_datetime(headers[name]).astimezone(UTC)
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def now_by(headers: Mapping[str, str]) -> datetime:
    """Returns the server's time at the moment of its answer; our own time if the answer has no date."""
    return date_of(headers) or datetime.fromtimestamp(seconds_now(), UTC)


def asked_at(headers: Mapping[str, str], seconds: float) -> datetime:
    """Returns when the request was sent, by the server's clock.

    The header `Date` is from when the answer was made, `seconds` after the request. The answer may lack changes of
    those seconds.
    """
    return now_by(headers) - timedelta(seconds=ceil(seconds))
