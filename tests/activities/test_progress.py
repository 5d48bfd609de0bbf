"""What does not move is counted, and what moves is not."""

from datetime import UTC, datetime, timedelta

import pytest

from activities.progress import MOST_IDLE, Progress

AT = datetime(2026, 11, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("down", [True, False])
def test_a_list_that_goes_on_in_its_order_is_never_stuck(down: bool) -> None:
    progress = Progress()
    for number in range(10 * MOST_IDLE):
        progress = progress.descend(AT - number * HOUR) if down else progress.ascend(AT + number * HOUR)
        assert not progress.idle


@pytest.mark.parametrize("down", [True, False])
def test_a_list_that_goes_back_and_forth_is_stuck_after_a_bounded_number_of_pages(down: bool) -> None:
    progress, pages = Progress(), 0
    while not progress.is_stuck:
        to = AT + HOUR * (pages % 2)
        progress, pages = progress.descend(to) if down else progress.ascend(to), pages + 1
    assert pages <= MOST_IDLE + 2


def test_pages_that_show_nothing_do_not_move() -> None:
    assert Progress().descend(None).ascend(None).idle == 2


def test_the_count_begins_anew_when_something_moves() -> None:
    progress = Progress().count(moved=False).count(moved=False)
    assert progress.idle == 2
    assert not progress.count(moved=True).idle


@pytest.mark.parametrize("down", [True, False])
def test_pages_of_one_moment_move_as_long_as_each_shows_something_else(down: bool) -> None:
    progress = Progress()
    for number in range(10 * MOST_IDLE):
        shown = [f"thread {number}"]
        progress = progress.descend(AT, shown) if down else progress.ascend(AT, shown)
        assert not progress.idle
    again = progress.descend(AT, ["thread 7"]) if down else progress.ascend(AT, ["thread 7"])
    assert again.idle == 1
