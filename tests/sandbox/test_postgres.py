"""The embedded Postgres is an 18 with pgvector that copies databases."""

import os

import asyncpg

from sandbox import postgres as postgres_server
from sandbox.postgres import Postgres


async def test_version_and_vectors(postgres: Postgres, empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    try:
        assert connection.get_server_version().major == postgres_server.major(postgres.programs)
        assert os.environ.get(postgres_server.PROGRAMS_VARIABLE) or connection.get_server_version().major == 18
        await connection.execute("create extension vector")
        distance = await connection.fetchval("select '[1,0]'::vector(2) <=> '[0,1]'::vector(2)")
    finally:
        await connection.close()
    assert distance == 1


async def test_a_copy_has_what_its_template_has(postgres: Postgres) -> None:
    connection = await asyncpg.connect(await postgres.create_database("original"))
    await connection.execute("create table kept (value int); insert into kept values (7)")
    await connection.close()
    connection = await asyncpg.connect(await postgres.create_database("copied", "original"))
    assert await connection.fetchval("select value from kept") == 7
    # One that is still connected does not keep its database from being dropped.
    await postgres.drop_database("copied")
    await connection.close()
    await postgres.drop_database("original")
