"""What the workspace's workflow shows in Temporal's Web UI, and that it stays small."""

from datetime import UTC, datetime, timedelta
from typing import Any

from messages import (
    Failure,
    JobOutcome,
    JobPlan,
    JobStanding,
    Pace,
    RepositoryOutcome,
    RepositoryRef,
    RunningRepository,
    TypeOutcome,
    repository_workflow_id,
)
from workflows.job_details import (
    GAP,
    MOST_ROWS,
    JobCounts,
    failed,
    of_ended_job,
    of_paused_jobs,
    of_running_job,
)

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAN = JobPlan(
    job_id="the-job",
    workspace_id="w",
    workspace_name="Acme",
    status="in_progress",
    retention_days=365,
    cutoff_at=datetime(2025, 3, 1, tzinfo=UTC),
    data_types=["pull_requests", "issues"],
    total_repositories=1_000,
    attempt=0,
    pace=Pace(),
)


def failure(code: str, **fields: Any) -> Failure:
    return Failure(code=code, message="GitHub forbids it", action="give the token access", **fields)


def outcome(name: str) -> RepositoryOutcome:
    types = [
        TypeOutcome(data_type="issues", status="failed", failure=failure("forbidden", cursor="abc")),
        TypeOutcome(data_type="events", status="failed", failure=failure("forbidden")),
        TypeOutcome(data_type="pull_requests", status="completed"),
    ]
    ref = RepositoryRef(repository_id="r", github_id=1, full_name=name)
    return RepositoryOutcome(repository=ref, status="failed", types=types)


def running(number: int) -> list[RunningRepository]:
    return [
        RunningRepository(full_name=f"acme/running-{each}", leg="recent", since=BEGIN + timedelta(seconds=each))
        for each in range(number)
    ]


def counts(**numbers: int) -> JobCounts:
    none = dict.fromkeys(("completed", "failed", "canceled", "historical", "waiting"), 0)
    return JobCounts(total=1_000, **(none | numbers))


def show(where: JobCounts, failures: int, at_once: int, **others: Any) -> str:
    shown = [failed(outcome(f"acme/failed-{each}")) for each in range(failures)][-MOST_ROWS:]
    defaults: dict[str, Any] = {"pausing": None, "paused": [], "jobs_behind": 0}
    return of_running_job(PLAN, where, shown, running(at_once), **(defaults | others))


def test_failed_repositories_come_first_with_type_cursor_and_what_to_do() -> None:
    text = show(counts(completed=500, failed=1, historical=7, waiting=2), 1, 2)
    rows = [line.replace(GAP, "") for line in text.splitlines() if line.startswith("| acme/")]
    why = "forbidden: GitHub forbids it (what to do: give the token access)"
    assert rows == [
        f"| acme/failed-0 | **failed** | issues at cursor abc, events: {why} |",
        "| acme/running-0 | running | recent leg since 12:00:00 UTC |",
        "| acme/running-1 | running | recent leg since 12:00:01 UTC |",
    ]
    assert (
        "Of 1000 repositories 500 complete, 1 failed, 2 running, 7 wait for their historical leg, 2 wait for other"
        " jobs, 488 not begun." in text
    )


def test_the_table_stays_small_whatever_fails_and_runs() -> None:
    text = show(counts(completed=0, failed=300, historical=0, waiting=0), 300, 200)
    rows = [line.replace(GAP, "") for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 * MOST_ROWS + 4
    assert "| 280 others | **failed** | `starter.py status` lists them |" in rows
    assert "| 180 others | running |  |" in rows
    assert "acme/failed-299" in text, "the latest are shown"
    assert len(text) < 8_000


def test_a_cell_cannot_break_the_table() -> None:
    bad = RepositoryOutcome(
        repository=RepositoryRef(repository_id="r", github_id=1, full_name="acme/rocket"),
        status="failed",
        failure=Failure(code="bug", message="a | b\nc"),
    )
    text = of_ended_job(
        JobOutcome(job_id="j", status="failed", total_repositories=1, completed_repositories=0, failed_repositories=1),
        [failed(bad)],
    )
    assert r"| acme/rocket | **failed** | bug: a \| b c |" in text.replace(GAP, "").splitlines()
    assert "`starter.py retry j`" in text


def test_a_pause_says_who_and_how_it_ends() -> None:
    standing = JobStanding(job_id="j", status="in_progress", attempt=0, paused_at=BEGIN, paused_by="operator:ann")
    says = "Job `j`: **paused** since 2026-03-01 12:00:00 UTC by operator:ann. `starter.py resume j` goes on."
    assert of_paused_jobs([standing]) == says
    where = counts(completed=0, failed=0, historical=0, waiting=0)
    stops = show(where, 0, 1, pausing=standing, jobs_behind=1)
    assert "It stops at the next page: **paused** since 2026-03-01 12:00:00 UTC by operator:ann." in stops
    assert "1 more job waits behind this one." in stops


def test_a_repositorys_workflow_is_found_by_its_name_and_an_old_jobs_by_its_uuids() -> None:
    assert repository_workflow_id("job", "uuid", "acme/rocket") == "repository-backfill-acme/rocket-job"
    assert repository_workflow_id("job", "uuid") == "repository-backfill-job-uuid"
