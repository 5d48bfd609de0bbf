"""Parts wait until a request for them is worth it; a request holds as many as fit; each is tried so often."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from activities.threads.part_queue import (
    ENOUGH_PARENTS,
    ENOUGH_REVIEWS,
    MOST_ATTEMPTS,
    NESTED_PARENTS,
    Batch,
    Due,
    PartQueue,
    fitting,
    give_up,
)
from activities.threads.position import ThreadPosition
from activities.turn import Turn
from github.threads.thread_types import THREAD_TYPES
from rows import Part, PartKind
from store.database import Database
from tests.support.activities.stored import Stored

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
BEGUN, GOING_ON = None, "Y3Vyc29yOjEwMA=="


def some(number: int, kind: PartKind = "timeline", cursor: str | None = BEGUN, **fields: Any) -> list[Part]:
    return [Part(kind, f"{kind}-{index}", index, NOW, cursor, **fields) for index in range(number)]


@pytest.fixture
def queue() -> PartQueue:
    """Of a sweep that has nothing in Postgres."""
    database, sweep = Database("postgresql://nowhere"), None
    return PartQueue(database, sweep, THREAD_TYPES["pull_requests"])  # type: ignore[arg-type]


def test_inside_a_listing_parts_wait_until_a_request_for_them_is_full(queue: PartQueue) -> None:
    queue.expect(some(ENOUGH_PARENTS - 1))
    assert queue.due(everything=False, reviews=True) is None
    queue.expect(some(1))
    assert queue.due(everything=False, reviews=True) == Due("timeline")


def test_at_the_end_of_a_listing_every_part_is_due(queue: PartQueue) -> None:
    assert queue.due(everything=True, reviews=True) is None
    queue.expect(some(1))
    assert queue.due(everything=True, reviews=True) == Due("timeline")


def test_parts_at_a_cursor_are_a_request_of_their_own(queue: PartQueue) -> None:
    queue.expect([*some(ENOUGH_PARENTS - 1), *some(ENOUGH_PARENTS - 1, cursor=GOING_ON)])
    assert queue.due(everything=False, reviews=True) is None
    queue.expect(some(1, cursor=GOING_ON))
    assert queue.due(everything=False, reviews=True) == Due("timeline", going_on=True)


def test_comments_of_reviews_wait_as_long_as_a_list_may_bring_them(queue: PartQueue) -> None:
    queue.expect(some(ENOUGH_REVIEWS, "review_comments"))
    assert queue.due(everything=True, reviews=False) is None
    assert queue.due(everything=False, reviews=True) == Due("review_comments")


def test_a_review_whose_comments_are_half_read_does_not_wait_for_the_list(queue: PartQueue) -> None:
    queue.expect(some(1, "review_comments", GOING_ON))
    assert queue.due(everything=True, reviews=False) == Due("review_comments", going_on=True)


def test_a_hundred_reviews_are_worth_a_request(queue: PartQueue) -> None:
    queue.expect(some(ENOUGH_REVIEWS - 1, "review_comments"))
    assert queue.due(everything=False, reviews=True) is None


def test_a_request_brings_no_more_children_than_it_may() -> None:
    """What is known to be left counts; of what is not known a full page may come."""
    small = some(10, expected=30, seen=["e:1", "e:2"])
    assert len(fitting(small, 100, nested=False)) == 3
    assert len(fitting(some(10), 1_000, nested=False)) == 10
    assert len(fitting(some(11), 1_000, nested=False)) == 10


def test_a_request_holds_at_least_one_part() -> None:
    assert len(fitting(some(5, expected=5_000), 10, nested=False)) == 1


def test_children_with_connections_of_their_own_fill_a_request_sooner() -> None:
    assert len(fitting(some(49, expected=60), 10_000, nested=True)) == NESTED_PARENTS
    assert len(fitting(some(49, expected=60), 10_000, nested=False)) == 49
    assert len(fitting(some(49, expected=1), 10_000, nested=True)) == 49, "as long as they are few"


@pytest.mark.parametrize(("left", "number"), [(59, 10), (49, 12), (99, 10)])
def test_more_than_ten_with_connections_of_their_own_go_as_long_as_they_have_six_hundred_children(
    left: int, number: int
) -> None:
    assert len(fitting(some(30, expected=left), 10_000, nested=True)) == number


async def test_what_is_read_from_its_start_again_is_a_hundred_in_one_request(stored: Stored) -> None:
    await stored.put(some(120, expected=3))
    batch = await stored.queue().take(Due("timeline"), 1_000)
    assert len(batch.parts) == 100


def test_a_part_that_began_again_too_often_is_noted_and_the_others_go_on() -> None:
    [tried_out, again] = some(2)
    tried_out.attempts, tried_out.expected, again.attempts = MOST_ATTEMPTS, 7, MOST_ATTEMPTS - 1
    turn = Turn(ThreadPosition(), put=[tried_out, again])
    give_up(turn)
    assert turn.put == [again]
    assert turn.done == [tried_out]
    [noted] = turn.noted
    assert (noted.kind, noted.what, noted.number, noted.count) == ("unavailable", "timeline", tried_out.number, 7)


def test_a_part_is_tried_three_times() -> None:
    parts = [replace(part, attempts=attempts) for attempts, part in enumerate(some(4), start=1)]
    turn = Turn(ThreadPosition(), put=list(parts))
    give_up(turn)
    assert (turn.put, turn.done) == (parts[:2], parts[2:])


async def test_parts_are_taken_in_batches_newest_threads_first(stored: Stored) -> None:
    await stored.put([*some(60), *some(3, cursor=GOING_ON), *some(2, "comments")])
    queue = stored.queue()
    await queue.look()
    # Those of the same kind and node id are one part: three of the sixty stand at a cursor now.
    assert queue.due(everything=True, reviews=True) == Due("comments")
    batch = await queue.take(Due("timeline"), 1_000)
    assert [part.number for part in batch.parts] == list(range(59, 49, -1)), "of each a hundred may come"
    assert batch.children == 100
    batch = await queue.take(Due("timeline", going_on=True), 1_000)
    assert [part.number for part in batch.parts] == [2, 1, 0]


async def test_whole_threads_are_counted_by_themselves(stored: Stored) -> None:
    await stored.put(some(30, "thread"))
    batch = await stored.queue().take(Due("thread"), 18)
    assert len(batch.parts) == batch.asks_for == 18


async def test_comments_of_a_review_that_vanished_are_orphans(stored: Stored) -> None:
    await stored.put(some(2, "review_comments", parent=4711, seen=["c:1"]))
    batch = await stored.queue().take(Due("review_comments"), 10_000)
    assert batch.orphans == batch.parts
    assert [part.seen for part in batch.parts] == [[], []], "what a list had shown may be gone by now"


def test_a_batch_asks_for_the_children_of_all_its_parts() -> None:
    assert Batch(Due("timeline"), some(3), 50, {}).asks_for == 150
    assert Batch(Due("head"), some(3, "head"), 50, {}).asks_for == 3
