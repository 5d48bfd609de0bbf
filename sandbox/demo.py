"""`make demo`: starts everything on this machine, and backfills a workspace. At the end nothing is left running.

If `DATABASE_URL`, `TEMPORAL_ADDRESS` or `OPENAI_BASE_URL` names a server, the demo uses that server and does not start
its own. With `EXPORTS="a.json.gz b.json.gz"` (or a folder with such files), the stand-in for GitHub serves the exported
repositories, not generated ones. With `REPOS="owner/name owner/name"` and `GITHUB_TOKEN`, the demo reads from the real
GitHub. `DAYS` is the retention that is bought. Exit codes: 0 if the job completed and no repository failed, 1 if not, 2
for bad input, 3 if a server cannot be reached.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import asyncpg
import jwt
from rich.console import Console
from rich.table import Table

from errors import BackfillError, BadInput, Unreachable
from sandbox import postgres, temporal
from sandbox.ports import LOOPBACK, free_port
from sandbox.processes import Process, Processes, answers_http, written
from sandbox.purchase import PRODUCT, HostRepository, Workspace, buy, create_workspace, look_up
from sandbox.wish import GENERATED, Wish, tokens, wish

ROOT = Path(__file__).parent.parent
PACE = "0.3"
"""Share of GitHub's time that the stand-in takes for generated repositories, so that progress is visible."""
OURS = ("DATABASE_", "TEMPORAL_", "GITHUB_", "OPENAI_", "EMBEDDING_", "POLAR_", "SUPABASE_", "BACKFILL_", "SMTP_")
STAND_IN_TOKEN = "ghp_demo"
TOKEN_SECONDS = 24 * 3600
"""Lifetime of the owner's token."""
WEBHOOK_SECRET = "whsec_dGhlIGRlbW8ncyBvd24gc2VjcmV0Lg=="
COUNTS = {
    "pull requests": "pull_requests t where t.repository_id = r.id",
    "reviews": "reviews t where t.repository_id = r.id",
    "review comments": "comments t where t.repository_id = r.id and comment_type = 'review_comment'",
    "issues": "issues t where t.repository_id = r.id",
    "comments": "comments t where t.repository_id = r.id and comment_type = 'issue_comment'",
    "timeline events": "issue_events t where t.repository_id = r.id",
    "discussions": "discussions t where t.repository_id = r.id",
    "discussion comments": """
      discussion_comments t join discussions d on d.id = t.discussion_id where d.repository_id = r.id
    """,
    "events": "github_events_cache t where t.repository_owner = r.owner and t.repository_name = r.name",
    "search index": """
      (select repository_id, embedding from pull_requests union all select repository_id, embedding from issues
       union all select repository_id, embedding from discussions) t
      where t.repository_id = r.id and t.embedding is not null
    """,
}
"""The rows that the table at the end counts, by noun, as the rest of an SQL query after `from`; `r` is a repository."""

MOST_COLUMNS = 4
"""The most repositories with a column of their own in the table. Its last column sums all repositories."""

console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


