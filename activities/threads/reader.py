"""Reads one thread sweep (pull requests, issues or discussions), phase by phase.

docs/sweep.md has the rules, and comments here give their numbers. Phases that are longer than a screen have modules of
their own.
"""

from datetime import UTC, datetime, timedelta

import structlog

from activities import surveys
from activities.failures import as_failure
from activities.progress import Standstill
from activities.threads.catch_up import CatchUp
from activities.threads.completeness_proof import CompletenessProof
from activities.threads.deletions import Deletions
from activities.threads.look_ahead import LookAhead, Request
from activities.threads.noting import note
from activities.threads.page_sizes import PageSizes
from activities.threads.part_queue import Due, PartQueue
from activities.threads.part_reader import PartReader
from activities.threads.position import Phase, ThreadPosition
from activities.threads.review_comment_list import ReviewCommentList
from activities.threads.second_look import SecondLook
from activities.threads.thread_list import MOST_LIST_FAILURES, LostThread, ThreadList, unless_blank
from activities.threads.unbumped_comments import UnbumpedComments
from activities.turn import CLOCK_SLACK, Sources, Turn
from budget.prices import ONE_POINT
from errors import RetryNow, TooLarge
from github.answers.refusals import InvalidCursor
from github.threads.listings import Listing
from github.threads.pages import Threads, read_page
from github.threads.thread_types import THREAD_TYPES, page_requests
from github.transport.prefetched import Prefetched
from rows import Part
from store import coverage, sweeps
from store.sweeps import Sweep

log = structlog.get_logger(__name__)

FRESH = timedelta(hours=1)
"""If another job's coverage is younger than this, the recent leg reads the history first; the last leg catches up."""
MOST_SEEKS = 3
NEW_THREADS_HEADROOM = 5
"""Threads that may be opened while the last page is in flight."""
REVIEWS_SHOWN_IN: frozenset[Phase] = frozenset({"history", "seek", "catch_up", "review_comments"})
"""Phases in which more reviews may appear whose comments one list can fetch."""


