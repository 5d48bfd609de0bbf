"""The budget of tokens: the share, the order of waits, wrong and overtaken headers."""

from datetime import UTC, datetime, timedelta

import pytest

from errors import JobOver, RetryLater
from github.budget import LONGEST_WAIT, Budget


def seconds_until(error: RetryLater) -> float:
    return (error.at - datetime.now(UTC)).total_seconds()


def test_nothing_is_asked_once_only_the_reserve_is_left() -> None:
    budget = Budget(("a",), share=0.8)
    token = budget.take("graphql")
    budget.settle(token, "graphql")
    budget.hear(token, "graphql", limit=100, used=79, seconds_to_reset=30)
    budget.settle(budget.take("graphql"), "graphql")
    budget.hear(token, "graphql", limit=100, used=80, seconds_to_reset=30)
    with pytest.raises(RetryLater) as limited:
        budget.take("graphql")
    assert 29 < seconds_until(limited.value) < 32
    assert budget.take("core") is token, "REST has a budget of its own"


def test_what_is_in_flight_is_counted() -> None:
    budget = Budget(("a",), share=1)
    first = budget.take("graphql")
    budget.hear(first, "graphql", limit=2, used=0, seconds_to_reset=30)
    budget.take("graphql")
    with pytest.raises(RetryLater):
        budget.take("graphql")


def test_the_token_with_most_left_goes_first_and_a_refused_one_never() -> None:
    budget = Budget(("a", "b"), share=1)
    a = budget.take("graphql")
    b = budget.take("graphql")
    assert a is not b or a.windows["graphql"].in_flight == 2
    budget.hear(a, "graphql", limit=100, used=90, seconds_to_reset=30)
    other = next(token for token in budget._tokens if token is not a)
    budget.hear(other, "graphql", limit=100, used=10, seconds_to_reset=30)
    assert budget.take("graphql") is other
    assert isinstance(budget.refuse(other), RetryLater)
    assert budget.take("graphql") is a


def test_one_401_is_doubted_and_two_are_believed() -> None:
    budget = Budget(("a",), share=1)
    token = budget.take("graphql")
    assert isinstance(budget.refuse(token), RetryLater)
    with pytest.raises(RetryLater):
        budget.take("graphql")
    assert isinstance(budget.refuse(token), JobOver)
    with pytest.raises(JobOver):
        budget.take("graphql")


def test_a_limit_of_one_token_does_not_hold_up_the_other() -> None:
    budget = Budget(("a", "b"), share=1)
    limited = budget.limited(budget.take("graphql"), "graphql", 3_000)
    assert seconds_until(limited) < 1


def test_one_limit_that_many_hear_of_counts_once() -> None:
    budget = Budget(("a",), share=1)
    token = budget.take("graphql")
    waits = [seconds_until(budget.limited(token, "graphql", None)) for _ in range(6)]
    assert max(waits) < 62


def test_of_two_windows_told_of_in_turn_the_tightest_decides() -> None:
    budget = Budget(("a",), share=0.8)
    token = budget.take("graphql")
    budget.settle(token, "graphql")
    budget.hear(token, "graphql", limit=5_000, used=4_100, seconds_to_reset=1_000)
    budget.hear(token, "graphql", limit=5_000, used=10, seconds_to_reset=3_000)
    with pytest.raises(RetryLater) as limited:
        budget.take("graphql")
    assert seconds_until(limited.value) < 1_002


def test_answers_that_arrive_late_do_not_give_points_back() -> None:
    budget = Budget(("a",), share=1)
    token = budget.take("graphql")
    budget.settle(token, "graphql")
    budget.hear(token, "graphql", limit=100, used=100, seconds_to_reset=30)
    budget.hear(token, "graphql", limit=100, used=40, seconds_to_reset=30)
    with pytest.raises(RetryLater):
        budget.take("graphql")


@pytest.mark.parametrize("reset", [-5.0, 0.0])
def test_a_reset_in_the_past_neither_spins_nor_stalls(reset: float) -> None:
    budget = Budget(("a",), share=1)
    token = budget.take("graphql")
    budget.settle(token, "graphql")
    budget.hear(token, "graphql", limit=100, used=100, seconds_to_reset=reset)
    assert budget.take("graphql") is token


def test_an_absurd_reset_is_an_hour_at_most() -> None:
    budget = Budget(("a",), share=1)
    token = budget.take("graphql")
    budget.hear(token, "graphql", limit=100, used=100, seconds_to_reset=10**9)
    with pytest.raises(RetryLater) as limited:
        budget.take("graphql")
    assert seconds_until(limited.value) <= timedelta(seconds=LONGEST_WAIT + 1).total_seconds()


def test_refusals_that_do_not_say_how_long_wait_a_minute_and_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("github.budget.monotonic", lambda: clock[0])
    budget = Budget(("a",), share=1)
    token = budget.take("graphql")
    waits = []
    for _ in range(6):
        wait = seconds_until(budget.limited(token, "graphql", None))
        waits.append(round(wait / 60))
        clock[0] += wait + 1
    assert waits == [1, 2, 4, 8, 15, 15]
    budget.accepted(token, "graphql")
    assert round(seconds_until(budget.limited(token, "graphql", None)) / 60) == 1
