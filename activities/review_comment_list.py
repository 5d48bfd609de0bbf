"""Review comments of a large repository, all of them by REST's list, instead of asking review by review (decision 9).

A leg's history leaves a part for the comments of each review. At its end the list is read in the order of changes, from
the last change seen on, so that nothing moves behind the place; what it brings is kept in the parts. When it has ended,
those are whole whose pull requests are not older than it; the others are asked for by their ids.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from activities.position import ListPlace, ThreadPosition
from activities.turn import Sources, Turn
from github.threads import REVIEW_COMMENTS, comments_path, read_all_review_comments
from rows import Page, Part, Whole
from store import parts, threads
from store.sweeps import Sweep

log = structlog.get_logger(__name__)

WORTH_IT_FROM = 100
"""Reviews that wait, from which on a list may be cheaper: fewer fill no request."""
PAGES_FOR_A_BATCH = 3
"""Pages of the list that are worth one batch of a hundred reviews: REST has a budget of its own, and its answers take
GitHub a third of the time, which is what runs out first."""
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
        if place.ended:
            return await self._count(position)
        return await self._page(position)

    def next(self, position: ThreadPosition, size: int) -> Request | None:
        """The request of the next turn, if the list is being read."""
        place = position.listing
        if not place.in_bulk or place.ended or place.since is None:
            return None
        return self._request(comments_path(self._sweep.repository, REVIEW_COMMENTS, place.since, size, place.path))

    async def _page(self, position: ThreadPosition) -> Turn[ThreadPosition] | None:
        place, size = position.listing, self._ask(position)
        async with self._database.transaction() as connection:
            waiting = await parts.count(connection, self._sweep, "review_comments") if place.in_bulk is None else 0
        if place.in_bulk is None and waiting < WORTH_IT_FROM:
            return None
        since = place.since or self._begins
        path = comments_path(self._sweep.repository, REVIEW_COMMENTS, since, size, place.path)
        read = await self._answer(self._request(path))
        if place.in_bulk is None and read.pages > PAGES_FOR_A_BATCH * waiting / 100:
            log.info("review comments are asked for by review", pages=read.pages, reviews=waiting)
            return Turn(position.model_copy(update={"listing": place.model_copy(update={"in_bulk": False})}))
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
        after = place.model_copy(
            update={
                "in_bulk": True,
                "since": read.latest if moved else since,
                "path": None if moved else read.next_path,
                "by_number": place.by_number or not (moved or read.next_path is None),
                "ended": read.next_path is None or enough,
                "strangers": strangers,
            }
        )
        # Of another length, numbered pages begin again at the first.
        sizes = self._grown(position, read.seconds) if after.path is None else position.sizes
        return Turn(
            position.model_copy(update={"listing": after, "sizes": sizes}), page=read.page, put=[*listed, *again]
        )

    async def _count(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        """The reviews of which the list has told everything are whole."""
        place = position.listing
        listed: list[Part] = []
        if not place.by_number:
            async with self._database.transaction() as connection:
                listed = await parts.covered_by_list(connection, self._sweep, self._begins, limit=COUNTED_AT_ONCE)
        if not listed:
            read_from = place.read_from if place.strangers or place.by_number else self._begins
            return Turn(position.model_copy(update={"listing": ListPlace(in_bulk=False, read_from=read_from)}))
        page = Page(listed[0].began_at, "pull_request")
        page.whole_reviews = [Whole(part.parent or 0, part.began_at, part.seen) for part in listed]
        return Turn(position, page=page, done=listed)

    def _request(self, path: str) -> Request:
        return Request(("comments", path), lambda: read_all_review_comments(self._github, path))
