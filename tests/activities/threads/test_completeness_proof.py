"""Complete is what is proved: by counts, or by unbroken pages to the cutoff; and only what is proved is covered."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from activities.progress import MOST_IDLE, Progress, Standstill
from activities.threads.completeness_proof import CompletenessProof
from activities.threads.page_sizes import PageSizes
from activities.threads.position import ThreadPosition
from activities.turn import CLOCK_SLACK
from budget.prices import Prices
from github.answers.refusals import InvalidCursor
from github.threads.listings import Entry, Listing
from rows import Part
from store import parts, threads
from store.coverage import BEGINNING
from tests.support.activities.listings import Listings as UpdatedListings
from tests.support.activities.listings import born, fetched
from tests.support.activities.stored import Stored

AS_OF = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
UPDATED_AT = AS_OF - timedelta(days=1)
BORN = AS_OF - timedelta(days=9)


class Listings(UpdatedListings):
    """Instead of GitHub's list by birth: these pages, in turn."""

    async def page(self, cursor: str | None, *, by_birth: bool = False, comments: bool = False) -> Listing:
        assert by_birth
        assert not comments
        return await super().page(cursor)


def at_verify(total: int, seen: int | None = None, *, reached_end: bool = True, **fields: object) -> ThreadPosition:
    position = ThreadPosition(
        phase="verify",
        as_of=AS_OF,
        updated_at=AS_OF - timedelta(days=400),
        reached_end=reached_end,
        total=total,
        seen=total if seen is None else seen,
        round=1,
        below=None if reached_end else "below",
    )
    return replace(position, relisted=True) if fields.get("relisted") else position


def proof(stored: Stored, *pages: Listing | Exception) -> CompletenessProof:
    sizes = PageSizes(Prices(), stored.kind)
    sizes.ask("listing")
    return CompletenessProof(stored.database, stored.sweep, stored.kind, Listings(*pages), sizes)


async def store(stored: Stored, *numbers: int) -> None:
    await fetched(stored, [(number, UPDATED_AT) for number in numbers])


async def test_what_github_counts_and_was_stored_and_seen_is_complete_to_the_beginning(stored: Stored) -> None:
    await store(stored, 1, 2, 3)
    turn = await proof(stored).verify(at_verify(3))
    assert turn.outcome == "completed"
    assert turn.proof is not None
    assert (turn.proof["threads_stored"], turn.proof["threads_github"]) == (3, 3)
    assert turn.proof["proved_by"] == "count"
    assert turn.coverage is not None
    assert (turn.coverage.low, turn.coverage.as_of) == (BEGINNING, AS_OF)


@pytest.mark.parametrize(("total", "seen"), [(4, 4), (3, 2), (2, 2)], ids=["fewer stored", "fewer seen", "more stored"])
async def test_counts_that_differ_have_every_thread_listed(total: int, seen: int, stored: Stored) -> None:
    await store(stored, 1, 2, 3)
    turn = await proof(stored).verify(at_verify(total, seen))
    assert (turn.outcome, turn.position.phase) == (None, "relist")


async def test_a_thread_that_was_not_shown_has_every_thread_listed_though_the_counts_agree(stored: Stored) -> None:
    await store(stored, 1, 2, 3)
    turn = await proof(stored).verify(replace(at_verify(3), withheld=1))
    assert (turn.outcome, turn.position.phase) == (None, "relist")


async def test_with_a_cutoff_unbroken_pages_are_the_proof_and_counts_are_not_compared(stored: Stored) -> None:
    await store(stored, 1)
    turn = await proof(stored).verify(at_verify(9, reached_end=False))
    assert turn.outcome == "completed"
    assert turn.coverage is not None
    assert turn.coverage.low == stored.sweep.cutoff_at
    assert turn.coverage.position["below"] == "below", "a longer retention goes on from there"


async def test_what_was_covered_further_down_stays_so(stored: Stored) -> None:
    low = stored.sweep.cutoff_at - timedelta(days=100)
    position = ThreadPosition(phase="verify", as_of=AS_OF, low=low)
    turn = await proof(stored).verify(position)
    assert turn.coverage is not None
    assert turn.coverage.low == low


async def test_what_is_missing_after_all_is_a_failure_with_both_numbers_and_covers_nothing(stored: Stored) -> None:
    await store(stored, 1, 2)
    turn = await proof(stored).verify(at_verify(3, relisted=True))
    assert (turn.outcome, turn.coverage) == ("failed", None)
    assert turn.failure is not None
    assert turn.failure.code == "incomplete"
    assert "3" in turn.failure.message
    assert "2" in turn.failure.message


