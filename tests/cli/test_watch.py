"""`starter.py watch`: follows a job to its end."""

import asyncio
import io
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from rich.console import Console

from cli import jobs, program
from cli.commands import watch
from sandbox.postgres import Postgres
from tests import shop
from tests.cli.operator import GONE, Operator
from tests.waiting import PATIENCE, so


class TestWatch:
    """Follows a job to its end."""

    async def test_without_a_terminal_it_is_a_line_a_change(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs, "LOOK_SECONDS", 0.02)
        job_id = (await operator.start())["id"]
        operator.capsys.readouterr()
        watching = asyncio.create_task(program.run(["watch", str(job_id)]))
        out = ""

        async def said(line: str) -> bool:
            nonlocal out
            out += operator.capsys.readouterr().out
            return line in out

        await shop.eventually(lambda: said(f"job {job_id}: pending, 0 of 2 repositories complete"))
        await operator.set(job_id, status="in_progress")
        for stored in (10, 20):
            issues = {"status": "in_progress", "counts": {"issues": stored, "comments": 3}, "expected": 30}
            await operator.sweep(job_id, "octo/a", issues=issues)
            await shop.eventually(lambda: said(f"octo/a issues: in_progress, {stored} of 30, 3 comments"))  # noqa: B023
        limited = datetime.now(UTC) + timedelta(minutes=5)
        await operator.sweep(job_id, "octo/a", waiting_until=limited, issues=issues)
        clock = limited.astimezone().strftime("%H:%M")
        await shop.eventually(lambda: said(f"octo/a: waiting for GitHub until {clock}"))
        await operator.sweep(job_id, "octo/a", "failed", issues=issues | {"status": "failed", "error": GONE})
        await operator.set(job_id, status="completed", failed_repositories=1, error_message="1 of 2 failed: octo/a")
        assert await asyncio.wait_for(watching, PATIENCE) == 1
        assert await said("octo/a issues: failed, 20 of 30, 3 comments: gone: octo/b is gone [404] (remove it)")
        assert await said(f"job {job_id}: completed, 0 of 2 repositories complete, 1 failed: 1 of 2 failed: octo/a")
        lines = [line.partition(" ")[2] for line in out.splitlines()]
        assert all(line != following for line, following in pairwise(lines))

    @pytest.mark.parametrize(
        ("columns", "exit_code"),
        [
            ({"status": "completed"}, 0),
            ({"status": "completed", "failed_repositories": 1}, 1),
            ({"status": "failed"}, 1),
            ({"status": "canceled"}, 1),
        ],
        ids=str,
    )
    async def test_the_exit_code_says_how_it_ended(
        self, operator: Operator, columns: dict[str, Any], exit_code: int
    ) -> None:
        job_id = (await operator.start())["id"]
        await operator.set(job_id, **columns)
        assert (await operator("watch", "acme")).exit_code == exit_code

    async def test_right_after_a_retry_it_does_not_see_the_old_end(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs, "LOOK_SECONDS", 0.02)
        job_id = (await operator.start())["id"]
        await operator.set(job_id, status="failed")
        assert (await operator("retry", str(job_id))).exit_code == 0
        watching = asyncio.create_task(program.run(["watch", str(job_id)]))
        await asyncio.sleep(0.2)
        assert not watching.done()
        await operator.set(job_id, status="completed")
        assert await watching == 0

    async def test_on_a_terminal_it_draws(self, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
        job_id = await operator.halfway()
        screen = io.StringIO()
        console = Console(file=screen, force_terminal=True, width=160, markup=False, emoji=False, highlight=False)
        monkeypatch.setattr(jobs, "LOOK_SECONDS", 0.02)
        monkeypatch.setattr(watch, "console", lambda: console)
        watching = asyncio.create_task(program.run(["watch", str(job_id)]))
        wanted = ("octo/a issues", "50 of 200", "waiting for GitHub until", "ready about", "Octo/B issues", "gone:")

        async def drawn() -> bool:
            return not [words for words in wanted if words not in screen.getvalue()]

        await shop.eventually(drawn)
        await operator.set(job_id, status="completed", failed_repositories=1)
        assert await watching == 1

    async def test_a_postgres_that_stays_away_ends_it_with_3(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
    ) -> None:
        monkeypatch.setattr(jobs, "LOOK_SECONDS", 0.02)
        monkeypatch.setattr(jobs, "PATIENCE_SECONDS", 0.5)
        job_id = (await operator.start())["id"]
        operator.capsys.readouterr()
        watching = asyncio.create_task(program.run(["watch", str(job_id)]))
        await shop.eventually(so(lambda: "pending" in operator.capsys.readouterr().out))
        name = operator.environment["DATABASE_URL"].rpartition("/")[2]
        async with shop.connected(postgres.url()) as administrator:
            await administrator.execute(f'alter database "{name}" allow_connections false')
            await administrator.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name
            )
            assert await asyncio.wait_for(watching, PATIENCE) == 3
            await administrator.execute(f'alter database "{name}" allow_connections true')
        assert len(operator.capsys.readouterr().err.splitlines()) == 1
