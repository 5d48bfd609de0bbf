"""Brings about each fault of the schedule, and checks that it has happened."""

import asyncio
import contextlib
import signal
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import asyncpg

from sandbox.embeddings import Refused, rate_limited, server_error
from sandbox.github.exchange.requests import Request
from sandbox.github.faults import (
    Babble,
    BadCredentials,
    BadGateway,
    Effect,
    GatewayTimeout,
    Hang,
    Latency,
    OddTenth,
    Reset,
    SecondaryLimit,
    ServerError,
    SomethingWentWrong,
    Truncated,
)
from sandbox.proxy import Way
from tests.support.chaos.customers import Customers
from tests.support.chaos.schedule import CONNECTIONS, Kind, Strike
from tests.support.chaos.system import ABSENT, Program, System
from tests.support.shop import connected
from tests.support.waiting import PATIENCE, eventually

ODD = "odd"
"""A word in the names of repositories whose GitHub may be odd: what it does not show, only a later job has."""
ATTEMPTS = 12
"""A fault that met nobody, because nobody did at that moment what it breaks, strikes again."""
LONGEST_ODDITY = 60
"""Seconds for which a GitHub waits to be odd, while nobody asks for what would be."""
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
GITHUB: dict[str, Callable[[], Effect]] = {
    "BadGateway": BadGateway,
    "GatewayTimeout": GatewayTimeout,
    "SomethingWentWrong": SomethingWentWrong,
    "ServerError": ServerError,
    "Reset": Reset,
    "Truncated": Truncated,
    "Hang": Hang,
    "Latency": lambda: Latency(2),
    "SecondaryLimit": lambda: SecondaryLimit(retry_after=3),
    "BadCredentials": BadCredentials,
}
EMBEDDINGS: dict[str, Callable[[], Refused]] = {
    "429": lambda: rate_limited(1),
    "500": server_error,
    "503": lambda: Refused(503, "overloaded"),
}


def unavailable(*, pooled: bool, embeds: bool, disk: bool) -> dict[Kind, str]:
    """Returns the faults that cannot be brought about on this machine, with the reason."""
    reasons: dict[Kind, str] = {}
    if FAKETIME is None:
        reasons["wrong clock"] = "Debian's libfaketime is not installed"
    if not pooled:
        reasons["pooler restarted"] = "Debian's pgbouncer is not installed"
    if not disk:
        reasons["postgres without disk"] = "nobody may mount a file system here that can be full"
    if not embeds:
        reasons["embeddings fault"] = "nothing is embedded"
    return reasons


