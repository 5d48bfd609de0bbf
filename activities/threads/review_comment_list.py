"""Reads all review comments of a large repository from REST's list, instead of review by review (decision 9).

The history adds a part for the comments of each review. At the end of a leg the list is read, oldest change first. Each
page begins at the last change seen, so that a change during the reading cannot shift the page. Each part records which
of its comments were listed.

Once the list has ended, the number of listed comments is compared with GitHub's earlier count. If the list showed as
many comments, all reviews of pull requests opened after the list's first moment are whole. Comments of other reviews
are fetched by the reviews' ids.
"""

from datetime import datetime, timedelta
from math import ceil

import structlog

from activities.threads.look_ahead import LookAhead, Request
from activities.threads.page_sizes import PageSizes
from activities.threads.position import ThreadPosition
from activities.threads.review_comment_place import ReviewCommentPlace
from activities.turn import Turn
from errors import PartOver
from github.client import GitHub
from github.threads.comment_lists import ListedComments, comments_path, count_review_comments, read_all_review_comments
from github.threads.thread_types import REVIEW_COMMENTS
from rows import Page, Part, Whole
from store import parts, threads
from store.database import Database
from store.sweeps import Sweep

log = structlog.get_logger(__name__)

WORTH_IT_FROM = 100
"""Waiting reviews from which on the list may be cheaper. Fewer do not fill a request."""
PAGES_FOR_A_BATCH = 3
"""Pages of the list that are read in the time of one batch of a hundred reviews. Time decides, because its limit is
reached first; the requests to REST have a budget of their own.
"""
COMMENTS_A_PAGE = 100
COUNTED_AT_ONCE = 1_000
ONE_SECOND = timedelta(seconds=1)


