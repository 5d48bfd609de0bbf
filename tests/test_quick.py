"""`make test-quick` keeps what it promises: files of every package, and no test that needs a server but Postgres."""

import ast
from pathlib import Path

import pytest

from tests.quick import LEFT_OUT, MARKS, SERVERS, TESTS, is_left_out, is_left_out_by_what_it_needs
from tests.support.layout import PACKAGES


def kept_in(package: str) -> list[Path]:
    """The files of tests that are kept, of `tests/<package>`."""
    return [path for path in (TESTS / package).rglob("test_*.py") if not is_left_out(path)]


@pytest.mark.parametrize("package", PACKAGES)
def test_of_every_package_files_are_kept(package: str) -> None:
    written = [
        node.name
        for path in kept_in(package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert any(name.startswith("test_") for name in written)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_is_there(name: str) -> None:
    assert (TESTS / name).exists()


def test_what_is_not_named_is_kept() -> None:
    assert is_left_out(TESTS / "backfill")
    assert not is_left_out(TESTS / "test_quick.py")


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_who_needs_another_server_is_left_out(name: str) -> None:
    assert is_left_out_by_what_it_needs((), ("postgres", name))
    assert not is_left_out_by_what_it_needs(("parametrize",), ("postgres", "database"))


@pytest.mark.parametrize("mark", sorted(MARKS))
def test_who_is_marked_is_left_out(mark: str) -> None:
    assert is_left_out_by_what_it_needs((mark,), ())
