"""Which way an address leads to Postgres, by what is seen behind it."""

import pytest

from store.health import way_to
from tests.support.pooler import pooling


async def test_postgres_itself_is_known(database: str) -> None:
    assert await way_to(database) == "direct"


@pytest.mark.parametrize("connections", [1, 2, 3, 4, 5])
async def test_a_pooler_of_transactions_is_known_however_many_connections_it_has(
    connections: int, database: str
) -> None:
    async with pooling(database, connections) as pooled:
        assert await way_to(pooled) == "transaction"
