"""Time left: a range with a reason, waits for budgets included, and unknown where it is."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages import Waiting
from progress import pace, time_left, totals
from progress.pace import Mark
from progress.sentences import Sentence
from progress.time_left import HOUR, REQUEST_SECONDS, Outlook, Window
from tests.support.progress.jobs import NOW, job, part, repository

HALF = repository(part("issues", stored=500, expected=1_000))
BEGAN = Mark(0, 0, 0, 0)


def look(
    *repositories: Any, windows: tuple[Window, ...] = (), earlier: tuple[Mark, ...] = (BEGAN,), **given: Any
) -> Any:
    its = job(*(repositories or (HALF,)), data_types=["issues"], **given)
    found = totals.of(its)
    now = Mark(pace.worked_seconds(its, 0.0), found.progress.stored, 100, 100)
    return time_left.outlook(its, found.rest, now, earlier, windows)


def counted(ahead: int) -> Any:
    """All is stored, and so many requests follow."""
    its = part("issues", stored=1_000, expected=1_000, requests_ahead=ahead, requests_are_counted=True)
    return repository(its)


def known(**given: Any) -> Outlook:
    found = look(**given)
    assert isinstance(found, Outlook), found
    assert found.left.from_seconds <= found.likely_seconds <= found.left.to_seconds
    return found


class TestUnknown:
    """It says why."""

    @pytest.mark.parametrize(
        ("state", "given"),
        [
            ("queued", {"status": "pending"}),
            ("ended", {"status": "completed"}),
            ("paused", {"paused_at": NOW}),
            ("stopping", {"cancel_requested_at": NOW}),
            ("github_away", {"waiting": Waiting(reason="github_away", since=NOW, until=NOW)}),
            ("no_worker", {"waiting": Waiting(reason="no_worker", since=NOW)}),
            ("another_job", {"waiting": Waiting(reason="another_job", since=NOW)}),
            ("just_begun", {"started_at": NOW - timedelta(seconds=1)}),
            ("just_begun", {"attempt": 1, "earlier": ()}),
        ],
        ids=lambda each: each if isinstance(each, str) else "",
    )
    def test_the_reason_is_said(self, state: str, given: dict[str, Any]) -> None:
        found = look(**given)
        assert isinstance(found, Sentence)
        assert found.state == state

    def test_a_total_that_is_not_known(self) -> None:
        found = look(HALF, repository(part("issues"), name="octo/moon"))
        assert isinstance(found, Sentence)
        assert found.state == "totals_unknown"


class TestRange:
    def test_half_of_the_work_takes_about_as_long_as_the_other_half(self) -> None:
        found = known()
        assert found.left.from_seconds < 3_600 < found.left.to_seconds < 3 * 3_600
        assert found.left.reason.state == "pace"

    def test_the_hours_budget_that_will_be_used_up_is_waited_for(self) -> None:
        # 200 points and REST requests more are to come, and 50 may be spent in each hour.
        windows = (Window("graphql", 10, 50, 1_800), Window("core", 5_000, 5_000, 1_800))
        found = known(windows=windows)
        assert found.left.reason.state == "budget"
        assert found.left.from_seconds > 1_800
        assert found.left.to_seconds < 10 * 3_600

    def test_requests_that_follow_the_last_unit_are_waited_for_too(self) -> None:
        # 60 requests, of which 20 may be sent now, in half an hour, and in each hour after it.
        windows = (Window("core", 20, 20, 1_800),)
        before, after = (look(counted(ahead), windows=windows) for ahead in (0, 60))
        assert before.left.from_seconds == 0
        assert 1_800 + 3_600 < after.left.from_seconds < 1_800 + 3_700
        assert after.left.to_seconds >= before.left.to_seconds + 2 * 3_600
        assert after.left.reason.state == "budget"

    def test_requests_whose_number_github_has_not_counted_widen_the_range_at_its_lower_end(self) -> None:
        every = part("issues", stored=1_000, expected=1_000, requests_ahead=90)
        exact, roughly = look(counted(90)), look(repository(every))
        assert roughly.left.from_seconds < exact.left.from_seconds * 0.4
        assert roughly.left.to_seconds == exact.left.to_seconds
        assert exact.left.from_seconds < 90 * REQUEST_SECONDS < exact.left.to_seconds

    def test_a_window_that_seemed_longer_than_githubs_and_a_slow_return_are_no_lower_end(self) -> None:
        # Three waits: what is left now, and three times 50 more in windows that were once seen to last 70 minutes.
        windows = (Window("core", 10, 50, 0.0, 4_200),)
        found = look(counted(173), windows=windows)
        assert 3 * HOUR < found.left.from_seconds < 3 * HOUR + 60
        assert found.left.to_seconds > 3 * 4_200

    def test_requests_that_may_follow_what_is_stored_widen_the_range_at_its_upper_end(self) -> None:
        windows = (Window("core", 2_000, 20, 1_800),)
        half = repository(part("issues", stored=500, expected=1_000, requests_ahead=1_500))
        without, with_them = known(windows=windows), look(half, windows=windows)
        assert with_them.left.from_seconds == without.left.from_seconds
        # As many again will follow the other half: a thousand more than may be sent now.
        assert with_them.left.to_seconds > 40 * 3_600

    def test_a_present_wait_comes_first(self) -> None:
        until = NOW + timedelta(hours=5)
        found = known(waiting=Waiting(reason="github_limit", since=NOW, until=until))
        assert found.left.from_seconds >= 5 * 3_600
        assert found.left.reason == Sentence(
            state="waiting", text="It goes on at {until}, and then at its pace so far", times={"until": until}
        )

    def test_what_was_stored_before_the_job_is_no_pace(self) -> None:
        inherited = Mark(1, 450, 0, 0)
        assert known(earlier=(inherited,)).likely_seconds > 5 * known().likely_seconds

    def test_a_job_that_slows_down_takes_longer(self) -> None:
        assert known(earlier=(BEGAN, Mark(1_800, 450, 90, 180))).left.to_seconds > known().left.to_seconds


@given(
    units=st.floats(1, 1e5),
    per_second=st.floats(0.1, 1e3),
    points=st.floats(0, 2),
    windows=st.lists(
        st.builds(
            Window, st.sampled_from(["graphql", "core"]), st.floats(-50, 5e3), st.floats(100, 5e3), st.floats(0, 3_600)
        ),
        max_size=4,
    ),
    delay=st.floats(0, 3_600),
)
def test_work_takes_at_least_its_time_and_no_budget_is_overdrawn(
    units: float, per_second: float, points: float, windows: list[Window], delay: float
) -> None:
    future = time_left.simulate(units, per_second, {"graphql": points, "core": points}, windows, delay)
    assert future.seconds >= delay + units / per_second * 0.999
    for resource in ("graphql", "core"):
        its = [each for each in windows if each.resource == resource]
        if its and points and future.seconds < float("inf"):
            resets = sum(
                1 + (future.seconds - each.resets_in) // each.period for each in its if future.seconds >= each.resets_in
            )
            most = max(each.allowed for each in its)
            assert units * points <= sum(max(each.left, 0) for each in its) + (resets + 1) * most + 1e-3
