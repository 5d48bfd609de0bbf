"""However the parent ends, nothing that it started is left running."""

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from errors import Unreachable
from sandbox.processes import LAUNCH, Processes, answers, answers_http, launched
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parent.parent.parent
SLEEP = (sys.executable, "-c", "import time; print('asleep', flush=True); time.sleep(60)")

PARENT = """
import json, sys
from pathlib import Path
import psutil
from sandbox import postgres, temporal
from sandbox.processes import Processes

directory, *children = sys.argv[1:]
with Processes(Path(directory)) as processes:
    if "servers" in children:
        postgres.start(processes)
        temporal.start(processes)
    else:
        processes.start("sleep", children)
    print(json.dumps([child.pid for child in psutil.Process().children(recursive=True)]), flush=True)
    if sys.stdin.readline() == "error\\n":
        raise ValueError("of the parent")
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.parametrize(
    ("children", "ending", "exit_code"),
    [
        (["servers"], "SIGKILL", -9),
        (SLEEP, "SIGINT", -2),
        (SLEEP, "return", 0),
        (SLEEP, "error", 1),
        (SLEEP, "SIGTERM", -15),
    ],
)
def test_nothing_is_left(directory: Path, children: list[str], ending: str, exit_code: int) -> None:
    command = launched([sys.executable, "-c", PARENT, str(directory), *children])
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        assert parent.stdin
        assert parent.stdout
        descendants = [psutil.Process(pid) for pid in json.loads(parent.stdout.readline())]
        names = {descendant.name() for descendant in descendants}
        assert names >= {"postgres", "temporal"} if children == ["servers"] else len(names) == 1
        if ending.startswith("SIG"):
            parent.send_signal(signal.Signals[ending])
            assert parent.wait(20) == exit_code
        else:
            parent.communicate(f"{ending}\n".encode(), timeout=PATIENCE)
            assert parent.returncode == exit_code
    _, alive = psutil.wait_procs(descendants, timeout=PATIENCE)
    assert not alive


def test_a_watchdog_does_it_where_the_kernel_cannot() -> None:
    elsewhere = f"import runpy, sys; sys.platform = 'darwin'; runpy.run_path({str(LAUNCH)!r}, run_name='__main__')"
    start = f"""
import os, subprocess, sys
launch = [sys.executable, "-c", {elsewhere!r}, str(os.getpid()), "TERM", "-", *{SLEEP!r}]
print(subprocess.Popen(launch, stdout=subprocess.DEVNULL).pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        while "asleep" not in " ".join(child.cmdline()) or any("LAUNCH" in word for word in child.cmdline()):
            assert child.is_running()
        parent.kill()
    _, alive = psutil.wait_procs([child], timeout=PATIENCE)
    assert not alive


def test_a_program_that_ends_at_once_shows_its_last_words(directory: Path) -> None:
    with Processes(directory) as processes:
        process = processes.start("grumpy", [sys.executable, "-c", "import sys; sys.exit('no port for me')"])
        with pytest.raises(Unreachable, match=r"grumpy ended with exit code 1\nno port for me"):
            process.wait_ready(lambda: False, within=PATIENCE)
        missing = processes.start("missing", [directory / "no-such-program"])
        with pytest.raises(Unreachable, match="no-such-program: No such file"):
            missing.wait_ready(lambda: False, within=PATIENCE)


async def test_one_that_is_never_ready_is_given_up(directory: Path) -> None:
    with Processes(directory) as processes:
        process = processes.start("sleepy", SLEEP)
        process.wait_ready(lambda: "asleep" in process.tail(), within=PATIENCE)
        with pytest.raises(Unreachable, match=r"sleepy is not ready in time\nasleep"):
            process.wait_ready(answers_http("http://127.0.0.1:1/"), within=0.1)

        async def never() -> bool:
            return answers([sys.executable, "-c", "raise SystemExit(1)"])()

        with pytest.raises(Unreachable, match="not ready"):
            await process.until_ready(never, within=0.1)
        with pytest.raises(Unreachable, match="still runs"):
            process.wait(within=0.1)
    assert process.exit_code == -signal.SIGTERM


def test_one_that_ignores_the_request_is_killed(directory: Path) -> None:
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    with Processes(directory) as processes:
        process = processes.start("deaf", [sys.executable, "-c", deaf])
        process.wait_ready(lambda: "deaf" in process.tail(), within=PATIENCE)
        process.stop(within=0.2)
        assert process.exit_code == -signal.SIGKILL


def test_other_threads_may_not_start_children(directory: Path) -> None:
    problems: list[BaseException] = []

    def start() -> None:
        try:
            Processes(directory).start("orphan", SLEEP)
        except RuntimeError as error:
            problems.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(problems[0])


async def test_waiting_does_not_hold_up_the_loop(directory: Path) -> None:
    with Processes(directory) as processes:
        process = processes.start("sleepy", SLEEP)
        ready = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, ready.set)

        async def is_set() -> bool:
            return ready.is_set()

        await process.until_ready(is_set, within=PATIENCE)
