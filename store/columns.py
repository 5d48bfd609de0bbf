"""Converts rows to the columns that `unnest` takes: one array for each field."""

from collections.abc import Sequence
from typing import Any

import orjson


def columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """The transpose of `rows`, which must not be empty."""
    return [list(column) for column in zip(*rows, strict=True)]


def json_texts(values: Sequence[Any]) -> list[str | None]:
    """Values as JSON texts, for columns that the statement casts to jsonb; None stays null."""
    return [None if value is None else orjson.dumps(value).decode() for value in values]
