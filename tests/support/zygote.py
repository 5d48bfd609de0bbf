"""`python -m tests.support.zygote SOCKET`: forks the programs from a process that has imported what they import.

A start of a program costs most of a second, nearly all of it imports; a fork of this one a few hundredths. A forked
program is a process as any other: its own pid, process group, environment, directory and output, and it gets SIGKILL
when this process ends, which ends with pytest. It differs from one begun by the interpreter in this alone: modules are
loaded already (the program's own runs anew), and with them the seed of `hash`. So nothing that is loaded may start a
thread, open a file or hold on to a setting: the first two are looked at here, `programs.py` sees to the third.

A connection is one program: in comes its `Order` with the descriptors of its output, back go its pid with a pidfd, and
its exit code when it has ended. Linux only.
"""

import contextlib
import ctypes  # noqa: F401 (of `die_with`, so that no program waits for it)
import gc
import importlib
import json
import os
import runpy
import select
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import SIGKILL

from sandbox.launch import die_with
from tests.support.array_types import know_array_types

PROGRAMS = ("starter", "webhook", "worker")
LARGEST_ORDER = 1 << 20


@dataclass(frozen=True)
class Order:
    """What to run."""

    program: str
    arguments: list[str]
    environment: dict[str, str]
    directory: str

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def load() -> None:
    """Imports what the programs import, but leaves none of themselves behind: each runs anew as `__main__`."""
    for name in (*PROGRAMS, "tests.support.ahead"):
        importlib.import_module(name)
    for name in PROGRAMS:
        del sys.modules[name]
    if threading.active_count() > 1 or len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("an import has started a thread, which no fork would have")
    know_array_types()
    # What is shared stays shared: a collection in a program would copy every page that it looks at.
    gc.collect()
    gc.freeze()


def serve(listener: socket.socket) -> Order:
    """Forks a program for each order. Returns in the forked process only, as which it has to run what is ordered."""
    running: dict[int, tuple[int, socket.socket]] = {}
    while True:
        ready, _, _ = select.select([listener.fileno(), *running], [], [])
        for descriptor in ready:
            if descriptor != listener.fileno():
                pid, connection = running.pop(descriptor)
                _report(connection, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                os.close(descriptor)
                continue
            connection, _ = listener.accept()
            text, output, _, _ = socket.recv_fds(connection, LARGEST_ORDER, 2)
            if not text:  # who asked is gone
                connection.close()
                continue
            order, parent = Order(**json.loads(text)), os.getpid()
            pid = os.fork()
            if pid == 0:
                for mine in (listener, connection, *(connection for _, connection in running.values())):
                    mine.detach()  # or it would close, when it is collected, what the program has opened by then
                _become(order, output, parent)
                return order
            # Not reaped yet, so that this is certainly it, whatever becomes of the number later.
            pidfd = os.pidfd_open(pid)
            socket.send_fds(connection, [str(pid).encode()], [pidfd])
            running[pidfd] = pid, connection
            for each in output:
                os.close(each)


def _report(connection: socket.socket, exit_code: int) -> None:
    with connection, contextlib.suppress(BrokenPipeError):  # who asked may be gone
        connection.send(str(exit_code).encode())


def _become(order: Order, output: list[int], parent: int) -> None:
    die_with(parent, SIGKILL)
    os.setpgid(0, 0)
    for number, descriptor in enumerate(output, start=1):
        os.dup2(descriptor, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(order.environment)
    time.tzset()
    os.chdir(order.directory)
    sys.argv = [order.program, *order.arguments]
    sys.path[0] = str(Path(order.program).parent)


def main(address: str) -> Order:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen()
    load()
    return serve(listener)


if __name__ == "__main__":
    # At the top, as a program of its own would be: what it raises is the interpreter's to show.
    runpy.run_path(main(sys.argv[1]).program, run_name="__main__")
