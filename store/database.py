"""The connection pool, and the transactions in which all statements run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType

import asyncpg
import orjson

import logs
from addresses import check_postgres, show_postgres
from errors import BadInput, RetryNow, Unreachable

Connection = asyncpg.pool.PoolConnectionProxy

# What passes by itself: the server restarts, a pooler drops us, two transactions get in each other's way.
_PASSING = (
    asyncpg.PostgresConnectionError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.LockNotAvailableError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.QueryCanceledError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    OSError,
    TimeoutError,
)


IDLE_SECONDS = 30.0
"""Seconds without a statement after which Postgres ends a transaction and frees its locks. Its process is then frozen
or lost, because we only compute between two statements, and others may wait for the locks."""


async def _prepare(connection: asyncpg.Connection) -> None:
    for name in ("json", "jsonb"):
        # Text, not binary: jsonb's binary form needs a version byte that the text codec spares us.
        await connection.set_type_codec(
            name, schema="pg_catalog", encoder=lambda value: orjson.dumps(value).decode(), decoder=orjson.loads
        )


async def _nothing_to_reset(connection: asyncpg.Connection) -> None:
    """Does nothing. It replaces asyncpg's reset of the session after each transaction, because that reset costs a round
    trip and our transactions leave nothing to reset.

    Behind a transaction pooler, asyncpg's reset would change the session of another client. The pool itself rolls back
    open transactions.
    """


class Database:
    """A pool that works behind a transaction pooler: it uses no named prepared statements, and runs nothing outside a
    transaction.
    """

    def __init__(self, url: str, *, size: int = 10, idle_seconds: float = IDLE_SECONDS) -> None:
        logs.register_secret(url)  # as a whole, should a library print it
        self._url = url
        self._size = size
        self._idle_seconds = idle_seconds
        self._pool: asyncpg.Pool | None = None

    @property
    def address(self) -> str:
        """The host and the name of the database, without the password, for error messages."""
        return show_postgres(self._url)

    async def __aenter__(self) -> "Database":
        try:
            check_postgres(self._url)
        except ValueError as error:
            raise BadInput("DATABASE_URL", str(error)) from None
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=0,
                max_size=self._size,
                statement_cache_size=0,
                timeout=10,
                # A connection that died without a word must not hold its caller for ever.
                command_timeout=60,
                init=_prepare,
                reset=_nothing_to_reset,
            )
            async with asyncio.timeout(10), self._pool.acquire() as connection:
                await connection.fetchval("select 1")
        except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
            raise Unreachable("database", f"Postgres at {self.address} does not answer: {error}") from error
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
            raise Unreachable("database", f"Postgres at {self.address} refuses us: {error}") from error
        except (ValueError, asyncpg.ClientConfigurationError) as error:
            raise BadInput("DATABASE_URL", f"is not an address that Postgres understands: {error}") from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Yields a connection inside a transaction. The transaction is committed at the end, and rolled back on any
        error.

        Raises `RetryNow` for passing errors, such as a lost connection. Other errors of Postgres are raised unchanged.
        """
        if self._pool is None:
            raise RuntimeError("the database is not open: use `async with Database(...)`")
        try:
            async with self._pool.acquire(timeout=30) as connection, connection.transaction():
                # Not as a parameter of the connection: poolers refuse those, and hand connections on to others.
                await connection.execute(f"set local idle_in_transaction_session_timeout = '{self._idle_seconds:g}s'")
                yield connection
        except _PASSING as error:
            raise RetryNow("database", f"Postgres at {self.address}: {error or type(error).__name__}") from error
