"""One list instead of a request for each hundred reviews: read where it is cheaper, and believed where it is whole."""

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.threads.look_ahead import LookAhead
from activities.threads.page_sizes import PageSizes
from activities.threads.position import ThreadPosition
from activities.threads.review_comment_list import PAGES_FOR_A_BATCH, WORTH_IT_FROM, ReviewCommentList
from activities.threads.review_comment_place import ReviewCommentPlace
from activities.turn import Turn
from budget.prices import Prices
from errors import PartOver
from github.answers.reading import Answer
from rows import Contributor, Page, Part, Review, Whole
from tests.support.activities.listings import fetched
from tests.support.activities.stored import Stored

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
PULL_REQUEST = 1
AT_THE_END = ThreadPosition(phase="review_comments", floor=NOW)


class Lists:
    """Instead of GitHub: answers of its list, in turn, by REST."""

    def __init__(self, *answers: Answer) -> None:
        self.answers: deque[Answer | Exception] = deque(answers)
        self.paths: list[str] = []

    async def rest(self, path: str) -> Answer:
        self.paths.append(path)
        answer = self.answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer


def count(number: int) -> Answer:
    return Answer([{}], NOW, 0.1, last_page=number)


def comment(
    key: int, minutes: int, *, review: int | None = 501, pull_request: int = PULL_REQUEST, edited: int | None = None
) -> dict[str, Any]:
    """Written so many minutes after a moment, and `edited` so many after it."""
    moment = NOW - timedelta(days=2)
    at = (moment + timedelta(minutes=minutes)).isoformat()
    changed = at if edited is None else (moment + timedelta(minutes=edited)).isoformat()
    return {
        "id": key,
        "node_id": f"PRRC_{key}",
        "pull_request_review_id": review,
        "pull_request_url": f"https://api.github.com/repos/acme/wide/pulls/{pull_request}",
        "user": {"login": "mona", "id": 7, "type": "User", "avatar_url": "", "html_url": ""},
        "body": "Why?",
        "path": "a.py",
        "position": 1,
        "original_position": 1,
        "diff_hunk": "@@",
        "commit_id": "0a",
        "in_reply_to_id": None,
        "created_at": at,
        "updated_at": changed,
    }


def page(*comments: dict[str, Any], more: bool = False) -> Answer:
    return Answer(list(comments), NOW, 0.1, next_path="/repositories/77/pulls/comments?page=2" if more else None)


class AnsweredList:
    """The list of all review comments in one sweep. Its requests get these answers."""

    def __init__(self, stored: Stored, *answers: Answer) -> None:
        self.github = Lists(*answers)
        self.stored = stored
        self._list = ReviewCommentList(
            stored.database,
            self.github,  # type: ignore[arg-type]
            stored.sweep,
            PageSizes(Prices(), stored.kind),
            LookAhead(),
        )

    async def turn(self, position: ThreadPosition) -> Turn[ThreadPosition] | None:
        return await self._list.turn(position)

    async def to_end(self, position: ThreadPosition) -> tuple[ThreadPosition, list[Part]]:
        """Turn after turn, each committed; the last position, and the parts that the list proved whole.

        Of each of them a page says to what it is whole: a stored comment that is not among these is absent.
        """
        done: list[Part] = []
        while (turn := await self._list.turn(position)) is not None:
            await self.stored.put(turn.put)
            await self.stored.remove(turn.done)
            done += turn.done
            whole = turn.page.whole_reviews if turn.page else []
            assert whole == [Whole(part.parent or 0, part.began_at, part.seen) for part in turn.done]
            assert all(each.parent for each in whole)
            position = turn.position
        return position, done


async def reviewed(stored: Stored, reviews: int = WORTH_IT_FROM) -> None:
    """A pull request with so many reviews (501, 502, ...), whose comments are still to fetch."""
    await fetched(stored, [(PULL_REQUEST, NOW - timedelta(days=1))])
    of = Page(NOW, "pull_request")
    of.contributors = {7: Contributor(7, "mona", None, None, is_bot=False)}
    of.reviews = [
        Review(501 + each, PULL_REQUEST, 7, "APPROVED", "", NOW - timedelta(days=2), NOW - timedelta(days=2), "0a")
        for each in range(reviews)
    ]
    await stored.write(of)
    await stored.put(
        [Part("review_comments", f"PRR_{501 + each}", PULL_REQUEST, NOW, parent=501 + each) for each in range(reviews)]
    )


async def test_few_reviews_are_asked_for_by_their_ids(stored: Stored) -> None:
    await reviewed(stored, WORTH_IT_FROM - 1)
    listed = AnsweredList(stored)
    assert await listed.turn(AT_THE_END) is None
    assert listed.github.paths == []


