"""Starts the project's programs for tests: forked from a zygote, which is fast, or executed, as in production."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic_settings import BaseSettings

import settings
from sandbox.processes import Process, Processes
from tests.support.waiting import PATIENCE
from tests.support.zygote import Order

ROOT = Path(__file__).parents[2]
PREFIXES = ("DATABASE_", "TEMPORAL_", "GITHUB_", "OPENAI_", "EMBEDDING_", "POLAR_", "SUPABASE_", "BACKFILL_", "SMTP_")
PARTS = [part for part in vars(settings).values() if isinstance(part, type) and issubclass(part, BaseSettings)]
SETTINGS = {name.upper() for part in PARTS for name in part.model_fields}


def is_setting(name: str) -> bool:
    return name in SETTINGS or name.startswith(PREFIXES)


def _rest(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment without what programs read only after their start, and without what pytest changes for
    each test.
    """
    return {name: value for name, value in environment.items() if not (is_setting(name) or name.startswith("PYTEST_"))}


class Forked:
    """A program that the zygote forked, with the interface that `Process` needs. Any thread may use it, like
    `subprocess.Popen`.

    Signals are sent by its pidfd, so that they cannot reach another process that has got its number.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        pid, (self._pidfd,), _, _ = socket.recv_fds(connection, 32, 1)
        self.pid = int(pid)
        self._exit_code: int | None = None
        self._lock = threading.RLock()

    def poll(self) -> int | None:
        with self._lock:
            if self._exit_code is None and select.select([self._connection], [], [], 0)[0]:
                # Without a word the zygote has ended, and all of its children by the signal that they get then.
                self._exit_code = int(self._connection.recv(32) or -signal.SIGKILL)
                self._connection.close()
                os.close(self._pidfd)
            return self._exit_code

    def wait(self, timeout: float | None = None) -> int:
        """Waits until it has ended; returns its exit code, which is negative if a signal ended it."""
        with self._lock:
            if (exit_code := self.poll()) is not None:
                return exit_code
            told = os.dup(self._connection.fileno())  # which no other thread closes
        try:
            select.select([told], [], [], timeout)
        finally:
            os.close(told)
        if (exit_code := self.poll()) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return exit_code

    def send_signal(self, number: int) -> None:
        with self._lock, suppress(ProcessLookupError):
            if self.poll() is None:
                signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Zygote:
    """Starts `tests/support/zygote.py` as one of `processes`. It may still be loading when this returns."""

    def __init__(self, processes: Processes) -> None:
        self._address = str(processes.directory / "zygote")
        self._environment = _rest(os.environ) | {"PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "tests.support.zygote", self._address]
        self._process = processes.start("zygote", command, env=self._environment, cwd=ROOT)

    def fits(self, environment: Mapping[str, str]) -> bool:
        """Returns whether the environment differs from the zygote's in settings only. Other variables may have been
        read when modules were loaded.
        """
        return _rest(environment) == self._environment

    def fork(
        self, program: str, arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, stdout: int, stderr: int
    ) -> Forked:
        """Forks a program of the project. Its standard input is empty."""
        order = Order(str(ROOT / program), list(arguments), dict(env), str(cwd))
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process.wait_ready(lambda: connection.connect_ex(self._address) == 0, within=PATIENCE)
        socket.send_fds(connection, [order.encode()], [stdout, stderr])
        return Forked(connection)


class Programs(Processes):
    """Processes, some of which are the project's programs. With a zygote the programs are forked, if that makes no
    difference.
    """

    def __init__(self, directory: Path, zygote: Zygote | None) -> None:
        super().__init__(directory)
        self._zygote = zygote

    def run(self, name: str, program: str, *arguments: str, env: Mapping[str, str]) -> Process:
        """Starts `program`, such as `worker.py`."""
        if self._zygote is None or not self._zygote.fits(env):
            return self.start(name, [sys.executable, ROOT / program, *arguments], env=env)
        log = self.directory / f"{name}.log"
        with log.open("ab") as output:
            number = output.fileno()
            forked = self._zygote.fork(program, arguments, env=env, cwd=self.directory, stdout=number, stderr=number)
        return self.add(Process(name, forked, log, signal.SIGTERM))
