"""`python starter.py`, as it runs in production."""

import asyncio
import json
import signal
import sys

import pytest

from sandbox.ports import LOOPBACK
from sandbox.processes import Processes
from tests import shop
from tests.cli.operator import NOWHERE, Operator
from tests.conftest import RunStarter
from tests.programs import ROOT
from tests.waiting import PATIENCE


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

    async def test_ctrl_c_ends_the_watching_quietly(self, operator: Operator, programs: Processes) -> None:
        job_id = (await operator.start())["id"]
        watch = programs.start(
            "watch", [sys.executable, ROOT / "starter.py", "watch", str(job_id)], env=operator.environment
        )
        assert watch.log is not None
        log = watch.log

        async def begun() -> bool:
            return "pending" in log.read_text()

        await shop.eventually(begun)
        watch.send(signal.SIGINT)
        assert await asyncio.to_thread(watch.wait, PATIENCE) == 130
        assert len(log.read_text().splitlines()) == 1
        assert (await operator.job(job_id))["status"] == "pending"