class Demo:
    """The servers and programs of the demo. `worker.py`, `webhook.py` and `starter.py` run in the same environment."""

    def __init__(self, processes: Processes, asked: Wish, environment: Mapping[str, str], pace: str = PACE) -> None:
        self._processes = processes
        self._pace = pace
        self._wish = asked
        self._given = environment
        self._url = ""
        self._where: list[tuple[str, str]] = []
        self._settings = {
            "TEMPORAL_TASK_QUEUE": f"workspace-backfill-demo-{os.getpid()}",
            "POLAR_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "BACKFILL_API_TOKEN": secrets.token_urlsafe(24),
            "SUPABASE_JWT_SECRET": secrets.token_urlsafe(48),
            "POLAR_RETENTION_PRODUCTS": json.dumps({PRODUCT: asked.days}),
            "LOG_FORMAT": "console",
            "SHUTDOWN_SECONDS": "5",
        }

    def run(self) -> bool:
        """Runs the demo. Returns whether the job completed and no repository failed."""
        workspace, page = self.begin()
        job = self.buy(workspace)
        names = ", ".join(self._wish.repositories)
        console.print(
            f"[green]✓[/] Polar's signed webhook: {self._wish.days:,} days of history of {names}", soft_wrap=True
        )
        console.print("\nWatch it in a browser, signed in as the workspace's owner:", style="bold")
        console.print(f"  {page}\n", soft_wrap=True, markup=False)
        watched = self._watch(job)
        status, rows = asyncio.run(self._stored(job))
        self._show(job, workspace, status, rows)
        return watched == 0 and status["status"] == "completed" and status["failed_repositories"] == 0

    def begin(self) -> tuple[Workspace, str]:
        """Starts the servers, the worker and the webhook server, and creates a workspace. Returns the workspace and the
        address of its settings page. The workspace's owner has not bought anything yet.
        """
        self._databases()
        self._github()
        self._embeddings()
        self._command("migrate", "starter.py", "migrate")
        repositories = [self._look_up(name) for name in self._wish.repositories]
        workspace = asyncio.run(create_workspace(self._settings["DATABASE_URL"], repositories))
        self._part("worker", "worker.py")
        port = str(free_port())
        webhook = self._part("webhook", "webhook.py", HOST=LOOPBACK, PORT=port)
        self._url = f"http://{LOOPBACK}:{port}"
        webhook.wait_ready(answers_http(f"{self._url}/healthz"), within=30)
        console.print(f"[green]✓[/] worker, and webhook server at {self._url}")
        page = f"{self._url}/workspaces/{workspace.workspace_id}/settings/data-retention"
        # In the fragment, as Supabase hands it over: no server and no log sees it.
        page = f"{page}#access_token={self._owners_token(workspace)}"
        self._where.insert(0, ("Settings page", page))
        token = self._settings["BACKFILL_API_TOKEN"]
        path = f"/api/workspaces/{workspace.workspace_id}/backfill"
        self._where.append(("Status API", f"curl -H 'Authorization: Bearer {token}' {self._url}{path}"))
        return workspace, page

    def buy(self, workspace: Workspace) -> str:
        """Buys the add-on for the workspace's owner. Returns the id of the job that the purchase creates."""
        buy(self._url, WEBHOOK_SECRET, workspace)
        return asyncio.run(self._job(workspace))

    @property
    def settings(self) -> Mapping[str, str]:
        """The environment variables that the demo's programs get in addition to those of this process."""
        return self._settings

    @property
    def temporal_web(self) -> str | None:
        """The address of Temporal's Web UI. It is None if the demo uses a Temporal server that it did not start."""
        return dict(self._where).get("Temporal's Web UI")

    def _owners_token(self, workspace: Workspace) -> str:
        """Returns an access token of the workspace's owner, signed as the host application's Supabase signs its
        tokens.
        """
        expires = datetime.now(UTC) + timedelta(seconds=TOKEN_SECONDS)
        claims = {"sub": workspace.owner, "aud": "authenticated", "exp": expires}
        return jwt.encode(claims, self._settings["SUPABASE_JWT_SECRET"], algorithm="HS256")

    def _databases(self) -> None:
        if self._given.get("DATABASE_URL"):
            self._keep("DATABASE_")
        else:
            server = postgres.start(self._processes)
            self._settings["DATABASE_URL"] = asyncio.run(server.create_database("workspace_backfill"))
            psql = shutil.which("psql") or server.programs / "psql"
            self._where.append(("Postgres", f"{psql} {self._settings['DATABASE_URL']}"))
            console.print("[green]✓[/] Postgres 18 with pgvector")
        if self._given.get("TEMPORAL_ADDRESS") or self._given.get("TEMPORAL_PROFILE"):
            self._keep("TEMPORAL_")
            self._where.append(("Temporal", f"task queue {self._settings['TEMPORAL_TASK_QUEUE']}"))
        else:
            dev_server = temporal.start(self._processes, web=True)
            self._settings |= {"TEMPORAL_ADDRESS": dev_server.address, "TEMPORAL_CONFIG_FILE": os.devnull}
            self._where.append(("Temporal's Web UI", f"{dev_server.web}/namespaces/default/workflows"))
            console.print(f"[green]✓[/] Temporal, with its Web UI at {dev_server.web}")

    def _github(self) -> None:
        if self._wish.real:
            self._keep("GITHUB_")
            return
        generated = (f"--pace={self._pace}", *(f"--generate={each}" for each in GENERATED))
        sources = [f"--export={path}" for path in self._wish.exports] or generated
        url = self._module("github", "sandbox.github", *sources, f"--token={STAND_IN_TOKEN}")
        self._settings |= {"GITHUB_API_URL": url, "GITHUB_TOKENS": STAND_IN_TOKEN, "GITHUB_BUDGET_SHARE": "1"}
        console.print(f"[green]✓[/] GitHub stand-in with {len(self._wish.repositories)} repositories")
        if tokens(self._given):
            console.print("  (a GitHub token is set; with REPOS=owner/name it would be used)")

    def _embeddings(self) -> None:
        if self._given.get("OPENAI_BASE_URL"):
            self._keep("OPENAI_", "EMBEDDING_")
            return
        url = self._module("embeddings", "sandbox.embeddings", "--token", "sk-demo")
        self._settings |= {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "sk-demo"}
        console.print("[green]✓[/] embedding server")

    def _keep(self, *prefixes: str) -> None:
        self._settings |= {
            name: value
            for name, value in self._given.items()
            if name.startswith(prefixes) and name not in self._settings
        }

    @property
    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in self._given.items() if not name.startswith(OURS)}
        return inherited | self._settings

    def _module(self, name: str, module: str, *arguments: str) -> str:
        """Starts a server of the sandbox and returns the server's address. The server writes its port to a file."""
        port_file = self._processes.directory / f"{name}.port"
        command: list[str | Path] = [sys.executable, "-m", module, "--port", "0", "--port-file", port_file, *arguments]
        server = self._processes.start(name, command, env=self._environment | {"PYTHONPATH": str(ROOT)})
        server.wait_ready(written(port_file), within=60)
        return f"http://{LOOPBACK}:{port_file.read_text().strip()}"

    def _part(self, name: str, script: str, *arguments: str, terminal: bool = False, **settings: str) -> Process:
        """Starts one of the product's programs with the demo's environment and `settings`."""
        command: list[str | Path] = [sys.executable, ROOT / script, *arguments]
        return self._processes.start(name, command, env=self._environment | settings, terminal=terminal)

    def _command(self, name: str, script: str, *arguments: str) -> None:
        command = self._part(name, script, *arguments)
        if command.wait(within=120) != 0:
            raise Unreachable("command_failed", f"{script} {' '.join(arguments)} failed\n{command.tail()}")
        console.print(f"[green]✓[/] {script} {' '.join(arguments)}")

    def _look_up(self, full_name: str) -> HostRepository:
        api = self._settings.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
        return look_up(
            full_name, self._settings.get("GITHUB_GRAPHQL_URL") or f"{api}/graphql", tokens(self._settings)[0]
        )

    async def _job(self, workspace: Workspace) -> str:
        """Waits until the purchase has created the workspace's job, and returns the job's id. Raises `Unreachable`
        after 30 seconds without a job.
        """
        deadline = time.monotonic() + 30
        connection = await asyncpg.connect(self._settings["DATABASE_URL"], statement_cache_size=0)
        try:
            query = "select id::text from workspace_backfill_jobs where workspace_id = $1"
            while (job := await connection.fetchval(query, workspace.workspace_id)) is None:
                self._check_parts()
                if time.monotonic() > deadline:
                    raise Unreachable("no_job", f"the purchase made no job\n{self._tail('webhook')}")
                await asyncio.sleep(0.1)
        finally:
            await connection.close()
        return str(job)

    def _watch(self, job: str) -> int:
        """Shows the job's progress until the job ends. Returns the exit code of `starter.py watch`."""
        watching = self._part("watch", "starter.py", "watch", job, terminal=True)
        try:
            while (code := watching.exit_code) is None:
                self._check_parts()
                time.sleep(0.1)
        finally:
            console.show_cursor()  # which it hides, and cannot bring back if it is stopped
        return code

    def _check_parts(self) -> None:
        for part in self._processes.started:
            if part.exit_code is not None and part.name not in ("initdb", "migrate", "watch"):
                raise Unreachable("part_ended", f"{part.name} ended with exit code {part.exit_code}\n{part.tail()}")

    def _tail(self, name: str) -> str:
        return "\n".join(part.tail() for part in self._processes.started if part.name == name)

    async def _stored(self, job: str) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
        """Returns the job's row, and one row for each of its repositories. A repository's row holds its status, how
        many seconds the backfill took, and how many rows of each noun in `COUNTS` are stored.
        """
        counts = ", ".join(f'(select count(*) from {what}) as "{noun}"' for noun, what in COUNTS.items())
        connection = await asyncpg.connect(self._settings["DATABASE_URL"], statement_cache_size=0)
        try:
            status = await connection.fetchrow("select * from workspace_backfill_jobs where id = $1", job)
            rows = await connection.fetch(
                f"""
                select r.full_name, p.status, p.error_message, {counts},
                  p.pull_requests_count + p.issues_count as in_scope,
                  extract(epoch from p.completed_at - p.started_at)::float as seconds
                from workspace_backfill_progress p join repositories r on r.id = p.repository_id
                where p.backfill_job_id = $1 order by r.full_name
                """,
                job,
            )
        finally:
            await connection.close()
        assert status is not None
        return dict(status), [dict(row) for row in rows]

    def _show(self, job: str, workspace: Workspace, status: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> None:
        shown = [noun for noun in COUNTS if any(row[noun] for row in rows)]
        table = Table(title=f"Stored by job {job} ({status['status']})", title_justify="left")
        table.add_column("")
        columns = [*rows[:MOST_COLUMNS], *([_total(rows, shown)] if len(rows) > 1 else [])]
        for row in columns:
            table.add_column(row["full_name"], justify="right", no_wrap=True)
        table.add_row("status", *(row["status"] for row in columns))
        for noun in shown:
            table.add_row(noun, *(f"{row[noun]:,}" for row in columns))
        table.add_row("seconds", *("" if row["seconds"] is None else f"{row['seconds']:.1f}" for row in columns))
        if any(row["in_scope"] < row["pull requests"] + row["issues"] for row in rows):
            table.caption = (
                "A page that crosses the cutoff is stored whole: some of this is older than what was bought."
            )
            table.caption_justify = "left"
        console.print()
        console.print(table)
        for row in rows:
            if row["error_message"]:
                console.print(f"[red]{row['full_name']}[/]: {row['error_message']}", markup=True)
        if status["error_message"]:
            console.print(f"[red]{status['error_message']}[/]")
        console.print("\nWhere to look:")
        settings_file = self._processes.directory / "settings.env"
        settings_file.touch(mode=0o600)
        settings_file.write_text(
            "".join(f"export {name}={shlex.quote(value)}\n" for name, value in self._settings.items())
        )
        status_command = f"(. {settings_file}; .venv/bin/python starter.py status {job})"
        for what, where in [
            *self._where,
            ("Workflow", f"workspace-backfill-{workspace.workspace_id}"),
            ("Status", status_command),
            ("Logs", str(self._processes.directory)),
        ]:
            console.print(f"  {what:<18} {where}", soft_wrap=True, markup=False)


def _total(rows: list[Mapping[str, Any]], shown: list[str]) -> dict[str, Any]:
    totals = {noun: sum(row[noun] for row in rows) for noun in shown}
    return {"full_name": f"all {len(rows)}", "status": "", "seconds": None} | totals


def _end(number: int, _frame: FrameType | None) -> None:
    """Handles a signal: ends the program so that every `finally` block runs. A second signal does not interrupt these
    blocks.
    """
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    started = time.monotonic()
    try:
        asked = wish(os.environ)
        with tempfile.TemporaryDirectory(prefix="workspace-backfill-demo-") as name, Processes(Path(name)) as processes:
            completed = Demo(processes, asked, os.environ).run()
            console.print(f"\n{'Completed' if completed else 'Failed'} after {time.monotonic() - started:.0f} s.")
            if sys.stdin.isatty() and sys.stdout.isatty():
                with contextlib.suppress(EOFError):
                    console.input("Everything stays up until you press Enter. ")
            else:
                console.print("All of it is stopped now; at a terminal it stays up until you press Enter.")
    except BackfillError as error:
        print(f"demo: {error.message}", file=sys.stderr)
        return 2 if isinstance(error, BadInput) else 3
    except KeyboardInterrupt:
        print("\ndemo: stopped", file=sys.stderr)
        return 130
    return 0 if completed else 1


if __name__ == "__main__":
    sys.exit(main())
