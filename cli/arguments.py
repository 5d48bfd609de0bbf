"""The types of the commands' arguments, and the functions that parse them."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import Parameter

from messages import DataType
from rows import ThreadTable

MOST_DAYS = 36_500
MOST_HITS = 1_000


def _whole_number(most: int) -> Callable[[Any, Sequence[Any]], int]:
    """Returns a parser for whole numbers from 1 to `most`, written in the digits 0 to 9 only. Python's own parser would
    also accept 1_0 or +5.
    """

    def read(_type: Any, tokens: Sequence[Any]) -> int:
        text = tokens[0].value
        if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= most:
            raise ValueError(f"must be a whole number from 1 to {most}")
        return int(text)

    return read


def _read_moment(_type: Any, tokens: Sequence[Any]) -> datetime:
    """Returns the moment in a text in ISO 8601, converted to UTC. A text without a time zone is taken as UTC. A date
    stands for its midnight.
    """
    text = tokens[0].value
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or not re.match(r"\d{4}-\d{2}-\d{2}", text):
        raise ValueError("must be a date or an hour, as 2025-01-31 or 2025-01-31T09")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _read_event_types(_type: Any, tokens: Sequence[Any]) -> tuple[str, ...]:
    names = tuple(token.value for token in tokens)
    from github.events import archive as github  # not above: no other command waits for GitHub's client to be loaded

    if unknown := [name for name in names if name not in github.EVENT_TYPES]:
        raise ValueError(f"{', '.join(unknown)} is none of {', '.join(github.EVENT_TYPES)}")
    return names


Reference = Annotated[str, Parameter(name="JOB|WORKSPACE")]
"""A job's id, or the id or slug of a workspace, for its latest job."""
Days = Annotated[int, Parameter(converter=_whole_number(MOST_DAYS))]
Number = Annotated[int, Parameter(converter=_whole_number(MOST_HITS))]
Repositories = Annotated[tuple[str, ...], Parameter(name="--repo", negative=())]
DataTypes = Annotated[tuple[DataType, ...], Parameter(name="--type", negative=())]
ThreadTypes = Annotated[tuple[ThreadTable, ...], Parameter(name="--type", negative=())]
Moment = Annotated[datetime, Parameter(converter=_read_moment)]
EventTypes = Annotated[tuple[str, ...], Parameter(name="--event-type", negative=(), converter=_read_event_types)]
Switch = Annotated[bool, Parameter(negative=())]
