"""Where a sweep stands: what the resume points of all readers have in common.

A resume point is a frozen dataclass. It is committed with its rows and repeated in the heartbeat. Each step of a sweep
is a method of it that makes the next one with `dataclasses.replace`, whose fields mypy checks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import TypeAdapter

from rows import ThreadTable


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


@dataclass(frozen=True, kw_only=True)
class EmbeddingPosition(Position):
    """The resume point of a sweep over stored threads: a place in a pass over all of them, by table and number.

    `sizes`: `texts` and `tokens` of a request, `text_tokens` of each text. `as_of`: when a pass over everything began.
    """

    between: bool = True
    """A new pass is to begin."""
    table: ThreadTable = "pull_requests"
    number: int | None = None
    """The pass goes on behind it; None: at the table's beginning."""
    whole: bool = False
    """This pass compares every text with its vector's hash; else it only looks for threads without a vector."""
    passes: int = 0
    whole_passes: int = 0
    threads: int | None = None
    """In scope when the pass began."""
    suspect: tuple[ThreadTable, int] | None = None
    """Up to here goes the batch that was refused: until then smaller ones are sent."""
    cut: int = 0
    """Texts that were longer than what the model takes."""


EventSourceName = Literal["stargazers", "star_history", "forks", "releases", "activity", "history", "events", "threads"]


@dataclass(frozen=True, kw_only=True)
class EventPlace:
    """Where one source of events stands. Lists are newest first."""

    status: Literal["open", "complete", "skipped"] = "open"
    reason: str = ""
    """skipped: in GitHub's words."""
    cursor: str | None = None
    until: datetime | None = None
    """Down to here what is new is read, because an earlier sweep went on from there; None: down to the cutoff."""
    below: str | None = None
    """The cursor where the cutoff was crossed: a longer retention goes on from there."""
    reached_end: bool = False
    """There is nothing below."""
    oldest: datetime | None = None
    """star_history: the earliest week that was read."""
    as_of: datetime | None = None
    """When the first page was asked for."""
    recent: bool = False
    """Read down to where the recent leg ends."""
    restarts: int = 0
    """How often GitHub refused the cursor."""
    hidden: int = 0
    """Things that these tokens may not see."""
    oids: list[str] | None = None
    """history: commits from which it goes on; None: not begun."""
    bottom: list[str] = field(default_factory=list)
    """history: commits from which on there is nothing in scope."""
    gone: list[str] = field(default_factory=list)
    """history: commits that pushes name and GitHub no longer has."""


@dataclass(frozen=True, kw_only=True)
class EventPosition(Position):
    """The resume point of the events of a repository: each of its sources by itself, one after the other."""

    places: dict[EventSourceName, EventPlace] = field(default_factory=dict)
    fresh: bool = False
    """An earlier sweep ended moments ago: what is new is asked for once, and only what is below its low is read."""
    branch: str | None = None
    """The default branch, and its head before its pushes were read."""
    head: str | None = None
    low: datetime | None = None
    inherited_as_of: datetime | None = None
    table: Literal["pull_requests", "issues"] = "pull_requests"
    number: int = 0
    """threads: those up to this number, of this table, have told their part."""
