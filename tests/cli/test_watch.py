"""`starter.py watch`: follows a job to its end."""

import asyncio
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from rich.console import Console

from cli import jobs, program
from cli.commands import watch
from sandbox.postgres import Postgres
from store import job_changes
from tests.support import shop
from tests.support.cli.operator import ENDS, GONE, Operator, waits
from tests.support.waiting import PATIENCE, eventually, so

COLORS = re.compile(r"\x1b\[(?:[0-9;]*;)?[349][0-7][;m]")
"""How a terminal is told of one."""


class Watching:
    """A `watch` without a terminal, and what it has said."""

    def __init__(self, operator: Operator, job_id: str) -> None:
        operator.capsys.readouterr()
        self.out = self.err = ""
        self._operator = operator
        self._task = asyncio.create_task(program.run(["watch", job_id]))

    async def says(self, words: str) -> None:
        await eventually(so(lambda: words in self._read()))

    async def ends(self) -> int:
        exit_code = await asyncio.wait_for(self._task, PATIENCE)
        self._read()
        return exit_code

    def _read(self) -> str:
        said = self._operator.capsys.readouterr()
        self.out += said.out
        self.err += said.err
        return self.out


@asynccontextmanager
async def away(postgres: Postgres, operator: Operator) -> AsyncIterator[None]:
    """The operator's database refuses everybody meanwhile but the host."""
    name = operator.environment["DATABASE_URL"].rpartition("/")[2]
    async with shop.connected(postgres.url()) as administrator:
        await administrator.execute(f'alter database "{name}" allow_connections false')
        await administrator.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> $2",
            name,
            operator.host.get_server_pid(),
        )
        try:
            yield
        finally:
            await administrator.execute(f'alter database "{name}" allow_connections true')


class TestWatch:
    """Follows a job to its end."""

    async def test_without_a_terminal_it_is_a_line_a_change(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs, "LOOK_SECONDS", 0.02)
        job_id = (await operator.start())["id"]
        watching = Watching(operator, str(job_id))
        await watching.says("queued: Queued to fetch 30 days of history")
        await operator.set(job_id, status="in_progress")
        await watching.says("fetching: Fetching 30 days of history")
        issues: dict[str, Any] = {"status": "in_progress", "counts": {"issues": 20, "comments": 3}, "expected": 30}
        limited = datetime.now(UTC) + timedelta(minutes=5)
        limit = waits("github_limit", until=limited)
        await operator.sweep(job_id, "octo/a", waiting=limit, issues=issues)
        await watching.says(f"octo/a: waiting for GitHub until {limited.astimezone():%H:%M}")
        await operator.sweep(job_id, "octo/a", issues=issues)
        await watching.says("octo/a: goes on")
        await operator.sweep(job_id, "octo/a", "failed", issues=issues | {"status": "failed", "error": GONE})
        await operator.set(job_id, status="completed", failed_repositories=1, error_message="1 of 2 failed: octo/a")
        assert await watching.ends() == 1
        assert "octo/a issues: failed, 20 of 30, 3 comments: gone: octo/b is gone [404] → remove it" in watching.out
        assert "partly_failed: Failed for 1 of 2 repositories" in watching.out
        lines = [line.partition(" ")[2] for line in watching.out.splitlines()]
        assert all(line != following for line, following in pairwise(lines))

    @pytest.mark.parametrize(("columns", "exit_code"), ENDS, ids=str)
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
        looks = 0
        fingerprints = job_changes.fingerprints

        async def counted(*arguments: Any) -> Any:
            nonlocal looks
            looks += 1
            return await fingerprints(*arguments)

        monkeypatch.setattr(job_changes, "fingerprints", counted)
        watching = asyncio.create_task(program.run(["watch", str(job_id)]))
        await eventually(so(lambda: watching.done() or looks > 2))
        assert not watching.done()
        await operator.set(job_id, status="completed")
        assert await watching == 0

    async def test_on_a_terminal_it_draws(self, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
        job_id = await operator.halfway()
        screen = self.on_a_terminal(monkeypatch)
        watching = asyncio.create_task(program.run(["watch", str(job_id)]))
        wanted = ("octo/a", "50 of 200", "Waiting for GitHub until", "Octo/B", "gone:", "→ remove it", "Ctrl-C ends")
        await eventually(so(lambda: not [words for words in wanted if words not in screen.getvalue()]))
        assert COLORS.search(screen.getvalue())
        await operator.set(job_id, status="completed", failed_repositories=1)
        assert await watching == 1

    async def test_without_colors_it_draws_the_same(self, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
        job_id = await operator.halfway()
        await operator.set(job_id, status="completed", failed_repositories=1)
        screen = self.on_a_terminal(monkeypatch, NO_COLOR="1")
        assert await program.run(["watch", str(job_id)]) == 1
        assert "Octo/B" in screen.getvalue()
        assert not COLORS.search(screen.getvalue())

    async def test_on_a_dumb_terminal_it_writes_lines(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = (await operator.start())["id"]
        await operator.set(job_id, status="completed", completed_repositories=2)
        screen = self.on_a_terminal(monkeypatch, TERM="dumb")
        assert " completed: Complete" in (await operator("watch", str(job_id))).out
        assert screen.getvalue() == ""

    def on_a_terminal(self, monkeypatch: pytest.MonkeyPatch, **environment: str) -> io.StringIO:
        screen = io.StringIO()
        console = Console(
            file=screen,
            force_terminal=True,
            width=160,
            height=50,
            markup=False,
            emoji=False,
            highlight=False,
            _environ={"TERM": "xterm-256color"} | environment,
        )
        monkeypatch.setattr(jobs, "LOOK_SECONDS", 0.02)
        monkeypatch.setattr(watch, "console", lambda: console)
        return screen

    async def test_a_postgres_that_comes_back_is_waited_for(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
    ) -> None:
        monkeypatch.setattr(jobs, "LOOK_SECONDS", 0.02)
        job_id = (await operator.start())["id"]
        watching = Watching(operator, str(job_id))
        await watching.says("queued: ")
        async with away(postgres, operator):
            await watching.says("Postgres does not answer, and is asked again")
        await watching.says("Postgres answers again")
        await operator.set(job_id, status="completed")
        assert await watching.ends() == 0

    async def test_a_postgres_that_stays_away_ends_it_with_3(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
    ) -> None:
        monkeypatch.setattr(jobs, "LOOK_SECONDS", 0.02)
        monkeypatch.setattr(jobs, "PATIENCE_SECONDS", 0.5)
        job_id = (await operator.start())["id"]
        watching = Watching(operator, str(job_id))
        await watching.says("queued: ")
        async with away(postgres, operator):
            assert await watching.ends() == 3
        assert len(watching.err.splitlines()) == 1
