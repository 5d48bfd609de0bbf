"""Which modules are changed, and which tests should notice."""

from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

PACKAGES = ("budget", "github", "polar", "store", "activities", "workflows")

_TESTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("budget/breaker.py", ("tests/budget/test_breaker.py", "tests/github/test_guard.py")),
    ("budget/*", ("tests/budget", "tests/store/test_budgets.py")),
    ("polar/*", ("tests/polar",)),
    ("github/archive.py", ("tests/github/test_archive.py", "tests/backfill/test_archive.py")),
    ("github/credentials.py", ("tests/github/test_credentials.py", "tests/github/test_client.py")),
    ("github/guard.py", ("tests/github/test_guard.py",)),
    ("github/connection.py", ("tests/github/test_client.py", "tests/github/test_guard.py")),
    ("github/client.py", ("tests/github/test_client.py",)),
    ("github/events*.py", ("tests/github", "tests/backfill/test_events.py")),
    ("github/*", ("tests/github", "tests/backfill/test_reading.py", "tests/backfill/test_identity.py")),
    ("store/availability.py", ("tests/github/test_guard.py",)),
    ("store/budgets.py", ("tests/store/test_budgets.py",)),
    ("store/feed.py", ("tests/store/test_feed.py", "tests/backfill/test_events.py")),
    ("store/archive_reads.py", ("tests/store/test_archive_reads.py", "tests/backfill/test_archive.py")),
    ("store/embeddings.py", ("tests/backfill/test_embeddings.py",)),
    ("store/addon_jobs.py", ("tests/polar/test_purchases.py", "tests/test_reconciler.py")),
    ("store/job_signals.py", ("tests/test_reconciler.py", "tests/backfill/test_control.py")),
    ("store/job_*.py", ("tests/backfill/test_control.py", "tests/test_starter.py", "tests/polar/test_purchases.py")),
    ("store/addons.py", ("tests/polar", "tests/backfill/test_purchase.py")),
    ("store/deliveries.py", ("tests/polar", "tests/test_webhook.py")),
    ("store/transitions.py", ("tests/backfill/test_transitions.py", "tests/backfill/test_control.py")),
    (
        "store/*",
        (
            "tests/store",
            "tests/backfill/test_reading.py",
            "tests/backfill/test_identity.py",
            "tests/backfill/test_changes.py",
            "tests/backfill/test_coverage.py",
        ),
    ),
    ("activities/archive.py", ("tests/backfill/test_archive.py",)),
    ("activities/embeddings/*", ("tests/activities", "tests/backfill/test_embeddings.py")),
    ("activities/events/*", ("tests/activities", "tests/backfill/test_events.py")),
    (
        "activities/*",
        (
            "tests/activities",
            "tests/backfill/test_reading.py",
            "tests/backfill/test_changes.py",
            "tests/backfill/test_coverage.py",
        ),
    ),
    ("workflows/*", ("tests/workflows",)),
)
"""The first line that fits a module counts. Its tests run in this order until one fails: the quickest come first."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A module of the product and the tests that answer for it, as pytest takes them."""

    module: Path
    tests: tuple[str, ...]


def subjects(root: Path, only: tuple[str, ...] = ()) -> list[Subject]:
    """Every module of `PACKAGES`, or those whose path begins with one of `only`."""
    found = []
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if path.name == "__init__.py" or (only and not name.startswith(only)):
                continue
            tests = next(tests for pattern, tests in _TESTS if fnmatch(name, pattern))
            found.append(Subject(Path(name), tuple(each for each in tests if (root / each).exists())))
    return found
