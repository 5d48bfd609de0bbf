"""A whole backfill: real Postgres, real Temporal, real workers as processes, and a stand-in for GitHub."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack
from typing import Any

import pytest
from temporalio.client import Client

from sandbox.github import Clock, StandIn, World
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from store.database import Database
from tests.support.backfill.direct import Direct
from tests.support.backfill.reading import BEGIN, TOKENS, Read, Reading
from tests.support.backfill.whole import Backfill
from tests.support.started import RunStarter, StartWorker

TOKEN = "ghp_stand_in"


@pytest.fixture
def serve() -> Iterator[Callable[..., StandIn]]:
    """Starts stand-ins; each ends with the test, and says then what it could not answer."""
    with ExitStack() as stack:

        def start(world: World, **options: Any) -> StandIn:
            stand_in: AbstractContextManager[StandIn] = StandIn(world, tokens={TOKEN: "viewer"}, **options)
            return stack.enter_context(stand_in)

        yield start


@pytest.fixture
async def whole(
    database: str,
    environment: dict[str, str],
    run_starter: RunStarter,
    start_worker: StartWorker,
    temporal_client: Client,
) -> AsyncIterator[Backfill]:
    """By workers as processes, and Temporal."""
    backfill = Backfill(database, environment, run_starter, start_worker, temporal_client)
    telling = asyncio.create_task(backfill.tell_of_deaths())
    yield backfill
    telling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await telling
    await backfill.close()


@pytest.fixture
async def direct(
    database: str,
    environment: dict[str, str],
    run_starter: RunStarter,
    start_worker: StartWorker,
    temporal_client: Client,
) -> AsyncIterator[Backfill]:
    """By the activities alone: for tests of what is read and stored."""
    backfill = Direct(database, environment, run_starter, start_worker, temporal_client)
    yield backfill
    await backfill.close()


@pytest.fixture
def backfill(whole: Backfill) -> Backfill:
    """Whole; a module whose tests are about sweeps alone has `direct` in its place."""
    return whole


@pytest.fixture
async def read(database: str) -> AsyncIterator[Read]:
    """Makes a repository of a stand-in whose clock stands still, to be swept in this process."""
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(Database(database, size=4))

        def begin(plan: Plan) -> Reading:
            world = World(Clock(BEGIN, stopped=True))
            repository = generate(world, plan)
            logins = ("viewer", "another", "third")
            github = stack.enter_context(StandIn(world, tokens=dict(zip(TOKENS, logins, strict=True))))
            return Reading(repository, github, opened, database)

        yield begin
