"""How every benchmark begins and ends: it starts processes, which have ended when it ends."""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from errors import Unreachable
from sandbox.processes import Processes

Found = TypeVar("Found")


def on_processes(measure: Callable[[Processes], Coroutine[Any, Any, Found]]) -> Found:
    """Runs `measure` and returns its result. Ends the program with 3 if a server does not start, and with 130 at
    Ctrl-C.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        with (
            tempfile.TemporaryDirectory(prefix="workspace-backfill-bench-") as name,
            Processes(Path(name)) as processes,
        ):
            return asyncio.run(measure(processes))
    except Unreachable as error:
        print(f"bench: {error.message}", file=sys.stderr)
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
