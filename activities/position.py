"""Defines the base class of the positions of all readers.

A position is a frozen dataclass. Each position is committed with the rows of its page, and repeated in the heartbeat.
Each step of a sweep is a method that returns the next position by `dataclasses.replace`. mypy checks the names and
types of the replaced fields.
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
    """The base class of every position. Each reader adds fields of its own."""

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
        """Returns the position in `committed`, the JSON that Postgres stores. Another release may have written this
        JSON. So unknown fields are dropped, and missing fields get their defaults.

        Raises pydantic's ValidationError for a value of a wrong type.
        """
        position: Self = _adapter(cls).validate_python(dict(committed))
        return position

    @classmethod
    def read_or_begin(cls, committed: Mapping[str, Any]) -> tuple[Self, RetryNow | None]:
        """Returns the position in `committed`, and None as the error. If this release cannot read `committed`, returns
        the position at which a sweep begins, and an error that names the unreadable fields.

        The error is a `RetryNow`, because a worker of another release may be able to read the position.
        """
        try:
            return cls.read(committed), None
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:3])
            message = f"the stored position cannot be read: {wrong}"[:500]
            return cls(), RetryNow("unreadable_position", message, "retry the job: the type is then read from its top")

    @classmethod
    def if_readable(cls, covered: Coverage | None) -> Coverage | None:
        """Returns `covered` if this release can read the position in `covered`. Returns None otherwise. The sweep then
        reads the data type from its top, as if nothing were covered.
        """
        _, unreadable = cls.read_or_begin(covered.position) if covered else (None, None)
        if unreadable is None:
            return covered
        log.warning("what was covered cannot be resumed: read again from the top", why=unreadable.message)
        return None

    def to_commit(self, only: set[str] | None = None) -> dict[str, Any]:
        """Returns the position as JSON, without the fields that have their default value. `only` names the fields to
        keep. If `only` is None, all fields are kept.
        """
        committed: dict[str, Any] = _adapter(type(self)).dump_python(
            self, mode="json", exclude_defaults=True, include=only
        )
        return committed

    def expect_requests(self, number: int) -> Self:
        """Records that `number` REST requests are still to be sent once the last thread is stored."""
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