class ReviewCommentList:
    """Reads the list of review comments for one sweep, if the list is cheaper than single reviews. Proves which reviews
    are whole.
    """

    def __init__(
        self, database: Database, github: GitHub, sweep: Sweep, sizes: PageSizes, look_ahead: LookAhead
    ) -> None:
        self._database = database
        self._github = github
        self._sweep = sweep
        self._sizes = sizes
        self._look_ahead = look_ahead

    @property
    def _begins(self) -> datetime:
        """The moment from which on the list has comments: the lower bound of the leg. The list has every comment on
        pull requests that were opened after this moment.
        """
        return max(self._sweep.cutoff_at, self._sweep.down_to or self._sweep.cutoff_at)

    async def turn(self, position: ThreadPosition) -> Turn[ThreadPosition] | None:
        """Returns the turn that decides whether to read the list, reads its next page, or marks reviews as whole.
        Returns None if the list is not worth reading, or is no longer used.
        """
        place = position.listing
        if place.in_bulk is False:
            return None
        try:
            if place.in_bulk is None:
                return await self._plan(position)
            return await (self._prove(position) if place.ended else self._page(position))
        except PartOver as error:
            return self.fall_back(position, error.message)

    def fall_back(self, position: ThreadPosition, why: str) -> Turn[ThreadPosition]:
        """Stops the reading of the list, and returns the turn. The remaining comments are then fetched by the ids of
        their reviews. `why` is the reason, which the proof repeats.
        """
        log.warning("no list of review comments", why=why)
        left = position.with_listing(position.listing.leave())
        return Turn(left.fall_back(f"review comments were read review by review: {why}"))

    @staticmethod
    def requests_ahead(place: ReviewCommentPlace) -> int:
        """Returns how many pages of the list are still to be read. Before the sweep decides whether to read the list,
        returns the largest possible number.
        """
        if place.in_bulk is None:
            most = PAGES_FOR_A_BATCH * place.waiting if place.waiting >= WORTH_IT_FROM else 0
        else:
            most = max(place.counted - place.shown, 0) if place.in_bulk and not place.ended else 0
        return ceil(most / COMMENTS_A_PAGE)

    def next(self, position: ThreadPosition) -> Request[ListedComments] | None:
        """Returns the request for the list's next page. Returns None if no page is to be read now: before the sweep has
        decided to read the list, or after the list has ended.
        """
        place = position.listing
        if not place.in_bulk or place.ended or place.since is None:
            return None
        size = self._sizes.size("comments_since")
        return self._request(place.since, size, place.path)

    async def _plan(self, position: ThreadPosition) -> Turn[ThreadPosition] | None:
        """Decides whether to read the list, and returns the turn. Returns None if fewer than `WORTH_IT_FROM` reviews
        are waiting.

        The list is read if GitHub counts at most `PAGES_FOR_A_BATCH` comments in it for each waiting review. Comments
        that an earlier leg read are subtracted first. If GitHub gives no count, the comments are fetched review by
        review.
        """
        async with self._database.transaction() as connection:
            waiting = await parts.count(connection, self._sweep, "review_comments")
        if waiting < WORTH_IT_FROM:
            return None
        self._sizes.ask("comments_since")
        number, counted_at = await self._look_ahead.answer(self._counting(self._begins))
        if number is None:
            return self.fall_back(position, "GitHub does not say how many the list has")
        in_bulk = number - position.listing.read_number <= PAGES_FOR_A_BATCH * waiting
        log.info("review comments are planned", listed=number, reviews=waiting, in_bulk=in_bulk)
        place = position.listing.begin(in_bulk=in_bulk, counted=number, counted_at=counted_at, since=self._begins)
        return Turn(position.with_listing(place))

    async def _page(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        place, size = position.listing, self._sizes.ask("comments_since")
        since = place.since or self._begins
        read = await self._look_ahead.answer(self._request(since, size, place.path))
        listed, again, unmatched, first = await self._match(read)
        # In the last leg, up to where an earlier one has begun to read.
        enough = place.read_from is not None and read.latest is not None and read.latest >= place.read_from
        moved = read.latest if read.latest is not None and read.latest > since else None
        at = moved or since
        of_its_second = {key for key, changed in read.changed.items() if changed == at}
        # By its number only within one second: a deletion shifts the pages.
        path_on = None if moved else read.next_path
        after = place.after_page(
            since=at,
            path=path_on,
            last=sorted(of_its_second if moved else {*place.last, *of_its_second}),
            ended=read.next_path is None or enough,
            unmatched=unmatched,
            listed=_of_those_counted(place, read, first),
            latest=read.latest,
        )
        if after.progress.is_stuck:
            return self.fall_back(position, "GitHub's list of them does not go on")
        if path_on is None:
            # Of another length, numbered pages would begin again at the first.
            self._sizes.answered(read.seconds)
        return Turn(position.with_listing(after), page=read.page, put=[*listed, *again])

    async def _match(self, read: ListedComments) -> tuple[list[Part], list[Part], bool, set[str]]:
        """Matches the comments of a page to stored pull requests and reviews. Comments without a stored pull request or
        review are removed from the page.

        Returns four values:

        - the parts of the page's reviews, in which the comments are now recorded
        - new parts for threads with a review that is not stored
        - whether a comment is unmatched, because its pull request is not stored or its review has no part
        - the keys of the comments that no part had recorded before
        """
        repository_id = self._sweep.repository.repository_id
        comments = read.page.comments
        numbers = sorted({row.pull_request for row in comments if row.pull_request is not None})
        async with self._database.transaction() as connection:
            known = await threads.github_ids(connection, self._sweep.data_type, repository_id, numbers)
            reviews = await threads.pull_requests_of(connection, list(read.seen))
            listed = await parts.of_reviews(connection, self._sweep, list(read.seen))
            not_shown = sorted(
                {
                    row.pull_request
                    for row in comments
                    if row.pull_request in known and row.review is not None and row.review not in reviews
                }
            )
            node_ids = await threads.by_number(connection, self._sweep.data_type, repository_id, not_shown)
        read.page.comments = [
            row._replace(pull_request=known[row.pull_request])
            for row in comments
            if row.pull_request in known and (row.review is None or row.review in reviews)
        ]
        first: set[str] = set()
        for part in listed:
            keys = read.seen[part.parent or 0]
            first |= {*keys} - {*part.seen}
            part.seen = sorted({*part.seen, *keys})
        unmatched = len(known) < len(numbers) or bool(read.seen.keys() - {part.parent for part in listed})
        again = [Part("thread", node_id, number, read.page.asked_at) for number, node_id in sorted(node_ids.items())]
        return listed, again, unmatched, first

    async def _prove(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        """Returns the next turn after the list was read to its end. The turn marks a batch of reviews as whole. If no
        review is left to mark, the turn ends the use of the list.

        A review is marked if its pull request was opened after the moment at which the list begins. No review is marked
        if the list showed fewer comments than GitHub counted. This happens if GitHub leaves a comment out, or if a
        comment was deleted while the list was read.

        It also happens if comments were written in a part of the list that an earlier leg read. If there is such a
        part, GitHub first counts that part again.
        """
        place = position.listing
        short = place.shown < place.counted - place.read_number
        if short and place.read_from is not None and not place.recounted:
            # Since the earlier leg some were written: they were counted and are none of those to be listed.
            self._sizes.ask("comments_since")
            number, _ = await self._look_ahead.answer(self._counting(place.read_from))
            if number is None:
                return self.fall_back(position, "GitHub does not say how many the list has")
            return Turn(position.with_listing(place.recount(number)))
        listed: list[Part] = []
        if short:
            log.warning("the list of review comments is short", listed=place.shown, counted=place.counted)
        else:
            async with self._database.transaction() as connection:
                listed = await parts.covered_by_list(connection, self._sweep, self._begins, limit=COUNTED_AT_ONCE)
        if not listed:
            whole = not short and not place.strangers
            return Turn(position.with_listing(place.leave_as_read(self._begins) if whole else place.leave()))
        page = Page(listed[0].began_at, "pull_request")
        page.whole_reviews = [Whole(part.parent or 0, part.began_at, part.seen) for part in listed]
        return Turn(position, page=page, done=listed)

    def _counting(self, since: datetime) -> Request[tuple[int | None, datetime]]:
        repository = self._sweep.repository
        return Request(("count", since), lambda: count_review_comments(self._github, repository, since))

    def _request(self, since: datetime, size: int, path: str | None) -> Request[ListedComments]:
        """Returns the request for comments that changed since `since`, or for the numbered page at `path`.

        The request asks for changes from one second before `since`, because GitHub may exclude the moment `since`
        itself, and because a page may end within a second.
        """
        path = comments_path(self._sweep.repository, REVIEW_COMMENTS, since - ONE_SECOND, size, path)
        return Request(("comments", path), lambda: read_all_review_comments(self._github, path))


def _of_those_counted(place: ReviewCommentPlace, read: ListedComments, first: set[str]) -> int:
    """Returns how many comments of the page GitHub counted before the list was read. Comments that were already listed
    are left out.

    GitHub counted a comment if it was created before the count. A comment that changed after the count may be listed
    twice, because the list is ordered by change. Such a comment is included only if its key is in `first`, the keys
    that no part had recorded before this page. If no part records such a comment, the comment is left out.
    """
    if place.counted_at is None:
        return 0
    listed = read.born.keys() - set(place.last)
    if place.since is not None:
        listed = {key for key in listed if read.changed[key] >= place.since}
    if place.read_from is not None:
        listed = {key for key in listed if read.changed[key] < place.read_from}
    return sum(
        read.born[key] <= place.counted_at and (read.changed[key] <= place.counted_at or key in first) for key in listed
    )
