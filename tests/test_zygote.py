"""A forked program is the same as an executed one: what it says, how it ends, and that it ends with what began it."""

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from sandbox.processes import Processes
from tests.support.programs import Programs, Zygote
from tests.support.started import StartWorker
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="programs are forked on Linux only")


def ended(
    zygote: Zygote, directory: Path, environment: dict[str, str], program: str, *arguments: str, dotenv: str = ""
) -> tuple[tuple[int, str], tuple[int, str]]:
    """Exit code and output of a program: forked, and executed."""
    assert zygote.fits(environment)
    both = []
    for way, origin in (("forked", zygote), ("executed", None)):
        (directory / way).mkdir()
        (directory / way / ".env").write_text(dotenv)
        with Programs(directory / way, origin) as programs:
            process = programs.run("program", program, *arguments, env=environment)
            both.append((process.wait(within=PATIENCE), process.tail(1000)))
    return both[0], both[1]


@pytest.mark.parametrize(
    ("command", "setting", "exit_code"),
    [
        (["starter.py", "--help"], {}, 0),
        (["starter.py", "list", "--json"], {}, 0),
        (["starter.py", "status", "acme", "--no-such-option"], {}, 2),
        (["starter.py", "list"], {"DATABASE_URL": "foo"}, 2),
        (["worker.py"], {"GITHUB_BUDGET_SHARE": "7"}, 2),
        (["worker.py"], {"DATABASE_URL": "postgresql://someone@127.0.0.1:1/x"}, 3),
        (["webhook.py"], {"PORT": "many"}, 2),
    ],
)
def test_it_says_the_same(
    zygote: Zygote,
    tmp_path: Path,
    environment: dict[str, str],
    command: list[str],
    setting: dict[str, str],
    exit_code: int,
) -> None:
    forked, executed = ended(zygote, tmp_path, environment | setting, *command)
    assert forked == executed
    assert executed[0] == exit_code
    assert executed[1]


def test_it_reads_the_settings_where_it_runs(zygote: Zygote, tmp_path: Path, environment: dict[str, str]) -> None:
    del environment["DATABASE_URL"]
    forked, executed = ended(zygote, tmp_path, environment, "starter.py", "list", dotenv="DATABASE_URL=sqlite://")
    assert forked == executed
    assert "DATABASE_URL: must start with" in executed[1]


def _standard(pid: int) -> list[Path]:
    """Where its input comes from, its output and errors go."""
    return [Path(f"/proc/{pid}/fd/{number}").readlink() for number in range(3)]


@pytest.mark.parametrize("way", ["forked", pytest.param("executed", marks=pytest.mark.executed)])
async def test_a_worker_lives_and_ends_the_same(
    way: str, environment: dict[str, str], start_worker: StartWorker, programs: Programs
) -> None:
    worker = await start_worker(environment)
    running = psutil.Process(worker.pid)
    assert ("tests.support.zygote" in running.cmdline()) == (way == "forked")
    assert running.cwd() == str(programs.directory)
    assert os.getpgid(worker.pid) == worker.pid
    assert _standard(worker.pid) == [Path(os.devnull), worker.log, worker.log]
    assert worker.exit_code is None
    worker.send(signal.SIGTERM)
    assert worker.wait(within=PATIENCE) == 0
    assert not psutil.pid_exists(worker.pid)
    events = [json.loads(line)["event"] for line in worker.tail().splitlines()]
    turns = ["polling", "stopping", "stopped"]
    assert [event for event in events if event in turns] == turns
    worker.send(signal.SIGKILL)
    assert worker.exit_code == 0, "a signal to one that has ended does nothing"

    killed = await start_worker(environment)
    killed.send(signal.SIGKILL)
    assert killed.wait(within=PATIENCE) == -signal.SIGKILL


def test_it_does_not_outlive_the_zygote(environment: dict[str, str]) -> None:
    # Not in pytest's directory: the address of a socket is short.
    with tempfile.TemporaryDirectory() as name, Processes(Path(name)) as processes:
        zygote = Zygote(processes)
        with Programs(Path(name), zygote) as programs:
            webhook = programs.run("webhook", "webhook.py", env=environment | {"PORT": "0"})
            webhook.wait_ready(lambda: "listening" in webhook.tail(), within=PATIENCE)
            running = psutil.Process(webhook.pid)
            processes.started[0].send(signal.SIGKILL)
            assert webhook.wait(within=PATIENCE) == -signal.SIGKILL
            _, alive = psutil.wait_procs([running], timeout=PATIENCE)
            assert not alive


def test_what_may_be_read_at_an_import_is_a_reason_to_execute(zygote: Zygote, environment: dict[str, str]) -> None:
    assert zygote.fits(environment | {"GITHUB_TOKENS": "ghp_x", "OPENAI_API_KEY": "sk", "LOG_FORMAT": "json"})
    assert not zygote.fits(environment | {"SSL_CERT_FILE": "another.pem"})
    assert not zygote.fits(environment | {"PYTHONPATH": "elsewhere"})
