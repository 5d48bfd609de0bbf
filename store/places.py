"""Marks the place where a page ends in a list that is ordered by time. A caller sends the mark back to get the next
page.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Place:
    """The position of a row in a list: its time in microseconds since 1970, and its id."""

    microseconds: int
    id: UUID

    def __str__(self) -> str:
        return f"{self.microseconds}-{self.id.hex}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Returns the place that `text` stands for. `text` was made by `str` of a place. Raises `ValueError` if it
        cannot be parsed.
        """
        microseconds, _, identifier = text.partition("-")
        return cls(int(microseconds), UUID(identifier))

    @classmethod
    def of(cls, at: datetime | None, identifier: UUID) -> "Place":
        """Returns the place of a row with this time and id. A row without a time counts as the oldest."""
        return cls((at - _EPOCH) // timedelta(microseconds=1) if at else 0, identifier)

    @property
    def at(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.microseconds)
