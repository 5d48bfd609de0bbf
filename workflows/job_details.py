"""Writes the Markdown that describes a workspace's job in Temporal's Web UI. The text stays short even for a job of
1,000 repositories.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from messages import FailedRepository, JobOutcome, JobPlan, JobStanding, RepositoryOutcome, RunningRepository

GAP = "\u2003"
"""Separates the columns of a table: the Web UI puts no space between them, and drops ordinary spaces."""
MOST_ROWS = 20
"""Most failed repositories, and most running ones, with a row of their own."""


@dataclass(frozen=True)
class JobCounts:
    """The number of a job's repositories in each state."""

    total: int
    completed: int
    failed: int
    canceled: int
    historical: int
    """Repositories whose recent leg is over and that wait for their historical one."""
    waiting: int
    """Repositories that wait for other jobs, outside of the line."""


def failed(outcome: RepositoryOutcome) -> FailedRepository:
    """Returns a failed repository's entry in the details. It names each distinct failure once, with the data types that
    failed in this way.
    """
    types: dict[str, list[str]] = {}
    for each in outcome.types:
        if each.status == "failed" and each.failure is not None:
            at = f" at cursor {each.failure.cursor}" if each.failure.cursor else ""
            types.setdefault(each.failure.what_and_remedy, []).append(each.data_type + at)
    words = [f"{', '.join(its)}: {why}" for why, its in types.items()]
    if outcome.failure is not None:
        words.append(outcome.failure.what_and_remedy)
    return FailedRepository(full_name=outcome.repository.full_name, why="; ".join(words)[:500])


def of_running_job(
    plan: JobPlan,
    counts: JobCounts,
    failures: Sequence[FailedRepository],
    running: Collection[RunningRepository],
    *,
    pausing: JobStanding | None,
    paused: Collection[JobStanding],
    jobs_behind: int,
) -> str:
    """Returns the details of a job in progress. The details list failed and running repositories by name, and count the
    repositories in every state.

    If somebody has paused this job and it has not stopped yet, `pausing` is its standing, else None. `paused` holds the
    standings of the workspace's jobs that are already paused. A standing says since when and by whom its job is paused.
    `jobs_behind` is the number of jobs that run after this job.
    """
    ended = counts.completed + counts.failed + counts.canceled
    pending = counts.total - ended - len(running) - counts.historical - counts.waiting
    numbers = {
        "complete": counts.completed,
        "failed": counts.failed,
        "canceled": counts.canceled,
        "running": len(running),
        "wait for their historical leg": counts.historical,
        "wait for other jobs": counts.waiting,
        "not begun": max(pending, 0),
    }
    parts = [
        f"Job `{plan.job_id}` of **{plan.workspace_name}**: {plan.retention_days} days,"
        f" since {plan.cutoff_at:%Y-%m-%d}" + (f", attempt {plan.attempt + 1}" if plan.attempt else ""),
        f"Of {counts.total} repositories "
        + ", ".join(f"{number} {what}" for what, number in numbers.items() if number or what == "complete")
        + ".",
    ]
    if pausing is not None:
        parts.append(f"It stops at the next page: **paused** {_since(pausing)}.")
    parts += [_table(counts.failed, failures, sorted(running, key=lambda each: each.since))]
    if jobs_behind:
        parts.append(f"{jobs_behind} more {'job waits' if jobs_behind == 1 else 'jobs wait'} behind this one.")
    return "\n\n".join([*filter(None, parts), *_paused(paused)])


def of_paused_jobs(paused: Collection[JobStanding]) -> str:
    """Returns the details for the time in which the workspace has paused jobs only."""
    return "\n\n".join(_paused(paused))


def of_ended_job(outcome: JobOutcome, failures: Sequence[FailedRepository]) -> str:
    """Returns the details after the workspace's latest job has ended."""
    text = (
        f"Job `{outcome.job_id}`: **{outcome.status}**, {outcome.completed_repositories} of"
        f" {outcome.total_repositories} repositories complete"
        + (f", {outcome.unshown}" if outcome.unshown else "")
        + f". {outcome.error_message or ''}"
    )
    table = _table(outcome.failed_repositories, failures, [])
    retry = f"`starter.py retry {outcome.job_id}` does again what failed." if outcome.failed_repositories else ""
    return "\n\n".join(filter(None, [text.rstrip(), table, retry]))


def _table(number_failed: int, failures: Sequence[FailedRepository], running: Sequence[RunningRepository]) -> str:
    if not failures and not running:
        return ""
    rows = [_row(each.full_name, "**failed**", each.why) for each in failures[-MOST_ROWS:]]
    if number_failed > len(rows):
        rows.append(_row(f"{number_failed - len(rows)} others", "**failed**", "`starter.py status` lists them"))
    rows += [
        _row(each.full_name, "running", f"{each.leg} leg since {each.since:%H:%M:%S} UTC")
        for each in running[:MOST_ROWS]
    ]
    if len(running) > MOST_ROWS:
        rows.append(_row(f"{len(running) - MOST_ROWS} others", "running", ""))
    return "\n".join([_row("repository", "state", "what"), "| --- | --- | --- |", *rows])


def _row(*cells: str) -> str:
    return "| " + f"{GAP} | ".join(" ".join(each.replace("|", "\\|").split()) for each in cells) + " |"


def _paused(paused: Collection[JobStanding]) -> list[str]:
    return [
        f"Job `{each.job_id}`: **paused** {_since(each)}. `starter.py resume {each.job_id}` goes on." for each in paused
    ]


def _since(standing: JobStanding) -> str:
    return f"since {standing.paused_at:%Y-%m-%d %H:%M:%S} UTC by {standing.paused_by}"
