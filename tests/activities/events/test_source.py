"""Sizes of pages: smaller at once, larger again after fast answers, and only where a larger page can begin."""

import pytest

from activities.events.position import EventPosition
from activities.events.source import OTHER_SIZE, grow, shrink, size_of


def test_a_page_shrinks_step_by_step_to_one() -> None:
    position, sizes = EventPosition(), []
    while (size := size_of(position, "forks")) > 1:
        sizes.append(size)
        position = shrink(position, "forks")
    assert sizes == [100, 50, 25, 5]
    assert size_of(position, "stargazers") == 100


def test_a_list_read_in_other_sizes_shrinks_too() -> None:
    assert size_of(shrink(EventPosition().with_size("forks", OTHER_SIZE), "forks"), "forks") == 50


@pytest.mark.parametrize(
    ("size", "seconds", "offset", "larger"),
    [(25, 1.0, 0, 50), (50, 1.0, 0, 100), (25, 4.0, 0, 25), (25, 1.0, 75, 25), (25, 1.0, 100, 50)],
)
def test_a_page_grows_after_a_fast_answer_at_a_multiple_of_the_larger_size(
    size: int, seconds: float, offset: int, larger: int
) -> None:
    position = grow(EventPosition().with_size("releases", size), "releases", seconds=seconds, offset=offset)
    assert size_of(position, "releases") == larger
