"""Review comments of a large repository, all of them by REST's list, instead of asking review by review (decision 9).

A leg's history leaves a part for the comments of each review. At its end the list is read in the order of changes, from
the last change seen on, so that nothing moves behind the place; what it brings is kept in the parts. When it has ended
and has shown as many as GitHub counted before, those are whole whose pull requests are not older than it; the others
are asked for by their ids.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from activities.threads.position import ReviewCommentPlace, ThreadPosition
from activities.turn import Sources, Turn
from github.threads import (
    REVIEW_COMMENTS,
    ListedComments,
    comments_path,
    count_review_comments,
    read_all_review_comments,
)
from rows import Page, Part, Whole
from store import parts, threads
from store.sweeps import Sweep

log = structlog.get_logger(__name__)

WORTH_IT_FROM = 100
"""Reviews that wait, from which on a list may be cheaper: fewer fill no request."""
PAGES_FOR_A_BATCH = 3
"""Pages of the list that are worth one batch of reviews, a hundred each: REST has a budget of its own, and its answers
take GitHub a third of the time, which is what runs out first."""
COUNTED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Request:
    """A request that may go out before its turn; `key` is what it asks for."""

    key: object
    send: Callable[[], Coroutine[Any, Any, Any]]


class ReviewCommentList:
    """Of one sweep. `ask` answers how much to ask for, `answer` what came of a request, `grown` how much may be asked
    for after an answer that took so many seconds."""

    def __init__(
        self,
        sources: Sources,
        sweep: Sweep,
        ask: Callable[[ThreadPosition], int],
        answer: Callable[[Request], Coroutine[Any, Any, Any]],
        grown: Callable[[ThreadPosition, float], dict[str, int]],
    ) -> None:
        self._database = sources.database
        self._github = sources.github.on_behalf_of(sweep.repository.full_name, fence=sweep)
        self._sweep = sweep
        self._ask = ask
        self._answer = answer
        self._grown = grown

    @property
    def _begins(self) -> datetime:
        """Where the leg ends: no comment of what was opened since is older."""
        return max(self._sweep.cutoff_at, self._sweep.down_to or self._sweep.cutoff_at)

    async def turn(self, position: ThreadPosition) -> Turn[ThreadPosition] | None:
        """The next turn at a leg's end; None once the reviews that wait are to be asked for by their ids."""
        place = position.listing
        if place.in_bulk is False:
            return None
        if place.in_bulk is None:
            return await self._plan(position)
        return await (self._prove(position) if place.ended else self._page(position))

    def next(self, position: ThreadPosition, size: int) -> Request | None:
        """The request of the next turn, if the list is being read."""
        place = position.listing
        if not place.in_bulk or place.ended or place.since is None:
            return None
        return self._request(comments_path(self._sweep.repository, REVIEW_COMMENTS, place.since, size, place.path))

    async def _plan(self, position: ThreadPosition) -> Turn[ThreadPosition] | None:
        """Whether the list is cheaper, by GitHub's count of it; what an earlier leg read of it does not count."""
        async with self._database.transaction() as connection:
            waiting = await parts.count(connection, self._sweep, "review_comments")
        if waiting < WORTH_IT_FROM:
            return None
        place = position.listing
        self._ask(position)
        number, counted_at = await self._answer(self._counting(self._begins))
        in_bulk = number - place.read_number <= PAGES_FOR_A_BATCH * waiting
        log.info("review comments are planned", listed=number, reviews=waiting, in_bulk=in_bulk)
        update: dict[str, Any] = {
            "in_bulk": in_bulk,
            "counted": number,
            "counted_at": counted_at,
            "since": self._begins,
        }
        return Turn(replace(position, listing=replace(place, **update)))

    async def _page(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        place, size = position.listing, self._ask(position)
        since = place.since or self._begins
        path = comments_path(self._sweep.repository, REVIEW_COMMENTS, since, size, place.path)
        read: ListedComments = await self._answer(self._request(path))
        repository_id = self._sweep.repository.repository_id
        numbers = sorted({row.pull_request for row in read.page.comments if row.pull_request is not None})
        async with self._database.transaction() as connection:
            known = await threads.github_ids(connection, self._sweep.data_type, repository_id, numbers)
            reviews = await threads.pull_requests_of(connection, list(read.seen))
            listed = await parts.of_reviews(connection, self._sweep, list(read.seen))
            unseen = sorted(
                {
                    row.pull_request
                    for row in read.page.comments
                    if row.pull_request in known and row.review is not None and row.review not in reviews
                }
            )
            node_ids = await threads.by_number(connection, self._sweep.data_type, repository_id, unseen)
        strangers = place.strangers or len(known) < len(numbers)
        read.page.comments = [
            row._replace(pull_request=known[row.pull_request])
            for row in read.page.comments
            if row.pull_request in known and (row.review is None or row.review in reviews)
        ]
        for part in listed:
            part.seen = sorted({*part.seen, *read.seen[part.parent or 0]})
        # A review that its pull request did not show: the whole thread again.
        again = [Part("thread", node_id, number, read.page.asked_at) for number, node_id in sorted(node_ids.items())]
        # In the last leg, up to where an earlier one has begun to read.
        enough = place.read_from is not None and read.latest is not None and read.latest >= place.read_from
        moved = read.latest is not None and read.latest > since
        after = replace(
            place,
            since=read.latest if moved else since,
            path=None if moved else read.next_path,
            ended=read.next_path is None or enough,
            strangers=strangers,
            shown=place.shown + self._of_those_counted(place, read),
        )
        of_its_second = {key for key, at in read.changed.items() if at == after.since}
        after = replace(after, last=sorted(of_its_second if moved else {*place.last, *of_its_second}))
        # Of another length, numbered pages begin again at the first.
        sizes = self._grown(position, read.seconds) if after.path is None else position.sizes
        return Turn(replace(position, listing=after, sizes=sizes), page=read.page, put=[*listed, *again])

    def _of_those_counted(self, place: ReviewCommentPlace, read: ListedComments) -> int:
        """How many of the page are shown for the first time and were there when GitHub counted."""
        shown = read.born.keys() - set(place.last)
        if place.read_from is not None:
            shown = {key for key in shown if read.changed[key] < place.read_from}
        return sum(place.counted_at is not None and read.born[key] <= place.counted_at for key in shown)

    async def _prove(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        """The reviews of which the list has told everything are whole: if it showed as many as GitHub had counted.

        Fewer are shown if one was deleted meanwhile, which shifts numbered pages, or if GitHub left one out.
        """
        place = position.listing
        short = place.shown < place.counted - place.read_number
        if short and place.read_from is not None and not place.recounted:
            # Since the earlier leg some were written: they were counted and are none of those to be shown.
            self._ask(position)
            number, _ = await self._answer(self._counting(place.read_from))
            update: dict[str, Any] = {"read_number": number, "recounted": True}
            return Turn(replace(position, listing=replace(place, **update)))
        listed: list[Part] = []
        if short:
            log.warning("the list of review comments is short", shown=place.shown, counted=place.counted)
        else:
            async with self._database.transaction() as connection:
                listed = await parts.covered_by_list(connection, self._sweep, self._begins, limit=COUNTED_AT_ONCE)
        if not listed:
            left = ReviewCommentPlace(in_bulk=False, read_from=place.read_from, read_number=place.read_number)
            if not short and not place.strangers:
                left = ReviewCommentPlace(in_bulk=False, read_from=self._begins, read_number=place.counted)
            return Turn(replace(position, listing=left))
        page = Page(listed[0].began_at, "pull_request")
        page.whole_reviews = [Whole(part.parent or 0, part.began_at, part.seen) for part in listed]
        return Turn(position, page=page, done=listed)

    def _counting(self, since: datetime) -> Request:
        repository = self._sweep.repository
        return Request(("count", since), lambda: count_review_comments(self._github, repository, since))

    def _request(self, path: str) -> Request:
        return Request(("comments", path), lambda: read_all_review_comments(self._github, path))
