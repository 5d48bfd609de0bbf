"""One run of chaos, from the first purchase to the verdict."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.github import World
from sandbox.github.world.repositories import Repository
from sandbox.postgres import Postgres
from sandbox.small_disk import SmallDisk
from sandbox.temporal import Temporal
from tests.support.chaos import verdict
from tests.support.chaos.customers import Customers
from tests.support.chaos.schedule import KINDS, Kind, schedule
from tests.support.chaos.strikes import ODD, Strikes, unavailable
from tests.support.chaos.system import System, running
from tests.support.programs import Programs
from tests.support.waiting import eventually

DAYS = "10000"
"""More than any repository is old."""


@dataclass
class Run:
    """The servers and programs of a run."""

    programs: Programs
    dsn: str
    """Of a migrated database, in which nobody has bought anything yet."""
    postgres: Postgres
    temporal: Temporal
    world: World
    pooled: bool = True
    embeds: bool = True
    disk: SmallDisk | None = None
    """Under Postgres' files, if it can be full."""
    given: Sequence[Repository] = ()
    older: Path | None = None
    """The folder of the release over which this one is deployed in the middle of the first job."""
    kinds: Collection[Kind] = KINDS
    every: float = 4
    """Seconds between two faults, on average."""
    busy: int = 3
    """Jobs that are under way as long as faults are to come, at least."""
    size: float = 1


async def run(at: Run, seed: int, seconds: float, say: Callable[[str], None]) -> list[str]:
    """Runs chaos; returns everything that is wrong at the end, in words. `say` gets a line for each thing that
    happens.
    """
    beginning = time.monotonic()

    def tell(line: str) -> None:
        say(f"{time.monotonic() - beginning:6.1f} s  {line}")

    cannot = unavailable(pooled=at.pooled, embeds=at.embeds, disk=at.disk is not None)
    for kind, reason in cannot.items():
        if kind in at.kinds:
            tell(f"left out: {kind}: {reason}")
    strikes = schedule(seed, seconds, [each for each in at.kinds if each not in cannot], at.every)
    servers = at.programs, at.dsn, at.postgres, at.temporal, at.world
    async with running(*servers, disk=at.disk, pooled=at.pooled, embeds=at.embeds, older=at.older) as system:
        customers = Customers(system, list(at.given), size=at.size)
        struck = Strikes(system, customers, tell)
        began = time.time() - time.monotonic()
        await customers.buy()
        found = await _deployed(system, tell) if at.older else []
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(_keep_busy(customers, at.busy, over))
            await struck.run(strikes)
            over.set()
        tell("no more faults; every job goes on to its end")
        found += await _ends(customers, tell)
        if not found:
            log = list(system.github.log)
            found += await verdict.rows(system, [each for each in customers.repositories if ODD not in each.name])
            tell("all rows are compared")
            found += [*await verdict.jobs(system), *await verdict.notifications(system)]
            found += verdict.paid_twice(await verdict.committed(system), log, began)
            found += await verdict.embeddings(system)
            if "github oddity" in at.kinds:
                tell("every workspace is backfilled once more, undisturbed")
                found += await _once_more(system, customers, tell)
        found += verdict.faults([each.kind for each in strikes], struck.done)
        for line in _report(system, customers, struck, found):
            say(line)
    return found


async def _deployed(system: System, say: Callable[[str], None]) -> list[str]:
    """Deploys this release over the workers of an older one, which are sweeping. Returns everything that went wrong."""

    async def pages() -> int:
        [row] = await system.rows("select coalesce(sum(pages), 0) as pages from backfill_sweeps")
        return int(row["pages"])

    await eventually(pages)
    exit_codes = [await each.upgrade() for each in system.workers]
    say(f"this release is deployed over an older one, which had stored {await pages()} pages")
    return [f"a worker of the older release ended with {each}" for each in exit_codes if each]


async def _keep_busy(customers: Customers, jobs: int, over: asyncio.Event) -> None:
    """Keeps jobs running, because faults show little in an idle system."""
    while not over.is_set():
        if await customers.unfinished() < jobs:
            await customers.buy()
        await asyncio.sleep(0.5)


async def _ends(customers: Customers, say: Callable[[str], None]) -> list[str]:
    """Returns what is wrong with the end of jobs: every job has to end, and every retry of it. A failure has to come
    from something odd.
    """
    await customers.resume_all()
    await customers.wait(say)
    found = [f"failed: {each}" for each in await customers.failures() if ODD not in each]
    await customers.retry_all()
    await customers.wait(say)
    return found


async def _once_more(system: System, customers: Customers, say: Callable[[str], None]) -> list[str]:
    """Returns what is wrong after one more job: what GitHub did not show while it was odd has to be there, and
    everything else, too.
    """
    for row in await system.rows("select distinct workspace_id::text from workspace_backfill_jobs"):
        ended = await system.command("start", "--workspace", row["workspace_id"], "--retention-days", DAYS)
        if ended.exit_code != 0:
            return [f"there is no other job: {ended.stderr}"]
    await customers.wait(say)
    return await verdict.rows(system, customers.repositories)


def _report(system: System, customers: Customers, struck: Strikes, found: list[str]) -> Iterator[str]:
    yield f"{'fault':<20} {'happened':>8} {'met nobody':>10}"
    for kind in sorted({*struck.done, *struck.missed}):
        yield f"{kind:<20} {struck.done[kind]:>8} {struck.missed[kind]:>10}"
    for program in system.running.values():
        ends = ", ".join(f"{times} x {code}" for code, times in sorted(program.exit_codes.items()))
        yield f"{program.name} ended with exit code {ends}" if ends else f"{program.name} never ended"
    asked = sum(each.operation != "Viewer" for each in system.github.log)
    if system.embeddings is not None:
        yield f"{sum(len(each.texts) for each in system.embeddings.requests if each.status == 200):,} texts embedded"
    yield f"{len(customers.buyers)} customers, {len(customers.repositories)} repositories, {asked:,} requests"
    yield from (f"DIFFERENCE: {each}" for each in found)
    yield f"{sum(struck.done.values())} faults, {len(found)} differences"