@pytest.mark.parametrize("more", [0, 1])
async def test_the_list_is_read_where_its_pages_cost_less(more: int, stored: Stored) -> None:
    await reviewed(stored)
    turn = await AnsweredList(stored, count(PAGES_FOR_A_BATCH * WORTH_IT_FROM + more)).turn(AT_THE_END)
    assert turn is not None
    assert turn.position.listing.in_bulk is (not more)
    assert turn.position.listing.since == stored.sweep.cutoff_at


async def test_what_an_earlier_leg_read_is_not_counted_again(stored: Stored) -> None:
    await reviewed(stored)
    position = AT_THE_END.with_listing(ReviewCommentPlace(read_from=NOW, read_number=5_000))
    turn = await AnsweredList(stored, count(5_000 + WORTH_IT_FROM)).turn(position)
    assert turn is not None
    assert turn.position.listing.in_bulk


@pytest.mark.parametrize(
    ("place", "ahead"),
    [
        (ReviewCommentPlace(waiting=WORTH_IT_FROM - 1), 0),
        (ReviewCommentPlace(waiting=250), 8),  # three pages a hundred reviews, at most
        (ReviewCommentPlace(in_bulk=True, waiting=250, counted=420, shown=100), 4),
        (ReviewCommentPlace(in_bulk=True, counted=420, shown=420, ended=True), 0),
        (ReviewCommentPlace(in_bulk=False, waiting=250, counted=420), 0),
    ],
    ids=["few reviews", "not decided yet", "in bulk", "read", "review by review"],
)
def test_how_many_requests_are_ahead_is_known_at_most_and_then_exactly(place: ReviewCommentPlace, ahead: int) -> None:
    assert ReviewCommentList.requests_ahead(place) == ahead


async def test_reviews_are_whole_once_the_list_brought_what_github_counted(stored: Stored) -> None:
    await reviewed(stored)
    listed = AnsweredList(stored, count(3), page(comment(1, 1), comment(2, 2), more=True), page(comment(3, 3)))
    position, done = await listed.to_end(AT_THE_END)
    assert len(done) == WORTH_IT_FROM, "those without a comment too"
    assert next(part for part in done if part.parent == 501).seen == ["c:1", "c:2", "c:3"]
    assert position.listing == ReviewCommentPlace(in_bulk=False, read_from=stored.sweep.cutoff_at, read_number=3)


async def test_a_list_that_is_short_proves_nothing(stored: Stored) -> None:
    await reviewed(stored)
    position, done = await AnsweredList(stored, count(3), page(comment(1, 1), comment(2, 2))).to_end(AT_THE_END)
    assert done == []
    assert position.listing == ReviewCommentPlace(in_bulk=False)


async def test_a_page_goes_on_from_its_last_change_and_lists_no_comment_of_that_second_twice(stored: Stored) -> None:
    await reviewed(stored)
    again = comment(2, 2)
    listed = AnsweredList(stored, count(3), page(comment(1, 1), again, more=True), page(again, comment(3, 3)))
    position, done = await listed.to_end(AT_THE_END)
    assert "since=2026-10-31T12%3A01%3A59Z" in listed.github.paths[2], "of the second before, should it be exclusive"
    assert len(done) == WORTH_IT_FROM
    assert position.listing.read_number == 3


async def test_within_one_second_pages_go_on_by_number(stored: Stored) -> None:
    await reviewed(stored)
    place = ReviewCommentPlace(in_bulk=True, since=NOW - timedelta(days=2), counted=2, counted_at=NOW)
    listed = AnsweredList(stored, page(comment(1, 0), more=True))
    turn = await listed.turn(AT_THE_END.with_listing(place))
    assert turn is not None
    assert turn.position.listing.path == "/repositories/77/pulls/comments?page=2"
    assert turn.position.listing.last == ["c:1"]


async def test_a_review_that_its_pull_request_did_not_show_has_the_thread_read_again(stored: Stored) -> None:
    await reviewed(stored)
    listed = AnsweredList(stored, count(1), page(comment(1, 1, review=999)))
    first = await listed.turn(AT_THE_END)
    assert first is not None
    turn = await listed.turn(first.position)
    assert turn is not None
    assert [(part.kind, part.node_id) for part in turn.put] == [("thread", "PR_1")]
    assert turn.page is not None
    assert turn.page.comments == [], "without its review it cannot be stored"


