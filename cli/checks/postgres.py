"""Checks Postgres: whether it answers, whether a pooler is in between, and whether its tables, clock and disk are in
order.
"""

from collections.abc import AsyncIterator

import asyncpg

import settings
from cli.checks.finding import Finding, failure, ok, trouble, warning
from cli.connections import open_database
from cli.words import size
from errors import BackfillError, BadInput
from schema import migrate
from store import health
from store.database import Database
from store.embeddings import check_dimensions

CLOCK_SECONDS = 5.0
"""Difference between two clocks from which on times in screens and logs mislead."""
LITTLE, TOO_LITTLE = 0.15, 0.05
"""Shares of free disk space that are a warning and a failure."""


async def examine() -> AsyncIterator[Finding]:
    at = settings.load(settings.Database)
    dimensions = settings.load(settings.Embeddings).embedding_dimensions
    try:
        async with open_database() as database:
            async with database.transaction() as connection:
                server = await health.server(connection)
            yield ok("Postgres", f"{server.version} answers at {database.address}; {size(server.database_bytes)}")
            yield _clock(server)
            yield disk(server)
            yield await _way(at)
            yield await _migrations(at, dimensions)
            yield await _dimensions(database, dimensions)
    except BackfillError as error:
        to_do = "check that Postgres runs and that DATABASE_URL names its host, database, user and password"
        yield trouble("Postgres", error, to_do)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        yield failure(
            "Postgres", f"does not do what is asked: {error}", "check the role of DATABASE_URL and its rights"
        )


def _clock(server: health.Server) -> Finding:
    return clock("clock of Postgres", server.ahead.total_seconds(), "Postgres")


def clock(check: str, ahead: float, whose: str) -> Finding:
    """Returns the finding on a server's clock. `ahead` is the number of seconds by which that clock is ahead of this
    machine's clock. `whose` names the server.
    """
    if abs(ahead) > CLOCK_SECONDS:
        way = "ahead of" if ahead > 0 else "behind"
        return warning(check, f"{abs(ahead):.0f} s {way} this machine's", f"let NTP set the clocks of {whose} and here")
    return ok(check, f"within {CLOCK_SECONDS:.0f} s of this machine's")


def disk(server: health.Server) -> Finding:
    """Returns the finding on the free space of Postgres' disk. The finding is `ok` if the free space cannot be found
    out from this machine.
    """
    if server.free_share is None or server.free_bytes is None:
        return ok("disk of Postgres", "not to be known from here: watch it where Postgres runs")
    what = f"{size(server.free_bytes)} free, {server.free_share:.0%}"
    to_do = "make room or a larger disk: a full one stops every backfill at its next page"
    if server.free_share < TOO_LITTLE:
        return failure("disk of Postgres", what, to_do)
    return warning("disk of Postgres", what, to_do) if server.free_share < LITTLE else ok("disk of Postgres", what)


async def _way(at: settings.Database) -> Finding:
    """Returns the finding on poolers. Migrations and locks use `DATABASE_DIRECT_URL`, or else `DATABASE_URL`. The check
    fails only if this address leads through a transaction pooler, because migrations and locks need a session.
    """
    way, direct = await health.way_to(at.database_url), await health.way_to(at.direct_url)
    if direct == "transaction":
        name = "DATABASE_DIRECT_URL" if at.database_direct_url else "DATABASE_URL"
        what = f"{name} leads through a transaction pooler, and nothing leads to Postgres itself"
        return failure("pooler", what, "set DATABASE_DIRECT_URL to Postgres' own address: migrations and locks need it")
    words = {"direct": "is direct", "session": "leads through a session pooler"}
    through = words.get(way, "leads through a transaction pooler, which is fine")
    return ok("pooler", f"DATABASE_URL {through}; the direct one {words[direct]}")


async def _migrations(at: settings.Database, dimensions: int) -> Finding:
    try:
        missing = await migrate.pending(at.direct_url, embedding_dimensions=dimensions)
    except BadInput as error:
        return failure("migrations", error.message, "mend that, then run starter.py migrate")
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        what = f"the database is not of this release: {'; '.join(missing[:3])}{more}"
        return failure("migrations", what, "run starter.py migrate: it names each change that it makes")
    return ok("migrations", "the database has what this release needs")


async def _dimensions(database: Database, dimensions: int) -> Finding:
    try:
        async with database.transaction() as connection:
            await check_dimensions(connection, dimensions)
    except BadInput as error:
        return failure("embedding dimensions", error.message, "set EMBEDDING_DIMENSIONS to what the columns have")
    return ok("embedding dimensions", f"{dimensions}, as the columns have")
