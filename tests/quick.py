"""What `make test-quick` leaves out: most of the time that the suite takes, and few of the breaks that it finds.

That is every test that stands on a server other than Postgres, and what else takes long. All else is kept, a new file
too.
"""

from collections.abc import Iterable
from pathlib import Path

TESTS = Path(__file__).parent
LEFT_OUT = (
    "api/test_description.py",
    "api/test_isolation.py",
    "api/test_live.py",
    "api/test_program.py",
    "backfill",
    "bench",
    "browser",
    "cli/test_bad_input.py",
    "cli/test_doctor.py",
    "cli/test_pause.py",
    "cli/test_retry.py",
    "cli/test_search.py",
    "deploy",
    "github/test_archive.py",
    "github/test_client.py",
    "github/test_credentials.py",
    "github/test_fitted_document.py",
    "github/test_guard.py",
    "github/test_server_documents.py",
    "notify/test_mail.py",
    "payloads/test_codec_server.py",
    "payloads/test_histories.py",
    "polar/test_any_life.py",
    "polar/test_host_database.py",
    "polar/test_inbox.py",
    "polar/test_purchases.py",
    "polar/test_reconciliation.py",
    "sandbox",
    "schema/test_host_database.py",
    "schema/test_locks.py",
    "schema/test_obstacles.py",
    "schema/test_row_level_security.py",
    "store/test_feed.py",
    "store/test_job_estimates.py",
    "store/test_job_requests.py",
    "store/test_sweeps.py",
    "store/test_waiting.py",
    "test_logs.py",
    "test_traces.py",
    "test_webhook.py",
    "test_worker.py",
    "test_zygote.py",
    "workflows/test_archive.py",
    "workflows/test_order.py",
    "workflows/test_pause.py",
    "workflows/test_reconcile.py",
    "workflows/test_replay.py",
    "workflows/test_two_years.py",
    "workflows/test_waiting.py",
    "workflows/test_workspace_backfill.py",
)
MARKS = frozenset({"executed", "long"})
"""Of tests that are left out wherever they are."""
SERVERS = frozenset({"browser", "programs", "run_program", "temporal"})
"""Fixtures of tests that are left out wherever they are."""


def is_left_out(path: Path) -> bool:
    """Whether a file of tests, or a folder of them, is."""
    if not path.is_relative_to(TESTS):
        return False
    name = path.relative_to(TESTS).as_posix()
    return any(f"{name}/".startswith(f"{left_out}/") for left_out in LEFT_OUT)


def is_left_out_by_what_it_needs(marks: Iterable[str], fixtures: Iterable[str]) -> bool:
    """Whether a test with these marks and fixtures is."""
    return not MARKS.isdisjoint(marks) or not SERVERS.isdisjoint(fixtures)
