"""Resume points that another release committed are read: unknown fields are dropped, missing ones have defaults."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from activities.threads.position import ThreadPosition

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)

COMMITTED: dict[str, dict[str, Any]] = {
    "history": {
        "cursor": "Y3Vyc29yOjI1",
        "sizes": {"page": 12},
        "updated_at": "2026-10-30T12:00:00Z",
        "node_id": "PR_kwDOAAAAAc4AAAAB",
        "floor": "2026-11-02T11:55:00Z",
        "first_floor": "2026-11-02T11:55:00Z",
        "total": 240,
        "swept": 48,
        "seen": 48,
    },
    "between two legs": {
        "cursor": "Y3Vyc29yOjI1",
        "leg_over": True,
        "updated_at": "2026-08-03T12:00:00Z",
        "node_id": "PR_kwDOAAAAAc4AAAAB",
        "floor": "2026-11-02T12:00:00Z",
        "first_floor": "2026-11-02T12:00:00Z",
        "listing": {"read_from": "2026-08-04T12:00:00Z", "read_number": 1200},
        "total": 240,
        "swept": 48,
        "seen": 48,
    },
    "review comments": {
        "as_of": "2026-11-02T12:00:00Z",
        "phase": "review_comments",
        "below": "Y3Vyc29yOjkw",
        "updated_at": "2025-11-02T12:00:00Z",
        "node_id": "PR_kwDOAAAAAc4AAAAB",
        "floor": "2026-11-02T12:00:00Z",
        "first_floor": "2026-11-02T12:00:00Z",
        "listing": {
            "in_bulk": True,
            "since": "2026-10-31T12:00:00Z",
            "counted": 4000,
            "counted_at": "2026-11-02T12:00:00Z",
            "shown": 310,
            "last": ["c:17", "c:18"],
            "strangers": True,
        },
        "total": 240,
        "swept": 240,
        "seen": 240,
    },
    "comments": {
        "cursor": "/repositories/1/issues/comments?since=2026-11-02T11%3A55%3A00Z&per_page=100",
        "as_of": "2026-11-02T12:00:00Z",
        "phase": "comments",
        "updated_at": "2024-05-16T12:00:00Z",
        "node_id": "I_kwDOAAAAAc4AAAAB",
        "floor": "2026-11-02T12:00:00Z",
        "first_floor": "2026-11-02T12:00:00Z",
        "comments_as_of": "2026-11-01T12:00:00Z",
        "low": "2026-10-03T12:00:00Z",
        "inherited_as_of": "2026-11-01T12:00:00Z",
        "round": 2,
        "route": 1,
        "comments_since": "2026-11-02T12:00:00Z",
        "reached_end": True,
        "total": 9,
        "swept": 9,
        "seen": 9,
    },
    "relist": {
        "cursor": "Y3Vyc29yOjkw",
        "as_of": "2026-11-02T12:00:00Z",
        "phase": "relist",
        "updated_at": "2024-05-16T12:00:00Z",
        "node_id": "I_kwDOAAAAAc4AAAAB",
        "floor": "2026-11-02T12:00:00Z",
        "first_floor": "2026-11-02T12:00:00Z",
        "reached_end": True,
        "listed": 100,
        "born": "2025-09-28T12:00:00Z",
        "total": 300,
        "swept": 299,
        "seen": 299,
    },
}
"""As the release of November 2026 committed them, one of each phase that keeps fields of its own."""


@pytest.mark.parametrize("phase", COMMITTED)
def test_a_resume_point_of_an_older_release_is_read_whole(phase: str) -> None:
    """Field by field: one that is lost would have a sweep begin anew, or skip what it names."""
    position = ThreadPosition.read(COMMITTED[phase])
    assert position.to_commit() == COMMITTED[phase]


def test_fields_have_their_types() -> None:
    position = ThreadPosition.read(COMMITTED["review comments"])
    assert position.as_of == NOON
    assert position.listing.counted_at == NOON
    assert position.listing.in_bulk is True


def test_a_resume_point_of_a_newer_release_loses_only_what_this_one_does_not_know() -> None:
    newer = COMMITTED["review comments"] | {"version": 2, "telepathy": {"on": True}}
    newer["listing"] = newer["listing"] | {"telepathy": 1}
    position = ThreadPosition.read(newer)
    assert position.to_commit() == COMMITTED["review comments"] | {"version": 2}


def test_missing_fields_have_their_defaults() -> None:
    assert ThreadPosition.read({}) == ThreadPosition()
    assert ThreadPosition.read({"phase": "verify", "listing": {}}) == ThreadPosition(phase="verify")


def test_a_field_of_another_type_is_an_error_and_not_a_default() -> None:
    with pytest.raises(ValidationError):
        ThreadPosition.read({"floor": "yesterday"})


def test_a_later_sweep_is_left_only_fields_that_exist() -> None:
    left = ThreadPosition.read(COMMITTED["relist"]).for_later_sweeps(below="Y3Vyc29yOjkx")
    assert left.keys() <= {field.name for field in fields(ThreadPosition)}
    assert left == {
        "below": "Y3Vyc29yOjkx",
        "updated_at": "2024-05-16T12:00:00Z",
        "node_id": "I_kwDOAAAAAc4AAAAB",
        "reached_end": True,
        "total": 300,
        "seen": 299,
    }
