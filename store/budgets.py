"""`github_budgets`: the budgets of all accounts, shared by all workers. Points are reserved before a request. The
request's real cost is settled afterwards.

Reserving and settling have transactions of their own, because a request costs its points even if its page is not
committed. An account's row is locked only while its budget is read, checked and written. Times are from Postgres'
clock.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from budget.account import LONGEST_WAIT, SHORTEST_WAIT, Ask, Budget, Held, Reservation, Resource, Told
from budget.prices import Prices
from errors import RetryLater
from progress import time_left
from progress.time_left import Window
from store.database import Connection, Database
from store.sweeps import LeaseLostError, Sweep

IN_FLIGHT = timedelta(seconds=30)
"""A reservation older than this was left by a killed worker: a request takes 15 s at most (`TIMEOUT_SECONDS`)."""
PATIENCE = timedelta(seconds=2)
"""Longest wait for a budget inside an activity. Longer waits give the activity's slot back."""

_RESERVE = """
insert into github_reservations (account, resource, operation, points, seconds, reserved_by, reserved_at, counts_until)
values ($1, $2, $3, $4, $5, $6, $7, $8) returning id
"""

_RECORD = """
insert into github_requests (account, resource, operation, repository, outcome, estimated_points, points, seconds)
values ($1, $2, $3, $4, $5, $6, $7, $8)
"""

_HELD = """
select account,
  coalesce(sum(points) filter (where resource = $2 and counts_until > $3), 0)::integer as points,
  coalesce(sum(points) filter (where resource = $2 and reserved_at > $4), 0)::integer as live_points,
  coalesce(sum(seconds) filter (where resource = $2 and reserved_at > $4), 0)::float as live_seconds,
  count(*) filter (where resource = $2 and reserved_at > $4)::integer as live,
  count(*) filter (where reserved_at > $4)::integer as of_both
from github_reservations where account = any($1) group by account
"""


class Budgets:
    """The budgets of all accounts. Backfills may use a share of each budget. If the `fence` of an `Ask` is a sweep,
    points are reserved only while that sweep holds its lease.
    """

    def __init__(
        self,
        database: Database,
        share: float,
        prices: Prices,
        ended: Callable[[str, Ask, Told], None] | None = None,
    ) -> None:
        """`share` is the part of each budget that backfills may use, from 0 to 1. `ended` is called after each finished
        request, with the account, the request (`Ask`) and its end (`Told`).
        """
        self._database = database
        self._ended = ended
        self._share = share
        self._prices = prices
        self._owner = f"{os.getpid()}@{socket.gethostname()}"

    async def load_prices(self) -> None:
        """Loads the prices of GraphQL operations that other workers have learned."""
        async with self._database.transaction() as connection:
            for row in await connection.fetch("select operation, factor from github_prices"):
                self._prices.learn(row["operation"], row["factor"])

    async def learn(self, operation: str) -> None:
        """Stores this worker's price of an operation, so that other workers can load it."""
        async with self._database.transaction() as connection:
            await connection.execute(
                """
                insert into github_prices as p (operation, factor) values ($1, $2)
                on conflict (operation) do update set factor = excluded.factor, learned_at = now()
                """,
                operation,
                self._prices.factor(operation),
            )

    async def reserve(self, ask: Ask, accounts: Sequence[str]) -> Reservation:
        """Reserves points of the account that has the largest remaining budget. Waits up to `PATIENCE` if no account
        can be used now.

        If the wait would be longer, raises `RetryLater` with the moment at which an account can be used. Raises
        `LeaseLostError` if the sweep's lease was taken.
        """
        patience = PATIENCE
        while True:
            reservation, wait, at = await self._try(ask, accounts)
            if reservation is not None:
                return reservation
            if wait > patience:
                what = "GraphQL" if ask.resource == "graphql" else "REST"
                raise RetryLater(
                    "rate_limited", f"GitHub's {what} budget is used up", max(at, at - wait + SHORTEST_WAIT)
                )
            patience -= wait
            await asyncio.sleep(wait.total_seconds())

    async def _try(self, ask: Ask, accounts: Sequence[str]) -> tuple[Reservation | None, timedelta, datetime]:
        """Tries once to reserve. Returns the reservation, the time to wait, and the moment at which the wait ends. The
        reservation is None if no account can be used now.
        """
        async with self._database.transaction() as connection:
            budgets, now = await _locked(connection, accounts, ask.resource)
            if isinstance(ask.fence, Sweep):
                await _check(connection, ask.fence)
            held = await _held(connection, accounts, ask.resource, now)
            ready = {account: each.ready_at(now, self._share, ask, held[account]) for account, each in budgets.items()}
            at = min(ready.values())
            if at > now:
                return None, at - now, at
            account = max(
                (each for each in budgets if ready[each] <= now),
                key=lambda each: (budgets[each].left(now, self._share, held[each]), -held[each].of_both),
            )
            counts_until = max((each.resets_at for each in budgets[account].windows), default=now + LONGEST_WAIT)
            arguments = (ask.operation, ask.points, ask.seconds, self._owner, now, counts_until)
            number = await connection.fetchval(_RESERVE, account, ask.resource, *arguments)
            return Reservation(number, account, ask), timedelta(0), now

    async def settle(self, reservation: Reservation, told: Told) -> None:
        """Settles a finished request: counts its cost as spent, and records what GitHub said of the budget."""
        ask = reservation.ask
        async with self._database.transaction() as connection:
            budgets, now = await _locked(connection, [reservation.account], ask.resource)
            await connection.execute("delete from github_reservations where id = $1", reservation.id)
            await self._over(connection, budgets[reservation.account], reservation.account, ask, told, now)

    async def hear(self, account: str, told: Told, operation: str) -> None:
        """Counts the cost of the GraphQL request that looked up the account of a token. Nothing was reserved for that
        request, because its account was not known before.
        """
        async with self._database.transaction() as connection:
            budgets, now = await _locked(connection, [account], "graphql")
            ask = Ask("graphql", operation, points=told.points or 1)
            await self._over(connection, budgets[account], account, ask, told, now)

    async def _over(
        self, connection: Connection, budget: Budget, account: str, ask: Ask, told: Told, now: datetime
    ) -> None:
        held = (await _held(connection, [account], ask.resource, now))[account]
        budget.settle(now, ask.points if told.points is None else told.points, told, held)
        await connection.execute(
            "update github_budgets set state = $3, updated_at = $4 where account = $1 and resource = $2",
            account,
            ask.resource,
            budget.model_dump(mode="json", exclude_defaults=True, exclude={"resource"}) | {"share": self._share},
            now,
        )
        await connection.execute(
            _RECORD,
            account,
            ask.resource,
            ask.operation,
            ask.repository,
            told.outcome,
            ask.points,
            told.points,
            told.seconds,
        )
        if self._ended is not None:
            self._ended(account, ask, told)


