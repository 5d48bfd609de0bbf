"""Chooses which modules are changed, and which tests run."""

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

PACKAGES = ("store", "budget", "activities", "github", "polar", "workflows")

TESTS = (
    *("tests/store", "tests/budget", "tests/github", "tests/activities", "tests/polar", "tests/reconciler"),
    *("tests/api", "tests/notify", "tests/backfill", "tests/workflows", "tests/test_*.py"),
)
"""Folders and patterns of the tests that run. Tests of the sandbox and the schema check other code."""

FAR = (
    *("tests/backfill/test_kills.py", "tests/backfill/test_meaning.py", "tests/backfill/test_exports.py"),
    *("tests/backfill/test_babble.py", "tests/backfill/test_property.py", "tests/workflows/test_two_years.py"),
    *("tests/test_layout.py", "tests/test_docs_name_tests.py", "tests/test_zygote.py"),
)
"""Tests that are left out, because they take minutes or check no behaviour."""


def modules(root: Path, only: Sequence[str] = ()) -> list[Path]:
    """Returns the modules of `PACKAGES`. If `only` is given, those whose path begins with one of its texts, in its
    order.
    """
    there = [
        path.relative_to(root)
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
        if path.name != "__init__.py"
    ]
    if not only:
        return there
    chosen = [path for begin in only for path in there if path.as_posix().startswith(begin)]
    return list(dict.fromkeys(chosen))


def test_files(root: Path, patterns: Sequence[str] = TESTS) -> list[str]:
    """Returns the test files that match the patterns, without those in `FAR`."""
    found = []
    for pattern in patterns:
        matched = sorted(root.glob(pattern))
        for path in matched:
            files = sorted(path.rglob("test_*.py")) if path.is_dir() else [path]
            found += [each.relative_to(root).as_posix() for each in files]
    return [each for each in dict.fromkeys(found) if not any(fnmatch(each, pattern) for pattern in FAR)]
