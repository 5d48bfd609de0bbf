"""Child processes. All of them end when this process ends, whatever ends this process.

At the end of the `with` block, each child is asked to stop, the last one first. A child that does not stop is killed.
If this process itself is killed, each child gets a signal: `launch.py` arranges this.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from errors import Unreachable

LAUNCH = Path(__file__).with_name("launch.py")


def launched(
    command: Sequence[str | Path], user: str | None = None, orphan_signal: signal.Signals = signal.SIGKILL
) -> list[str]:
    """Returns a command that runs `command` as `user`, or as this process's user if `user` is None. The command gets
    `orphan_signal` when this process ends.
    """
    launch = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), orphan_signal.name.removeprefix("SIG")]
    return [*launch, user or "-", *map(str, command)]


def answers(command: Sequence[str | Path]) -> Callable[[], bool]:
    """Returns a condition for `Process.wait_ready`. It is true if `command` ends with exit code 0."""
    return lambda: subprocess.run(command, capture_output=True, check=False).returncode == 0


def written(path: Path) -> Callable[[], bool]:
    """Returns a condition for `Process.wait_ready`. It is true if the file exists and is not empty, because a file
    exists before its content is written.
    """
    return lambda: path.exists() and path.stat().st_size > 0


def answers_http(url: str) -> Callable[[], bool]:
    """Returns a condition for `Process.wait_ready`. It is true if `url` answers with status 200."""

    def ready() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    return ready


class Child(Protocol):
    """The part of `subprocess.Popen` that a `Process` needs."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int, /) -> None: ...

    def kill(self) -> None: ...


class Process:
    """A child process. `log` is the file with its standard output and error. It is None if the process uses the
    terminal.
    """

    def __init__(self, name: str, child: Child, log: Path | None, stop_signal: signal.Signals) -> None:
        self.name = name
        self.log = log
        self._child = child
        self._stop_signal = stop_signal

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative if a signal ended the process. It is None while the process runs."""
        return self._child.poll()

    def send(self, number: signal.Signals) -> None:
        """Sends the process a signal, such as SIGKILL. Does nothing if the process has ended."""
        self._child.send_signal(number)

    def wait(self, within: float) -> int:
        """Waits until the process has ended, and returns its exit code. Raises `Unreachable` if the process still runs
        after `within` seconds.
        """
        try:
            return self._child.wait(within)
        except subprocess.TimeoutExpired:
            raise Unreachable("still_running", f"{self.name} still runs after {within:g} s\n{self.tail()}") from None

    def wait_ready(self, ready: Callable[[], bool], within: float) -> None:
        """Waits until `ready()` is true. Raises `Unreachable`, with the end of the log, if the process ends first, or
        if `within` seconds have passed.
        """
        deadline = time.monotonic() + within
        while not ready():
            self._may_become_ready(deadline)
            time.sleep(0.02)

    async def until_ready(self, ready: Callable[[], Awaitable[bool]], within: float) -> None:
        """Waits until `ready()` is true, without blocking the event loop. Raises `Unreachable`, with the end of the
        log, if the process ends first, or if `within` seconds have passed.
        """
        deadline = time.monotonic() + within
        while not await ready():
            self._may_become_ready(deadline)
            await asyncio.sleep(0.02)

    def _may_become_ready(self, deadline: float) -> None:
        if self.exit_code is not None:
            raise Unreachable("not_started", f"{self.name} ended with exit code {self.exit_code}\n{self.tail()}")
        if time.monotonic() > deadline:
            raise Unreachable("not_started", f"{self.name} is not ready in time\n{self.tail()}")

    def stop(self, within: float = 10) -> None:
        """Asks the process to stop, and returns once it has ended. Kills the process if it still runs after `within`
        seconds.
        """
        self.send(self._stop_signal)
        try:
            self._child.wait(within)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def tail(self, lines: int = 20) -> str:
        """Returns the last `lines` lines of the process's log."""
        if self.log is None:
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Processes:
    """The child processes of a `with` block. The log of a process is the file `{name}.log` in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._started: list[Process] = []

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        orphan_signal: signal.Signals = signal.SIGKILL,
        terminal: bool = False,
    ) -> Process:
        """Starts `command` and returns the process. `user` is the user that runs it, by default this process's user.
        `env` is its environment, by default this process's.

        The child gets `orphan_signal` if this process is killed. With `terminal`, it shares the terminal of this
        process and gets Ctrl-C. Without `terminal`, it does not get Ctrl-C, so that children can be stopped in order.
        """
        if threading.current_thread() is not threading.main_thread():
            # Linux sends the orphan signal when the *thread* that started a child ends.
            raise RuntimeError("children are started by the main thread")
        log = None if terminal else self.directory / f"{name}.log"
        with contextlib.ExitStack() as files:
            output = files.enter_context(log.open("ab")) if log else None
            popen = subprocess.Popen(
                launched(command, user, orphan_signal),
                env=env,
                cwd=cwd or self.directory,
                stdin=None if terminal else subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=None if terminal else 0,
            )
        return self.add(Process(name, popen, log, stop_signal))

    def add(self, process: Process) -> Process:
        """Adds a process that was started in some other way, so that it is stopped with the others, and returns it."""
        self._started.append(process)
        return process

    @property
    def started(self) -> tuple[Process, ...]:
        """All processes that were started or added, including those that have ended."""
        return tuple(self._started)

    def stop(self) -> None:
        """Stops all processes. The process that was started last stops first."""
        for process in reversed(self._started):
            process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
