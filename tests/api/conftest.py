"""One database and one served API for each module of these tests."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.support import shop
from tests.support.api import world


@pytest.fixture(scope="module")
def database(module_database: str) -> str:
    return module_database


@pytest.fixture(scope="module")
async def host(database: str) -> AsyncIterator[asyncpg.Connection]:
    """The host application's own connection."""
    async with shop.connected(database) as connection:
        yield connection


@pytest.fixture(scope="module")
async def api(database: str) -> AsyncIterator[world.Api]:
    async with world.serving_api(database) as served:
        yield served


@pytest.fixture(scope="module")
async def tenant(host: asyncpg.Connection) -> world.Tenant:
    return await world.tenant(host, "octo/rocket", "octo/moon")
