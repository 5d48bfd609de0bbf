"""Ends a job with the outcome that follows from its repositories, and notifies the workspace's owner."""

from typing import Any

from errors import JobOver
from messages import JobOutcome, JobStatus
from store import notifications, samples, unshown
from store.database import Connection
from store.job_attempts import CLOSED, METADATA_AT_THE_END, begin_waiting_retry
from unshown import Unshown, how_many, threads


async def finish(connection: Connection, job_id: str, attempt: int, *, canceled: bool) -> JobOutcome:
    """Ends the job, and returns its outcome, which follows from the states of its repositories. If the job is completed
    or failed, begins a waiting retry, or else notifies the workspace's owner.

    A second call changes nothing and notifies nobody. Raises `JobOver` if there is no such job.
    """
    rows = await connection.fetch(
        "select attempt, status, error_message from workspace_backfill_jobs where id = $1 for update", job_id
    )
    if not rows:
        raise JobOver("unknown_job", f"there is no job {job_id}", "it was deleted: nothing is left to do")
    [job] = rows
    [count] = await connection.fetch(
        """
        select count(*)::integer as total,
          count(*) filter (where status in ('completed', 'skipped'))::integer as completed,
          count(*) filter (where status = 'failed')::integer as failed,
          count(*) filter (where status = 'canceled')::integer as canceled,
          (array_agg(r.full_name order by r.full_name) filter (where p.status = 'failed'))[1:5] as names
        from workspace_backfill_progress p join repositories r on r.id = p.repository_id where backfill_job_id = $1
        """,
        job_id,
    )
    total, completed, failed = count["total"], count["completed"], count["failed"]
    # Repositories are canceled with their job; a retry of others leaves them so.
    status: JobStatus
    if canceled or (count["canceled"] and not completed):
        status = "canceled"
    else:
        status = "failed" if total and failed == total else "completed"
    messages = []
    if failed:
        names = ", ".join(count["names"]) + (", ..." if failed > 5 else "")
        messages.append(f"{failed} of {total} repositories failed: {names}")
    if count["canceled"] and not canceled:
        messages.append(f"{count['canceled']} of {total} repositories stay canceled")
    message = "; ".join(messages) or None
    not_shown = await unshown.summary(connection, job_id)
    if job["status"] == "in_progress" and job["attempt"] == attempt:
        if canceled:
            await _cancel_open(connection, job_id)
        rows_stored = sum((await samples.stored_now(connection, job_id)).values())
        await connection.execute(
            f"""
            update workspace_backfill_jobs set
              status = $2, error_message = $3, total_repositories = $4, completed_repositories = $5,
              failed_repositories = $6, completed_at = now(), estimated_completion_at = null, updated_at = now(),
              metadata = {METADATA_AT_THE_END} || $7
            where id = $1
            """,
            job_id,
            status,
            message,
            total,
            completed,
            failed,
            await _proofs(connection, job_id) | {"rows_stored": rows_stored} | _as_metadata(not_shown),
        )
        if await begin_waiting_retry(connection, job_id):
            status, message = "pending", "a retry that waited for this end is the next attempt"
        elif status == "failed":
            await notifications.tell(connection, job_id, "failed", "failed", message or "")
        elif status == "completed":
            what, told = _in_words(total, failed, message, not_shown)
            await notifications.tell(connection, job_id, "completed", what, told, _as_metadata(not_shown))
    else:
        status, message = job["status"], job["error_message"]
    return JobOutcome(
        job_id=job_id,
        status=status,
        total_repositories=total,
        completed_repositories=completed,
        failed_repositories=failed,
        error_message=message,
        unshown=_where(not_shown) if not_shown else "",
    )


def _as_metadata(not_shown: Unshown | None) -> dict[str, Any]:
    return {"unshown": not_shown.model_dump(mode="json")} if not_shown else {}


def _where(not_shown: Unshown) -> str:
    return f"{how_many(not_shown.things)}: {threads(not_shown.which, not_shown.more)}"


def _in_words(total: int, failed: int, message: str | None, not_shown: Unshown | None) -> tuple[str, str]:
    """Returns two texts for the notification that a job is complete: the end of its title, and its message."""
    if not_shown is None:
        whole = message or f"All {total} repositories are complete."
        return "completed with failures" if failed else "completed", whole
    which = _where(not_shown)
    if failed:
        return "completed with failures", f"{message}; {which}"
    whole = f"{message}; {which}" if message else f"All {total} repositories are complete, {which}."
    return f"complete, {how_many(not_shown.things)}", whole


async def _proofs(connection: Connection, job_id: str) -> dict[str, Any]:
    """Returns two fields for the job's metadata. `proofs` holds the proofs by repository and type. `as_of` holds, by
    type, the earliest `as_of` of all repositories.
    """
    rows = await connection.fetch(
        """
        select r.full_name, s.data_type, s.proof from backfill_sweeps s join repositories r on r.id = s.repository_id
        where s.backfill_job_id = $1 and s.proof is not null order by r.full_name, s.data_type
        """,
        job_id,
    )
    proofs: dict[str, dict[str, Any]] = {}
    as_of: dict[str, str] = {}
    for row in rows:
        proofs.setdefault(row["full_name"], {})[row["data_type"]] = row["proof"]
        if moment := row["proof"].get("as_of"):
            as_of[row["data_type"]] = min(moment, as_of.get(row["data_type"], moment))
    return {"proofs": proofs, "as_of": as_of}


async def _cancel_open(connection: Connection, job_id: str) -> None:
    """Cancels the repositories and sweeps of a canceled job that have not ended. Their cursors are kept for a retry."""
    await connection.execute(
        """
        update backfill_sweeps set status = 'canceled', completed_at = now(), lease_token = lease_token + 1
        where backfill_job_id = $1 and status in ('pending', 'in_progress')
        """,
        job_id,
    )
    await connection.execute(
        """
        update workspace_backfill_progress set status = 'canceled', completed_at = now(),
          transition = $2, metadata = metadata - 'waiting_until' - 'waiting'
        where backfill_job_id = $1 and status in ('pending', 'in_progress')
        """,
        job_id,
        CLOSED,
    )
