"""A wait says its reason, since when and until when, in words that a customer reads."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from messages import Waiting, WaitingReason

SINCE = datetime(2026, 11, 29, 14, 5, tzinfo=UTC)


def words(reason: WaitingReason, **more: object) -> str:
    return Waiting.model_validate({"reason": reason, "since": SINCE, **more}).in_words(lambda at: f"{at:%H:%M}")


@pytest.mark.parametrize("reason", get_args(WaitingReason))
def test_each_reason_has_words(reason: WaitingReason) -> None:
    assert words(reason, job_id="7", detail="historical").startswith(("waiting", "paused"))


def test_a_limit_says_until_when_and_what_github_said() -> None:
    until = SINCE + timedelta(minutes=20)
    said = words("github_limit", until=until, detail="the hourly budget is used up")
    assert said == "waiting for GitHub until 14:25 (the hourly budget is used up)"


def test_a_wait_for_another_job_names_it() -> None:
    assert words("another_job", job_id="7") == "waiting for job 7, which sweeps the same, since 14:05"


def test_a_wait_of_some_types_keeps_its_reason_and_times() -> None:
    wait = Waiting(reason="turn", since=SINCE, until=SINCE + timedelta(hours=1))
    assert wait.of_types(["issues"]) == Waiting(
        reason="turn", since=SINCE, until=SINCE + timedelta(hours=1), data_types=["issues"]
    )
