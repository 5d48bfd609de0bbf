"""`python -m tests.support.zygote SOCKET`: forks programs from a process that has imported what they import.

A program needs most of a second to start, nearly all of it for imports; a fork of this process needs a few
hundredths. A forked program is a process like any other: it has its own pid, process group, environment, folder and
output, and gets SIGKILL when this process ends, which ends with pytest. It differs from a program that the
interpreter starts in one way: modules are loaded already (its own module is run anew), and so is the seed of `hash`.
So no module that is loaded here may start a thread, open a file or keep a setting. The first two are checked here;
`programs.py` takes care of the third.

Each connection is one program: its `Order` comes in with the descriptors of its output; its pid and a pidfd go back,
and its exit code when it has ended. Linux only.
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
    """The program to run, and how."""

    program: str
    arguments: list[str]
    environment: dict[str, str]
    directory: str

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def load() -> None:
    """Imports what the programs import, but not the programs themselves, each of which is run anew as `__main__`."""
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
    """Forks a program for each order. It returns only in the forked process, which then has to run the order that is
    returned.
    """
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
