"""What an operation costs, by formula and by what was charged."""

from hypothesis import given
from hypothesis import strategies as st

from budget.prices import Prices, points


def test_the_formula() -> None:
    assert [points(each) for each in (0, 1, 149, 150, 249, 250)] == [1, 1, 1, 2, 2, 3]


def test_a_page_is_as_large_as_one_point_pays_for() -> None:
    prices = Prices()
    assert [prices.largest_page("x", each, 100) for each in (6, 4, 1, 200)] == [24, 37, 100, 1]


def test_a_charge_beside_the_formula_makes_smaller_pages() -> None:
    prices = Prices()
    assert not prices.observe("x", 1 + 6 * 24, 1)
    assert prices.observe("x", 1 + 6 * 24, 2, parents=24)
    assert prices.largest_page("x", 6, 100) == 21, "each parent has a seventh connection"
    assert prices.largest_page("y", 6, 100) == 24, "of that operation alone"


def test_a_charge_is_taken_for_the_fewest_requests_that_cost_so_much() -> None:
    prices = Prices()
    assert prices.observe("x", 145, 2)
    assert prices.factor("x") == 150 / 145
    assert prices.observe("x", 400, 3)
    assert prices.factor("x") == 349 / 400, "and for the most, where it was charged less than estimated"


@given(st.integers(1, 12), st.integers(1, 12))
def test_what_it_learns_is_the_cheapest_page_and_lasts(formula: int, truth: int) -> None:
    """Whatever each parent's connections really are, a few answers teach the page that one point pays for."""
    prices = Prices()
    for _ in range(40):
        page = prices.largest_page("x", formula, 100)
        if not prices.observe("x", 1 + formula * page, points(1 + truth * page), page):
            break
    else:
        raise AssertionError("it never agrees with what is charged")
    page = prices.largest_page("x", formula, 100)
    assert points(1 + truth * page) == 1
    assert prices.estimate("x", 1 + formula * page) == points(1 + truth * page)
