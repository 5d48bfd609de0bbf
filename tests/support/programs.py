"""How tests begin the project's programs: forked from a zygote, which is quick, or executed, as in production."""

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
    """Without what the programs read only after they have begun, and what pytest changes with every test."""
    return {name: value for name, value in environment.items() if not (is_setting(name) or name.startswith("PYTEST_"))}


class Forked:
    """A program that the zygote forked, as `Process` wants it: for any thread, as `subprocess.Popen` is.

    Signals go by its pidfd, so that none reaches another that has its number by then.
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
        """Its exit code, negative if a signal ended it."""
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
    """`tests/support/zygote.py`, as one of `processes`; it is loading still when this returns."""

    def __init__(self, processes: Processes) -> None:
        self._address = str(processes.directory / "zygote")
        self._environment = _rest(os.environ) | {"PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "tests.support.zygote", self._address]
        self._process = processes.start("zygote", command, env=self._environment, cwd=ROOT)

    def fits(self, environment: Mapping[str, str]) -> bool:
        """Whether it differs from the zygote's in settings alone: other variables may be read when modules load."""
        return _rest(environment) == self._environment

    def fork(
        self, program: str, arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, stdout: int, stderr: int
    ) -> Forked:
        """Runs a program of the project; standard input is empty."""
        order = Order(str(ROOT / program), list(arguments), dict(env), str(cwd))
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process.wait_ready(lambda: connection.connect_ex(self._address) == 0, within=PATIENCE)
        socket.send_fds(connection, [order.encode()], [stdout, stderr])
        return Forked(connection)


class Programs(Processes):
    """Processes of which some are the project's programs; with a zygote these are forked, where that is the same."""

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
