"""What `make test-quick` leaves out: most of the time that the suite takes, and few of the breaks that it finds.

All else is kept, a new file too. Of the whole backfills one is kept, of every data type, in its smallest form.
"""

from pathlib import Path

TESTS = Path(__file__).parent
LEFT_OUT = (
    "api/test_description.py",
    "api/test_isolation.py",
    "api/test_program.py",
    "backfill",
    "bench",
    "browser",
    "cli/test_bad_input.py",
    "cli/test_doctor.py",
    "cli/test_pause.py",
    "cli/test_retry.py",
    "cli/test_search.py",
    "github/test_archive.py",
    "github/test_fitted_document.py",
    "github/test_guard.py",
    "payloads/test_codec_server.py",
    "payloads/test_histories.py",
    "polar/test_host_database.py",
    "polar/test_purchases.py",
    "polar/test_reconciliation.py",
    "sandbox",
    "schema/test_host_database.py",
    "schema/test_obstacles.py",
    "schema/test_row_level_security.py",
    "store/test_feed.py",
    "store/test_job_estimates.py",
    "store/test_waiting.py",
    "test_logs.py",
    "test_webhook.py",
    "test_worker.py",
    "test_zygote.py",
    "workflows/test_order.py",
    "workflows/test_pause.py",
    "workflows/test_two_years.py",
    "workflows/test_waiting.py",
    "workflows/test_workspace_backfill.py",
)
KEPT = ("backfill/test_small_job.py",)
MARKS = ("executed", "long")
"""Of tests that are left out wherever they are."""


def is_left_out(path: Path) -> bool:
    """Whether a file of tests, or a folder that holds none to be kept, is."""
    if not path.is_relative_to(TESTS):
        return False
    name = path.relative_to(TESTS).as_posix()
    if any(f"{kept}/".startswith(f"{name}/") for kept in KEPT):
        return False
    return any(f"{name}/".startswith(f"{left_out}/") for left_out in LEFT_OUT)
