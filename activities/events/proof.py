"""What a sweep of events says at its end: what each source came to, and what GitHub refused of it."""

from typing import Any

from activities.events.position import SOURCES, EventPosition, EventSourceName


def proof_of(position: EventPosition, stored: dict[str, int]) -> dict[str, Any]:
    """Why the events are complete as of `position.as_of`. `stored` are the rows in scope, by source."""
    assert position.as_of is not None, "something was read"
    proof: dict[str, Any] = {
        "as_of": position.as_of.isoformat(),
        "proved_by": "each source read to below the cutoff",
        "sources": {source: _source(position, source, stored) for source in SOURCES},
        "notes": notes_of(position),
    }
    if "host" in stored:
        proof["sources"]["host"] = {"status": "complete", "rows": stored["host"]}
    if position.inherited_as_of:
        proof["inherited_as_of"] = position.inherited_as_of.isoformat()
    return proof


def reached_end(position: EventPosition) -> bool:
    """Whether every list that GitHub shows was read to its very end, so that no deeper cutoff needs more."""
    lists = [place for source, place in position.places.items() if source not in ("events", "threads")]
    return all(place.reached_end for place in lists if place.status == "complete")


def notes_of(position: EventPosition) -> list[str]:
    """What GitHub refuses, for people."""
    notes = []
    counted = position.places["star_history"].status == "complete"
    for source in SOURCES:
        place = position.places[source]
        if source == "stargazers" and place.status == "skipped" and counted:
            notes.append(f"stars: counts only: {place.reason}")
        elif place.status == "skipped":
            notes.append(f"{source}: {place.reason}")
        if place.hidden:
            notes.append(f"{source}: {place.hidden} are hidden from these tokens")
    return notes


def _source(position: EventPosition, source: EventSourceName, stored: dict[str, int]) -> dict[str, Any]:
    place = position.places[source]
    told: dict[str, Any] = {"status": place.status, "rows": stored.get(source, 0)}
    if place.reason:
        told["reason"] = place.reason
    as_of = place.as_of or position.inherited_as_of
    return told | ({"as_of": as_of.isoformat()} if as_of else {})
