"""How a sweep over threads (pull requests, issues) goes through GitHub: what to ask next, and when it is complete.

The rules are those of docs/sweep.md; numbers in comments refer to it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import structlog

from activities.review_comment_list import Request, ReviewCommentList
from activities.threads.position import Phase, ReviewCommentPlace, ThreadPosition
from activities.turn import CLOCK_SLACK, FAST_SECONDS, SLOW_SECONDS, Sources, Turn
from budget.prices import ONE_POINT
from errors import RetryNow, TooLarge
from github.answers import InvalidCursor, SwitchedOff
from github.threads import (
    THREAD_TYPES,
    Listing,
    Threads,
    ThreadType,
    comments_path,
    page_requests,
    read_comments,
    read_comments_since,
    read_heads,
    read_items,
    read_listing,
    read_page,
    read_replies,
    read_review_comments,
    read_reviews,
    read_threads,
)
from messages import Failure
from rows import Part, PartKind
from store import coverage, parts, sweeps, threads
from store.coverage import BEGINNING, Coverage
from store.sweeps import Sweep

log = structlog.get_logger(__name__)
AnswerT = TypeVar("AnswerT")

MOST_ROUNDS = 3
COMMENTS_LAG = timedelta(hours=1)
"""For so long what another job heard of comments that did not bump their thread is recent enough."""
FRESH = timedelta(hours=1)
"""For so long the recent leg makes do with what another job has covered; the last leg makes it exact."""
MOST_PART_ATTEMPTS = 3
MOST_SEEKS = 3
LARGEST_PAGE = 50
"""Of whole threads, whatever they cost: GitHub gives up on larger ones."""
CHILDREN = 100
"""The most children a page of a connection holds."""
PARENTS = 49
"""The most parents whose connections go on in one request: those that one point pays for."""
PARENTS_CHILDREN = 1_000
"""The most children that they may bring in all, by what is known to be left."""
ENOUGH_PARENTS = 25
"""So many wait before the history is finished."""
NESTED_PARENTS = 10
"""The same, where each child has a connection of its own."""
REVIEWS_SHOWN_IN: frozenset[Phase] = frozenset({"history", "seek", "catch_up", "review_comments"})
"""Phases in which reviews may still come whose comments one list can tell."""
STRANGERS = 5
"""Threads that may be opened while the last page is asked for."""

_LEFT = {"below", "updated_at", "node_id", "reached_end", "total", "seen", "sizes", "comments_as_of"}
"""What a later sweep goes on from."""


@dataclass(slots=True)
class _Asking:
    """The request being made: what kind, how large, and which parts. Kept for when GitHub says it is too large."""

    kind: str = "page"
    size: int = 1
    parts: list[Part] | None = None


def _fitting(batch: list[Part], most: int, *, nested: bool) -> list[Part]:
    """As many parts, at least one, as bring no more than `most` children by what is known to be left of them."""
    fitting: list[Part] = []
    children = 0
    for part in batch:
        left = CHILDREN if part.expected is None else part.expected - len(part.seen)
        children += min(CHILDREN, max(1, left))
        if fitting and (children > most or (nested and len(fitting) == NESTED_PARENTS)):
            break
        fitting.append(part)
    return fitting


class ThreadReader:
    """Reads one sweep. Keeps what it learns of sizes; everything else comes with the committed position."""

    positions = ThreadPosition

    def __init__(self, sources: Sources, sweep: Sweep) -> None:
        self._database = sources.database
        self._github = sources.github.on_behalf_of(sweep.repository.full_name, fence=sweep)
        self._sweep = sweep
        self._type: ThreadType = THREAD_TYPES[sweep.data_type]
        self._asking = _Asking()
        self._review_comments = ReviewCommentList(
            sources, sweep, lambda position: self._ask("comments_since", position), self._answer, self._grown
        )
        self._requests = 0
        self._pending: dict[tuple[str, bool], int] = {}
        """Parts, as of the last look."""
        self._ahead: tuple[object, asyncio.Task[Any]] | None = None
        """A request that went out before its turn, by what it asks for."""
        self._changes: Listing | None = None
        """The catch-up's first listing, where it came along with the history's last page."""
        prices, connections = sources.github.prices, self._type.connections
        self._largest = {
            "page": prices.largest_page(self._type.page, connections, LARGEST_PAGE),
            "thread": prices.largest_page(self._type.by_id, connections, LARGEST_PAGE),
            "head": 25,
            "timeline": PARENTS_CHILDREN,
            "comments": PARENTS_CHILDREN,
            "reviews": PARENTS_CHILDREN,
            "review_comments": 100 * CHILDREN,
            "replies": PARENTS_CHILDREN,
            "listing": 100,
            "comments_since": 100,
        }

    async def turn(self, position: ThreadPosition, *, threads_ended: bool) -> Turn[ThreadPosition]:  # noqa: ARG002
        """The next request after `position`, smaller and smaller while GitHub says that it is too large."""
        if position.floor is None:
            position = await self._begin(position)
        sizes = dict(position.sizes)
        self._requests = 0
        while True:
            try:
                turn = await self._next(replace(position, sizes=sizes))
            except TooLarge as error:
                if self._asking.size > 1:
                    sizes[self._asking.kind] = self._asking.size // 2
                    log.info("asking for less", kind=self._asking.kind, size=sizes[self._asking.kind], why=error.code)
                    continue
                turn = await self._smallest_failed(replace(position, sizes=sizes), error)
            turn.requests = self._requests
            turn.expected = self._expected(turn.position)
            return turn

    async def _next(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        async with self._database.transaction() as connection:
            self._pending = await parts.pending(connection, self._sweep)
        # Inside a listing only full batches are fetched; at a boundary everything must be whole before the next step.
        part = self._due(position)
        if part is not None:
            return await self._fetch_parts(position, *part)
        if self._at_review_comments(position):
            turn = await self._review_comments.turn(position)
            if turn is not None:
                return turn
            if self._pending.get(("review_comments", False)):
                return await self._fetch_parts(position, "review_comments", going_on=False)
            left = ReviewCommentPlace(read_from=position.listing.read_from, read_number=position.listing.read_number)
            position = replace(position, listing=left)
            if position.phase == "review_comments":
                position = replace(position, phase=self._after_catch_up(position))
        if self._leg_is_over(position):
            return await self._end_leg(position)
        if position.phase == "history":
            return await self._history(position)
        if position.phase == "seek":
            return await self._seek(position)
        if position.phase == "catch_up":
            return await self._catch_up(position)
        if position.phase == "comments":
            return await self._comments(position)
        if position.phase == "relist":
            return await self._relist(position)
        return await self._verify(position)

    async def _begin(self, position: ThreadPosition) -> ThreadPosition:
        """Where to begin: behind what other jobs have covered, if anything."""
        async with self._database.transaction() as connection:
            covered = await coverage.read(connection, self._sweep)
            if covered is None or covered.as_of - CLOCK_SLACK < self._sweep.cutoff_at:
                return position
            counts = await sweeps.count_stored(connection, self._sweep)
        left = ThreadPosition.read(covered.position)
        comments_as_of = left.comments_as_of or covered.as_of
        deep_enough = left.reached_end or covered.low <= self._sweep.cutoff_at
        # What is new belongs to the recent leg, what is below to the last one.
        news_first = not deep_enough and self._sweep.down_to is not None and datetime.now(UTC) - covered.as_of > FRESH
        return replace(
            position,
            phase="catch_up" if deep_enough or news_first else "history",
            cursor=None if deep_enough or news_first else left.below,
            news_first=news_first,
            below=left.below,
            updated_at=left.updated_at,
            node_id=left.node_id,
            reached_end=left.reached_end,
            total=left.total,
            seen=left.seen,
            swept=counts[self._sweep.data_type],
            sizes=left.sizes,
            floor=covered.as_of - CLOCK_SLACK,
            first_floor=comments_as_of - CLOCK_SLACK,
            comments_as_of=comments_as_of,
            low=covered.low,
            inherited_as_of=covered.as_of,
        )

    # A leg's end

    def _leg_is_over(self, position: ThreadPosition) -> bool:
        """The history goes on below the leg; what comes after the history comes once, in the last leg."""
        down_to = self._sweep.down_to
        return (
            down_to is not None
            and position.phase == "history"
            and position.updated_at is not None
            and position.updated_at < down_to
        )

    async def _end_leg(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        """Until the next leg others need not fetch again what is stored: from the floor on they list what changed."""
        async with self._database.transaction() as connection:
            failures = await parts.failures(connection, self._sweep)
        turn = Turn(position, waiting="next_leg")
        if position.floor is not None and position.updated_at is not None and not failures:
            left = replace(position, below=position.cursor)
            # Threads updated in the same second as the last one may be on the next page.
            low = position.updated_at + timedelta(seconds=1)
            turn.coverage = Coverage(
                min(low, position.low or low),
                position.floor + CLOCK_SLACK,
                left.to_commit(only=_LEFT),
            )
        return turn

    async def resume(self, position: ThreadPosition) -> ThreadPosition:
        covered = await self._begin(ThreadPosition())
        deeper = covered.low is not None and position.updated_at is not None and covered.low < position.updated_at
        return replace(covered if deeper else position, leg_over=False)

    def _after_catch_up(self, position: ThreadPosition) -> Phase:
        """Whether the REST lists of comments are worth their requests: not moments after another job read them."""
        assert position.as_of is not None, "the catch-up fixes it"
        asks = position.comments_as_of is None or position.as_of - position.comments_as_of > COMMENTS_LAG
        return "comments" if self._type.comment_routes and asks else "verify"

    # History

    async def _history(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        size = self._ask("page", position)
        try:
            read: Threads = await self._answer(self._page(position, size))
        except InvalidCursor:
            if position.seeks >= MOST_SEEKS:
                raise
            log.warning("cursor refused, looking for the place", updated_at=str(position.updated_at))
            return Turn(replace(position, phase="seek", cursor=None, seeks=position.seeks + 1))
        floor = position.floor or read.page.asked_at - CLOCK_SLACK
        moments = read.page.changes
        updated_at, node_id = read.last or (position.updated_at, position.node_id)
        after = replace(
            position,
            cursor=read.end_cursor,
            updated_at=updated_at,
            node_id=node_id,
            seeks=0,
            floor=floor,
            first_floor=position.first_floor or floor,
            total=read.total,
            swept=position.swept + sum(each >= self._sweep.cutoff_at for each in moments),
            seen=position.seen + len(moments),
            sizes=self._grown(position, read.seconds),
        )
        crossed = updated_at is not None and updated_at < self._sweep.cutoff_at
        if read.end_cursor is None or crossed:
            after = replace(
                after, phase="catch_up", cursor=None, below=read.end_cursor, reached_end=read.end_cursor is None
            )
            if position.floor is None:
                after = self._in_one_answer(after, read.page.asked_at)
            self._changes = read.changes
        return self._turn(after, read)

    def _page(self, position: ThreadPosition, size: int) -> "Request":
        """The page at the position. What is taken for the last one brings the catch-up's first listing along."""
        left = position.total - position.seen if position.total is not None else size
        last = left <= size and position.cursor is not None
        first = min(size, max(1, left) + STRANGERS) if last else size
        with_changes = last and page_requests(self._type, first, changes=True) <= ONE_POINT
        if not with_changes:
            first = size
        repository, cursor = self._sweep.repository, position.cursor
        return Request(
            ("page", cursor, first, with_changes),
            lambda: read_page(self._github, self._type, repository, first, cursor, changes=with_changes),
        )

    def _in_one_answer(self, position: ThreadPosition, asked_at: datetime) -> ThreadPosition:
        """All threads in scope came in one answer: as of then they are whole, and there is nothing to catch up with."""
        update: dict[str, Any] = {"phase": "verify", "as_of": asked_at}
        if self._type.comment_routes:
            update["comments_as_of"] = asked_at
        return replace(position, **update)

    async def _seek(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        """Down a listing to the place: behind the last thread updated after it; equals are swept again. (4)"""
        listing = await self._list(position, position.cursor)
        cursor = position.cursor
        for entry in listing.entries:
            if position.updated_at is None or entry.updated_at <= position.updated_at:
                return Turn(replace(position, phase="history", cursor=cursor), points=1)
            cursor = entry.cursor
        found: Phase = "seek" if listing.end_cursor else "history"
        return Turn(replace(position, phase=found, cursor=listing.end_cursor or cursor), points=1)

    # Catch-up

    async def _catch_up(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        floor = position.floor
        assert floor is not None, "the history fixes the floor"
        came_along, self._changes = self._changes, None
        try:
            if came_along is not None and position.cursor is None and position.round_began is None:
                listing = came_along
            else:
                listing = await self._list(position, position.cursor)
                position = replace(position, sizes=self._grown(position, listing.seconds))
        except InvalidCursor:
            # The round begins again from the top.
            position = replace(position, cursor=None, round_began=None, round_pages=0)
            listing = await self._list(position, None)
        began = position.round_began or listing.asked_at
        pages = position.round_pages + 1
        recent = [entry for entry in listing.entries if entry.updated_at >= floor]
        async with self._database.transaction() as connection:
            ids = [entry.github_id for entry in recent]
            stored = await threads.versions(connection, self._sweep.data_type, ids)
            known = await threads.known(connection, self._sweep.data_type, ids)
            counted = await threads.otherwise_commented(
                connection,
                self._sweep.data_type,
                {entry.github_id: entry.comments for entry in listing.entries if entry.comments is not None},
            )
        changed = [
            Part("thread", entry.node_id, entry.number, listing.asked_at)
            for entry in listing.entries
            if entry.updated_at >= self._sweep.cutoff_at
            and (
                (entry.updated_at >= floor and stored.get(entry.github_id) != entry.updated_at)
                or entry.github_id in counted
            )
        ]
        over = len(recent) < len(listing.entries) or listing.end_cursor is None
        update: dict[str, Any] = {"total": listing.total, "seen": position.seen + len(set(ids) - known)}
        if not over:
            update |= {"cursor": listing.end_cursor, "round_began": began, "round_pages": pages}
        elif position.news_first:
            # Stored as of this round's beginning; the history goes on where the other job's ended.
            update |= {
                "phase": "history",
                "cursor": position.below,
                "news_first": False,
                "floor": began - CLOCK_SLACK,
                "round_began": None,
                "round_pages": 0,
            }
        elif pages == 1 or position.round >= MOST_ROUNDS:
            update |= {"cursor": None, "as_of": began, "round_began": None, "round_pages": 0}
            update["phase"] = (
                "review_comments"
                if self._type.kind == "pull_request"
                else self._after_catch_up(replace(position, as_of=began))
            )
        else:
            update |= {
                "cursor": None,
                "floor": began - CLOCK_SLACK,
                "round": position.round + 1,
                "round_began": None,
                "round_pages": 0,
            }
        return Turn(replace(position, **update), put=changed, points=0 if listing is came_along else 1)

    # Comments that did not bump their thread (6)

    async def _comments(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        assert position.first_floor is not None, "the history fixes the first floor"
        route, since = self._type.comment_routes[position.route], position.first_floor
        size = self._ask("comments_since", position)
        since = position.comments_since or since
        path = comments_path(self._sweep.repository, route, since, size, position.cursor)
        try:
            comments, latest, next_path, seconds = await self._send(
                lambda: read_comments_since(self._github, self._type, path)
            )
        except SwitchedOff as error:
            # Issues are switched off, and with them the list of conversation comments.
            log.warning("no list of comments", route=route, why=error.message)
            comments, latest, next_path, seconds = [], None, None, FAST_SECONDS
        sizes = position.sizes
        if next_path is None or (latest is not None and latest > since):
            # Not between numbered pages: of another length they begin again at the first.
            sizes = self._grown(position, seconds)
        if next_path is not None and latest is not None and latest > since:
            # From the last change seen on, not by number: a comment that is edited moves all that follow it.
            next_path, since = comments_path(self._sweep.repository, route, latest, size), latest
        numbers: set[int] = set()
        async with self._database.transaction() as connection:
            for comment_type in {comment.comment_type for comment in comments}:
                of_type = [comment for comment in comments if comment.comment_type == comment_type]
                stored = await threads.comment_versions(
                    connection, comment_type, [comment.github_id for comment in of_type]
                )
                numbers |= {
                    comment.number for comment in of_type if stored.get(comment.github_id) != comment.updated_at
                }
            node_ids = await threads.by_number(
                connection, self._sweep.data_type, self._sweep.repository.repository_id, sorted(numbers)
            )
        put = [Part("thread", node_id, number, position.first_floor) for number, node_id in sorted(node_ids.items())]
        if next_path is not None:
            update: dict[str, Any] = {"cursor": next_path, "comments_since": since}
        elif position.route + 1 < len(self._type.comment_routes):
            update = {"cursor": None, "comments_since": None, "route": position.route + 1}
        else:
            update = {
                "cursor": None,
                "comments_since": None,
                "phase": "verify",
                "comments_as_of": position.as_of,
                "route": 0,
            }
        return Turn(replace(position, **(update | {"sizes": sizes})), put=put)

    # Proof (7)

    async def _verify(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        repository_id = self._sweep.repository.repository_id
        async with self._database.transaction() as connection:
            stored = await threads.count(connection, self._sweep.data_type, repository_id)
            failures = await parts.failures(connection, self._sweep)
        total = position.total or 0
        # Rows of threads that GitHub deleted would hide as many that no page showed: what was seen must suffice too.
        # Where more is stored than GitHub has, something was deleted: what it was shows in the same list.
        enough = min(stored, position.seen) >= total and stored <= total
        if position.reached_end and not enough and not position.relisted:
            return Turn(replace(position, phase="relist", cursor=None))
        proof = {
            "as_of": position.as_of.isoformat() if position.as_of else None,
            "rounds": position.round,
            "threads_stored": stored,
            "threads_github": position.total,
            "proved_by": "count" if position.reached_end else "unbroken pages down to the cutoff",
            "down_to": position.updated_at.isoformat() if position.updated_at else None,
        }
        if self._type.comment_routes and position.comments_as_of:
            proof["comments_as_of"] = position.comments_as_of.isoformat()
        if position.inherited_as_of:
            proof["inherited_as_of"] = position.inherited_as_of.isoformat()
        turn = Turn(position, outcome="completed", proof=proof)
        if failures:
            numbers = ", ".join(f"#{number}" for number, _ in failures[:50])
            turn.failure = self._incomplete(
                f"{len(failures)} of {stored} threads could not be fetched whole: {numbers}"
                f" (the first: {failures[0][1]})"
            )
        elif position.reached_end and stored < total:
            turn.failure = self._incomplete(f"GitHub counts {total} threads and {stored} could be fetched")
        if turn.failure is not None:
            turn.outcome = "failed"
            # Where a retry begins: what changed since, and the counts anew.
            floor = position.as_of - CLOCK_SLACK if position.as_of else position.floor
            again: dict[str, Any] = {
                "phase": "catch_up",
                "cursor": None,
                "floor": floor,
                "round": 1,
                "route": 0,
                "relisted": False,
            }
            turn.position = replace(position, **again)
        elif position.as_of is not None:
            turn.coverage = Coverage(
                BEGINNING
                if position.reached_end
                else min(self._sweep.cutoff_at, position.low or self._sweep.cutoff_at),
                position.as_of,
                position.to_commit(only=_LEFT),
            )
        return turn

    async def _relist(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        """Every thread that GitHub lists, by birth, against what is stored: what is missing is fetched.

        What is stored and not listed is asked for by its id: it is GitHub's answer that says whether it is gone.
        """
        try:
            listing = await self._list(position, position.cursor, by_birth=True)
        except InvalidCursor:
            return Turn(replace(position, cursor=None, listed=0, born=None))
        ids = [entry.github_id for entry in listing.entries]
        last = listing.entries[-1].created_at if listing.entries and listing.end_cursor else listing.asked_at
        async with self._database.transaction() as connection:
            known = await threads.known(connection, self._sweep.data_type, ids)
            unlisted = await threads.unlisted(
                connection, self._sweep.data_type, self._sweep.repository.repository_id, (position.born, last), ids
            )
        put = [
            Part("thread", entry.node_id, entry.number, listing.asked_at)
            for entry in listing.entries
            if entry.github_id not in known
        ]
        put += [Part("thread", node_id, number, listing.asked_at) for node_id, number in unlisted]
        listed = position.listed + len(ids)
        sizes = self._grown(position, listing.seconds)
        update: dict[str, Any] = {"cursor": listing.end_cursor, "listed": listed, "born": last, "sizes": sizes}
        if listing.end_cursor is None:
            update |= {"phase": "verify", "cursor": None, "relisted": True, "total": listed, "seen": listed}
            update |= {"listed": 0, "born": None}
        return Turn(replace(position, **update), put=put, points=1)

    # Parts

    def _due(self, position: ThreadPosition) -> tuple[str, bool] | None:
        """The (kind, whether going on) of parts to fetch now, or None.

        Review comments wait for the end of a leg; while they are listed nothing else is fetched: a review that is met
        again would have its part begin anew, and what the list told of it before would be forgotten.
        """
        if position.listing.in_bulk:
            return None
        everything = position.cursor is None or self._leg_is_over(position)
        for (kind, going_on), number in sorted(self._pending.items()):
            if kind == "review_comments" and not going_on and position.phase in REVIEWS_SHOWN_IN:
                continue
            enough = 100 if kind == "review_comments" and not going_on else ENOUGH_PARENTS
            if everything or number >= enough:
                return kind, going_on
        return None

    def _at_review_comments(self, position: ThreadPosition) -> bool:
        """A leg has shown all its reviews."""
        return position.phase == "review_comments" or self._leg_is_over(position)

    async def _fetch_parts(self, position: ThreadPosition, kind: str, going_on: bool) -> Turn[ThreadPosition]:
        size = self._ask(kind, position)
        children = min(size, CHILDREN)
        if kind in ("thread", "head"):
            most = size
        elif kind == "review_comments" and not going_on:
            most = max(1, size // CHILDREN)
        else:
            most = PARENTS
        async with self._database.transaction() as connection:
            batch = await parts.take(connection, self._sweep, kind, going_on, most)
            if most == PARENTS:
                batch = _fitting(batch, size, nested=kind == self._type.part and self._type.nested)
            pull_requests = (
                await threads.pull_requests_of(connection, [part.parent for part in batch if part.parent is not None])
                if kind == "review_comments"
                else {}
            )
        if kind == self._type.part and self._type.nested:
            # Each child's own connection is priced too: as many as cost one point.
            children = max(1, min(children, (ONE_POINT - 1) // len(batch) - 1))
        if kind == "review_comments" and not going_on:
            for part in batch:
                # What a list had shown of it may be gone by now.
                part.seen = []
        self._asking.parts = batch
        self._asking.size = min(size, len(batch) * (1 if kind in ("thread", "head") else children))
        # A review that vanished since takes its comments with it.
        orphans = [part for part in batch if kind == "review_comments" and part.parent not in pull_requests]
        if orphans:
            return Turn(position, done=orphans)
        try:
            read = await self._send(lambda: self._read_parts(kind, batch, pull_requests, children))
        except InvalidCursor:
            for part in batch:
                part.cursor, part.seen, part.attempts = None, [], part.attempts + 1
            return self._judged(Turn(position, put=list(batch)))
        after = replace(position, sizes=self._grown(position, read.seconds))
        turn = self._turn(after, read)
        turn.put.extend(read.going_on)
        turn.done.extend(read.done)
        if kind == "thread":
            # Fetched whole, it needs none of the parts that an earlier fetch of it left, nor their failures.
            leftovers: list[PartKind] = ["head", "timeline", "comments", "reviews"]
            turn.done.extend(Part(each, part.node_id, None, part.began_at) for part in read.done for each in leftovers)
        return self._judged(turn)

    def _read_parts(
        self, kind: str, batch: list[Part], pull_requests: dict[int, int], children: int
    ) -> Awaitable[Threads]:
        if kind == "thread":
            return read_threads(self._github, self._type, batch)
        if kind == "head":
            return read_heads(self._github, self._type, batch)
        if kind == self._type.part:
            return read_items(self._github, self._type, batch, children)
        if kind == "comments":
            return read_comments(self._github, self._type, batch, children)
        if kind == "reviews":
            return read_reviews(self._github, batch, children)
        if kind == "replies":
            return read_replies(self._github, batch, children)
        return read_review_comments(self._github, batch, pull_requests, children)

    def _judged(self, turn: Turn[ThreadPosition]) -> Turn[ThreadPosition]:
        """A part that began again too often is a failure with its number, not a reason to go on for ever."""
        for part in [part for part in turn.put if part.attempts >= MOST_PART_ATTEMPTS]:
            turn.put.remove(part)
            turn.failed.append((part, f"{part.kind}: what came never agreed with GitHub's count of {part.expected}"))
        return turn

    # What cannot be had at any size (10)

    async def _smallest_failed(self, position: ThreadPosition, error: TooLarge) -> Turn[ThreadPosition]:
        """One thread, or one child, is too much. A listing tells whether it is this one or GitHub as a whole."""
        kind, batch = self._asking.kind, self._asking.parts
        if kind in ("listing", "comments_since"):
            raise RetryNow(error.code, error.message)
        listing = await self._list(position, position.cursor if kind == "page" else None, first=1)
        if kind == "page":
            if not listing.entries:
                raise RetryNow(error.code, error.message)
            entry = listing.entries[0]
            after = replace(
                position,
                cursor=entry.cursor,
                updated_at=entry.updated_at,
                node_id=entry.node_id,
                floor=position.floor or listing.asked_at - CLOCK_SLACK,
                first_floor=position.first_floor or listing.asked_at - CLOCK_SLACK,
                swept=position.swept + 1,
                seen=position.seen + 1,
            )
            if listing.end_cursor is None or entry.updated_at < self._sweep.cutoff_at:
                below = entry.cursor if listing.end_cursor else None
                after = replace(after, phase="catch_up", cursor=None, below=below, reached_end=below is None)
            return Turn(after, put=[Part("head", entry.node_id, entry.number, listing.asked_at)], points=1)
        assert batch, "a request for parts has parts"
        part = batch[0]
        if kind == "thread":
            return Turn(position, put=[Part("head", part.node_id, part.number, part.began_at)], done=[part])
        part.attempts += 1
        if part.attempts < MOST_PART_ATTEMPTS:
            async with self._database.transaction() as connection:
                await sweeps.fence(connection, self._sweep)
                await parts.put(connection, self._sweep, [part])
            raise RetryNow(error.code, error.message)
        lost = Turn(position, failed=[(part, f"{kind}: {error.message}")])
        if kind == "timeline":
            # Its events are lost to us; what has connections of its own is saved.
            rest: list[PartKind] = ["comments", "reviews"] if self._type.kind == "pull_request" else ["comments"]
            lost.put = [Part(each, part.node_id, part.number, part.began_at, parent=part.parent) for each in rest]
        return lost

    # Sizes, requests, turns

    def _size(self, kind: str, position: ThreadPosition) -> int:
        return min(position.sizes.get(kind, self._largest[kind]), self._largest[kind])

    def _ask(self, kind: str, position: ThreadPosition) -> int:
        size = self._size(kind, position)
        self._asking = _Asking(kind, size)
        return size

    def _grown(self, position: ThreadPosition, seconds: float) -> dict[str, int]:
        kind = self._asking.kind
        if seconds >= SLOW_SECONDS and self._asking.size > 1:
            return position.sizes | {kind: self._asking.size // 2}
        if kind not in position.sizes or seconds >= FAST_SECONDS:
            return position.sizes
        grown = min(position.sizes[kind] * 2, self._largest[kind])
        rest = {each: size for each, size in position.sizes.items() if each != kind}
        return rest if grown == self._largest[kind] else rest | {kind: grown}

    async def _list(
        self, position: ThreadPosition, cursor: str | None, first: int | None = None, *, by_birth: bool = False
    ) -> Listing:
        size = first or self._ask("listing", position)
        return await self._send(
            lambda: read_listing(self._github, self._type, self._sweep.repository, size, cursor, by_birth=by_birth)
        )

    async def _send(self, request: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        self._requests += 1
        return await request()

    # One request ahead

    async def _answer(self, request: "Request") -> Any:
        """Of a request that may have gone out before its turn."""
        self._requests += 1
        if self._ahead is not None and self._ahead[0] != request.key:
            # What was asked for is not what is wanted: kept, it would hold the slice open for ever.
            await self.close()
        if self._ahead is None:
            return await request.send()
        _, task = self._ahead
        self._ahead = None
        return await task

    def look_ahead(self, turn: Turn[ThreadPosition]) -> None:
        """The next page's request, if a page comes next: parts are taken from what the turn has yet to commit."""
        position = turn.position
        if self._ahead is not None:
            return
        for part in turn.put:
            kind = part.kind, part.cursor is not None
            self._pending[kind] = self._pending.get(kind, 0) + 1
        if self._due(position) is not None:
            return
        if self._at_review_comments(position):
            request = self._review_comments.next(position, self._size("comments_since", position))
            if request is not None:
                self._go_ahead(request)
        elif position.phase == "history" and position.cursor is not None:
            self._go_ahead(self._page(position, self._size("page", position)))

    def _go_ahead(self, request: "Request") -> None:
        self._ahead = request.key, asyncio.create_task(request.send())

    @property
    def is_ahead(self) -> bool:
        return self._ahead is not None or self._changes is not None

    async def close(self) -> None:
        if self._ahead is not None:
            _, task = self._ahead
            self._ahead = None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _turn(self, position: ThreadPosition, read: Threads) -> Turn[ThreadPosition]:
        return Turn(position, page=read.page, put=list(read.parts), gone=read.gone, points=read.cost)

    def _expected(self, position: ThreadPosition) -> int | None:
        """Threads in scope: certain once the history is swept, before that by how far down in time we are."""
        if position.phase != "history" and not position.news_first:
            return position.swept
        if not position.swept or position.updated_at is None or position.floor is None or position.total is None:
            return position.total
        done = (position.floor - position.updated_at) / max(
            position.floor - self._sweep.cutoff_at, timedelta(seconds=1)
        )
        return min(position.total, max(position.swept, round(position.swept / max(done, 0.001))))

    def _incomplete(self, message: str) -> Failure:
        return Failure(
            code="incomplete",
            message=message,
            action="retry the job: what is missing is asked for again",
            repository=self._sweep.repository.full_name,
            data_type=self._sweep.data_type,
        )
