"""Moments as GitHub tells them."""

from datetime import UTC, datetime, timedelta

import pytest

from github.clock import asked_at, date_of, now_by, time, time_or_none

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HEADERS = {"Date": "Tue, 24 Nov 2026 12:00:00 GMT"}


@pytest.mark.parametrize("text", ["2026-11-24T12:00:00Z", "2026-11-24T13:00:00+01:00", "2026-11-24T12:00:00.000Z"])
def test_a_moment_is_read_with_its_offset(text: str) -> None:
    assert time(text) == time_or_none(text) == NOON


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"]
)
def test_a_moment_at_an_end_of_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="calendar"):
        time(text)


@pytest.mark.parametrize("text", [None, ""])
def test_no_text_is_no_moment(text: str | None) -> None:
    assert time_or_none(text) is None


def test_the_date_of_an_answer_is_the_servers() -> None:
    assert date_of(HEADERS) == now_by(HEADERS) == NOON


@pytest.mark.parametrize("headers", [{}, {"Date": ""}, {"Date": "yesterday"}])
def test_without_a_readable_date_the_clock_is_ours(headers: dict[str, str]) -> None:
    assert date_of(headers) is None
    assert abs(now_by(headers) - datetime.now(UTC)) < timedelta(hours=1)


@pytest.mark.parametrize(("seconds", "before"), [(0.0, 0), (0.2, 1), (1.0, 1), (3.5, 4)])
def test_a_question_left_before_its_answer_by_whole_seconds(seconds: float, before: int) -> None:
    assert asked_at(HEADERS, seconds) == NOON - timedelta(seconds=before)
