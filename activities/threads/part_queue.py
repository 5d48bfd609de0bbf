"""Chooses which parts are fetched next, and how many parts fit into one request. Gives up parts that were tried too
often.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from activities.threads.noting import unavailable
from activities.threads.page_sizes import CHILDREN
from activities.turn import Turn
from budget.prices import ONE_POINT
from github.threads.thread_types import ThreadType
from rows import Part, PartKind
from store import parts, threads
from store.database import Database
from store.sweeps import Sweep

MOST_ATTEMPTS = 3
"""Most attempts at one part, while GitHub answers other requests."""
FAILED_ALONE = "failed alone"
"""The `reading` of a part that failed even with a single child: its next request is for one child, too."""
PARENTS = 49
"""Most parents whose connections continue in one request: those that one point pays for."""
PARENTS_FROM_START = 100
"""Most parents whose connections start at their first child, in one request: a second look at notes fits into it."""
ENOUGH_PARENTS = 25
"""Parts of one kind that make a request worthwhile before the present list has ended."""
ENOUGH_REVIEWS = 100
"""Parts for comments of reviews that make a request worthwhile before the present list has ended."""
CONNECTIONS: Collection[PartKind] = ("timeline", "comments", "reviews", "review_comments", "replies")
ALONE: Collection[PartKind] = ("timeline_by_type", "timeline_by_rest")
"""Kinds of parts that are fetched one in each request."""
NESTED_PARENTS = 10
"""Most parents in one request if each child has its own connection, so that one point still pays for it."""
NESTED_CHILDREN = 600
"""Most children for a request with more than `NESTED_PARENTS` parents: its six points replace many requests."""


class Due(NamedTuple):
    """A group of parts that are to be fetched now, all of one `kind`. `going_on` says whether the parts' connections
    are partly read. If so, every part has a cursor. Otherwise, no part has a cursor.
    """

    kind: PartKind
    going_on: bool = False

    @property
    def whole_reviews(self) -> bool:
        """Whether the parts fetch the comments of reviews, each review from its first comment on."""
        return self.kind == "review_comments" and not self.going_on


@dataclass(slots=True)
class Batch:
    """The parts that one request fetches. `children` is the number of children to request for each part."""

    due: Due
    parts: list[Part]
    children: int
    pull_requests: dict[int, int]
    """For review_comments: the pull request of each stored review, by GitHub id."""

    @property
    def asks_for(self) -> int:
        """The largest number of threads or children that the answer can have."""
        return len(self.parts) * (1 if self.due.kind in ("thread", "head") else self.children)

    @property
    def orphans(self) -> list[Part]:
        """The parts whose review is no longer stored. Each of them would fetch the comments of its review."""
        return [part for part in self.parts if part.kind == "review_comments" and part.parent not in self.pull_requests]


class PartQueue:
    """The parts that one sweep still has to fetch, read from `backfill_parts`."""

    def __init__(self, database: Database, sweep: Sweep, kind: ThreadType) -> None:
        self._database = database
        self._sweep = sweep
        self._type = kind
        self._waiting: dict[Due, int] = {}

    async def look(self) -> None:
        """Reads from Postgres how many parts of each group are waiting."""
        async with self._database.transaction() as connection:
            pending = await parts.pending(connection, self._sweep)
        self._waiting = {Due(cast("PartKind", kind), going_on): number for (kind, going_on), number in pending.items()}

    def expect(self, put: Collection[Part]) -> None:
        """Adds the parts `put` to the numbers of waiting parts, although these parts are not committed yet."""
        for part in put:
            due = Due(part.kind, part.cursor is not None)
            self._waiting[due] = self._waiting.get(due, 0) + 1

    def has(self, due: Due) -> bool:
        return bool(self._waiting.get(due))

    def due(self, *, everything: bool, reviews: bool) -> Due | None:
        """Returns the group of parts to fetch now. Returns None if no group has enough waiting parts to fill a request.

        `everything` says whether a few parts are enough, because the sweep has nothing else to read at present.
        `reviews` says whether the comments of reviews may be fetched review by review.
        """
        for due, number in sorted(self._waiting.items()):
            if due.whole_reviews and not reviews:
                continue
            if everything or number >= (ENOUGH_REVIEWS if due.whole_reviews else ENOUGH_PARENTS):
                return due
        return None

    async def take(self, due: Due, size: int) -> Batch:
        """Returns the next parts of the group `due` that together fit into a request. Parts of the newest threads come
        first. `size` is the number of threads or children that the request may return.
        """
        nested = due.kind == self._type.part and self._type.nested
        children = min(size, CHILDREN)
        if due.kind in ("thread", "head"):
            most = size
        elif due.kind in ALONE:
            most = 1
        elif due.whole_reviews:
            most = max(1, size // CHILDREN)
        else:
            most = PARENTS if due.going_on else PARENTS_FROM_START
        pull_requests: dict[int, int] = {}
        async with self._database.transaction() as connection:
            taken = await parts.take(connection, self._sweep, due.kind, due.going_on, most)
            if due.kind in CONNECTIONS and not due.whole_reviews:
                taken = fitting(taken, size, nested=nested)
            if taken and taken[0].reading == FAILED_ALONE:
                taken, children, nested = taken[:1], 1, False
                taken[0].reading = None
            if due.kind == "review_comments":
                reviews = [part.parent for part in taken if part.parent is not None]
                pull_requests = await threads.pull_requests_of(connection, reviews)
        if nested and taken:
            # Each child's own connection is priced too: as many as cost one point, or as these few small ones need.
            affordable = ONE_POINT - 1 if len(taken) <= NESTED_PARENTS else NESTED_CHILDREN
            children = max(1, min(children, affordable // len(taken) - 1))
        if due.whole_reviews:
            for part in taken:
                # What a list had shown of it may be gone by now.
                part.seen = []
        return Batch(due, taken, children, pull_requests)


def fitting(waiting: list[Part], most: int, *, nested: bool) -> list[Part]:
    """Returns the first parts of `waiting` whose next pages together have at most `most` children. Returns at least one
    part unless `waiting` is empty. A page has at most `CHILDREN` children. A part of unknown size counts as a full
    page.

    `nested` says whether each child has a connection of its own. Fewer parts may then fit (`NESTED_CHILDREN`).
    """
    taken: list[Part] = []
    children = widest = 0
    for part in waiting:
        left = CHILDREN if part.expected is None else part.expected - len(part.seen)
        left = min(CHILDREN, max(1, left))
        children, widest = children + left, max(widest, left)
        if taken and children > most:
            break
        if nested and len(taken) >= NESTED_PARENTS and (len(taken) + 1) * (widest + 1) > NESTED_CHILDREN:
            break
        taken.append(part)
    return taken


def give_up(turn: Turn[Any]) -> None:
    """Gives up the parts in `turn.put` that were already tried `MOST_ATTEMPTS` times, and adds a note for each of these
    parts. The readings of such a part agreed neither with each other nor with GitHub's count.
    """
    for part in [part for part in turn.put if part.attempts >= MOST_ATTEMPTS]:
        turn.put.remove(part)
        turn.done.append(part)
        words = f"what came in {part.attempts} readings never agreed with GitHub's count of {part.expected}"
        turn.noted.append(unavailable(part, words))
