"""The bench of time left finds ranges that hold, and those that do not."""

from bench import time_left
from bench.time_left import Check, Shown, checks, judged


def test_an_imagined_backfill_is_checked_at_each_quarter() -> None:
    found = time_left.imagined([3])
    assert {(each.part, each.of) for each in found} == {
        (part, of) for part in time_left.PARTS for of in ("time", "percent")
    }
    assert all(each.really > 0 and each.shown is not None for each in found)


def test_what_is_shown_is_compared_with_the_real_end() -> None:
    ranges: dict[float, tuple[float, float] | None] = {10.0: None, 25.0: (50, 60), 50.0: (40, 60), 75.0: (25, 25)}
    seen = [Shown(at, at, lambda its=its: its) for at, its in ranges.items()]  # type: ignore[misc]
    found = [each for each in checks("it", seen, 100.0) if each.of == "time"]
    assert [(each.part, each.really, each.holds) for each in found] == [
        (0.25, 75, False),
        (0.5, 50, True),
        (0.75, 25, True),
    ]


def test_ranges_that_are_not_known_count_for_none() -> None:
    found = [Check("it", 0.5, "time", shown, 10) for shown in (None, (5, 15), (5, 15), (11, 15))]
    [aim] = judged(found, "worlds")
    assert (round(aim.measured, 2), aim.met) == (0.67, False)
