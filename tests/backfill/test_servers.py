"""Servers that are not github.com of today: what their schema lacks is left out, and fetched once they have it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import asyncpg
import pytest

from messages import DataType
from sandbox.github import Clock, StandIn, World
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.graphql.servers import ENTERPRISE_2024
from sandbox.github.world.repositories import Repository
from store.database import Database
from tests.support.backfill.reading import BEGIN, TOKEN, Reading
from tests.support.shop import connected

NOTHING = frozenset[str]()
PLAN = Plan("acme/old", pull_requests=30, issues=30, comments=1, events=2)
TYPES: tuple[DataType, ...] = ("pull_requests", "issues")


def assign_a_bot(repository: Repository) -> None:
    bot = repository.world.account("copilot-swe-agent", "Bot", 198982749)
    for thread in (*list(repository.pull_requests.values())[:3], *list(repository.issues.values())[:3]):
        thread.assign(bot, repository.owner)


async def stored(dsn: str, query: str) -> list[asyncpg.Record]:
    async with connected(dsn) as connection:
        return await connection.fetch(query)


@pytest.fixture
async def reading(database: str) -> AsyncIterator[Callable[..., Reading]]:
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(Database(database, size=4))

        def begin(lacks: frozenset[str]) -> Reading:
            world = World(Clock(BEGIN, stopped=True))
            repository = generate(world, PLAN)
            assign_a_bot(repository)
            github = stack.enter_context(StandIn(world, tokens={TOKEN: "viewer"}, lacks=lacks))
            return Reading(repository, github, opened, database)

        yield begin


async def test_bots_are_assignees(reading: Callable[..., Reading]) -> None:
    sweep = reading(NOTHING)
    for data_type in TYPES:
        assert (await sweep.sweep(data_type)).outcome == "completed"
    await sweep.agrees()
    assert not sweep.asked("Introspection")


async def test_a_server_of_two_years_ago_is_read_without_what_it_lacks(reading: Callable[..., Reading]) -> None:
    sweep = reading(ENTERPRISE_2024)
    for data_type in TYPES:
        assert (await sweep.sweep(data_type)).outcome == "completed"
        assert len(sweep.asked("Introspection")) == 1, "its schema is asked once a worker"
        sweep.github.log.clear()
    [counts] = await stored(
        sweep.dsn,
        "select (select count(*) from pull_requests), (select count(*) from issues), (select count(*) from reviews),"
        " (select count(*) from comments where comment_type = 'issue_comment'),"
        " (select count(*) from comments where comment_type = 'review_comment')",
    )
    pulls, issues = sweep.repository.pull_requests.values(), sweep.repository.issues.values()
    reviews = [review for pull in pulls for review in pull.reviews if review.state != "PENDING"]
    assert tuple(counts) == (
        len(pulls),
        len(issues),
        len(reviews),
        sum(len(each.comments) for each in (*pulls, *issues)),
        sum(len(review.comments) for review in reviews),
    )
    [bots] = await stored(sweep.dsn, "select count(*) from issues where assignees @> '[{\"id\": 198982749}]'")
    assert bots[0] == 0, "the server has only `assignees`, which leaves bots out"


async def test_what_a_server_has_learned_is_fetched_by_the_next_job(reading: Callable[..., Reading]) -> None:
    sweep = reading(ENTERPRISE_2024)
    for data_type in TYPES:
        await sweep.sweep(data_type)
    asked = len(sweep.asked("Issues"))
    await sweep.sweep("issues")
    assert len(sweep.asked("Issues")) == asked, "as long as the server lacks it, nothing is fetched again"
    sweep.github.lacks = NOTHING
    for data_type in TYPES:
        assert (await sweep.sweep(data_type)).outcome == "completed"
    await sweep.agrees()
