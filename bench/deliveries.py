"""Measures how soon the real `webhook.py` answers Polar's deliveries, and checks that none is lost.

    python -m bench.deliveries [--per-second 50] [--seconds 60] [--json]

It runs twice: undisturbed, and with a restart of Postgres in the middle. A delivery that is not answered with 202 is
sent again, as Polar does. Deliveries are sent at fixed times, whether or not earlier ones were answered, and their
durations are counted from these times. Exit codes: 0 done, 1 a delivery was lost, 2 bad arguments, 3 a part did not
start or ended, 130 interrupted.
"""

import argparse
import asyncio
import json
import sys
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import aiohttp
import asyncpg
import orjson
from rich.console import Console
from rich.table import Table

from bench import report, server
from bench.aims import Aim
from bench.program import on_processes
from bench.server import percentile
from errors import Unreachable
from sandbox import postgres, purchase, temporal
from sandbox.postgres import Postgres
from sandbox.processes import Processes
from sandbox.temporal import Temporal
from schema.migrate import migrate

BUYERS = 100
EVENTS = (
    "subscription.active",
    "order.created",
    "benefit_grant.created",
    "customer.state_changed",
    "subscription.updated",
)
"""The events that Polar sends about each buyer, repeatedly. Those that do not concern a subscription have no effect."""
POLAR_TIMEOUT = aiohttp.ClientTimeout(total=10)
PAUSES = (1, 2, 4, 8, 16)
"""Seconds until a delivery without a 202 is sent again."""
PATIENCE_SECONDS = 600.0
P99_MS = 200


@dataclass
class Load:
    """The results of one series of deliveries."""

    name: str
    per_second: float
    deliveries: int
    milliseconds: list[float] = field(default_factory=list)
    """Time until the first answer to each, whatever its status."""
    unanswered: int = 0
    """Attempts without a 202."""
    accepted: int = 0
    lost: int = 0
    """Deliveries that got a 202 and are not finished in Postgres."""
    finished_seconds: float = 0
    """Time from the last delivery until all were finished."""
    away_seconds: float | None = None
    """How long Postgres was away; None without a restart."""
    faults: list[str] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, Any]:
        found = asdict(self)
        del found["milliseconds"]
        return found | {f"p{p}_ms": percentile(self.milliseconds, p) for p in (50, 99, 100)}


