"""A test whose report nobody could send ends that test, not the run; and a run that ends early says what had failed."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.programs import ROOT


def ran(directory: Path, tests: str, *arguments: str) -> str:
    """Output of a run of these tests by two processes, under the hooks of this project's own."""
    (directory / "test_these.py").write_text(tests)
    (directory / "conftest.py").write_text('pytest_plugins = ["tests.support.reports"]\n')
    command = [sys.executable, "-m", "pytest", "-n", "2", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    for name in [name for name in environment if name.startswith("PYTEST_")]:
        del environment[name]
    done = subprocess.run(
        [*command, f"--rootdir={directory}", *arguments, str(directory)],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.stdout.decode()


def test_a_lone_surrogate_in_a_report_does_not_end_the_run(tmp_path: Path) -> None:
    with_surrogates = """
import logging

TEXT = "a\\ud800"

def test_logs():
    logging.error(TEXT)

def test_logs_and_fails():
    logging.error(TEXT)
    assert False

def test_raises():
    raise ValueError(TEXT)

def test_compares():
    assert TEXT == ""
"""
    output = ran(tmp_path, with_surrogates)
    assert "3 failed, 1 passed" in output
    assert "INTERNALERROR" not in output
    assert "a\\ud800" in output


def test_who_failed_before_an_internal_error_is_named(tmp_path: Path) -> None:
    with_a_hook_that_fails = """
import pytest

def test_a():
    assert 1 == 2

@pytest.fixture
def breaks(request):
    request.node.user_properties.append(("what no process can send", object()))

def test_b(breaks):
    pass
"""
    output = ran(tmp_path, with_a_hook_that_fails, "-n", "1")
    assert "INTERNALERROR" in output
    assert "FAILED test_these.py::test_a - assert 1 == 2" in output
