"""Where a sweep stands: one versioned model, committed with the rows it speaks of and repeated in the heartbeat."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from messages import Message

Phase = Literal["history", "catch_up", "comments", "verify"]


class Position(Message):
    """The resume point of a sweep over threads. The phases follow each other in the order of `Phase`.

    history: whole threads from the latest updated down to the cutoff. catch_up: a listing from the top down to `floor`
    for what changed meanwhile. comments: REST lists of comments since the first floor, for those that did not bump
    their thread. verify: counts, and every number against what is stored where a count does not agree.
    """

    version: int = 1
    phase: Phase = "history"
    cursor: str | None = None
    """Of the connection, of the listing, or (comments) the path of the REST page; None at a phase's beginning."""
    updated_at: datetime | None = None
    """Of the thread where the history's cursor stands: where to go on should GitHub refuse the cursor."""
    node_id: str | None = None
    floor: datetime | None = None
    """Everything updated before it is swept; what was updated since is the catch-up's."""
    first_floor: datetime | None = None
    round: int = 1
    round_began: datetime | None = None
    """catch_up: when its first page was asked for; None before."""
    round_pages: int = 0
    route: int = 0
    """comments: which of the type's REST lists is being read."""
    reached_end: bool = False
    """The history was swept to its very end, so that counts can be compared."""
    relisted: bool = False
    """verify: every number was listed once and what was missing was fetched."""
    total: int | None = None
    """Threads that GitHub counts."""
    swept: int = 0
    """Threads that the history brought so far."""
    sizes: dict[str, int] = Field(default_factory=dict)
    """What fits into one request, by kind; learned from GitHub's refusals."""
    as_of: datetime | None = None
    """Every change up to it is stored."""
