"""The host application's tables, which are empty when a test begins."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.support import shop


@pytest.fixture
async def host(module_database: str) -> AsyncIterator[asyncpg.Connection]:
    """The host application's own connection to `module_database`."""
    async with shop.emptied(module_database) as connection:
        yield connection
