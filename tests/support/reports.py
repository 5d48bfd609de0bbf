"""Hooks for what tests report on its way to the process that prints it."""

from collections.abc import Generator
from typing import Any

import pytest


def sendable(report: Any) -> Any:
    """Returns a report of JSON's types with each lone surrogate in its texts written as an escape. Tests log and
    compare such texts, but xdist sends UTF-8: a report with one of them ended the whole run with an internal error.
    """
    if isinstance(report, str):
        return report if report.isascii() else report.encode("utf-8", "backslashreplace").decode()
    if isinstance(report, dict):
        return {sendable(name): sendable(value) for name, value in report.items()}
    if isinstance(report, list | tuple):
        return type(report)(sendable(value) for value in report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
    report: dict[str, Any] | None = sendable((yield))
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Names the tests that failed before an internal error: pytest prints its summary after any other end alone."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus != pytest.ExitCode.INTERNAL_ERROR or reporter is None:
        return
    for outcome in ("failed", "error"):
        for report in reporter.stats.get(outcome, []):
            message = getattr(getattr(report.longrepr, "reprcrash", None), "message", report.longrepr)
            reporter.write_line(f"{outcome.upper()} {report.nodeid} - {str(message).splitlines()[0]}"[:300])
