"""Fetches parts: whole threads by their ids, and the connections that did not fit into a page."""

from collections.abc import Awaitable
from dataclasses import replace

from activities.threads.look_ahead import LookAhead
from activities.threads.noting import note, unavailable
from activities.threads.page_sizes import PageSizes
from activities.threads.part_queue import ALONE, FAILED_ALONE, MOST_ATTEMPTS, Batch, Due, PartQueue, give_up
from activities.threads.position import ThreadPosition
from activities.threads.timeline_by_type import TimelineByType, begin
from activities.turn import Turn
from errors import RetryNow
from github.answers.refusals import InvalidCursor
from github.client import GitHub
from github.threads.pages import (
    Threads,
    read_comments,
    read_heads,
    read_items,
    read_replies,
    read_review_comments,
    read_reviews,
    read_threads,
)
from github.threads.readings import noted
from github.threads.thread_types import ThreadType
from rows import Part, PartKind
from store import parts, sweeps
from store.database import Database
from store.sweeps import Sweep

CONNECTIONS: tuple[PartKind, ...] = ("timeline", "timeline_by_type", "timeline_by_rest", "comments", "reviews")
"""Kinds of parts that a fetch of their whole thread replaces."""


class PartReader:
    """Fetches the parts of the queue, one batch in each turn."""

    def __init__(
        self,
        database: Database,
        github: GitHub,
        sweep: Sweep,
        kind: ThreadType,
        queue: PartQueue,
        sizes: PageSizes,
        look_ahead: LookAhead,
    ) -> None:
        self._database = database
        self._github = github
        self._sweep = sweep
        self._type = kind
        self._queue = queue
        self._sizes = sizes
        self._look_ahead = look_ahead
        self._by_type = TimelineByType(github, sweep.repository, kind, look_ahead)
        self._batch: Batch | None = None
        """The batch of the last request, needed if GitHub says that it is too large."""

    async def turn(self, position: ThreadPosition, due: Due) -> Turn[ThreadPosition]:
        """Fetches as many parts of the group `due` as fit into one request, and returns the turn."""
        size = self._sizes.ask(due.kind)
        batch = self._batch = self._without_what_has_to_be_sent(await self._queue.take(due, size))
        self._sizes.asks_for(min(size, batch.asks_for))
        if orphans := batch.orphans:
            # A review that vanished takes its comments with it, and the notes on them.
            return Turn(position, done=orphans, resolved=[(part.what, part.node_id) for part in orphans])
        if due.kind in ALONE:
            return await self._by_type.turn(position, batch.parts[0])
        try:
            read = await self._look_ahead.send(lambda: self._read(batch))
        except InvalidCursor:
            for part in batch.parts:
                part.cursor, part.seen, part.attempts = None, [], part.attempts + 1
            turn = Turn(position, put=list(batch.parts))
        else:
            self._sizes.answered(read.seconds)
            turn = Turn(position, page=read.page, put=[*read.parts, *read.going_on], done=list(read.done))
            turn.gone, turn.points = read.gone, read.cost
            note(turn, self._type, read)
            if due.kind == "thread":
                # A whole thread needs none of the parts that an earlier fetch of it left, nor their failures.
                turn.done += [
                    Part(each, part.node_id, None, part.began_at)
                    for part in read.done
                    for each in ("head", *CONNECTIONS)
                ]
        give_up(turn)
        return turn

    def _without_what_has_to_be_sent(self, batch: Batch) -> Batch:
        """Returns the batch with only those reviews whose comments are prefetched, because the comments of the other
        reviews need a request. If no comments are prefetched, returns the whole batch, so that one request fetches all
        comments.

        A batch of other parts is returned unchanged.
        """
        if not batch.due.whole_reviews:
            return batch
        there = set(self._github.prefetched_reviews([part.node_id for part in batch.parts]))
        return replace(batch, parts=[part for part in batch.parts if part.node_id in there]) if there else batch

    def _read(self, batch: Batch) -> Awaitable[Threads]:
        github, kind, children = self._github, self._type, batch.children
        # Copies, since an answer may prove unreadable after it has moved the cursors of some.
        waiting = [replace(part, seen=[*part.seen]) for part in batch.parts]
        if batch.due.kind == "thread":
            return read_threads(github, kind, waiting)
        if batch.due.kind == "head":
            return read_heads(github, kind, waiting)
        if batch.due.kind == kind.part:
            return read_items(github, kind, waiting, children)
        if batch.due.kind == "comments":
            return read_comments(github, kind, waiting, children)
        if batch.due.kind == "reviews":
            return read_reviews(github, waiting, children)
        if batch.due.kind == "replies":
            return read_replies(github, waiting, children)
        return read_review_comments(github, waiting, batch.pull_requests, children)

    async def too_large(self, position: ThreadPosition, error: RetryNow) -> Turn[ThreadPosition]:
        """Returns the turn after a request for a single part proved too large, while GitHub answers other requests.

        A thread is then read without its connections, and the connections become parts. A connection is tried up to
        `MOST_ATTEMPTS` times, and `RetryNow` is raised before each new attempt. After these attempts, a timeline is
        read by item type, and any other connection is noted.
        """
        assert self._batch is not None, "a request for parts has a batch"
        part = self._batch.parts[0]
        if part.reading == noted(1) and part.kind == "thread":
            # It was noted as missing, and is still not to be had.
            return Turn(position, done=[part], noted=[unavailable(part, error.message)])
        if part.kind == "thread":
            return Turn(position, put=[Part("head", part.node_id, part.number, part.began_at)], done=[part])
        if part.kind in ALONE:
            turn = self._by_type.too_large(position, part, error)
            if turn is not None:
                return turn
        else:
            part.attempts += 1
            part.reading = FAILED_ALONE
        if part.attempts < MOST_ATTEMPTS:
            async with self._database.transaction() as connection:
                await sweeps.fence(connection, self._sweep)
                await parts.put(connection, self._sweep, [part])
            raise RetryNow(error.code, error.message)
        if part.kind == "timeline":
            return Turn(position, done=[part], put=[begin(part, list(self._type.item_types))])
        return Turn(position, done=[part], noted=[unavailable(part, error.message)])
