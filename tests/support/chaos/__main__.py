"""`make chaos`: customers buy, and a whole system works for minutes, while one fault after the other strikes it.

`SEED` decides which faults strike and when, `MINUTES` for how long (10). It prints each fault as it happens, and at
the end everything that is wrong. The exit code is 1 if anything is wrong, or if a fault did not happen.
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sandbox import pgbouncer, postgres, small_disk, temporal
from sandbox.github import World, generation
from sandbox.github.generation import Plan
from sandbox.github.generation import exports as github_exports
from sandbox.github.world.repositories import Repository
from schema.migrate import migrate
from tests.support.chaos.run import Run, run
from tests.support.programs import ROOT, Programs, Zygote
from tests.support.releases import older_release

EXPORTS = ROOT.parent / "shared" / "data" / "github-exports"
"""Real repositories, each of which a customer has; there need be none."""
DISK = 8 << 30
"""Bytes that Postgres may store while its disk is not full."""
EVERY = 4
"""So many threads of an export are one that is fetched."""
KEPT = ROOT / ".bench" / "chaos"
"""Logs of runs that found something, by seed."""


def keep_logs(directory: Path, seed: int) -> Path:
    """Copies the logs; returns the folder that they are in from now on."""
    kept = KEPT / f"{seed}"
    kept.mkdir(parents=True, exist_ok=True)
    for log in directory.glob("*.log"):
        shutil.copy(log, kept)
    return kept


def exports(world: World) -> Iterator[Repository]:
    """Adds real repositories to this world and yields them. Their discussions and events are generated."""
    for path in sorted(EXPORTS.glob("*.json.gz")):
        content = github_exports.read(path)
        for kind in ("issues", "pulls"):
            content[kind] = [each for each in content[kind] if each["number"] % EVERY == 0]
        repository = github_exports.from_content(world, content)
        plan = Plan(repository.name_with_owner, discussions=10, stars=30, forks=5, releases=5, pushes=20)
        generation.add_discussions(repository, plan)
        generation.add_events(repository, plan)
        yield repository


async def main() -> int:
    seed, minutes = int(os.environ.get("SEED") or time.time()), float(os.environ.get("MINUTES") or 10)
    with (
        tempfile.TemporaryDirectory(prefix="workspace-backfill-") as directory,
        small_disk.mounted(Path(directory) / "disk", DISK) as disk,
        Programs(Path(directory), None) as servers,
        Programs(Path(directory), Zygote(servers)) as programs,
    ):
        server = postgres.start(servers, disk.path if disk else None, durable=True)
        dsn = await server.create_database("chaos")
        await migrate(dsn, report=lambda _line: None)
        at = Run(
            programs=programs,
            dsn=dsn,
            postgres=server,
            temporal=temporal.start(servers, durable=True),
            world=(world := World()),
            disk=disk,
            older=await asyncio.to_thread(older_release, Path(directory) / "older"),
            given=await asyncio.to_thread(lambda: list(exports(world))),
            pooled=pgbouncer.program() is not None,
        )
        print(f"SEED={seed} MINUTES={minutes:g}, {len(at.given)} real repositories", flush=True)
        differences = await run(at, seed, minutes * 60, say=lambda line: print(line, flush=True))
        if differences:
            print(f"logs: {await asyncio.to_thread(keep_logs, Path(directory), seed)}")
    return 1 if differences else 0


if __name__ == "__main__":
    # Told to stop, it stops what it started, and unmounts what it mounted.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    sys.exit(asyncio.run(main()))
