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


def test_twenty_answers_in_a_row_that_move_nothing_are_a_standstill_and_nineteen_are_none() -> None:
    progress = Progress()
    for _ in range(19):
        progress = progress.count(moved=False)
    assert not progress.is_stuck
    assert progress.count(moved=False).is_stuck


def test_a_list_begins_again_four_times_and_is_stuck_at_the_fifth_whatever_it_showed_between() -> None:
    progress = Progress()
    for _ in range(4):
        progress = progress.restart().descend(AT)
        assert not progress.is_stuck
    assert progress.restart().is_stuck


def test_a_list_that_begins_again_has_reached_nothing() -> None:
    reached = Progress().descend(AT - HOUR, ["a"]).count(moved=False)
    assert reached.restart() == Progress(restarts=1)


def test_a_page_that_goes_back_shows_nothing_new_of_the_farthest_moment() -> None:
    progress = Progress().descend(AT, ["a"])
    assert progress.descend(AT + HOUR, ["b"]) == Progress(idle=1, farthest=AT, ties=["a"])
    assert progress.descend(AT, ["b", "a"]) == Progress(farthest=AT, ties=["a", "b"])
