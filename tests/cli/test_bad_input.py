"""Whatever is wrong with arguments and settings is one line that names it."""

import pytest
from temporalio.client import Client

from cli import program
from sandbox.ports import LOOPBACK
from tests.support.cli.operator import NOBODY, NOWHERE, Operator, Said, one_line


class TestBadInput:
    """One line on standard error that names it, exit code 2; nothing is asked of any server."""

    @pytest.mark.parametrize(
        ("line", "named"),
        [
            ("", "COMMAND: missing"),
            ("begin", '"begin"'),
            ("strat --workspace x", '"strat"'),
            ("start", "--workspace"),
            ("start --workspace", "--workspace"),
            ("start x", "--workspace"),
            ("start --workspace x y", "y"),
            ("start --workspace x --fast", "--fast"),
            *(
                (f"start --workspace x --retention-days {days}", "--retention-days: must be a whole number from 1 to")
                for days in ("25abc", "1e3", "-5", "0", "1.0", "1_000", "36501", "٣", "0x10", "+5", "999999999999")
            ),
            ("start --workspace x --retention-days", "--retention-days"),
            ("start --workspace x --retention-days 5 --retention-days 6", "--retention-days"),
            ("start --workspace x --type stars", '"stars"'),
            ("start --workspace x --type", "--type"),
            ("start --workspace x --repo", "--repo"),
            ("status", "JOB|WORKSPACE"),
            ("status a b", "b"),
            ("status a --jsn", "--jsn"),
            ("status a --json=maybe", "json"),
            ("watch", "JOB|WORKSPACE"),
            ("retry", "JOB"),
            ("retry x --type 7", '"7"'),
            ("cancel", "JOB"),
            ("cancel x y", "y"),
            ("list all", "all"),
            ("list --unprocessed --unsent", "--unsent: lists something else"),
            ("migrate --force", "--force"),
        ],
    )
    async def test_an_argument(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, named: str
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", NOWHERE)
        exit_code = await program.run(line.split())
        said = capsys.readouterr()
        assert exit_code == 2
        assert named in one_line(Said(exit_code, said.out, said.err))

    @pytest.mark.parametrize(
        "line", ["status x", "watch x", "list", "start --workspace x", "retry x", "cancel x", "migrate"]
    )
    @pytest.mark.parametrize(
        ("name", "value", "exit_code"),
        [
            ("DATABASE_URL", "", 2),
            ("DATABASE_URL", "foo", 2),
            ("DATABASE_URL", "postgresql://u:hunter2@h:port/x", 2),
            ("LOG_FORMAT", "xml", 2),
            ("DATABASE_URL", NOWHERE, 3),
        ],
        ids=["missing", "foo", "port", "log", "away"],
    )
    async def test_a_setting(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        temporal_client: Client,
        line: str,
        name: str,
        value: str,
        exit_code: int,
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", NOWHERE)
        monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_client.service_client.config.target_host)
        monkeypatch.setenv(name, value)
        assert await program.run(line.split()) == exit_code
        said = capsys.readouterr()
        where = one_line(Said(exit_code, said.out, said.err))
        assert ("DATABASE_" in where or "LOG_FORMAT" in where) if exit_code == 2 else f"{LOOPBACK}:1/nowhere" in where

    @pytest.mark.parametrize("line", ["start --workspace x", f"retry {NOBODY}", f"cancel {NOBODY}"])
    @pytest.mark.parametrize(
        ("name", "value", "exit_code"),
        [
            ("TEMPORAL_ADDRESS", "http://localhost:7233", 2),
            ("TEMPORAL_TLS", "perhaps", 2),
            ("TEMPORAL_NAMESPACE", "nowhere", 2),
            ("TEMPORAL_ADDRESS", f"{LOOPBACK}:1", 3),
        ],
        ids=["url", "tls", "namespace", "away"],
    )
    async def test_a_setting_of_temporal(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch, line: str, name: str, value: str, exit_code: int
    ) -> None:
        monkeypatch.setenv(name, value)
        said = await operator(*line.split())
        assert said.exit_code == exit_code
        assert (name if exit_code == 2 else f"{LOOPBACK}:1") in one_line(said)

    @pytest.mark.parametrize(
        ("line", "named"),
        [
            ("start --workspace nobody's", "--workspace: there is no workspace nobody's"),
            (f"start --workspace {NOBODY}", f"--workspace: there is no workspace {NOBODY}"),
            ("start --workspace acme --repo octo/a --repo octo/c", "--repo: octo/c is not a repository of"),
            ("start --workspace acme --repo octo", "--repo: octo is not"),
            ("status nobody's", "JOB|WORKSPACE: there is no job and no workspace nobody's"),
            (f"watch {NOBODY}", f"JOB|WORKSPACE: there is no job and no workspace {NOBODY}"),
            ("status acme", "JOB|WORKSPACE: workspace acme has no backfill yet"),
            (f"retry {NOBODY}", f"JOB: there is no job {NOBODY}"),
            ("retry 25abc", "JOB: there is no job 25abc"),
            (f"cancel {NOBODY}", f"JOB: there is no job {NOBODY}"),
            ("cancel acme", "JOB: there is no job acme"),
        ],
    )
    async def test_what_is_not_there(self, operator: Operator, line: str, named: str) -> None:
        said = await operator(*line.split())
        assert said.exit_code == 2
        assert named in one_line(said)
        assert await operator.jobs() == 0

    @pytest.mark.parametrize("line", ["--help", "-h", "start --help"])
    async def test_to_ask_for_help_is_not_wrong(self, capsys: pytest.CaptureFixture[str], line: str) -> None:
        assert await program.run(line.split()) == 0
        said = capsys.readouterr()
        assert "--workspace" in said.out if "start" in line else "retry" in said.out
        assert said.err == ""

    async def test_a_database_without_our_tables(
        self, empty_database: str, operator: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", empty_database)
        for line in ("list", "status acme", "start --workspace acme"):
            said = await operator(*line.split())
            assert said.exit_code == 2
            assert "starter.py migrate" in one_line(said)
