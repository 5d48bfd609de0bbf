"""Buckets hold what came, all of it once, in a bounded number however long the job."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from progress import chart
from tests.support.progress.jobs import NOW


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_rows_are_in_the_bucket_in_which_they_came() -> None:
    samples = [
        (NOW + after(0.5), {"issues": 10}),
        (NOW + after(1.5), {"issues": 10}),
        (NOW + after(2.5), {"issues": 16}),
    ]
    found = chart.of(samples, NOW, NOW + after(3))
    assert (found.bucket_seconds, [each.at - NOW for each in found.buckets]) == (1, [after(n) for n in range(4)])
    assert [each.rows for each in found.buckets] == [{"issues": 10}, {"issues": 3}, {"issues": 3}, {}]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 10_000)), max_size=240),
    st.floats(0, 3 * 365 * 86_400),
)
def test_nothing_is_lost_and_no_history_makes_too_many_buckets(came: list[tuple[float, int]], seconds: float) -> None:
    samples, stored = [], 0
    for share, new in sorted(came):
        stored += new
        samples.append((NOW + after(share * seconds), {"issues": stored}))
    found = chart.of(samples, NOW, NOW + after(seconds))
    assert len(found.buckets) <= chart.MOST_BUCKETS
    assert sum(each.rows.get("issues", 0) for each in found.buckets) == stored
    assert found.buckets[-1].at <= NOW + after(max(seconds, 1)) < found.buckets[-1].at + after(found.bucket_seconds)


def test_what_was_deleted_is_nothing_that_came() -> None:
    samples = [(NOW + after(at), {"issues": stored}) for at, stored in ((1, 10), (2, 8), (3, 12))]
    assert sum(each.rows.get("issues", 0) for each in chart.of(samples, NOW, NOW + after(4)).buckets) == 12
