"""Turns rows into arrays for `unnest`, one array for each column."""

from collections.abc import Sequence
from typing import Any

import orjson


def columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Returns the columns of `rows`, one list for each field. `rows` must not be empty."""
    return [list(column) for column in zip(*rows, strict=True)]


def json_texts(values: Sequence[Any]) -> list[str | None]:
    """Returns the values as JSON texts, for columns that the statement casts to jsonb. None stays None, and becomes
    SQL's null.
    """
    return [None if value is None else orjson.dumps(value).decode() for value in values]
