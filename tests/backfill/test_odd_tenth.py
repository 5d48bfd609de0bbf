"""A tenth of all that GitHub has is odd during one job, and right again for the next: nothing is lost, nor deleted."""

from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import asyncpg
import pytest

from activities.events import inheritance
from messages import DataType
from sandbox.github.faults import OddTenth, Touch
from sandbox.github.faults.chance import ODDITIES, Oddity
from sandbox.github.generation import Plan
from sandbox.github.world.repositories import Repository
from tests.support.backfill.reading import Read
from tests.support.shop import connected
from tests.support.thoroughness import examples
from tests.support.truth import check_feed

PLAN = Plan(
    "acme/tenth",
    pull_requests=6,
    issues=6,
    discussions=4,
    reviews=2,
    review_comments=2,
    comments=2,
    events=2,
    stars=20,
    forks=3,
    releases=5,
    pushes=10,
    years=1,
)
SEEDS = range(examples(1, 20))
"""More of them search for longer."""
TYPES: tuple[DataType, ...] = ("pull_requests", "issues", "discussions")
MOST_REQUESTS = 1_000
"""Not what this test is about: a sweep that does not end is found by test_babble.py."""
STORED = """
select 'pull_requests ' || number from pull_requests where gone_at is null
union all select 'issues ' || number from issues where gone_at is null
union all select 'discussions ' || number from discussions where gone_at is null
union all select 'reviews ' || github_id from reviews
union all select comment_type || ' ' || github_id from comments
union all select 'discussion_comments ' || github_id from discussion_comments
union all select 'events ' || node_id from issue_events
"""


async def stored(connection: asyncpg.Connection) -> set[str]:
    return {row[0] for row in await connection.fetch(STORED)}


def touch(repository: Repository) -> None:
    """Every thread changes, so that each is read again: what was odd of it and what was not."""
    repository.world.clock.advance(3_600)
    threads: list[Any] = [*repository.pull_requests.values(), *repository.issues.values()]
    for thread in [*threads, *repository.discussions.values()]:
        thread.edit(body=f"{thread.body} edited")


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_was_odd_at_first_is_whole_after_the_next_job(seed: int, read: Read) -> None:
    reading = read(PLAN)
    odd = reading.github.faults.add(OddTenth(seed), times=None)
    for data_type in TYPES:
        assert (await reading.sweep_within(MOST_REQUESTS, data_type)).outcome == "completed"
    reading.github.faults.remove(odd)
    for data_type in TYPES:
        assert (await reading.sweep_within(MOST_REQUESTS, data_type)).outcome == "completed"
    await reading.agrees()


DEEP = replace(PLAN, deep_discussions=1, deep_replies=2, deep_comments=110)


@pytest.mark.parametrize(
    ("operation", "data_type"), [("ReviewComments", "pull_requests"), ("DiscussionReplies", "discussions")]
)
async def test_what_is_gone_by_id_for_a_moment_is_whole_after_the_next_job(
    operation: str, data_type: DataType, read: Read
) -> None:
    """A review, or a comment of a discussion, was listed a moment ago. Then GitHub says by its id that it is gone."""
    reading = read(DEEP)
    odd = reading.github.faults.add(OddTenth(1, share=1, only=("hidden",)), times=None, operation=operation)
    assert (await reading.sweep_within(MOST_REQUESTS, data_type)).outcome == "completed"
    assert odd.hits
    [note] = await reading.rows("select distinct kind from backfill_notes")
    assert note["kind"] == "hidden"
    reading.github.faults.remove(odd)
    for each in TYPES:
        assert (await reading.sweep_within(MOST_REQUESTS, each)).outcome == "completed"
    await reading.agrees()
    assert not await reading.rows("select from backfill_notes")


@pytest.mark.parametrize("place", range(1, 1 + examples(1, 11)))
@pytest.mark.parametrize("oddity", ODDITIES)
@pytest.mark.parametrize("data_type", ["pull_requests", "discussions"])
async def test_what_one_answer_alone_shows_oddly_is_whole_after_the_next_job(
    data_type: DataType, oddity: Oddity, place: int, read: Read
) -> None:
    """Half of what the request at this place returns is odd, and right for all requests before and after it."""
    reading = read(DEEP)
    places = count()
    odd = reading.github.faults.add(
        OddTenth(1, share=0.5, only=(oddity,)), times=None, when=lambda _: next(places) == place
    )
    assert (await reading.sweep_within(MOST_REQUESTS, data_type)).outcome == "completed"
    reading.github.faults.remove(odd)
    for each in TYPES:
        assert (await reading.sweep_within(MOST_REQUESTS, each)).outcome == "completed"
    await reading.agrees()


