"""`python starter.py`, as it runs in production."""

import asyncio
import contextlib
import json
import os
import pty
import signal
import sys

import pytest

from sandbox.ports import LOOPBACK
from tests.support import shop
from tests.support.cli.operator import NOWHERE, Operator
from tests.support.programs import ROOT
from tests.support.started import RunStarter
from tests.support.waiting import PATIENCE, eventually, so


@pytest.mark.executed
class TestTheProgram:
    """`python starter.py`, as it runs in production."""

    async def test_what_is_wrong_is_one_line_and_an_exit_code(
        self, environment: dict[str, str], run_starter: RunStarter
    ) -> None:
        wrong = [
            (environment, ["begin"], 2),
            (environment | {"DATABASE_URL": "foo"}, ["list"], 2),
            (environment | {"DATABASE_URL": NOWHERE}, ["status", "acme"], 3),
            (environment | {"TEMPORAL_ADDRESS": f"{LOOPBACK}:1"}, ["start", "--workspace", "acme"], 3),
        ]
        for ended, (_, arguments, exit_code) in zip(
            await asyncio.gather(*(run_starter(each, *arguments) for each, arguments, _ in wrong)), wrong, strict=True
        ):
            assert (ended.exit_code, ended.stdout, len(ended.stderr.splitlines())) == (exit_code, "", 1), arguments

    async def test_from_an_empty_database_to_a_job(
        self, empty_database: str, environment: dict[str, str], run_starter: RunStarter
    ) -> None:
        environment = environment | {"DATABASE_URL": empty_database}
        for _ in range(2):
            assert (await run_starter(environment, "migrate")).exit_code == 0
        async with shop.connected(empty_database) as host:
            workspace_id = await shop.workspace(host, await shop.buyer(host), "octo/a")
        started = await run_starter(environment, "start", "--workspace", workspace_id)
        assert (started.exit_code, started.stderr) == (0, "")
        status = await run_starter(environment, "status", started.stdout.strip(), "--json")
        assert json.loads(status.stdout)["status"] == "pending"

    async def test_ctrl_c_on_a_terminal_ends_the_watching_and_says_that_the_job_goes_on(
        self, operator: Operator
    ) -> None:
        job_id = (await operator.start())["id"]
        environment = operator.environment | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
        terminal, inside = pty.openpty()
        watch = await asyncio.create_subprocess_exec(
            sys.executable,
            ROOT / "starter.py",
            "watch",
            str(job_id),
            env=environment,
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
        )
        os.close(inside)
        os.set_blocking(terminal, False)
        shown = ""

        def shows(words: str) -> bool:
            nonlocal shown
            with contextlib.suppress(BlockingIOError, OSError):  # nothing more yet, or it has ended
                shown += os.read(terminal, 1 << 16).decode()
            return words in shown

        try:
            await eventually(so(lambda: shows("Ctrl-C ends the watching, not the job")))
            os.killpg(watch.pid, signal.SIGINT)
            assert await asyncio.wait_for(watch.wait(), PATIENCE) == 130
            assert shows(f"the job goes on; `starter.py watch {job_id}` shows it again")
        finally:
            if watch.returncode is None:
                watch.kill()
                await watch.wait()
            os.close(terminal)
        assert "Traceback" not in shown
        assert (await operator.job(job_id))["status"] == "pending"