async def test_a_pull_request_that_is_not_stored_keeps_the_next_leg_from_relying_on_the_list(stored: Stored) -> None:
    await reviewed(stored)
    listed = AnsweredList(stored, count(2), page(comment(1, 1), comment(2, 2, review=999, pull_request=4711)))
    position, done = await listed.to_end(AT_THE_END)
    assert len(done) == WORTH_IT_FROM
    assert position.listing == ReviewCommentPlace(in_bulk=False)


async def test_the_last_leg_reads_up_to_where_the_recent_one_began(stored: Stored) -> None:
    await reviewed(stored)
    read_from = NOW - timedelta(days=2) + timedelta(minutes=2)
    position = AT_THE_END.with_listing(ReviewCommentPlace(read_from=read_from, read_number=1))
    listed = AnsweredList(stored, count(2), page(comment(1, 1), comment(2, 2), more=True))
    _, done = await listed.to_end(position)
    assert len(listed.github.paths) == 2
    assert len(done) == WORTH_IT_FROM


async def test_what_was_written_since_the_recent_leg_is_counted_once_more(stored: Stored) -> None:
    """GitHub counts it, and it is none of those that the last leg lists."""
    await reviewed(stored)
    read_from = NOW - timedelta(days=2) + timedelta(minutes=2)
    position = AT_THE_END.with_listing(ReviewCommentPlace(read_from=read_from, read_number=1))
    listed = AnsweredList(stored, count(3), page(comment(1, 1), comment(2, 2), more=True), count(2))
    _, done = await listed.to_end(position)
    assert len(done) == WORTH_IT_FROM


LATER = 2 * 24 * 60 + 1
"""Minutes: after GitHub had counted."""


async def test_a_comment_that_is_edited_and_listed_twice_hides_no_other_that_is_missing(stored: Stored) -> None:
    await reviewed(stored)
    pages = page(comment(1, 1), comment(2, 2), more=True), page(comment(1, 1, edited=LATER))
    _, done = await AnsweredList(stored, count(3), *pages).to_end(AT_THE_END)
    assert done == []


async def test_a_comment_that_is_edited_before_it_was_listed_counts_once(stored: Stored) -> None:
    await reviewed(stored)
    pages = page(comment(2, 2), more=True), page(comment(3, 3), comment(1, 1, edited=LATER))
    _, done = await AnsweredList(stored, count(3), *pages).to_end(AT_THE_END)
    assert len(done) == WORTH_IT_FROM


async def test_a_count_that_github_does_not_tell_is_not_one(stored: Stored) -> None:
    """A `Link` header without `last`: there are more than one, and nobody knows how many."""
    await reviewed(stored)
    unknown = Answer([{}], NOW, 0.1, next_path="/repositories/77/pulls/comments?page=2")
    turn = await AnsweredList(stored, unknown).turn(AT_THE_END)
    assert turn is not None
    assert turn.position.listing.in_bulk is False
    assert len(turn.position.fell_back) == 1


async def test_a_comment_of_a_review_without_a_part_is_unmatched(stored: Stored) -> None:
    """Nothing remembers that it was listed: the last leg has to read it again, or it would be taken for deleted."""
    await reviewed(stored)
    await stored.remove([Part("review_comments", "PRR_501", PULL_REQUEST, NOW)])
    await stored.put([Part("review_comments", "PRR_999", PULL_REQUEST, NOW, parent=999)])
    position, done = await AnsweredList(stored, count(2), page(comment(1, 1), comment(2, 2, review=502))).to_end(
        AT_THE_END
    )
    assert len(done) == WORTH_IT_FROM - 1
    assert position.listing == ReviewCommentPlace(in_bulk=False)


async def test_the_comments_of_a_page_s_last_second_are_listed_whole_if_since_is_exclusive(stored: Stored) -> None:
    """The next page is asked for from a second earlier, and what it repeats is not counted."""
    await reviewed(stored)
    pages = page(comment(1, 1), comment(2, 2), more=True), page(comment(2, 2), comment(3, 2), comment(4, 3))
    _, done = await AnsweredList(stored, count(4), *pages).to_end(AT_THE_END)
    assert next(part for part in done if part.parent == 501).seen == ["c:1", "c:2", "c:3", "c:4"]


async def test_a_list_that_is_refused_is_left_for_the_reviews_and_says_so(stored: Stored) -> None:
    await reviewed(stored)
    listed = AnsweredList(stored)
    listed.github.answers.append(PartOver("http_422", "GitHub refuses it (422)"))
    turn = await listed.turn(AT_THE_END)
    assert turn is not None
    assert turn.position.listing.in_bulk is False
    assert "422" in turn.position.fell_back[0]
