"""The catch-up lists what changed down to the floor, and again what changed meanwhile, for three rounds at most."""

from datetime import datetime, timedelta

import pytest

from activities.progress import MOST_IDLE, Progress, Standstill
from activities.threads.catch_up import MOST_ROUNDS, CatchUp
from activities.threads.page_sizes import PageSizes
from activities.threads.position import ThreadPosition
from activities.turn import CLOCK_SLACK
from budget.prices import Prices
from github.answers.refusals import InvalidCursor
from github.threads.listings import Entry, Listing
from tests.support.activities.listings import ASKED_AT, FLOOR, Listings, born, fetched
from tests.support.activities.stored import Stored

AT_FLOOR = ThreadPosition(phase="catch_up", floor=FLOOR, total=9, seen=9)


def entry(number: int, updated_at: datetime) -> Entry:
    return Entry(f"PR_{number}", number, number, born(number), updated_at, f"cursor-{number}", None)


def listing(*entries: Entry, end_cursor: str | None = "more") -> Listing:
    return Listing(list(entries), 10, end_cursor, ASKED_AT, seconds=0.1)


def hours(number: float) -> datetime:
    return FLOOR + timedelta(hours=number)


def catch_up(stored: Stored, listings: Listings) -> CatchUp:
    sizes = PageSizes(Prices(), stored.kind)
    sizes.ask("listing")
    return CatchUp(stored.database, stored.sweep, listings, sizes)


async def test_what_changed_or_is_new_becomes_a_part_and_what_is_stored_does_not(stored: Stored) -> None:
    await fetched(stored, [(1, hours(0.3)), (2, hours(0.1))])
    page = listing(entry(3, hours(0.5)), entry(1, hours(0.3)), entry(2, hours(0.2)), entry(4, hours(-1)))
    turn = await catch_up(stored, Listings(page)).turn(AT_FLOOR)
    assert [(part.kind, part.number) for part in turn.put] == [("thread", 3), ("thread", 2)]
    assert turn.position.total == 10
    assert turn.position.seen == 10, "one that the history had not shown"


async def test_a_round_of_one_page_is_the_last(stored: Stored) -> None:
    turn = await catch_up(stored, Listings(listing(entry(1, hours(-1))))).turn(AT_FLOOR)
    assert (turn.position.phase, turn.position.as_of, turn.position.cursor) == ("review_comments", ASKED_AT, None)


async def test_a_round_goes_on_until_it_reaches_the_floor(stored: Stored) -> None:
    listings = Listings(listing(entry(1, hours(0.5))), listing(entry(2, hours(0.4))), listing(entry(3, hours(-1))))
    catching_up, position = catch_up(stored, listings), AT_FLOOR
    for _ in range(3):
        position = (await catching_up.turn(position)).position
    assert listings.cursors == [None, "more", "more"]
    assert (position.phase, position.round, position.floor) == ("catch_up", 2, ASKED_AT - CLOCK_SLACK)
    assert (position.cursor, position.round_began, position.round_pages) == (None, None, 0)


async def test_after_three_rounds_it_is_complete_as_of_the_beginning_of_the_last(stored: Stored) -> None:
    position = AT_FLOOR
    rounds = 0
    while position.phase == "catch_up":
        listings = Listings(listing(entry(1, hours(2))), listing(entry(2, hours(-9))))
        catching_up = catch_up(stored, listings)
        position = (await catching_up.turn((await catching_up.turn(position)).position)).position
        rounds += 1
    assert rounds == MOST_ROUNDS == 3
    assert position.as_of == ASKED_AT


async def test_the_end_of_the_list_ends_a_round(stored: Stored) -> None:
    page = listing(entry(1, hours(0.5)), end_cursor=None)
    assert (await catch_up(stored, Listings(page)).turn(AT_FLOOR)).position.phase == "review_comments"


