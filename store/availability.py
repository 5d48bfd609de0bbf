"""`github_availability`: whether each server answers. All workers share the table. Times are from Postgres' clock."""

from datetime import datetime

from budget.breaker import Breaker, Intervals, Verdict
from store.database import Connection, Database

_READ = "select state, clock_timestamp() as now from github_availability where server = $1"


class SharedBreaker:
    """The breaker of one server (`budget.breaker.Availability`), stored in one row. The row is locked only while it is
    changed.
    """

    def __init__(self, database: Database, server: str, intervals: Intervals | None = None) -> None:
        self.intervals = intervals or Intervals()
        self._database = database
        self._server = server

    async def admit(self, api: str) -> Verdict:
        async with self._database.transaction() as connection:
            # Without a lock: nearly always there is no row, or one of a server that has answered since.
            row = await connection.fetchrow(_READ, self._server)
            if row is None:
                now: datetime = await connection.fetchval("select clock_timestamp()")
                return Verdict("ask", now)
            verdict = Breaker.model_validate(row["state"]).admit(row["now"], api, self.intervals)
            if verdict.do != "probe":
                return verdict
            breaker, now = await self._locked(connection)
            verdict = breaker.admit(now, api, self.intervals)
            await self._write(connection, breaker)
            return verdict

    async def failed(self, api: str, reason: str) -> datetime:
        async with self._database.transaction() as connection:
            breaker, now = await self._locked(connection)
            breaker.failed(now, api, reason, self.intervals)
            await self._write(connection, breaker)
            return now

    async def doubt(self, api: str, failed_at: datetime) -> Verdict:
        async with self._database.transaction() as connection:
            breaker, now = await self._locked(connection)
            verdict = breaker.doubt(now, api, failed_at, self.intervals)
            await self._write(connection, breaker)
            return verdict

    async def probed(self, api: str, began_at: datetime, reason: str | None) -> Verdict:
        async with self._database.transaction() as connection:
            breaker, now = await self._locked(connection)
            verdict = breaker.probed(now, api, began_at, reason, self.intervals)
            await self._write(connection, breaker)
            return verdict

    async def _locked(self, connection: Connection) -> tuple[Breaker, datetime]:
        """Locks the breaker's row until the transaction ends. Returns the breaker and the present time."""
        await connection.execute(
            "insert into github_availability (server) values ($1) on conflict do nothing", self._server
        )
        state = await connection.fetchval(
            "select state from github_availability where server = $1 for update", self._server
        )
        now: datetime = await connection.fetchval("select clock_timestamp()")
        return Breaker.model_validate(state), now

    async def _write(self, connection: Connection, breaker: Breaker) -> None:
        await connection.execute(
            "update github_availability set state = $2, updated_at = clock_timestamp() where server = $1",
            self._server,
            breaker.model_dump(mode="json", exclude_defaults=True),
        )
