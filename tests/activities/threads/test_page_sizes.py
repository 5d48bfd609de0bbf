"""How much is asked for: half of what was too large or slow, twice of what was quick, never more than the largest."""

import pytest

from activities.threads.page_sizes import PageSizes
from activities.turn import FAST_SECONDS, SLOW_SECONDS
from budget.prices import Prices
from github.threads.thread_types import THREAD_TYPES

QUICK, MODERATE = FAST_SECONDS / 2, (FAST_SECONDS + SLOW_SECONDS) / 2


@pytest.fixture
def sizes() -> PageSizes:
    return PageSizes(Prices(), THREAD_TYPES["issues"])


def test_at_first_a_page_is_as_large_as_one_point_pays_for(sizes: PageSizes) -> None:
    assert sizes.ask("page") == 37
    assert sizes.learned == {}


def test_what_is_too_large_is_halved_down_to_one(sizes: PageSizes) -> None:
    asked = [sizes.ask("page")]
    while sizes.halve("too_large"):
        asked.append(sizes.ask("page"))
    assert asked == [37, 18, 9, 4, 2, 1]
    assert sizes.learned == {"page": 1}


def test_half_of_what_was_really_asked_for_is_asked_for_next(sizes: PageSizes) -> None:
    """Few parts are left: the next request for them is smaller than this one, not than what would be allowed."""
    assert sizes.ask("thread") > 6
    sizes.asks_for(6)
    assert sizes.halve("too_large")
    assert sizes.ask("thread") == 3


def test_quick_answers_double_it_until_it_is_the_largest_and_nothing_is_remembered(sizes: PageSizes) -> None:
    sizes.begin({"page": 9})
    asked = []
    for _ in range(4):
        asked.append(sizes.ask("page"))
        sizes.answered(QUICK)
    assert asked == [9, 18, 36, 37]
    assert sizes.learned == {}


def test_a_moderate_answer_changes_nothing(sizes: PageSizes) -> None:
    sizes.begin({"page": 9})
    sizes.ask("page")
    sizes.answered(MODERATE)
    assert sizes.learned == {"page": 9}


def test_a_slow_answer_halves_it(sizes: PageSizes) -> None:
    sizes.ask("page")
    sizes.answered(SLOW_SECONDS)
    assert sizes.learned == {"page": 18}


def test_a_slow_answer_to_a_request_for_one_thing_stays_at_one(sizes: PageSizes) -> None:
    sizes.begin({"page": 1})
    sizes.ask("page")
    sizes.answered(SLOW_SECONDS)
    assert sizes.learned == {"page": 1}


def test_each_kind_has_a_size_of_its_own(sizes: PageSizes) -> None:
    sizes.ask("listing")
    sizes.halve("too_large")
    assert sizes.size("page") == 37
    assert sizes.size("listing") == 50


def test_a_turn_begins_with_what_was_committed_and_not_with_what_was_lost(sizes: PageSizes) -> None:
    sizes.ask("page")
    sizes.halve("too_large")
    sizes.begin({"listing": 25})
    assert sizes.learned == {"listing": 25}


def test_a_size_that_was_learned_at_other_prices_is_no_larger_than_the_largest(sizes: PageSizes) -> None:
    sizes.begin({"page": 500})
    assert sizes.ask("page") == 37
