"""docs/runbook.md: its commands are taken by the programs, its settings exist, and it says what was tried."""

import asyncio
import os
import re
import shlex
import subprocess
import uuid
from itertools import takewhile

import pytest
from cyclopts import CycloptsError
from pydantic_settings import BaseSettings
from temporalio.client import Client, WorkflowExecutionStatus

import settings
from cli.program import app
from messages import ARCHIVE, RECONCILE, REPOSITORY_BACKFILL, WORKSPACE_BACKFILL
from reconciler.lives import ENDS, Life
from reconciler.loop import _reason
from sandbox.postgres import Postgres
from sandbox.temporal import TEMPORAL, Temporal
from store.job_signals import Open
from tests.support import shop
from tests.support.documents import TESTS
from tests.support.layout import ROOT
from tests.support.waiting import eventually

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
BLOCKS = "\n".join(re.findall(r"^ *```console\n(.*?)^ *```", RUNBOOK, re.MULTILINE | re.DOTALL))
SPANS = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", re.sub(r"(?m)^ *```.*", "", RUNBOOK))]
COMMANDS = [line.strip().removeprefix("$ ") for line in BLOCKS.splitlines() if line]
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))

OF_EVERY_COMMAND = {"--namespace"}
"""Flags of every command of `temporal`, which its helps leave out."""


def of(program: str) -> list[str]:
    """The command lines of a program, each once, without its name."""
    lines = [line for line in [*COMMANDS, *SPANS] if line.startswith(f"{program} ")]
    return sorted({line.partition(" ")[2].partition("  #")[0].strip() for line in lines})


def names_of_settings() -> set[str]:
    """As .env.example has them, which another test compares with settings.py; and docker-compose.yml's own."""
    example = set(re.findall(r"^#?([A-Z][A-Z_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    return example | set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))


def test_every_line_of_a_block_is_a_command() -> None:
    assert COMMANDS
    assert {line.partition(" ")[0] for line in COMMANDS} == {"starter.py", "temporal", "psql", "curl"}


@pytest.mark.parametrize("line", of("starter.py"))
def test_a_command_is_one_that_the_program_takes(line: str) -> None:
    try:
        command, bound, ignored = app.parse_args(shlex.split(line), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        pytest.fail(f"starter.py {line}: {error}")
    assert command.__module__.startswith("cli.commands.")
    assert bound.arguments.keys() <= bound.signature.parameters.keys()
    assert not ignored


@pytest.mark.parametrize("line", of("temporal"))
def test_a_command_of_temporal_has_the_flags_that_are_given(line: str) -> None:
    words = shlex.split(line)
    command = [*takewhile(lambda each: not each.startswith("-"), words)]
    ended = subprocess.run([TEMPORAL, *command, "--help"], capture_output=True, text=True, check=True)
    assert f"temporal {' '.join(command)} [flags]" in ended.stdout, "there is no such command"
    given = {each for each in words if each.startswith("--")} - OF_EVERY_COMMAND
    assert given <= set(re.findall(r"--[a-z-]+", ended.stdout))


def statements() -> list[str]:
    """What psql is told to do."""
    return [shlex.split(line)[-1] for line in of("psql")]


async def test_postgres_takes_every_statement(postgres: Postgres, migrated_template: str) -> None:
    assert len(statements()) > 5
    async with shop.database(postgres, migrated_template) as dsn, shop.connected(dsn) as connection:
        for statement in statements():
            await connection.execute(statement)


async def test_the_batch_of_a_restore_ends_backfills_and_nothing_else(
    temporal: Temporal, temporal_client: Client
) -> None:
    [line] = [each for each in of("temporal") if each.startswith("workflow terminate")]
    words, own = shlex.split(line), f"restore-{uuid.uuid4().hex}"
    query = words.index("--query") + 1
    words[query] = f'({words[query]}) AND WorkflowId STARTS_WITH "{own}"'
    running = {
        kind: await temporal_client.start_workflow(kind, id=f"{own}-{kind}", task_queue=own)
        for kind in (WORKSPACE_BACKFILL, REPOSITORY_BACKFILL, ARCHIVE, RECONCILE)
    }

    async def listed() -> bool:
        return (await temporal_client.count_workflows(f'WorkflowId STARTS_WITH "{own}"')).count == len(running)

    await eventually(listed)
    environment = {"PATH": os.environ["PATH"], "TEMPORAL_ADDRESS": temporal.address}
    process = await asyncio.create_subprocess_exec(TEMPORAL, *words, env=environment)
    assert await process.wait() == 0

    async def ended() -> bool:
        described = {kind: (await handle.describe()).status for kind, handle in running.items()}
        return {kind for kind, status in described.items() if status is WorkflowExecutionStatus.TERMINATED} == {
            WORKSPACE_BACKFILL,
            REPOSITORY_BACKFILL,
            ARCHIVE,
        }

    await eventually(ended)
    await running[RECONCILE].terminate()


@pytest.mark.parametrize("end", ENDS)
def test_a_job_that_lost_its_workflow_is_found_after_a_restore(end: str) -> None:
    job = Open("job", "workspace", "in_progress", 0, None)
    message = _reason(job, Life(first_run_id=None, end=end)).message
    [pattern] = [each for text in statements() for each in re.findall(r"error_message like '%(.+)%'", text)]
    assert pattern in message


def test_settings_that_are_named_exist() -> None:
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", RUNBOOK))
    assert len(named) > 20
    assert named <= names_of_settings()


def test_every_secret_has_its_rotation() -> None:
    parts = [each for each in vars(settings).values() if isinstance(each, type) and issubclass(each, BaseSettings)]
    secrets = {
        name.upper()
        for part in parts
        for name, field in part.model_fields.items()
        if "SecretStr" in str(field.annotation) or not field.repr
    }
    assert len(secrets) > 12
    rotated = re.findall(r"^\| (`[^|]+) \|", SECTIONS["Rotate a secret"], re.MULTILINE)
    assert secrets | {"TEMPORAL_API_KEY"} == {name for cell in rotated for name in re.findall(r"`([A-Z_]+)`", cell)}


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_says_what_is_to_be_seen_and_what_was_tried(name: str) -> None:
    section = SECTIONS[name]
    assert "```console" in section, "no command"
    assert "**After:**" in section or "| after |" in section
    named = re.findall(r"`(test_\w+)`", section.partition("\nTests: ")[2])
    assert named
    assert set(named) <= TESTS


def test_the_table_of_symptoms_leads_to_every_section() -> None:
    before = RUNBOOK.partition("\n## ")[0]
    assert re.findall(r"\| \[([^\]]+)\]\(#", before) == sorted(SECTIONS, key=before.index)
