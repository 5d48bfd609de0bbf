"""The version: one number, which every program says."""

import re

import pytest

from release import VERSION
from tests.support.programs import ROOT
from tests.support.started import RunProgram


def test_project_and_changelog_say_the_same_version() -> None:
    assert f'\nversion = "{VERSION}"\n' in (ROOT / "pyproject.toml").read_text()
    newest, *_ = re.findall(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest == VERSION


@pytest.mark.parametrize("program", ["starter.py", "worker.py", "webhook.py"])
async def test_every_program_says_its_version_without_a_setting(program: str, run_program: RunProgram) -> None:
    said = await run_program(program, {}, "--version")
    assert (said.exit_code, said.stdout.strip(), said.stderr) == (0, f"{program} {VERSION}", "")


@pytest.mark.parametrize("program", ["starter.py", "worker.py", "webhook.py"])
@pytest.mark.parametrize("option", ["--help", "-h"])
async def test_every_program_says_what_it_is_without_a_setting(
    program: str, option: str, run_program: RunProgram
) -> None:
    said = await run_program(program, {}, option)
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout.startswith(f"Usage: {program}")
    assert "docs/settings.md" in said.stdout
    assert "Exit codes: 0 " in said.stdout


@pytest.mark.parametrize("program", ["worker", "webhook"])
async def test_a_program_that_takes_no_arguments_does_not_begin_with_one(program: str, run_program: RunProgram) -> None:
    said = await run_program(f"{program}.py", {}, "--queues", "recent")
    assert (said.exit_code, said.stdout) == (2, "")
    assert said.stderr == f"{program}: --queues: takes no arguments, only settings (see --help)\n"
