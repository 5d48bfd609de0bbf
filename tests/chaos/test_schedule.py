"""A seed alone decides which fault strikes when."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.chaos.schedule import CONNECTIONS, KINDS, PAIRS, SECONDS, TARGETS, schedule

SEEDS = st.integers(0, 2**63)


@given(seed=SEEDS, seconds=st.floats(1, 600))
def test_the_same_seed_gives_the_same_faults_at_the_same_times(seed: int, seconds: float) -> None:
    assert schedule(seed, seconds) == schedule(seed, seconds)


@given(seed=SEEDS)
def test_a_longer_run_begins_as_a_shorter_one(seed: int) -> None:
    shorter = schedule(seed, 100)
    assert schedule(seed, 300)[: len(shorter)] == shorter


@given(seed=SEEDS, seconds=st.floats(1, 600))
def test_faults_come_in_their_order_within_the_run(seed: int, seconds: float) -> None:
    at = [strike.at for strike in schedule(seed, seconds)]
    assert at == sorted(at)
    assert all(0 <= each <= seconds + 0.1 for each in at)


@given(seed=SEEDS)
def test_each_kind_comes_before_any_comes_again(seed: int) -> None:
    kinds = [strike.kind for strike in schedule(seed, 600)]
    assert len(kinds) > len(KINDS)
    assert set(kinds[: len(KINDS)]) == set(KINDS)


@given(seed=SEEDS)
def test_a_fault_strikes_what_it_can_for_as_long_as_it_may(seed: int) -> None:
    for strike in schedule(seed, 600):
        assert strike.target in TARGETS.get(strike.kind, ("",))
        least, most = SECONDS.get(strike.kind, (0, 0))
        assert least <= strike.seconds <= most


@given(seed=SEEDS)
def test_ten_minutes_strike_each_connection(seed: int) -> None:
    struck = {strike.target for strike in schedule(seed, 600) if strike.kind in CONNECTIONS}
    assert struck == set(PAIRS)


def test_another_seed_gives_other_faults() -> None:
    assert len({tuple(schedule(seed, 60)) for seed in range(100)}) == 100


@given(seed=SEEDS)
def test_only_kinds_that_are_asked_for_come(seed: int) -> None:
    assert {strike.kind for strike in schedule(seed, 600, ("kill", "cut"))} == {"kill", "cut"}
