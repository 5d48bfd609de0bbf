"""Builds the proof at the end of an events sweep. The proof has the result of each source, and names the data that
GitHub refused.
"""

from typing import Any

from activities.events.position import SOURCES, EventPlace, EventPosition, EventSourceName
from rows import Note, NoteKind

INSTEAD: dict[EventSourceName, tuple[EventSourceName, str]] = {
    "stargazers": ("star_history", "stars are counted by day"),
    "activity": ("history", "pushes are told by the commits"),
}
"""For a source that GitHub does not show: the source that replaces it, and words on what the replacement shows."""


def proof_of(position: EventPosition, stored: dict[str, int]) -> dict[str, Any]:
    """Returns the proof that the events are complete as of `position.as_of`. `stored` maps each source to the number of
    its stored rows in scope.
    """
    assert position.as_of is not None, "something was read"
    proof: dict[str, Any] = {
        "as_of": position.as_of.isoformat(),
        "proved_by": "each source read to below the cutoff",
        "sources": {source: _source(position, source, stored) for source in SOURCES},
        "notes": notes_of(position),
    }
    if fell_back := fell_back_of(position):
        proof["fell_back"] = fell_back
    if "host" in stored:
        proof["sources"]["host"] = {"status": "complete", "rows": stored["host"]}
    if position.inherited_as_of:
        proof["inherited_as_of"] = position.inherited_as_of.isoformat()
    return proof


def reached_end(position: EventPosition) -> bool:
    """Returns whether every list that GitHub shows was read to its end. If so, a job with an earlier cutoff has nothing
    more to read from these lists.
    """
    lists = [place for source, place in position.places.items() if source not in ("events", "threads")]
    return all(place.reached_end for place in lists if place.status == "complete")


def notes_of(position: EventPosition) -> list[str]:
    """Returns lines for people. Each line says which data GitHub refused or did not show."""
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
        if place.status == "complete" and place.missing:
            notes.append(f"{source}: {place.missing} are counted by GitHub and not shown")
        if place.unserved:
            notes.append(f"{source}: GitHub fails to serve {place.unserved}")
    return notes


def fell_back_of(position: EventPosition) -> list[str]:
    """Returns a line for each source that was read by another API than usual, or that another source replaces. Each
    line gives the reason.
    """
    places = position.places
    lines = [
        f"{source}: read another way: {place.reason}"
        for source, place in places.items()
        if place.way and place.status == "complete"
    ]
    for source, (other, way) in INSTEAD.items():
        if places[source].status == "skipped" and places[other].status == "complete":
            lines.append(f"{source}: {way}: {places[source].reason}")
    return lines


def noted_of(position: EventPosition) -> list[Note]:
    """Returns the notes on the sources that GitHub did not show completely, at most one note for each source."""
    return [note for source in SOURCES if (note := _note(source, position.places[source])) is not None]


def whole_of(position: EventPosition) -> list[tuple[str, str]]:
    """Returns the sources of which nothing is missing, so that earlier notes on these sources are deleted.

    Each source is a pair of the source's name and an empty node id. The id is empty because a source is not a node.
    """
    return [
        (source, "")
        for source, place in position.places.items()
        if place.status == "complete" and _note(source, place) is None
    ]


def _note(source: EventSourceName, place: EventPlace) -> Note | None:
    if place.status == "skipped":
        return Note(place.kind, source, None, "", max(place.missing, 1), place.reason[:500]) if place.kind else None
    if not place.absent:
        return None
    words = [
        f"{number} {what}"
        for number, what in (
            (place.hidden, "hidden from these tokens"),
            (place.missing, "counted and not shown"),
            (place.unserved, "not served at any size, or not readable"),
        )
        if number
    ]
    kind: NoteKind = "hidden" if place.hidden or place.missing else "unavailable"
    return Note(kind, source, None, "", place.absent, ", ".join(words))


def _source(position: EventPosition, source: EventSourceName, stored: dict[str, int]) -> dict[str, Any]:
    place = position.places[source]
    told: dict[str, Any] = {"status": place.status, "rows": stored.get(source, 0)}
    if place.reason:
        told["reason"] = place.reason
    if place.way and place.status == "complete":
        told["fell_back"] = True
    as_of = place.as_of or position.inherited_as_of
    return told | ({"as_of": as_of.isoformat()} if as_of else {})