class ThreadReader:
    """Reads one sweep of threads. The committed position holds its whole state, except for a request in flight."""

    positions = ThreadPosition

    def __init__(self, sources: Sources, sweep: Sweep) -> None:
        self._database = database = sources.database
        self._prefetched = Prefetched()
        self._github = github = sources.github.on_behalf_of(
            sweep.repository.full_name, fence=sweep, prefetched=self._prefetched
        )
        self._sweep = sweep
        self._type = kind = THREAD_TYPES[sweep.data_type]
        self._sizes = sizes = PageSizes(sources.github.prices, kind)
        self._look_ahead = ahead = LookAhead()
        self._list = ThreadList(github, kind, sweep.repository, sizes, ahead)
        self._queue = PartQueue(database, sweep, kind)
        self._parts = PartReader(database, github, sweep, kind, self._queue, sizes, ahead)
        self._catch_up = CatchUp(database, sweep, self._list, sizes)
        self._review_comments = ReviewCommentList(database, github, sweep, sizes, ahead)
        self._second_look = SecondLook(database, github, sweep, kind, sizes, ahead)
        self._unbumped_comments = UnbumpedComments(database, github, sweep, kind, self._list, sizes, ahead)
        self._deletions = Deletions(database, github, sweep, ahead, sources.deletions_apart)
        self._proof = CompletenessProof(database, sweep, kind, self._list, sizes)

    async def turn(self, position: ThreadPosition, *, threads_ended: bool) -> Turn[ThreadPosition]:  # noqa: ARG002
        """Returns the next turn. If a request is too large for GitHub, sends a smaller request (rule 8)."""
        if position.floor is None:
            position = await self._begin(position)
        self._sizes.begin(position.sizes)
        self._look_ahead.begin_turn()
        self._list.begin_turn(failures=position.list_failures)
        while True:
            try:
                turn = await self._next(position)
                if self._sizes.asked_kind in ("page", "listing"):
                    turn.position = turn.position.end_list_failures()
            except RetryNow as error:
                if not self._is_too_large(error):
                    raise
                if self._sizes.halve(error.code):
                    continue
                turn = await self._too_large(position, error)
            except Standstill as error:
                failure = as_failure(error, repository=self._sweep.repository.full_name, cursor=position.cursor)
                failure = failure.of_type(self._sweep.data_type)
                turn = Turn(position.to_retry(), outcome="failed", failure=failure)
            turn.position = self._expecting(turn).with_sizes(self._sizes.learned)
            turn.requests = self._look_ahead.sent - self._prefetched.spared()
            turn.expected = self._expected(turn.position)
            return turn

    async def _next(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        """Returns the next turn. The turn fetches due parts, if there are any. Otherwise the turn fetches the comments
        of a leg's reviews, if they are to be fetched now. Otherwise the turn sends the request of the phase.
        """
        await self._queue.look()
        if (due := self._due(position)) is not None:
            return await self._parts.turn(position, due)
        if position.phase == "review_comments" and not position.looked_again:
            turn = await self._second_look.turn(position)
            if turn is not None:
                return turn
            position = position.after_second_look()
        if self._all_reviews_shown(position):
            turn = await self._review_comments.turn(position)
            if turn is not None:
                return turn
            if self._queue.has(Due("review_comments")):
                return await self._parts.turn(position, Due("review_comments"))
            position = position.end_review_comments()
        if self._leg_is_over(position):
            return Turn(position, waiting="next_leg", coverage=await self._proof.of_leg(position))
        if position.phase == "review_comments":
            if self._unbumped_comments.are_due(position):
                # Committed before the phase's first request: if it fails for good, the phase names the list.
                return Turn(position.to_phase("comments"))
            position = position.to_phase("verify") if position.has_threads else position.end_comment_lists()
        if position.phase == "history":
            return await self._history(position)
        if position.phase == "seek":
            return await self._seek(position)
        if position.phase == "catch_up":
            return await self._catch_up.turn(position)
        if position.phase == "comments":
            return await self._unbumped_comments.turn(position)
        if position.phase == "relist":
            return await self._proof.relist(position)
        return await self._deletions.turn(position) or await self._proof.verify(position)

    def _expecting(self, turn: Turn[ThreadPosition]) -> ThreadPosition:
        position = turn.position
        reviews = sum(part.kind == "review_comments" for part in turn.put)
        if position.listing.in_bulk is None and reviews:
            position = position.with_listing(position.listing.after_history(reviews))
        return position.expect_requests(ReviewCommentList.requests_ahead(position.listing))

    def _due(self, position: ThreadPosition) -> Due | None:
        """Returns the parts to fetch now. Returns None if no part is due. In the middle of a list, parts are due only
        if they fill a request. At the end of the list, all parts are due.

        While the list of review comments is read, no part is due. A fetch of a whole thread would begin new parts for
        its reviews, and the comments that are recorded in the old parts would be lost.
        """
        if position.listing.in_bulk:
            return None
        return self._queue.due(
            everything=position.cursor is None or self._leg_is_over(position),
            reviews=position.phase not in REVIEWS_SHOWN_IN,
        )

    # Beginning (9), and legs (13)

    async def _begin(self, position: ThreadPosition) -> ThreadPosition:
        """Returns the first position. It skips threads that other jobs covered, and a list without threads."""
        async with self._database.transaction() as connection:
            covered = ThreadPosition.if_readable(await coverage.read(connection, self._sweep))
            survey = await surveys.read(connection, self._sweep.job_id, self._sweep.repository)
        listing = survey.threads.get(self._sweep.data_type) if survey is not None else None
        if covered is None or covered.as_of - CLOCK_SLACK < self._sweep.cutoff_at:
            if listing is not None and listing.is_empty:
                routes = self._type.comment_routes
                return position.at_empty_list(asked_at=listing.asked_at, with_comments=bool(routes))
            async with self._database.transaction() as connection:
                await surveys.unpack_answers(connection, self._sweep, self._prefetched)
            return position
        if await self._github.has_learned(covered.left_out):
            # The server's schema has gained fields since then, so everything is read again.
            return position
        async with self._database.transaction() as connection:
            stored = (await sweeps.count_stored(connection, self._sweep))[self._sweep.data_type]
        deep_enough = ThreadPosition.read(covered.position).reached_end or covered.low <= self._sweep.cutoff_at
        news_first = self._sweep.down_to is not None and datetime.now(UTC) - covered.as_of > FRESH
        if not deep_enough and not news_first:
            return position.resume_from_coverage(covered, stored=stored, phase="history")
        if listing is not None and listing.asked_at >= covered.as_of:
            self._catch_up.begin_with(listing)
        position = position.resume_from_coverage(covered, stored=stored, phase="catch_up")
        # News belongs to the recent leg, older threads to the last one.
        return position if deep_enough else position.with_news_first()

    async def begin_next_leg(self, position: ThreadPosition) -> ThreadPosition:
        """Returns the position at which the next leg begins. This is `position`, unless another job has covered older
        threads meanwhile. In that case, the leg resumes from that job's coverage.
        """
        covered = await self._begin(ThreadPosition())
        deeper = covered.low is not None and position.updated_at is not None and covered.low < position.updated_at
        if not deeper:
            # The survey's listing is older than the history that the catch-up follows.
            self._catch_up.begin_with(None)
        return (covered if deeper else position).in_next_leg()

    def _leg_is_over(self, position: ThreadPosition) -> bool:
        """Returns whether the recent leg is over: the history has passed `down_to`, the moment at which the leg ends.
        Always False in the last leg, which has no `down_to`, and in every phase other than the history.
        """
        down_to, updated_at = self._sweep.down_to, position.updated_at
        return down_to is not None and position.phase == "history" and updated_at is not None and updated_at < down_to

    def _all_reviews_shown(self, position: ThreadPosition) -> bool:
        return position.phase == "review_comments" or self._leg_is_over(position)

    # History: whole threads, latest updated first, down to the cutoff

    async def _history(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        """Reads the next page of the history, and returns the turn. The history's first answer sets the floor (rule 3).
        The page that crosses the cutoff is stored whole (rule 4).
        """
        cutoff_at = self._sweep.cutoff_at
        if position.cursor is not None and position.updated_at is not None and position.updated_at < cutoff_at:
            # The job was reduced to fewer days after that page was stored.
            return Turn(position.to_catch_up(below=position.cursor))
        try:
            request = self._page(position, self._sizes.ask("page"))
            read = unless_blank(await self._look_ahead.answer(request), position.seen)
        except InvalidCursor:
            if position.seeks >= MOST_SEEKS:
                raise
            log.warning("cursor refused, looking for the place", updated_at=str(position.updated_at))
            return Turn(position.to_seek())
        self._sizes.answered(read.seconds)
        changes = read.page.changes
        after = position.after_page(
            cursor=read.end_cursor,
            last=read.last,
            asked_at=read.page.asked_at,
            total=read.total,
            swept=sum(updated_at >= cutoff_at for updated_at in changes),
            seen=len(changes),
            withheld=read.withheld,
            ties=read.page.updated_at(read.last[0]) if read.last else [],
        )
        if after.progress.is_stuck:
            # The pages lead in a circle and have no more threads. The counts will show whether any are missing.
            log.warning("the history does not go on", updated_at=str(after.updated_at))
            after = after.to_catch_up(below=None)
        elif read.end_cursor is None or (after.updated_at is not None and after.updated_at < cutoff_at):
            after = after.to_catch_up(below=read.end_cursor)
            if position.floor is None and not self._prefetched.is_old:
                # One answer held everything in scope, so no catch-up is needed.
                after = after.to_verify(as_of=read.page.asked_at, with_comments=bool(self._type.comment_routes))
            self._catch_up.begin_with(read.changes)
        turn = Turn(after, page=read.page, put=list(read.parts), gone=read.gone, points=read.cost)
        note(turn, self._type, read)
        return turn

    def _page(self, position: ThreadPosition, size: int) -> Request[Threads]:
        """Returns the request for the history's next page. If this page may be the last one, the request also asks for
        the catch-up's first listing.
        """
        left = position.total - position.seen if position.total is not None else size
        first, with_changes = size, False
        if left <= size and position.cursor is not None:
            last = min(size, max(1, left) + NEW_THREADS_HEADROOM)
            if page_requests(self._type, last, changes=True) <= ONE_POINT:
                first, with_changes = last, True
        repository, cursor = self._sweep.repository, position.cursor
        return Request(
            ("page", cursor, first, with_changes),
            lambda: read_page(self._github, self._type, repository, first, cursor, changes=with_changes),
        )

    # Seek: where GitHub refused the history's cursor (4)

    async def _seek(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        """Lists the next page of threads from the top, to find the place where the history stopped. The history resumes
        at that place. Threads that were updated at exactly the moment of that place are read again.
        """
        listing = await self._list.page(position.cursor)
        last = listing.entries[-1].updated_at if listing.entries else None
        ties = [entry.node_id for entry in listing.entries if entry.updated_at == last]
        progress = position.list_progress.descend(last, ties)
        cursor = position.cursor
        for entry in listing.entries:
            if position.updated_at is None or entry.updated_at <= position.updated_at:
                return Turn(position.back_to_history(cursor), points=1)
            cursor = entry.cursor
        if listing.end_cursor is None and not listing.leads_nowhere:
            return Turn(position.back_to_history(cursor), points=1)
        if progress.is_stuck:
            raise Standstill("list of threads by their last update")
        return Turn(position.seek_on(listing.end_cursor, progress), points=1)

    # What is too large by itself (8)

    def _is_too_large(self, error: RetryNow) -> bool:
        """Returns whether the request may have been too large: GitHub says so, or repeats an HTTP error."""
        return isinstance(error, TooLarge) or (error.code.startswith("http_") and self._sweep.attempts > 1)

    async def _too_large(self, position: ThreadPosition, error: RetryNow) -> Turn[ThreadPosition]:
        """Returns the turn after a request for a single thread or part proved too large.

        First sends a listing. If the listing fails, too, GitHub itself is failing, and the listing's error is raised.
        If the listing succeeds, only this thread or part is treated as too large. Raises `RetryNow` if the request that
        was too large was itself a listing.
        """
        kind = self._sizes.asked_kind
        if isinstance(error, LostThread):
            return Turn(position.count_list_failure())
        if kind == "listing":
            raise RetryNow(error.code, error.message)
        listing = await self._list.next_one(position.cursor if kind == "page" else None)
        if kind == "comments_since":
            return self._list_failed(position, error)
        if kind == "shown":
            return Turn(position.after_second_look())
        if kind != "page":
            return await self._parts.too_large(position, error)
        if not listing.entries:
            return self._lost_thread(position, listing)
        [entry] = listing.entries
        after = position.after_page(
            cursor=entry.cursor,
            last=(entry.updated_at, entry.node_id),
            asked_at=listing.asked_at,
            total=position.total,
            swept=1,
            seen=1,
            withheld=[],
            ties=[entry.node_id],
        )
        if listing.end_cursor is None or entry.updated_at < self._sweep.cutoff_at:
            after = after.to_catch_up(below=entry.cursor if listing.end_cursor else None)
        return Turn(after, put=[Part("head", entry.node_id, entry.number, listing.asked_at)], points=1)

    def _lost_thread(self, position: ThreadPosition, listing: Listing) -> Turn[ThreadPosition]:
        """Returns the turn after a request for a single thread, and then a listing of only this thread, did not show
        the thread. After `MOST_LIST_FAILURES` attempts, the history continues behind the thread.
        """
        if position.list_failures + 1 < MOST_LIST_FAILURES:
            return Turn(position.count_list_failure(), points=1)
        after = position.end_list_failures().after_page(
            cursor=listing.end_cursor,
            last=None,
            asked_at=listing.asked_at,
            total=position.total,
            swept=0,
            seen=0,
            withheld=listing.withheld + [""] * listing.lost,
            ties=[],
        )
        if listing.end_cursor is None or after.progress.is_stuck:
            after = after.to_catch_up(below=None)
        return Turn(after, points=1)

    def _list_failed(self, position: ThreadPosition, error: RetryNow) -> Turn[ThreadPosition]:
        """Returns the turn after a list of comments failed at every size. After `MOST_LIST_FAILURES` failures the
        comments are read in another way.
        """
        if position.list_failures + 1 < MOST_LIST_FAILURES:
            return Turn(position.count_list_failure())
        if position.phase == "comments":
            return self._unbumped_comments.fall_back(position, error.message)
        return self._review_comments.fall_back(position, error.message)

    # One request ahead

    def look_ahead(self, turn: Turn[ThreadPosition]) -> None:
        """Sends the next turn's request ahead if that request is for a page of the history or of the list of review
        comments. Requests for parts are not sent ahead, because the parts are known only after the commit.
        """
        position = turn.position
        if self._look_ahead.is_under_way:
            return
        self._queue.expect(turn.put)
        if self._due(position) is not None:
            return
        if self._all_reviews_shown(position):
            if (request := self._review_comments.next(position)) is not None:
                self._look_ahead.send_early(request)
        elif position.phase == "history" and position.cursor is not None:
            self._look_ahead.send_early(self._page(position, self._sizes.size("page")))

    @property
    def is_ahead(self) -> bool:
        return self._look_ahead.is_under_way

    async def close(self) -> None:
        await self._look_ahead.close()

    def _expected(self, position: ThreadPosition) -> int | None:
        """Returns the number of threads in scope. Returns None if the number is unknown. Once the history is read, the
        number is exact. Before that, it is an estimate from the part of the time range that is already read.
        """
        if position.phase != "history" and not position.news_first:
            return position.swept
        if not position.swept or position.updated_at is None or position.floor is None or position.total is None:
            return position.total
        span = max(position.floor - self._sweep.cutoff_at, timedelta(seconds=1))
        done = (position.floor - position.updated_at) / span
        return min(position.total, max(position.swept, round(position.swept / max(done, 0.001))))
