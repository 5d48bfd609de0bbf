"""Where a sweep of events goes on that an earlier one, of this or another job, went before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.events import inheritance
from activities.events.odd_pages import OddPage
from activities.events.position import SOURCES, EventPlace, EventPosition
from store.coverage import Coverage

AS_OF = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
LOW = AS_OF - timedelta(days=365)
DEEPER = AS_OF - timedelta(days=3_650)
SOON, LATER = AS_OF + timedelta(minutes=5), AS_OF + timedelta(hours=7)


def covered(**places: EventPlace) -> Coverage:
    position = EventPosition().begin()
    for source in SOURCES:
        position = position.with_place(source, places.get(source, EventPlace(status="complete", reached_end=True)))
    return Coverage(LOW, AS_OF, position.with_branch("main", "d" * 40).left())


def begun(coverage: Coverage, *, cutoff_at: datetime, now: datetime) -> Any:
    return inheritance.begin(EventPosition(), coverage, cutoff_at, now)


def test_without_coverage_every_source_begins_at_its_top() -> None:
    position = inheritance.begin(EventPosition(), None, LOW, SOON)
    assert all(place == EventPlace() for place in position.places.values())
    assert position.low is None


def test_coverage_that_ends_before_the_cutoff_is_of_no_use() -> None:
    position = begun(covered(), cutoff_at=AS_OF + timedelta(days=1), now=AS_OF + timedelta(days=30))
    assert position.inherited_as_of is None


def test_moments_later_only_the_events_api_is_asked() -> None:
    position = begun(covered(), cutoff_at=LOW, now=SOON)
    assert [source for source in SOURCES if position.places[source].status == "open"] == ["events", "threads"]
    assert position.fresh
    assert position.as_of == AS_OF
    assert position.places["events"].until == AS_OF - inheritance.EVENTS_LAG


def test_hours_later_every_list_is_read_down_to_what_is_covered() -> None:
    position = begun(covered(forks=EventPlace(status="complete", below="abc")), cutoff_at=LOW, now=LATER)
    assert not position.fresh
    assert position.as_of is None
    forks = position.places["forks"]
    assert (forks.cursor, forks.below, forks.status) == (None, "abc", "open")
    assert forks.until is not None
    assert forks.until < AS_OF


def test_a_deeper_cutoff_goes_on_below() -> None:
    left = EventPlace(status="complete", below="abc")
    position = begun(covered(forks=left), cutoff_at=DEEPER, now=SOON)
    assert (position.places["forks"].status, position.places["forks"].cursor) == ("open", "abc")
    news_read = inheritance.go_below(position, "forks", EventPlace(cursor="x", until=AS_OF, below="abc"), DEEPER)
    assert (news_read.status, news_read.cursor, news_read.until) == ("open", "abc", None)
    assert inheritance.go_below(position, "forks", EventPlace(cursor="x", until=AS_OF), LOW).status == "complete"


@pytest.mark.parametrize("now", [SOON, LATER], ids=["soon", "later"])
def test_what_was_refused_is_asked_for_again(now: datetime) -> None:
    refused = covered(stargazers=EventPlace().give_up("no", "refused"))
    assert begun(refused, cutoff_at=LOW, now=now).places["stargazers"] == EventPlace.look_again()
    may_come = covered(stargazers=EventPlace().give_up("blank", None))
    assert begun(may_come, cutoff_at=LOW, now=now).places["stargazers"] == EventPlace()


def test_what_was_refused_is_read_whole_though_github_s_clock_says_that_hours_went_by() -> None:
    refused = covered(stargazers=EventPlace().give_up("no", "refused"), forks=EventPlace().give_up("blank", None))
    position = inheritance.inherit(begun(refused, cutoff_at=LOW, now=SOON), LOW, fresh=False)
    assert position.places["stargazers"] == EventPlace.look_again()
    assert position.places["forks"] == EventPlace()


@pytest.mark.parametrize("now", [SOON, LATER], ids=["soon", "later"])
@pytest.mark.parametrize(("hidden", "looked_at"), [(1, 5), (3, 6), (9, 8)])
def test_odd_pages_are_asked_for_again_a_bounded_number_in_each_sweep(
    hidden: int, looked_at: int, now: datetime
) -> None:
    odd = [OddPage(cursor=str(number), size=100, hidden=hidden) for number in range(8)]
    left = EventPlace(status="complete", reached_end=True, total=2_000, hidden=8 * hidden, odd=odd)
    forks = begun(covered(forks=left), cutoff_at=LOW, now=now).places["forks"]
    assert (forks.status, forks.again, forks.odd) == ("open", odd[:looked_at], odd)
    for page in odd[:looked_at]:
        forks = forks.look_at(page)
    assert forks.odd == [*odd[looked_at:], *odd[:looked_at]], "the others come first in the next sweep"
    assert forks.hidden == 8 * hidden
    assert forks.status == ("complete" if now == SOON else "open")


@pytest.mark.parametrize("now", [SOON, LATER], ids=["soon", "later"])
def test_what_was_missing_at_the_top_is_read_again_down_to_where_the_top_ended(now: datetime) -> None:
    oldest = AS_OF - timedelta(days=3)
    top = OddPage(cursor=None, size=100, number=98, missing=2, oldest=oldest)
    left = EventPlace(status="complete", reached_end=True, total=2_000, missing=2, odd=[top])
    forks = begun(covered(forks=left), cutoff_at=LOW, now=now).places["forks"]
    assert (forks.status, forks.cursor, forks.until, forks.again) == ("open", None, oldest, [])
    # Fifty new ones have moved them: they are missing on the second page.
    first = forks.after_page(AS_OF, OddPage(cursor=None, size=100, number=100), more=True, total=2_050, depth=AS_OF)
    second = OddPage(cursor="b", size=100, number=98)
    after = first.move_to("b", recent=False).after_page(AS_OF, second, more=True, total=2_050, depth=oldest)
    assert (after.missing, [page.cursor for page in after.odd]) == (2, ["b"])
    again = begun(covered(forks=after.complete_at_end()), cutoff_at=LOW, now=now).places["forks"]
    assert [page.cursor for page in again.again] == ["b"]
    assert again.look_at(again.again[0].now(replace(second, number=100), more=True, total=2_050)).absent == 0


def test_a_short_list_is_read_whole_again() -> None:
    left = EventPlace(status="complete", reached_end=True, total=900, hidden=2, odd=[OddPage(cursor="a", size=100)])
    assert begun(covered(forks=left), cutoff_at=LOW, now=SOON).places["forks"] == EventPlace()


@pytest.mark.parametrize("now", [SOON, LATER], ids=["soon", "later"])
def test_a_list_that_ended_before_its_count_is_read_on_from_there(now: datetime) -> None:
    left = EventPlace(status="complete", below="abc", total=2_000, missing=400)
    position = begun(covered(forks=left), cutoff_at=LOW, now=now)
    forks = position.places["forks"]
    if now == LATER:
        forks = inheritance.go_below(position, "forks", forks.move_to("new", recent=False), LOW)
    assert (forks.status, forks.cursor, forks.until, forks.missing) == ("open", "abc", None, 400)


def test_every_source_that_was_noted_is_looked_at_with_one_request() -> None:
    for source in SOURCES[:-1]:
        noted = covered(**{source: EventPlace().give_up("no", "unavailable")})
        assert begun(noted, cutoff_at=LOW, now=LATER).places[source].noted, source


def test_the_events_api_is_read_whole_after_it_was_skipped() -> None:
    skipped = covered(events=EventPlace().give_up("no", "refused"))
    for now in (SOON, LATER):
        assert begun(skipped, cutoff_at=LOW, now=now).places["events"].until is None


def test_below_a_numbered_list_nothing_goes_on() -> None:
    """What was deleted since would be skipped: its pages are numbered from the top."""
    by_rest = covered(forks=EventPlace(status="complete", below="300", way=1, reason="GraphQL: 502"))
    forks = begun(by_rest, cutoff_at=DEEPER, now=SOON).places["forks"]
    assert (forks.status, forks.way, forks.cursor, forks.until) == ("open", 1, None, None)
    forks = begun(by_rest, cutoff_at=DEEPER, now=LATER).places["forks"]
    assert (forks.status, forks.way, forks.cursor, forks.reason) == ("open", 1, None, "GraphQL: 502")
    assert forks.until is not None


def test_releases_are_asked_for_by_their_first_way_again() -> None:
    by_graphql = covered(releases=EventPlace(status="complete", reached_end=True, way=1))
    assert begun(by_graphql, cutoff_at=LOW, now=LATER).places["releases"] == EventPlace.look_again()


def test_weeks_of_stars_are_counted_from_the_present_one() -> None:
    left = EventPlace(status="complete", below="60", oldest=AS_OF - timedelta(weeks=58))
    position = begun(covered(star_history=left), cutoff_at=DEEPER, now=SOON)
    assert position.places["star_history"].cursor == "59"


def test_a_leg_that_ended_deep_enough_counts_as_complete() -> None:
    ended = EventPlace(below="abc")
    assert begun(covered(forks=ended), cutoff_at=LOW, now=SOON).places["forks"].status == "complete"
    assert begun(covered(forks=ended), cutoff_at=DEEPER, now=SOON).places["forks"].status == "open"