# Before the first page is stored nobody knows the accounts: of all that were heard of lately.
_BUDGETS = """
select resource, state, clock_timestamp() as now from github_budgets
where account = any($1) or (cardinality($1::text[]) = 0 and updated_at > now() - interval '1 hour')
order by account, resource
"""
_OTHERS = """
select count(*)::integer from workspace_backfill_jobs
where status = 'in_progress' and id <> $1 and not metadata ? 'paused_at'
"""
DEFAULT_SHARE = 0.8


async def readers(connection: Connection, job_id: str, repository_ids: Sequence[str] | None = None) -> frozenset[str]:
    """Returns the accounts that have read a job's repositories, in this job or in other jobs. If `repository_ids` is
    given, only these repositories count.
    """
    rows = await connection.fetch(
        """
        select distinct account from workspace_backfill_progress p
        join backfill_readers r on r.repository_id = p.repository_id
        where p.backfill_job_id = $1 and ($2::uuid[] is null or p.repository_id = any($2))
        """,
        job_id,
        repository_ids,
    )
    return frozenset(row["account"] for row in rows)


async def windows(connection: Connection, job_id: str, accounts: Collection[str]) -> tuple[list[Window], int]:
    """Returns the windows of the accounts' budgets. Each window holds the points or requests that are left, and the
    seconds until the reset. Also returns how many other jobs are in progress, because they may spend from the same
    budgets.

    If `accounts` is empty, returns the windows of all accounts that were used within the last hour. A budget with an
    unknown limit is left out. A budget that was reset since GitHub's last answer counts as full.
    """
    found = []
    for row in await connection.fetch(_BUDGETS, sorted(accounts)):
        budget = Budget.model_validate({"resource": row["resource"]} | row["state"])
        share = float(row["state"].get("share", DEFAULT_SHARE))
        period = budget.period_seconds or time_left.HOUR
        for each in budget.windows:
            allowed = max(1.0, each.limit * share)
            left = (each.resets_at - row["now"]).total_seconds()
            spent = each.used if left > 0 else 0
            # A window begins with the first request after a reset, so one that is over has all of its time ahead.
            found.append(Window(row["resource"], allowed - spent, allowed, left if left > 0 else period, period))
    return found, await connection.fetchval(_OTHERS, job_id)


async def _locked(
    connection: Connection, accounts: Sequence[str], resource: Resource
) -> tuple[dict[str, Budget], datetime]:
    """Locks the accounts' budgets until the transaction ends. Returns the budgets by account, and the present time."""
    query = """
        select account, state from github_budgets
        where account = any($1) and resource = $2 order by account for update
    """
    rows = await connection.fetch(query, list(accounts), resource)
    if len(rows) < len(set(accounts)):
        await connection.execute(
            """
            insert into github_budgets (account, resource) select distinct unnest($1::text[]), $2
            on conflict do nothing
            """,
            sorted(accounts),
            resource,
        )
        rows = await connection.fetch(query, list(accounts), resource)
    # Of this instant, not of the transaction's beginning: it may have waited for the lock.
    now: datetime = await connection.fetchval("select clock_timestamp()")
    return {row["account"]: Budget.model_validate({"resource": resource} | row["state"]) for row in rows}, now


async def _held(
    connection: Connection, accounts: Sequence[str], resource: Resource, now: datetime
) -> Mapping[str, Held]:
    rows = await connection.fetch(_HELD, list(accounts), resource, now, now - IN_FLIGHT)
    held = {row["account"]: Held(*list(row.values())[1:]) for row in rows}
    return {account: held.get(account, Held()) for account in accounts}


async def _check(connection: Connection, sweep: Sweep) -> None:
    """Raises `LeaseLostError` if another attempt has taken the sweep's lease, so that this attempt spends
    nothing more.
    """
    token = await connection.fetchval(
        "select lease_token from backfill_sweeps where backfill_job_id = $1 and repository_id = $2 and data_type = $3",
        *sweep.key,
    )
    if token != sweep.token:
        raise LeaseLostError


async def forget(database: Database, older_than: timedelta) -> int:
    """Deletes the records of requests older than `older_than`, and expired reservations. Returns how many rows were
    deleted.
    """
    async with database.transaction() as connection:
        gone = await connection.execute("delete from github_requests where at < now() - $1::interval", older_than)
        left = await connection.execute(
            "delete from github_reservations where counts_until < now() and reserved_at < now() - $1::interval",
            IN_FLIGHT,
        )
    return sum(int(each.rpartition(" ")[2]) for each in (gone, left))
