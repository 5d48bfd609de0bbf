"""`make test-quick` keeps what it promises: tests of every package, and a small sweep of every data type."""

import ast
from pathlib import Path

import pytest

from tests.quick import KEPT, LEFT_OUT, TESTS, is_left_out
from tests.support.layout import PACKAGES


def kept_in(package: str) -> list[Path]:
    """The files of tests that are kept, of `tests/<package>`."""
    return [path for path in (TESTS / package).rglob("test_*.py") if not is_left_out(path)]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_tests_among_them(package: str) -> None:
    written = [
        node.name
        for path in kept_in(package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert any(name.startswith("test_") for name in written)


@pytest.mark.parametrize("name", [*LEFT_OUT, *KEPT])
def test_what_is_left_out_or_kept_is_there(name: str) -> None:
    assert (TESTS / name).exists()


def test_of_the_whole_backfills_only_the_small_one_is_kept() -> None:
    assert [path.name for path in kept_in("backfill")] == ["test_small_job.py"]
    assert not is_left_out(TESTS / "backfill")
    assert not is_left_out(TESTS / "test_quick.py")
