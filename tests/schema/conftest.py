"""The host's production shape with a row in every table, and what a database looks like from outside."""

import os
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from sandbox.postgres import Postgres
from tests.support.programs import ROOT
from tests.support.schema.databases import HOST_ROWS, HOST_SCHEMA, Open


@pytest.fixture(scope="session")
def host_schema() -> str:
    if not HOST_SCHEMA.is_file():
        reason = f"the host's schema is not there: {HOST_SCHEMA.relative_to(ROOT.parent)} beside the checkout"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return HOST_SCHEMA.read_text("utf-8")


@pytest.fixture(scope="session")
async def host_template(postgres: Postgres, host_schema: str) -> str:
    """Name of a database as the host's production has it, with a row in every table; nobody stays connected to it."""
    connection = await asyncpg.connect(await postgres.create_database("host"))
    try:
        await connection.execute(host_schema + HOST_ROWS)
    finally:
        await connection.close()
    return "host"


@pytest.fixture
async def host_database(postgres: Postgres, host_template: str) -> AsyncIterator[str]:
    """DSN of a copy of `host_template` for this test alone."""
    name = f"host_{uuid.uuid4().hex[:12]}"
    yield await postgres.create_database(name, host_template)
    await postgres.drop_database(name)


@pytest.fixture
async def connect() -> AsyncIterator[Open]:
    """Opens connections that are closed after the test."""
    opened: list[asyncpg.Connection] = []

    async def open_one(dsn: str, **options: Any) -> asyncpg.Connection:
        opened.append(await asyncpg.connect(dsn, **options))
        return opened[-1]

    yield open_one
    for connection in opened:
        # Not politely: a test may leave one in the middle of something.
        connection.terminate()