async def test_a_review_that_vanishes_while_its_comments_are_read_is_taken_out_by_the_next_job(read: Read) -> None:
    """A review without a body vanishes with its last comment. Its note goes with it."""
    reading = read(PLAN)
    pulls = reading.repository.pull_requests.values()
    review = next(each for pull in pulls for each in pull.reviews if each.comments)

    def vanish(_: object) -> None:
        for comment in list(review.comments):
            comment.delete()
        review.pull_request.reviews.remove(review)
        reading.repository.world.forget(review)

    reading.github.faults.add(Touch(vanish), operation="ReviewComments")
    assert (await reading.sweep("pull_requests")).outcome == "completed"
    stored = "select from reviews where github_id = $1"
    assert await reading.rows(stored, review.database_id)
    [note] = await reading.rows("select what, kind from backfill_notes")
    assert tuple(note) == ("review_comments", "hidden")
    assert (await reading.sweep("pull_requests")).outcome == "completed"
    assert not await reading.rows(stored, review.database_id)
    assert not await reading.rows("select from backfill_notes")
    for data_type in ("issues", "discussions"):
        await reading.sweep(data_type)
    await reading.agrees()


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_turns_odd_is_not_deleted_and_is_whole_after_the_next_job(seed: int, read: Read) -> None:
    """All is stored, all of it changes, and a tenth of it is odd while it is read again."""
    reading = read(PLAN)
    for data_type in TYPES:
        await reading.sweep(data_type)
    async with connected(reading.dsn) as connection:
        before = await stored(connection)
        touch(reading.repository)
        odd = reading.github.faults.add(OddTenth(seed), times=None)
        for data_type in TYPES:
            assert (await reading.sweep_within(MOST_REQUESTS, data_type)).outcome == "completed"
        lost = before - await stored(connection)
        assert not lost, f"GitHub still has {sorted(lost)[:20]}"
    reading.github.faults.remove(odd)
    for data_type in TYPES:
        assert (await reading.sweep_within(MOST_REQUESTS, data_type)).outcome == "completed"
    await reading.agrees()


async def test_who_closed_a_thread_is_named_in_the_feed_once_its_timeline_is_shown(read: Read) -> None:
    reading = read(replace(PLAN, issues=12, pull_requests=8, stars=0, forks=0, releases=0))
    odd = reading.github.faults.add(OddTenth(0, share=0.3, only=("hidden",)), times=None)
    kinds: tuple[DataType, ...] = ("issues", "pull_requests", "events")
    for data_type in kinds:
        assert (await reading.sweep(data_type)).outcome == "completed"
    unknown = "select from github_events_cache where actor_login = 'ghost' and payload ->> 'action' = 'closed'"
    assert await reading.rows(unknown)
    reading.github.faults.remove(odd)
    for data_type in (*kinds, "discussions"):
        await reading.sweep(data_type)
    await reading.agrees()
    await check_feed(reading.dsn, reading.repository)


LISTS = Plan(
    "acme/tenth",
    pull_requests=1,
    issues=1,
    reviews=0,
    review_comments=0,
    comments=0,
    events=1,
    people=10,
    stars=230,
    forks=130,
    releases=0,
    pushes=110,
    years=0.5,
)
"""Lists of several pages. REST's list of releases has no count: what it leaves out silently nobody can tell."""


@pytest.mark.parametrize("soon", [True, False], ids=["soon", "later"])
@pytest.mark.parametrize("seed", SEEDS)
async def test_lists_that_were_odd_at_first_are_whole_after_the_next_job(
    seed: int, soon: bool, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    if soon:
        # The stand-in's clock is weeks behind this machine's.
        monkeypatch.setattr(inheritance, "FRESH", timedelta(days=10_000))
    reading = read(LISTS)
    odd = reading.github.faults.add(OddTenth(seed), times=None)
    assert (await reading.sweep_within(MOST_REQUESTS, "events")).outcome == "completed"
    reading.github.faults.remove(odd)
    assert (await reading.sweep_within(MOST_REQUESTS, "events")).outcome == "completed"
    await reading.rows("delete from repository_star_history")
    await check_feed(reading.dsn, reading.repository, data_types=["events"])