class Polar:
    """Plays Polar: sends deliveries about the subscriptions of some buyers."""

    def __init__(self, url: str, owners: Sequence[str]) -> None:
        self._url = f"{url}/webhooks/polar"
        self._owners = owners
        self._subscriptions = {owner: str(uuid.uuid4()) for owner in owners}

    async def send(self, load: Load) -> list[str]:
        """Sends the deliveries of a load. Returns their ids once each of them was accepted or given up."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=POLAR_TIMEOUT, connector=connector) as session:
            began, sending = monotonic(), list[asyncio.Task[str]]()
            async with asyncio.TaskGroup() as tasks:
                for number in range(load.deliveries):
                    due = began + number / load.per_second
                    await asyncio.sleep(max(0, due - monotonic()))
                    sending.append(tasks.create_task(self._deliver(session, load, number, due)))
        return [task.result() for task in sending]

    async def _deliver(self, session: aiohttp.ClientSession, load: Load, number: int, due: float) -> str:
        delivery, payload = f"msg_{uuid.uuid4().hex}", json.dumps(self._event(number))
        for pause in (0, *PAUSES):
            await asyncio.sleep(pause)
            headers = purchase.signed(server.SECRET, delivery, payload, datetime.now(UTC))
            try:
                async with session.post(self._url, data=payload, headers=headers) as response:
                    accepted = response.status == 202
            except (aiohttp.ClientError, TimeoutError):
                accepted = False
            if not pause:
                load.milliseconds.append((monotonic() - due) * 1_000)
            if accepted:
                load.accepted += 1
                break
            load.unanswered += 1
        return delivery

    def _event(self, number: int) -> dict[str, Any]:
        owner = self._owners[number % len(self._owners)]
        kind, now = EVENTS[number // len(self._owners) % len(EVENTS)], datetime.now(UTC)
        return {
            "type": kind,
            "timestamp": now.isoformat(),
            "data": {
                "id": self._subscriptions[owner],
                "status": "active",
                "product_id": purchase.PRODUCT,
                "customer_id": owner,
                "customer": {"external_id": owner},
                "metadata": {"user_id": owner},
                "started_at": now.isoformat(),
                "current_period_end": (now + timedelta(days=30)).isoformat(),
                "cancel_at_period_end": False,
                "modified_at": now.isoformat(),
            },
        }


class Stage:
    """The servers that get a load. No other test may use their Postgres, because it is restarted."""

    def __init__(self, processes: Processes, postgres: Postgres, temporal: Temporal) -> None:
        self._processes = processes
        self._postgres = postgres
        self._temporal = temporal

    async def run(
        self, name: str, *, per_second: float, seconds: float, restart: bool = False, buyers: int = BUYERS
    ) -> Load:
        """Sends a load; returns the results. Raises `Unreachable` if a server does not start, or ends."""
        dsn = await self._postgres.create_database(name)
        await migrate(dsn, report=lambda _line: None)
        workspaces = [await purchase.create_workspace(dsn, []) for _ in range(buyers)]
        webhook, url = server.start(self._processes, dsn, self._temporal.address)
        load = Load(name, per_second, deliveries=round(per_second * seconds))
        restarting = asyncio.create_task(self._restart(load, seconds / 2)) if restart else None
        sent = await Polar(url, [each.owner for each in workspaces]).send(load)
        if restarting is not None:
            await restarting
        if webhook.exit_code is not None:
            raise Unreachable("part_ended", f"webhook.py ended with {webhook.exit_code}\n{webhook.tail()}")
        await _judge(dsn, load, sent, bought=min(buyers, load.deliveries))
        webhook.stop()
        return load

    async def _restart(self, load: Load, after: float) -> None:
        await asyncio.sleep(after)
        began = monotonic()
        self._postgres = await self._postgres.restart(self._processes)
        load.away_seconds = monotonic() - began


async def _judge(dsn: str, load: Load, sent: Sequence[str], bought: int) -> None:
    """Waits until everything that is stored has been processed, and compares it with what was sent."""
    began = monotonic()
    connection = await asyncpg.connect(dsn)
    try:
        waiting = "select count(*) from webhook_deliveries where processed_at is null"
        while await connection.fetchval(waiting):
            if monotonic() - began > PATIENCE_SECONDS:
                break
            await asyncio.sleep(0.05)
        load.finished_seconds = monotonic() - began
        finished = {
            row["webhook_id"]
            for row in await connection.fetch(
                "select webhook_id from webhook_deliveries where processed_at is not null"
            )
        }
        load.lost = len(set(sent) - finished)
        for what, query in (
            ("active add-ons", "select count(*) from subscription_addons where status = 'active'"),
            ("jobs", "select count(*) from workspace_backfill_jobs"),
        ):
            if (found := await connection.fetchval(query)) != bought:
                load.faults.append(f"{what}: {found} of {bought}")
    finally:
        await connection.close()


def judged(loads: Sequence[Load]) -> list[Aim]:
    aims = []
    for load in loads:
        aims.append(Aim(f"{load.name}: deliveries lost", load.lost, 0, binding=True))
        aims.append(Aim(f"{load.name}: signs of a wrong outcome", len(load.faults), 0, binding=True))
        if load.away_seconds is None:
            aims.append(Aim(f"{load.name}: p99, ms", percentile(load.milliseconds, 99), P99_MS))
            aims.append(Aim(f"{load.name}: attempts without a 202", load.unanswered, 0, binding=True))
    return aims


def table(loads: Sequence[Load]) -> Table:
    found = Table(title="Polar's deliveries", title_justify="left")
    for name in (
        "",
        "deliveries",
        "a second",
        "p50 ms",
        "p99 ms",
        "max ms",
        "without 202",
        "lost",
        "finished s",
        "away s",
    ):
        found.add_column(name, justify="right" if name else "left")
    for load in loads:
        times = [f"{percentile(load.milliseconds, each):,.0f}" for each in (50, 99, 100)]
        away = "-" if load.away_seconds is None else f"{load.away_seconds:.1f}"
        found.add_row(
            load.name,
            f"{load.deliveries:,}",
            f"{load.per_second:g}",
            *times,
            f"{load.unanswered:,}",
            f"{load.lost:,}",
            f"{load.finished_seconds:.1f}",
            away,
        )
    return found


async def measure(processes: Processes, *, per_second: float, seconds: float) -> list[Load]:
    stage = Stage(processes, postgres.start(processes, durable=True), temporal.start(processes))
    return [
        await stage.run("peace", per_second=per_second, seconds=seconds),
        await stage.run("restart", per_second=per_second, seconds=seconds, restart=True),
    ]


def main() -> int:
    parser = argparse.ArgumentParser("python -m bench.deliveries", description="Polar's deliveries: p50, p99, lost.")
    parser.add_argument("--per-second", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=60, help="of each of the two runs")
    parser.add_argument("--json", action="store_true", help="to standard output, instead of tables")
    given = parser.parse_args()
    loads = on_processes(lambda processes: measure(processes, per_second=given.per_second, seconds=given.seconds))
    aims = judged(loads)
    if given.json:
        found = {"machine": report.machine(), "load": server.load(), "runs": [load.figures for load in loads]}
        print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
        console.print(table(loads), "", report.aims_table(aims), *(fault for load in loads for fault in load.faults))
    return 0 if all(aim.met for aim in aims if aim.binding) else 1


if __name__ == "__main__":
    sys.exit(main())
