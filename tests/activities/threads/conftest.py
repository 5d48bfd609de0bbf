"""One sweep of one repository in Postgres, for the pieces of the thread reader that ask it."""

from collections.abc import AsyncIterator

import pytest

from store.database import Database
from tests.support.activities.stored import Stored, begin_sweep


@pytest.fixture
async def stored(database: str) -> AsyncIterator[Stored]:
    """A sweep over pull requests, without a row."""
    async with Database(database, size=2) as opened:
        yield await begin_sweep(opened, database, "pull_requests")