async def test_what_is_older_than_the_cutoff_is_not_fetched(stored: Stored) -> None:
    floor = stored.sweep.cutoff_at - timedelta(days=2)
    position = ThreadPosition(phase="catch_up", floor=floor)
    page = listing(entry(1, stored.sweep.cutoff_at), entry(2, floor + timedelta(days=1)))
    turn = await catch_up(stored, Listings(page)).turn(position)
    assert [part.number for part in turn.put] == [1]


async def test_a_refused_cursor_begins_the_round_again(stored: Stored) -> None:
    listings = Listings(InvalidCursor("invalid_cursor", "no"), listing(entry(1, hours(0.5))))
    position = AT_FLOOR.continue_round(cursor="gone", began=hours(0.9), listed=100, progress=Progress())
    turn = await catch_up(stored, listings).turn(position)
    assert listings.cursors == ["gone", None]
    assert (turn.position.round_began, turn.position.round_pages) == (ASKED_AT, 1)


async def test_a_listing_that_came_along_is_used_once_and_not_paid_for_again(stored: Stored) -> None:
    listings = Listings(listing(entry(2, hours(-1))))
    catching_up = catch_up(stored, listings)
    catching_up.begin_with(listing(entry(1, hours(0.5))))
    turn = await catching_up.turn(AT_FLOOR)
    assert ([part.number for part in turn.put], turn.points) == ([1], 0)
    turn = await catching_up.turn(turn.position)
    assert (listings.cursors, turn.points) == (["more"], 1)


async def test_a_listing_that_came_along_is_of_no_use_in_the_middle_of_a_round(stored: Stored) -> None:
    listings = Listings(listing(entry(2, hours(-1))))
    catching_up = catch_up(stored, listings)
    catching_up.begin_with(listing(entry(1, hours(0.5))))
    await catching_up.turn(AT_FLOOR.continue_round(cursor="c", began=hours(0.9), listed=100, progress=Progress()))
    assert listings.cursors == ["c"]


async def test_with_news_first_the_history_goes_on_below(stored: Stored) -> None:
    position = ThreadPosition(phase="catch_up", floor=FLOOR, below="lower", news_first=True)
    turn = await catch_up(stored, Listings(listing(entry(1, hours(-1))))).turn(position)
    assert (turn.position.phase, turn.position.cursor, turn.position.news_first) == ("history", "lower", False)
    assert turn.position.floor == ASKED_AT - CLOCK_SLACK


async def until_it_ends(catching_up: CatchUp, position: ThreadPosition) -> tuple[ThreadPosition, int]:
    for requests in range(1, 100):
        position = (await catching_up.turn(position)).position
        if position.phase != "catch_up" or position.round > 1:
            return position, requests
    raise AssertionError("it never ends")


@pytest.mark.parametrize("end_cursor", [None, "again"], ids=["nowhere", "in a circle"])
async def test_a_list_that_does_not_go_on_ends_with_its_reason(end_cursor: str | None, stored: Stored) -> None:
    page = listing(entry(1, hours(0.5)), end_cursor=end_cursor)
    page.leads_nowhere = end_cursor is None
    listings = Listings(*[page] * 100)
    with pytest.raises(Standstill):
        await until_it_ends(catch_up(stored, listings), AT_FLOOR)
    assert len(listings.cursors) <= MOST_IDLE + 1


@pytest.mark.parametrize("end_cursor", [None, "again"], ids=["nowhere", "in a circle"])
async def test_a_list_that_says_it_goes_on_and_listed_as_many_as_there_are_is_at_its_end(
    end_cursor: str | None, stored: Stored
) -> None:
    page = listing(entry(1, hours(0.5)), end_cursor=end_cursor)
    page.total, page.leads_nowhere = 1, end_cursor is None
    _, requests = await until_it_ends(catch_up(stored, Listings(*[page] * 100)), AT_FLOOR)
    assert requests == 2


async def test_a_cursor_that_is_refused_again_and_again_ends_with_its_reason(stored: Stored) -> None:
    pages: list[Listing | Exception] = [listing(entry(1, hours(0.5))), InvalidCursor("invalid_cursor", "no")]
    with pytest.raises(Standstill):
        await until_it_ends(catch_up(stored, Listings(*pages * 100)), AT_FLOOR)
