"""Starts a job or its next attempt, and decides which repositories this attempt reads."""

from collections.abc import Sequence
from datetime import timedelta

from errors import JobOver
from messages import JobPlan, Pace, Retry
from store import addon_jobs, notifications, parts, shown_waits
from store.database import Connection

RECENT = timedelta(days=90)
"""How far the recent leg of a sweep reaches back from the job's creation."""

_BEGIN = """
with before as (select id, started_at from workspace_backfill_jobs where id = $1 for update)
update workspace_backfill_jobs job set
  status = 'in_progress', started_at = case when attempt = 0 then coalesce(job.started_at, now()) else now() end,
  updated_at = now()
from before
where job.id = before.id and status = 'pending' and not metadata ? 'paused_at'
returning before.started_at is null as is_first
"""

_PLAN = """
select j.workspace_id::text, w.name, w.owner_id, j.status, j.retention_days, j.cutoff_at, j.backfill_types,
  j.total_repositories, j.attempt, j.metadata -> 'retry' as retry, j.created_at, w.tier,
  (j.metadata ->> 'paused_at')::timestamptz as paused_at, coalesce(j.metadata ->> 'paused_by', '') as paused_by,
  j.metadata ? 'cancel_requested_at' as cancel_requested, coalesce(j.metadata -> 'stopping', '[]') as stopping
from workspace_backfill_jobs j join workspaces w on w.id = j.workspace_id where j.id = $1
"""

_SCOPE = """
insert into workspace_backfill_progress (backfill_job_id, repository_id, status, metadata)
select $1, wr.repository_id, $2, $3::jsonb || jsonb_build_object('name_at_start', r.full_name)
from workspace_backfill_jobs j
join workspace_repositories wr on wr.workspace_id = j.workspace_id
join repositories r on r.id = wr.repository_id
where j.id = $1 and (j.repositories_selected is null or wr.repository_id = any(j.repositories_selected))
on conflict (backfill_job_id, repository_id) do nothing
"""


async def begin(connection: Connection, job_id: str, pace: Pace) -> JobPlan:
    """Starts a pending job, and returns its plan. The first attempt decides which repositories the job reads. The
    workspace's owner is notified when the job begins for the first time, which may be a retry. In a retry (`attempt` >
    0), everything unfinished that `metadata.retry` selects becomes pending, and resumes at its committed cursors.

    A job that is paused or has started already is not changed. A job that has to wait for a resumed job of its
    workspace stays pending. Raises `JobOver` if there is no such job.
    """
    waits = await addon_jobs.waits_for_resumed(connection, job_id)
    began = None if waits else await connection.fetchrow(_BEGIN, job_id)
    rows = await connection.fetch(_PLAN, job_id)
    if not rows:
        raise JobOver("unknown_job", f"there is no job {job_id}", "it was deleted: nothing is left to do")
    [job] = rows
    selection = Retry.model_validate({**(job["retry"] or {}), "job_id": job_id})
    data_types = [each for each in job["backfill_types"] if each in (selection.data_types or job["backfill_types"])]
    if began and not job["attempt"]:
        await record_scope(connection, job_id)
    elif began:
        await _reopen(connection, job_id, job["attempt"], selection, (job["retry"] or {}).get("left_out", []))
    if began and began["is_first"]:
        await notifications.tell(
            connection, job_id, "started", "started", f"Fetching {job['retention_days']} days of history."
        )
    total: int = job["total_repositories"] if job["status"] == "pending" else await _count(connection, job_id)
    return JobPlan(
        job_id=job_id,
        workspace_id=job["workspace_id"],
        workspace_name=job["name"],
        status=job["status"],
        retention_days=job["retention_days"],
        cutoff_at=job["cutoff_at"],
        data_types=data_types,
        total_repositories=total,
        attempt=job["attempt"],
        pace=pace,
        recent_since=recent_since if (recent_since := job["created_at"] - RECENT) > job["cutoff_at"] else None,
        tier=job["tier"] or "",
        cancel_requested=job["cancel_requested"],
        paused_at=job["paused_at"],
        paused_by=job["paused_by"],
        stopping=job["stopping"],
    )


async def record_scope(connection: Connection, job_id: str, *, canceled: bool = False) -> None:
    """Records the repositories of the workspace that the job is to read, as pending or as canceled. Does nothing if
    they are recorded already.
    """
    if not await connection.fetchval(
        "select exists (select from workspace_backfill_progress where backfill_job_id = $1)", job_id
    ):
        status, metadata = ("canceled", {}) if canceled else ("pending", {"waiting": shown_waits.turn().as_json()})
        await connection.execute(_SCOPE, job_id, status, metadata)


async def _count(connection: Connection, job_id: str) -> int:
    """Counts the job's repositories. Stores the number in the job's row, and returns it."""
    total: int = await connection.fetchval(
        """
        update workspace_backfill_jobs j set total_repositories = p.total
        from (select count(*)::integer as total from workspace_backfill_progress where backfill_job_id = $1) p
        where j.id = $1 returning p.total
        """,
        job_id,
    )
    return total


# A type that never began (its repository was gone) and is not selected stays what its repository was.
_LEAVE = """
insert into backfill_sweeps (backfill_job_id, repository_id, data_type, status, error, completed_at)
select $1, p.repository_id, t.data_type, p.status, (
    select f from jsonb_array_elements(j.error_details) with ordinality e(f, place)
    where p.status = 'failed' and f->>'repository' = r.full_name and f->>'data_type' is null
    order by place desc limit 1), now()
from workspace_backfill_jobs j join workspace_backfill_progress p on p.backfill_job_id = j.id
join repositories r on r.id = p.repository_id cross join unnest(j.backfill_types) t(data_type)
where j.id = $1 and p.status in ('failed', 'canceled') and t.data_type <> all($3::text[])
  and ($2::uuid[] = '{}' or p.repository_id = any($2::uuid[]))
on conflict (backfill_job_id, repository_id, data_type) do nothing
"""


async def _reopen(connection: Connection, job_id: str, attempt: int, retry: Retry, left_out: Sequence[str]) -> None:
    """Makes the selected repositories and types pending again that failed, were canceled or never began. Their
    positions are kept. Repositories of `left_out` stay as they are.
    """
    # Canceled before it began: all of it is canceled, and only what is selected is to be done.
    await record_scope(connection, job_id, canceled=True)
    if retry.data_types:
        await connection.execute(_LEAVE, job_id, retry.repository_ids, list(retry.data_types))
    rows = await connection.fetch(
        """
        update workspace_backfill_progress set
          status = 'pending', attempt = $2, transition = 0, retry_count = retry_count + 1, completed_at = null,
          error_message = null, metadata = metadata - 'waiting_until' || jsonb_build_object('waiting', $4::jsonb)
        where backfill_job_id = $1 and status not in ('completed', 'skipped')
          and ($3::uuid[] = '{}' or repository_id = any($3::uuid[])) and repository_id <> all($5::uuid[])
        returning repository_id::text
        """,
        job_id,
        attempt,
        retry.repository_ids,
        shown_waits.turn().as_json(),
        left_out,
    )
    repository_ids = [row["repository_id"] for row in rows]
    await connection.execute(
        """
        update backfill_sweeps set status = 'pending', attempts = 0, error = null, completed_at = null
        where backfill_job_id = $1 and repository_id = any($2::uuid[]) and status in ('failed', 'canceled')
          and ($3::text[] = '{}' or data_type = any($3::text[]))
        """,
        job_id,
        repository_ids,
        list(retry.data_types),
    )
    await parts.forgive(connection, job_id, repository_ids)
