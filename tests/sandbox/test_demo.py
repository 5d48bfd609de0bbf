"""The demo says what is wrong before it starts anything, uses what it is given, and leaves nothing behind."""

import asyncio
import gzip
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
import pytest

from errors import BadInput
from sandbox.postgres import Postgres
from sandbox.processes import Processes, launched, written
from sandbox.temporal import Temporal
from sandbox.wish import wish
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Ended:
    exit_code: int
    stdout: str
    stderr: str


TOKEN = "ghp_of_the_test"
REAL = {"GITHUB_TOKEN": TOKEN}


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"REPOS": "no-slash", **REAL}, "REPOS"),
        ({"REPOS": "owner/name/more", **REAL}, "REPOS"),
        ({"REPOS": "owner/..", **REAL}, "REPOS"),
        ({"REPOS": "-owner/name", **REAL}, "REPOS"),
        ({"REPOS": "fine/fine o/n'ame", **REAL}, "REPOS"),
        ({"REPOS": "owner/name"}, "GITHUB_TOKEN"),
        ({"REPOS": "owner/name", "EXPORTS": str(ROOT), **REAL}, "EXPORTS"),
        ({"EXPORTS": "nowhere.json.gz"}, "EXPORTS"),
        ({"DAYS": "0"}, "DAYS"),
        ({"DAYS": "1e3"}, "DAYS"),
        ({"DAYS": "36501"}, "DAYS"),
    ],
)
def test_a_bad_wish_is_named(environment: dict[str, str], name: str) -> None:
    with pytest.raises(BadInput) as caught:
        wish(environment)
    assert caught.value.name == name


def test_a_file_that_is_no_export_is_named(tmp_path: Path) -> None:
    for content in (b"{}", b"[", b"[]"):
        (tmp_path / "a.json.gz").write_bytes(gzip.compress(content))
        with pytest.raises(BadInput, match=r"a\.json\.gz is not a repository's export"):
            wish({"EXPORTS": str(tmp_path)})
    (tmp_path / "a.json.gz").write_bytes(b"not compressed")
    with pytest.raises(BadInput, match="is not a repository's export"):
        wish({"EXPORTS": str(tmp_path)})


def test_wishes() -> None:
    assert wish({}).days == 365
    assert len(wish({"REPOS": ""}).repositories) == 3
    real = wish({"REPOS": "a/b, c/d.e a/b", "GITHUB_TOKENS": TOKEN, "DAYS": "30"})
    assert (real.repositories, real.real, real.days) == (("a/b", "c/d.e"), True, 30)


def test_exports_are_bought_whole(exports: Path) -> None:
    asked = wish({"EXPORTS": str(exports)})
    assert "mlswg/mls-protocol" in asked.repositories
    assert asked.days == 10_000


@pytest.mark.long
async def test_it_uses_what_it_is_given_and_leaves_nothing(
    programs: Processes, postgres: Postgres, temporal: Temporal, empty_database: str, tmp_path: Path
) -> None:
    port_file = tmp_path / "port"
    served = ["--generate", "a/big?pull_requests=30&issues=20", "--generate", "a/small?pull_requests=3&issues=0"]
    command = [sys.executable, "-m", "sandbox.github", "--port", "0", "--port-file", str(port_file), "--token", TOKEN]
    github = programs.start("github", [*command, *served], env={**os.environ, "PYTHONPATH": str(ROOT)})
    github.wait_ready(written(port_file), within=PATIENCE)
    given = {
        "GITHUB_API_URL": f"http://127.0.0.1:{port_file.read_text().strip()}",
        "GITHUB_TOKEN": TOKEN,
        "DATABASE_URL": empty_database,
        "TEMPORAL_ADDRESS": temporal.address,
        "DAYS": "10000",
    }

    unknown = await demo(given | {"REPOS": "a/small a/unknown"})
    assert unknown.exit_code == 2
    assert unknown.stderr.startswith("demo: REPOS: a/unknown: ")

    ended = await demo(given | {"REPOS": "a/big a/small"})
    assert ended.exit_code == 0, ended.stdout + ended.stderr
    assert re.search(r"┃ +a/big ┃ +a/small ┃ +all 2 ┃", ended.stdout)
    assert "Completed after" in ended.stdout
    assert ended.stdout.rstrip().endswith("at a terminal it stays up until you press Enter.")
    assert re.search(r"Settings page +http://\S+/settings/data-retention#access_token=ey\S+", ended.stdout)
    assert TOKEN not in ended.stdout + ended.stderr
    connection = await asyncpg.connect(empty_database)
    try:
        stored = await connection.fetch(
            "select full_name, (select count(*) from pull_requests where repository_id = r.id) from repositories r"
        )
        status = await connection.fetchval("select status from workspace_backfill_jobs")
    finally:
        await connection.close()
    assert {row[0]: row[1] for row in stored} == {"a/big": 30, "a/small": 3}
    assert status == "completed"
    assert postgres.process.exit_code is None
    assert temporal.process.exit_code is None
    assert (directory := re.search(r"Logs +(\S+)", ended.stdout))
    assert gone(Path(directory[1]))


def gone(directory: Path) -> bool:
    """The demo's directory, and whoever ran in it."""
    return not directory.exists() and not any(
        str(directory) in (process.info["cwd"] or "") for process in psutil.process_iter(["cwd"])
    )


async def demo(given: dict[str, str]) -> Ended:
    process = await asyncio.create_subprocess_exec(
        *launched([sys.executable, "-m", "sandbox.demo"]),
        cwd=ROOT,
        env=os.environ | given,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()
    return Ended(await process.wait(), stdout.decode(), stderr.decode())