class Strikes:
    """Strikes a running system. `done` counts how often each fault has certainly happened, `missed` how often it met
    nothing.
    """

    def __init__(self, system: System, customers: Customers, say: Callable[[str], None]) -> None:
        self.done: dict[Kind, int] = defaultdict(int)
        self.missed: dict[Kind, int] = defaultdict(int)
        self._system, self._customers, self._say = system, customers, say
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._ways: dict[Kind, Callable[[Strike], Awaitable[int]]] = {
            "kill": lambda it: self._end(self._system.running[it.target], signal.SIGKILL),
            "terminate": lambda it: self._end(self._system.running[it.target], signal.SIGTERM),
            "webhook killed": lambda _it: self._end(self._system.running["webhook"], signal.SIGKILL),
            "freeze": self._freeze,
            "wrong clock": self._wrong_clock,
            **dict.fromkeys(CONNECTIONS, self._connection),
            "postgres restarted": lambda it: self._restart_postgres(it, signal.SIGINT),
            "postgres crashed": lambda it: self._restart_postgres(it, signal.SIGQUIT),
            "postgres full": self._fill_postgres,
            "postgres locked": self._lock_postgres,
            "postgres without disk": self._fill_disk,
            "postgres hung up": self._hang_up,
            "pooler restarted": lambda _it: self._restart_pooler(),
            "temporal restarted": lambda it: self._restart_temporal(it, signal.SIGTERM),
            "temporal killed": lambda it: self._restart_temporal(it, signal.SIGKILL),
            "github fault": self._github_fault,
            "github oddity": self._github_oddity,
            "github away": self._github_away,
            "embeddings fault": self._embeddings_fault,
            "pause": lambda it: customers.pause(it.dice, it.seconds),
            "retry": lambda it: customers.retry(it.dice),
            "cancel": lambda it: customers.cancel(it.dice),
            "buy": lambda _it: customers.buy(),
        }

    async def run(self, strikes: list[Strike]) -> None:
        """Brings about all of them, at their times; returns when the last one is over."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for strike in strikes:
                await asyncio.sleep(max(0, began + strike.at - time.monotonic()))
                group.create_task(self._strike(strike))

    async def _strike(self, strike: Strike) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(1)
            async with self._locks[_struck(strike)]:
                struck = await self._ways[strike.kind](strike)
            if struck:
                self._say(f"{strike}: {struck} struck")
                self.done[strike.kind] += 1
                return
        self._say(f"{strike}: nobody was there")
        self.missed[strike.kind] += 1

    async def _end(self, program: Program, number: signal.Signals) -> int:
        """Ends a program by a signal. The supervisor starts it again."""
        process = await program.runs()
        process.send(number)
        exit_code = await asyncio.to_thread(process.wait, PATIENCE)
        # One that has hardly begun hears of no order to stop.
        return int(exit_code == -number or (number == signal.SIGTERM and exit_code == 0))

    async def _freeze(self, strike: Strike) -> int:
        """Freezes a worker for longer than Temporal waits for heartbeats. It counts as dead, and then continues."""
        process = await self._system.running[strike.target].runs()
        process.send(signal.SIGSTOP)
        await asyncio.sleep(0.1)
        stopped = _state(process.pid) == "T"
        await asyncio.sleep(strike.seconds)
        process.send(signal.SIGCONT)
        return int(stopped)

    async def _wrong_clock(self, strike: Strike) -> int:
        """Starts a worker whose clock is two hours ahead, or behind. Its count of seconds is right."""
        program = self._system.running[strike.target]
        hours = -2 if strike.dice % 2 else 2
        size = len(program.log())
        program.extra = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{hours:+}h", "DONT_FAKE_MONOTONIC": "1"}
        await self._end(program, signal.SIGKILL)

        async def says_it() -> bool:
            now = time.time() + hours * 3600
            stamps = (time.strftime("%Y-%m-%dT%H", time.gmtime(now - back)) for back in (0, 3600 / 2))
            said = program.log()[size:]
            return any(each in said for each in stamps)

        # It is executed, not forked, which takes a busy machine a while.
        with contextlib.suppress(AssertionError):
            await eventually(says_it)
        struck = await says_it()
        await asyncio.sleep(strike.seconds)
        program.extra = {}
        await self._end(program, signal.SIGKILL)
        return int(struck)

    async def _connection(self, strike: Strike) -> int:
        proxy = self._system.proxies[strike.target]
        return await proxy.strike(cast(Way, strike.kind), strike.seconds, "there" if strike.dice % 2 else "back")

    async def _restart_postgres(self, strike: Strike, number: signal.Signals) -> int:
        system = self._system
        process = system.postgres.process
        process.send(number)
        await asyncio.to_thread(process.wait, PATIENCE)
        await asyncio.sleep(strike.seconds)
        system.postgres = await system.postgres.restart(system.programs)
        return int(system.postgres.process.pid != process.pid)

    async def _restart_temporal(self, strike: Strike, number: signal.Signals) -> int:
        system = self._system
        process = system.temporal.process
        process.send(number)
        await asyncio.to_thread(process.wait, PATIENCE)
        await asyncio.sleep(strike.seconds)
        system.temporal = await system.temporal.restart(system.programs)
        return int(system.temporal.process.pid != process.pid)

    async def _fill_postgres(self, strike: Strike) -> int:
        """Breaks all connections to Postgres and takes every free one. Returns 1 if the server refuses the next one."""
        async with AsyncExitStack() as stack:
            with contextlib.suppress(*ABSENT):
                mine = await stack.enter_async_context(connected(self._system.dsn))
                await mine.execute(OTHERS_END)
                try:
                    while True:
                        await stack.enter_async_context(connected(self._system.dsn))
                except asyncpg.TooManyConnectionsError:
                    await asyncio.sleep(strike.seconds)
                    return 1
        return 0

    async def _lock_postgres(self, strike: Strike) -> int:
        """Locks a table, as somebody's migration would. Returns how many statements waited for it at the end."""
        table = ("backfill_sweeps", "pull_requests", "workspace_backfill_progress", "github_budgets")[strike.dice % 4]
        with contextlib.suppress(*ABSENT):
            async with connected(self._system.dsn) as connection, connection.transaction():
                await connection.execute(f"lock table {table} in access exclusive mode", timeout=10)
                await asyncio.sleep(strike.seconds)
                return int(await connection.fetchval("select count(*) from pg_locks where not granted"))
        return 0

    async def _fill_disk(self, strike: Strike) -> int:
        """Fills the disk under Postgres for a while, and starts Postgres again if it ended. Returns how many writes
        failed.
        """
        system = self._system
        assert system.disk is not None
        before = self._refused_by_disk()
        with system.disk.full():
            await asyncio.sleep(strike.seconds)
        if system.postgres.process.exit_code is not None:
            system.postgres = await system.postgres.restart(system.programs)
        return self._refused_by_disk() - before

    def _refused_by_disk(self) -> int:
        logs = self._system.programs.directory.glob("postgres*.log")
        return sum(log.read_text(errors="replace").count("No space left on device") for log in logs)

    async def _hang_up(self, _strike: Strike) -> int:
        with contextlib.suppress(*ABSENT):
            async with connected(self._system.dsn) as connection:
                return len(await connection.fetch(OTHERS_END))
        return 0

    async def _restart_pooler(self) -> int:
        system = self._system
        assert system.pooler is not None
        process = system.pooler.process
        process.send(signal.SIGKILL)
        await asyncio.to_thread(process.wait, PATIENCE)
        system.pooler = await system.pooler.restart(system.programs)
        return int(system.pooler.process.pid != process.pid)

    async def _github_fault(self, strike: Strike) -> int:
        effect = GITHUB[strike.target]()
        # With every token refused, types end as failed by rights.
        account = "another" if strike.target == "BadCredentials" else None
        fault = self._system.github.faults.add(effect, times=1 + strike.dice % 5, account=account)
        await asyncio.sleep(strike.seconds)
        self._system.github.faults.remove(fault)
        return fault.hits

    async def _github_oddity(self, strike: Strike) -> int:
        # A null that may be true is believed, and what has not changed since is not asked for again.
        effect = Babble(strike.dice, 0.05, lone_nulls=False) if strike.target == "Babble" else OddTenth(strike.dice)
        fault = self._system.github.faults.add(effect, times=None, when=_of_the_odd)
        await asyncio.sleep(strike.seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_ODDITY):
                while not fault.hits:  # noqa: ASYNC110 (counted by another thread)
                    await asyncio.sleep(0.1)
        self._system.github.faults.remove(fault)
        return fault.hits

    async def _github_away(self, strike: Strike) -> int:
        github = self._system.github
        outage = await asyncio.to_thread(github.begin_outage, cast(Any, strike.target))
        await asyncio.sleep(strike.seconds)
        await asyncio.to_thread(github.end_outage)
        # Those that are refused arrive nowhere.
        return outage.requests or int(strike.target == "refused")

    async def _embeddings_fault(self, strike: Strike) -> int:
        """Brings a fault about for each of the next requests for embeddings. Returns how many requests met one."""
        assert self._system.embeddings is not None
        faults = self._system.embeddings.faults
        added = 1 + strike.dice % 5
        faults += [EMBEDDINGS[strike.target]() for _ in range(added)]
        await asyncio.sleep(strike.seconds)
        left = len(faults)
        faults.clear()
        return added - left


OTHERS_END = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and application_name <> 'tests'
"""


def _struck(strike: Strike) -> str:
    """Returns what the fault strikes, which can bear one fault at a time."""
    first = strike.kind.split()[0]
    if first in ("postgres", "temporal", "webhook"):
        return first
    return "github" if strike.kind == "github away" else strike.target or strike.kind


def _state(pid: int) -> str:
    """Returns the state of a process, as the kernel names it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _of_the_odd(request: Request) -> bool:
    return ODD in str(request.variables.get("name", "")) or f"/{ODD}" in request.path
