"""One account's budget: the share, the order of waits, wrong and overtaken headers, the minute, the pace."""

from collections import deque
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget.account import (
    CONCURRENT,
    LONGEST_WAIT,
    MINUTE,
    POINTS_A_MINUTE,
    RECOVERY,
    SECONDS_A_MINUTE,
    UNINFORMED,
    WHOLE_SECOND,
    Ask,
    Budget,
    Held,
    Told,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ONE = Ask("graphql", "Issues", points=1, seconds=1)
NOTHING = Held()


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def answered(*windows: tuple[int, int, float], points: int = 1, took: float = 0.1) -> Told:
    return Told("answered", took, points, windows)


def limited(wait: float | None, *windows: tuple[int, int, float]) -> Told:
    return Told("limited", 0.1, 0, windows, wait)


def told(*each: Told, at: datetime = NOW) -> Budget:
    budget = Budget(resource="graphql")
    for one in each:
        budget.settle(at, 1, one, NOTHING)
    return budget


def test_nothing_is_asked_once_only_the_reserve_is_left() -> None:
    assert told(answered((100, 79, 30))).ready_at(NOW, 0.8, ONE, NOTHING) == NOW
    assert told(answered((100, 80, 30))).ready_at(NOW, 0.8, ONE, NOTHING) == NOW + seconds(30) + WHOLE_SECOND


def test_a_dear_request_waits_where_a_cheap_one_may_still_go() -> None:
    budget = told(answered((100, 78, 30)))
    assert budget.ready_at(NOW, 0.8, ONE, NOTHING) == NOW
    assert budget.ready_at(NOW, 0.8, Ask("graphql", "Issues", points=3), NOTHING) == NOW + seconds(30) + WHOLE_SECOND


def test_what_is_reserved_is_counted_whoever_reserved_it() -> None:
    budget = told(answered((100, 70, 30)))
    assert budget.ready_at(NOW, 0.8, ONE, Held(points=9)) == NOW
    assert budget.ready_at(NOW, 0.8, ONE, Held(points=10)) == NOW + seconds(30) + WHOLE_SECOND


def test_an_account_with_more_reserved_has_less_left() -> None:
    budget = told(answered((100, 70, 30)))
    assert budget.left(NOW, 0.8, NOTHING) == 10
    assert budget.left(NOW, 0.8, Held(points=7)) == 3, (
        "the account with most left is asked: what is reserved is not left"
    )


def test_of_two_windows_told_of_in_turn_the_tightest_decides() -> None:
    budget = told(answered((5_000, 4_100, 1_000)), answered((5_000, 10, 3_000)))
    assert budget.ready_at(NOW, 0.8, ONE, NOTHING) == NOW + seconds(1_000) + WHOLE_SECOND
    assert budget.left(NOW, 0.8, NOTHING) == -100
    assert budget.left(NOW + seconds(1_002), 0.8, NOTHING) == 3_990


def test_answers_that_arrive_late_do_not_give_points_back() -> None:
    assert told(answered((100, 100, 30)), answered((100, 40, 30))).ready_at(NOW, 1, ONE, NOTHING) > NOW


@pytest.mark.parametrize("window", [(100, 100, -5.0), (100, 100, 0.0), (0, 0, 30.0), (100, -1, 30.0)])
def test_a_window_that_makes_no_sense_says_nothing(window: tuple[int, int, float]) -> None:
    budget = told(answered(window))
    assert budget.windows == []
    assert budget.ready_at(NOW, 1, ONE, Held(live=UNINFORMED, of_both=UNINFORMED)) == NOW, (
        "there may be no limit at all"
    )


def test_an_absurd_reset_is_an_hour_at_most() -> None:
    assert told(answered((100, 100, 10.0**9))).ready_at(NOW, 1, ONE, NOTHING) == NOW + LONGEST_WAIT + WHOLE_SECOND


def test_while_nothing_is_known_a_few_go_ahead_and_ask() -> None:
    budget = Budget(resource="graphql")
    assert budget.ready_at(NOW, 1, ONE, Held(live=UNINFORMED - 1)) == NOW
    assert NOW < budget.ready_at(NOW, 1, ONE, Held(live=UNINFORMED)) < NOW + seconds(1)


def test_a_budget_smaller_than_any_request_still_lets_one_through() -> None:
    """Whatever the header says: what can never be asked would wait for ever."""
    budget = told(answered((1, 0, 30)))
    assert budget.ready_at(NOW, 0.5, Ask("graphql", "Issues", points=7), NOTHING) == NOW


def test_one_limit_that_many_hear_of_counts_once_and_silent_ones_grow() -> None:
    budget, now, waits = Budget(resource="graphql"), NOW, []
    for _ in range(6):
        for _ in range(5):
            budget.settle(now, 1, limited(None), NOTHING)
        at = budget.ready_at(now, 1, ONE, NOTHING)
        waits.append(round((at - now) / MINUTE))
        now = at
    assert waits == [1, 2, 4, 8, 15, 15]
    budget.settle(now, 1, answered(), NOTHING)
    budget.settle(now, 1, limited(None), NOTHING)
    assert budget.ready_at(now, 1, ONE, NOTHING) == now + MINUTE


def test_github_is_believed_when_it_says_how_long_but_never_more_than_an_hour() -> None:
    assert told(limited(7)).ready_at(NOW, 1, ONE, NOTHING) == NOW + seconds(7)
    assert told(limited(0)).ready_at(NOW, 1, ONE, NOTHING) == NOW + seconds(1), "nor is it spun"
    assert told(limited(10**9)).ready_at(NOW, 1, ONE, NOTHING) == NOW + LONGEST_WAIT


@pytest.mark.parametrize("wait", [0.0, 0.4, 1.0])
def test_a_wait_of_no_time_at_all_told_again_and_again_grows(wait: float) -> None:
    """A reset of this very second in every answer: asked every second it would be asked 3,600 times an hour."""
    budget, now, waits = Budget(resource="graphql"), NOW, []
    for _ in range(12):
        budget.settle(now, 1, limited(wait), NOTHING)
        at = budget.ready_at(now, 1, ONE, NOTHING)
        waits.append((at - now).total_seconds())
        now = at
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    budget.settle(now, 1, answered(), NOTHING)
    budget.settle(now, 1, limited(wait), NOTHING)
    assert budget.ready_at(now, 1, ONE, NOTHING) == now + seconds(1)


@pytest.mark.parametrize("wait", [None, 0.0, float("inf")])
def test_refused_for_days_it_still_knows_when_to_ask(wait: float | None) -> None:
    budget, now = Budget(resource="graphql"), NOW
    for _ in range(2_000):
        budget.settle(now, 1, limited(wait), NOTHING)
        now = budget.ready_at(now, 1, ONE, NOTHING)
    budget.settle(now, 1, answered(), NOTHING)
    assert budget.ready_at(now, 1, ONE, NOTHING) == now


def test_a_request_of_which_nobody_knows_what_it_cost_counts_as_estimated() -> None:
    budget = told(answered((100, 50, 30)))
    budget.settle(NOW, 3, Told("failed", 10.0), NOTHING)
    assert budget.left(NOW, 1, NOTHING) == 47


def test_after_a_secondary_limit_the_pace_is_half_and_recovers() -> None:
    budget = told(answered((5_000, 10, 3_000)))
    budget.settle(NOW, 1, limited(60, (5_000, 11, 3_000)), Held(live=39, of_both=39))
    after = NOW + seconds(60)
    assert budget.ready_at(after, 1, ONE, Held(live=18, of_both=18)) == after
    assert budget.ready_at(after, 1, ONE, Held(live=20, of_both=20)) > after
    later = after + RECOVERY
    assert budget.ready_at(later, 1, ONE, Held(live=38, of_both=38)) == later
    last = after + 4 * RECOVERY
    assert budget.ready_at(last, 1, ONE, Held(live=90, of_both=90)) == last


def test_an_hour_that_is_used_up_slows_nothing_afterwards() -> None:
    budget = told(limited(30, (100, 100, 30)))
    assert budget.slowed is None


def test_it_survives_being_written_down() -> None:
    budget = told(answered((5_000, 10, 3_000)), limited(5))
    assert Budget.model_validate(budget.model_dump(mode="json")) == budget


Step = tuple[float, int, float]


@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 400), st.floats(0, 10)), min_size=20, max_size=80),
    st.sampled_from([0.3, 0.8, 1.0]),
)
def test_no_minute_and_no_instant_sees_more_than_github_allows(steps: list[Step], share: float) -> None:
    """However requests come and however long they take: those that may go keep under every documented limit.

    GitHub's side is a plain sum over the last 60 s, of points at the beginning and of seconds at the end of requests.
    """
    budget, now = Budget(resource="graphql"), NOW
    budget.settle(now, 1, answered((10**9, 0, 3_600), points=0, took=0), NOTHING)
    flying: deque[tuple[datetime, int, float]] = deque()
    points: list[tuple[datetime, int]] = []
    spent: list[tuple[datetime, float]] = []

    def land(until: datetime) -> None:
        nonlocal flying
        for ends, cost, took in sorted(each for each in flying if each[0] <= until):
            budget.settle(ends, cost, answered((10**9, 0, 3_600), points=cost, took=took), NOTHING)
            spent.append((ends, took))
        flying = deque(each for each in flying if each[0] > until)

    for pause, cost, took in steps:
        now += seconds(pause)
        land(now)
        ask = Ask("graphql", "x", cost, took)
        for _ in range(2_000):
            held = Held(
                live_points=sum(each[1] for each in flying),
                live_seconds=sum(each[2] for each in flying),
                live=len(flying),
                of_both=len(flying),
            )
            at = budget.ready_at(now, share, ask, held)
            if at <= now:
                break
            assert at - now <= MINUTE + seconds(2), "what only a minute forbids is over in a minute"
            now = at
            land(now)
        else:
            pytest.fail("it may never go")
        points.append((now, cost))
        flying.append((now + seconds(took), cost, took))
        minute = now - MINUTE
        assert len(flying) <= CONCURRENT * share
        assert sum(each for when, each in points if when > minute) <= max(POINTS_A_MINUTE["graphql"] * share, cost)
        assert sum(each for when, each in spent if when > minute) <= SECONDS_A_MINUTE["graphql"] * share
