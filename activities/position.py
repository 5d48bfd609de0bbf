"""The base of the positions of all readers.

A position is a frozen dataclass. It is committed with the rows of its page and repeated in the heartbeat. Each step
of a sweep is a method that returns the next position by `dataclasses.replace`; mypy checks its fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import structlog
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from errors import RetryNow
from store.coverage import Coverage

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Position:
    """The base class of every position; each reader adds its own fields."""

    version: int = 1
    cursor: str | None = None
    """The cursor of the next page of the present list; None at its beginning."""
    sizes: dict[str, int] = field(default_factory=dict)
    """The largest request that GitHub answers, by kind; learned from refusals."""
    as_of: AwareDatetime | None = None
    """Every change up to this moment is stored."""
    requests_ahead: int = 0
    """REST requests still to be sent once the last thread is stored, as far as known."""
    leg_over: bool = False
    """Whether a leg ended here. The next leg first checks what other jobs covered meanwhile."""

    @classmethod
    def read(cls, committed: Mapping[str, Any]) -> Self:
        """Returns the position in `committed`, the JSON of a sweep's row, which another release may have written.

        Unknown fields are dropped, and missing ones get their defaults. Raises pydantic's ValidationError for a
        value of a wrong type.
        """
        position: Self = _adapter(cls).validate_python(dict(committed))
        return position

    @classmethod
    def read_or_begin(cls, committed: Mapping[str, Any]) -> tuple[Self, RetryNow | None]:
        """Returns the position in `committed`, and None. If this release cannot read it, returns the first position,
        and an error that names what is wrong. The error is retried, because a worker of another release may read the
        position.
        """
        try:
            return cls.read(committed), None
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:3])
            message = f"the stored position cannot be read: {wrong}"[:500]
            return cls(), RetryNow("unreadable_position", message, "retry the job: the type is then read from its top")

    @classmethod
    def if_readable(cls, covered: Coverage | None) -> Coverage | None:
        """Returns the coverage; None if this release cannot read its position. The type is then read from its top, as
        if nothing were covered.
        """
        _, unreadable = cls.read_or_begin(covered.position) if covered else (None, None)
        if unreadable is None:
            return covered
        log.warning("what was covered cannot be resumed: read again from the top", why=unreadable.message)
        return None

    def to_commit(self, only: set[str] | None = None) -> dict[str, Any]:
        """Returns the position as JSON, without the fields that have their defaults. `only` names the fields to
        keep; None keeps all.
        """
        committed: dict[str, Any] = _adapter(type(self)).dump_python(
            self, mode="json", exclude_defaults=True, include=only
        )
        return committed

    def expect_requests(self, number: int) -> Self:
        """Returns the position that expects `number` REST requests to be left once the last thread is stored."""
        return replace(self, requests_ahead=number)

    def at_leg_end(self) -> Self:
        return replace(self, leg_over=True)

    def in_next_leg(self) -> Self:
        return replace(self, leg_over=False)


_ADAPTERS: dict[type[Position], TypeAdapter[Any]] = {}
"""Cached, because building one takes milliseconds."""


def _adapter(position: type[Position]) -> TypeAdapter[Any]:
    if position not in _ADAPTERS:
        _ADAPTERS[position] = TypeAdapter(position)
    return _ADAPTERS[position]
