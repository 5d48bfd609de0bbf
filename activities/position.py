"""Where a sweep stands: what the resume points of all readers have in common.

A resume point is a frozen dataclass. It is committed with its rows and repeated in the heartbeat. Each step of a sweep
is a method of it that makes the next one with `dataclasses.replace`, whose fields mypy checks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from pydantic import TypeAdapter


@dataclass(frozen=True, kw_only=True)
class Position:
    """What every resume point has; each reader adds its own fields."""

    version: int = 1
    cursor: str | None = None
    """Where the present list goes on; None at its beginning."""
    sizes: dict[str, int] = field(default_factory=dict)
    """What fits into one request, by kind; learned from refusals."""
    as_of: datetime | None = None
    """Every change up to it is stored."""
    requests_ahead: int = 0
    """REST requests that are still to be sent when the last thread is stored, as far as is known by now."""
    leg_over: bool = False
    """A leg ended here: the next one looks first at what others have covered meanwhile."""

    @classmethod
    def read(cls, committed: Mapping[str, Any]) -> Self:
        """The resume point that was committed as JSON, by this release or another.

        Fields that this release does not know are dropped, those that are missing have their defaults. Raises
        pydantic's ValidationError where a field has a value of another type.
        """
        position: Self = _adapter(cls).validate_python(dict(committed))
        return position

    def to_commit(self, only: set[str] | None = None) -> dict[str, Any]:
        """As JSON, without the fields that have their defaults, and of `only` these fields."""
        committed: dict[str, Any] = _adapter(type(self)).dump_python(
            self, mode="json", exclude_defaults=True, include=only
        )
        return committed

    def expect_requests(self, number: int) -> Self:
        """What is known by now of the REST requests after the last thread."""
        return replace(self, requests_ahead=number)

    def at_leg_end(self) -> Self:
        return replace(self, leg_over=True)

    def in_next_leg(self) -> Self:
        return replace(self, leg_over=False)


_ADAPTERS: dict[type[Position], TypeAdapter[Any]] = {}
"""Kept, because to make one takes milliseconds."""


def _adapter(position: type[Position]) -> TypeAdapter[Any]:
    if position not in _ADAPTERS:
        _ADAPTERS[position] = TypeAdapter(position)
    return _ADAPTERS[position]
