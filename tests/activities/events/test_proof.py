"""What a sweep of events says at its end."""

from datetime import UTC, datetime

from activities.events.position import SOURCES, EventPlace, EventPosition
from activities.events.proof import fell_back_of, notes_of, proof_of, reached_end

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def ended(**places: EventPlace) -> EventPosition:
    position = EventPosition().begin().after_answer(AT)
    for source in SOURCES:
        whole = EventPlace(status="complete", reached_end=True, as_of=AT)
        position = position.with_place(source, places.get(source, whole))
    return position


def test_a_proof_says_of_each_source_what_it_came_to() -> None:
    proof = proof_of(ended(forks=EventPlace().give_up("not for you", "refused")), {"stargazers": 7, "host": 3})
    assert proof["as_of"] == "2026-11-20T09:30:00+00:00"
    assert proof["sources"]["stargazers"] == {"status": "complete", "rows": 7, "as_of": proof["as_of"]}
    assert proof["sources"]["forks"] == {"status": "skipped", "rows": 0, "reason": "not for you"}
    assert proof["sources"]["host"] == {"status": "complete", "rows": 3}
    assert proof["notes"] == ["forks: not for you"]


def test_stars_that_are_counted_by_day_are_said_to_be_counts_only() -> None:
    assert notes_of(ended(stargazers=EventPlace().give_up("hidden", "refused"))) == ["stars: counts only: hidden"]
    both = ended(
        stargazers=EventPlace().give_up("hidden", "refused"), star_history=EventPlace().give_up("gone", "refused")
    )
    assert notes_of(both) == ["stargazers: hidden", "star_history: gone"]


def test_what_was_read_another_way_is_said() -> None:
    assert fell_back_of(ended()) == []
    position = ended(
        forks=EventPlace(status="complete", way=1, reason="GraphQL: 502"),
        activity=EventPlace().give_up("not for you", "refused"),
    )
    assert fell_back_of(position) == [
        "forks: read another way: GraphQL: 502",
        "activity: pushes are told by the commits: not for you",
    ]


def test_hidden_things_are_counted() -> None:
    place = EventPlace(status="complete", hidden=2)
    assert notes_of(ended(forks=place)) == ["forks: 2 are hidden from these tokens"]


def test_only_lists_read_to_their_ends_need_no_deeper_cutoff() -> None:
    assert reached_end(ended())
    assert reached_end(ended(events=EventPlace(status="complete"))), "older events come from the other sources"
    assert not reached_end(ended(forks=EventPlace(status="complete", below="abc")))
