"""Positions of a sweep over events: those that an older release committed, and the steps that they take."""

from datetime import UTC, datetime, timedelta
from typing import Any

from activities.events.odd_pages import OddPage
from activities.events.position import SOURCES, EventPlace, EventPosition

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
STORED: dict[str, Any] = {
    "sizes": {"forks": 25, "stargazers": 97},
    "as_of": "2026-11-20T09:30:00Z",
    "leg_over": True,
    "places": {
        "stargazers": {"status": "skipped", "reason": "GitHub shows none of the 12 stargazers to these tokens"},
        "star_history": {
            "status": "complete",
            "below": "60",
            "oldest": "2025-10-10T09:30:00Z",
            "as_of": "2026-11-20T09:30:00Z",
        },
        "forks": {
            "cursor": "Y3Vyc29yOjI=",
            "until": "2026-11-18T09:30:00Z",
            "below": "Y3Vyc29yOjE=",
            "as_of": "2026-11-20T09:30:00Z",
            "restarts": 1,
            "hidden": 1,
        },
        "releases": {"status": "complete", "reached_end": True, "as_of": "2026-11-20T09:30:00Z"},
        "activity": {"cursor": "abc", "as_of": "2026-11-20T09:30:00Z", "recent": True},
        "history": {"as_of": "2026-11-20T09:30:00Z", "oids": ["a" * 40], "bottom": ["b" * 40], "gone": ["c" * 40]},
        "events": {},
        "threads": {},
    },
    "branch": "main",
    "head": "d" * 40,
    "low": "2025-11-20T09:30:00Z",
    "inherited_as_of": "2026-11-20T06:30:00Z",
    "table": "issues",
    "number": 41,
}
"""As release 0.1.0 of November 2026 committed it."""


def test_a_stored_position_is_read_and_committed_unchanged() -> None:
    position = EventPosition.read(STORED)
    assert position.places["forks"] == EventPlace(
        cursor="Y3Vyc29yOjI=", until=AT - timedelta(days=2), below="Y3Vyc29yOjE=", as_of=AT, restarts=1, hidden=1
    )
    assert position.places["history"].oids == ["a" * 40]
    assert (position.low, position.head, position.number) == (AT - timedelta(days=365), "d" * 40, 41)
    assert position.to_commit() == STORED


def test_fields_of_a_newer_release_are_dropped() -> None:
    newer = STORED | {"moons": 2, "places": STORED["places"] | {"forks": {"cursor": "abc", "tides": [1]}}}
    assert EventPosition.read(newer).places["forks"] == EventPlace(cursor="abc")


def test_a_source_that_is_left_goes_on_below_what_it_read() -> None:
    left = EventPosition.read(STORED).leave_for_next_leg().left()
    assert left.keys() == {"places", "branch", "head"}
    assert left["places"]["activity"]["below"] == "abc"
    assert "cursor" not in left["places"]["activity"]
    assert "oids" not in left["places"]["history"]
    assert left["places"]["star_history"] == STORED["places"]["star_history"]


def test_as_of_is_the_first_answer() -> None:
    position = EventPosition().begin().after_answer(AT).after_answer(AT + timedelta(hours=1))
    assert position.as_of == AT
    assert position.places.keys() == set(SOURCES)


def test_a_place_keeps_when_it_was_first_asked_for_and_adds_up_what_is_hidden() -> None:
    first = EventPlace().after_page(AT, OddPage(cursor=None, size=100, hidden=2)).move_to("abc", recent=False)
    place = first.after_page(AT + timedelta(hours=1), OddPage(cursor="abc", size=100, hidden=1))
    assert (place.as_of, place.hidden) == (AT, 3)


def test_a_refused_cursor_begins_at_the_top_and_is_counted() -> None:
    place = EventPlace(cursor="abc", until=AT, below="xyz").restart()
    assert place == EventPlace(below="xyz", restarts=1)


def test_a_list_read_to_its_end_has_nothing_below() -> None:
    assert EventPlace(cursor="abc").complete_at(None) == EventPlace(status="complete", reached_end=True)
    assert EventPlace(cursor="abc").complete_at("xyz") == EventPlace(status="complete", below="xyz")


def test_a_page_size_is_forgotten_once_it_is_the_largest() -> None:
    position = EventPosition().with_size("forks", 25)
    assert position.sizes == {"forks": 25}
    assert position.with_size("forks", None).sizes == {}
