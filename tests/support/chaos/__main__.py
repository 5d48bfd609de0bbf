"""`make chaos`: customers buy and a whole system works for minutes, while one fault after the other strikes it.

`SEED` decides which faults strike when, `MINUTES` how long (10). Prints each fault as it happens, and at the end what
is not as it should be: exit code 1 if anything, or if a fault did not happen.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from sandbox import pgbouncer, postgres, temporal
from sandbox.github import World
from schema.migrate import migrate
from tests.support.chaos.run import Run, run
from tests.support.programs import ROOT, Programs, Zygote

KEPT = ROOT / ".bench" / "chaos"
"""Logs of runs that found something, by seed."""


def keep_logs(directory: Path, seed: int) -> Path:
    """Where they lie from now on."""
    kept = KEPT / f"{seed}"
    kept.mkdir(parents=True, exist_ok=True)
    for log in directory.glob("*.log"):
        shutil.copy(log, kept)
    return kept


async def main() -> int:
    seed, minutes = int(os.environ.get("SEED") or time.time()), float(os.environ.get("MINUTES") or 10)
    with (
        tempfile.TemporaryDirectory(prefix="workspace-backfill-") as directory,
        Programs(Path(directory), None) as servers,
        Programs(Path(directory), Zygote(servers)) as programs,
    ):
        server = postgres.start(servers, durable=True)
        dsn = await server.create_database("chaos")
        await migrate(dsn, report=lambda _line: None)
        at = Run(
            programs=programs,
            dsn=dsn,
            postgres=server,
            temporal=temporal.start(servers, durable=True),
            world=World(),
            pooled=pgbouncer.program() is not None,
        )
        print(f"SEED={seed} MINUTES={minutes:g}", flush=True)
        differences = await run(at, seed, minutes * 60, say=lambda line: print(line, flush=True))
        if differences:
            print(f"logs: {await asyncio.to_thread(keep_logs, Path(directory), seed)}")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