async def test_a_retry_of_what_failed_begins_at_the_catch_up(stored: Stored) -> None:
    turn = await proof(stored).verify(at_verify(3, relisted=True))
    position = turn.position
    assert (position.phase, position.floor, position.round) == ("catch_up", AS_OF - CLOCK_SLACK, 1)
    assert not position.relisted


async def test_a_thread_that_could_not_be_fetched_is_named_and_covers_nothing(stored: Stored) -> None:
    await store(stored, 1, 2)
    lost = Part("timeline", "PR_2", 2, AS_OF)
    await stored.put([lost])
    async with stored.database.transaction() as connection:
        await parts.fail(connection, stored.sweep, lost, "it times out")
    turn = await proof(stored).verify(at_verify(2))
    assert (turn.outcome, turn.coverage) == ("failed", None)
    assert turn.failure is not None
    assert "#2" in turn.failure.message
    assert "it times out" in turn.failure.message
    assert await proof(stored).of_leg(ThreadPosition(floor=AS_OF, updated_at=BORN)) is None


async def test_a_leg_covers_down_to_behind_its_last_second(stored: Stored) -> None:
    position = ThreadPosition(floor=AS_OF - CLOCK_SLACK, updated_at=BORN, cursor="here")
    earned = await proof(stored).of_leg(position)
    assert earned is not None
    assert (earned.low, earned.as_of) == (BORN + timedelta(seconds=1), AS_OF)
    assert earned.position["below"] == "here"


# --- Every thread by birth


def entry(number: int) -> Entry:
    return Entry(f"PR_{number}", number, number, born(number), UPDATED_AT, f"cursor-{number}", None)


def listing(*numbers: int, end_cursor: str | None) -> Listing:
    return Listing([entry(number) for number in numbers], 9, end_cursor, AS_OF, seconds=0.1)


async def test_what_is_listed_and_not_stored_becomes_a_part(stored: Stored) -> None:
    await store(stored, 1, 3)
    at = at_verify(4).to_relist()
    proving = proof(stored, listing(1, 2, end_cursor="more"), listing(3, 4, end_cursor=None))
    first = await proving.relist(at)
    second = await proving.relist(first.position)
    assert [part.number for part in [*first.put, *second.put]] == [2, 4]
    assert (first.position.phase, second.position.phase) == ("relist", "verify")
    assert (second.position.total, second.position.seen, second.position.relisted) == (4, 4, True)


async def test_what_was_hidden_while_it_changed_becomes_a_part_once_it_is_listed(stored: Stored) -> None:
    await store(stored, 1, 2)
    listed = listing(1, 2, end_cursor=None)
    listed.entries[1] = listed.entries[1]._replace(updated_at=AS_OF - timedelta(hours=1))
    turn = await proof(stored, listed).relist(at_verify(2).to_relist())
    assert [part.number for part in turn.put] == [2]


async def test_what_is_stored_and_not_listed_is_asked_for_by_its_id_and_stays_until_github_answers(
    stored: Stored,
) -> None:
    await store(stored, 1, 2)
    turn = await proof(stored, listing(1, end_cursor=None)).relist(at_verify(1).to_relist())
    assert [(part.kind, part.node_id) for part in turn.put] == [("thread", "PR_2")]
    async with stored.database.transaction() as connection:
        kept = await threads.count(connection, "pull_requests", stored.sweep.repository.repository_id)
    assert kept == 2


async def test_a_refused_cursor_begins_the_listing_again(stored: Stored) -> None:
    at = (
        at_verify(4).to_relist().after_relist_page(cursor="gone", listed=2, withheld=[], born=BORN, progress=Progress())
    )
    turn = await proof(stored, InvalidCursor("invalid_cursor", "no")).relist(at)
    position = turn.position
    assert (position.phase, position.cursor, position.listed, position.born) == ("relist", None, 0, None)


@pytest.mark.parametrize("end_cursor", [None, "again"], ids=["nowhere", "in a circle"])
async def test_a_list_by_birth_that_does_not_go_on_ends(end_cursor: str | None, stored: Stored) -> None:
    """With its reason if it listed fewer than GitHub counts, and as complete if it listed as many."""
    await store(stored, 1)
    page = listing(1, end_cursor=end_cursor)
    page.leads_nowhere = end_cursor is None
    position, requests = at_verify(9).to_relist(), 0
    with pytest.raises(Standstill):
        while True:
            requests += 1
            position = (await proof(stored, page).relist(position)).position
    assert requests <= MOST_IDLE + 1
    page.total = 1
    position = (await proof(stored, page).relist(at_verify(9).to_relist())).position
    position = (await proof(stored, page).relist(position)).position
    assert (position.phase, position.total) == ("verify", 1)
