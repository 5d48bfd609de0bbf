"""Where a sweep over threads stands, and each step that it can take."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from activities.position import Position

Phase = Literal["history", "seek", "catch_up", "review_comments", "comments", "verify", "relist"]


@dataclass(frozen=True, kw_only=True)
class ReviewCommentPlace:
    """Where the list of all review comments stands."""

    in_bulk: bool | None = None
    """Whether it is cheaper than asking review by review; None: that is not decided yet."""
    since: datetime | None = None
    """The next page lists what changed from then on."""
    path: str | None = None
    """Within a second that fills a page, the page by its number."""
    counted: int = 0
    """So many GitHub counted before it was read."""
    counted_at: datetime | None = None
    shown: int = 0
    """So many of them it has shown."""
    last: list[str] = field(default_factory=list)
    """Those that it has shown of the second from which it goes on."""
    ended: bool = False
    """What it brought is being counted."""
    strangers: bool = False
    """It named pull requests that are not stored, or not yet."""
    read_from: datetime | None = None
    """From here on an earlier leg read it, without strangers: what it brought need not be read again."""
    read_number: int = 0
    """So many there are from there on."""
    recounted: bool = False


@dataclass(frozen=True, kw_only=True)
class ThreadPosition(Position):
    """The resume point of a sweep over threads. The phases follow each other in the order of `Phase`.

    history: whole threads from the latest updated down to the cutoff. seek: only where GitHub refused the history's
    cursor, a listing from the top down to the place where it stood. catch_up: a listing from the top down to `floor`
    for what changed meanwhile. review_comments: those that were left as parts. comments: REST lists of comments since
    the first floor, for those that did not bump their thread. verify: counts. relist: only where they do not agree,
    every thread against what is stored.

    `cursor` is of the connection, of the listing, or (comments) the path of the REST page.
    """

    phase: Phase = "history"
    below: str | None = None
    """The history's cursor where it crossed the cutoff: a longer retention goes on from there."""
    updated_at: datetime | None = None
    """Of the thread where the history's cursor stands: where to go on should GitHub refuse the cursor."""
    node_id: str | None = None
    floor: datetime | None = None
    """Everything updated before it is swept; what was updated since is the catch-up's."""
    first_floor: datetime | None = None
    """From here on comments are looked for that did not bump their thread."""
    comments_as_of: datetime | None = None
    """Every comment up to it is stored, whether it bumped its thread or not."""
    low: datetime | None = None
    """Down to here it was complete when this sweep began; None: it began with nothing."""
    inherited_as_of: datetime | None = None
    """What this sweep went on from was complete as of this moment; None: it began with nothing."""
    news_first: bool = False
    """catch_up: the history goes on after it, below what this sweep began with."""
    listing: ReviewCommentPlace = ReviewCommentPlace()
    """Of a leg's review comments, at its end."""
    round: int = 1
    round_began: datetime | None = None
    """catch_up: when its first page was asked for; None before."""
    round_pages: int = 0
    route: int = 0
    """comments: which of the type's REST lists is being read."""
    comments_since: datetime | None = None
    """comments: the change from which the present page was asked for."""
    reached_end: bool = False
    """The history was swept to its very end, so that counts can be compared."""
    seeks: int = 0
    """How often a cursor was refused since it last worked."""
    relisted: bool = False
    """verify: every thread was listed once and what was missing was fetched."""
    listed: int = 0
    """relist: threads listed so far, oldest first."""
    born: datetime | None = None
    """relist: when the last of them was created."""
    total: int | None = None
    """Threads that GitHub counts."""
    swept: int = 0
    """Threads in scope that the history brought so far."""
    seen: int = 0
    """Threads that the history showed, in scope or not, and those that only the catch-up did."""
