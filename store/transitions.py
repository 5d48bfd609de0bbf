"""The mirror: what the workflows decided of a job and its repositories, in `workspace_backfill_jobs` and `_progress`.

Writes are ordered by (attempt, transition): one that arrives late, from a killed worker or a run that was reset, finds
a higher pair and changes nothing.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from errors import JobOver
from messages import (
    DataType,
    Failure,
    JobOutcome,
    JobPlan,
    JobStatus,
    Pace,
    RepositoryRef,
    RepositoryTransition,
    Retry,
    TypeOutcome,
    Waiting,
)
from store import notifications, parts, unshown
from store.database import Connection
from store.job_attempts import CLOSED, UNTIL_THE_END, begin_waiting_retry
from unshown import Unshown, how_many, threads

LATEST_ERRORS = 100
RECENT = timedelta(days=90)
"""How far down the recent leg of a sweep goes, from the job's creation."""

_BEGIN = """
update workspace_backfill_jobs set
  status = 'in_progress', started_at = case when attempt = 0 then coalesce(started_at, now()) else now() end,
  updated_at = now()
where id = $1 and status = 'pending' and not metadata ? 'paused_at'
"""

_PLAN = """
select j.workspace_id::text, w.name, w.owner_id, j.status, j.retention_days, j.cutoff_at, j.backfill_types,
  j.total_repositories, j.attempt, j.metadata -> 'retry' as retry, j.created_at, w.tier,
  (j.metadata ->> 'paused_at')::timestamptz as paused_at, coalesce(j.metadata ->> 'paused_by', '') as paused_by,
  j.metadata ? 'cancel_requested_at' as cancel_requested
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
    """A pending job goes in progress: its repositories are fixed, its owner is told. Done twice it changes nothing.

    A paused one stays as it is. Of a retry (`attempt` > 0) what `metadata.retry` selects is pending again, and goes on
    at its committed cursors. Raises `JobOver` if there is no such job.
    """
    began = await connection.execute(_BEGIN, job_id) == "UPDATE 1"
    rows = await connection.fetch(_PLAN, job_id)
    if not rows:
        raise JobOver("unknown_job", f"there is no job {job_id}", "it was deleted: nothing is left to do")
    [job] = rows
    selection = Retry.model_validate({**(job["retry"] or {}), "job_id": job_id})
    data_types = [each for each in job["backfill_types"] if each in (selection.data_types or job["backfill_types"])]
    if began and not job["attempt"]:
        await connection.execute(_SCOPE, job_id, "pending", {"waiting": _turn()})
        await notifications.tell(
            connection, job_id, "started", "started", f"Fetching {job['retention_days']} days of history."
        )
    elif began:
        await _reopen(connection, job_id, job["attempt"], selection)
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
    )


async def _count(connection: Connection, job_id: str) -> int:
    """The job's repositories."""
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


async def _reopen(connection: Connection, job_id: str, attempt: int, retry: Retry) -> None:
    """What failed, was canceled or never began of the selection is pending again, with its place kept."""
    if not await connection.fetchval(
        "select exists (select from workspace_backfill_progress where backfill_job_id = $1)", job_id
    ):
        # Canceled before it began: all of it is canceled, and only what is selected is to be done.
        await connection.execute(_SCOPE, job_id, "canceled", {})
    if retry.data_types:
        await connection.execute(_LEAVE, job_id, retry.repository_ids, list(retry.data_types))
    rows = await connection.fetch(
        """
        update workspace_backfill_progress set
          status = 'pending', attempt = $2, transition = 0, retry_count = retry_count + 1, completed_at = null,
          error_message = null, metadata = metadata - 'waiting_until' || jsonb_build_object('waiting', $4::jsonb)
        where backfill_job_id = $1 and status not in ('completed', 'skipped')
          and ($3::uuid[] = '{}' or repository_id = any($3::uuid[]))
        returning repository_id::text
        """,
        job_id,
        attempt,
        retry.repository_ids,
        _turn(),
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


def _turn() -> dict[str, Any]:
    """What a repository waits for before it is begun."""
    return Waiting(reason="turn", since=datetime.now(UTC)).model_dump(mode="json", exclude_defaults=True)


async def next_repositories(
    connection: Connection, job_id: str, after: str | None, limit: int, repository_ids: list[str] | None = None
) -> list[RepositoryRef]:
    """Pending repositories of the job behind `after` (a repository's id), in the order of their ids; or of these."""
    rows = await connection.fetch(
        """
        select p.repository_id::text, coalesce(r.github_id, 0) as github_id, r.full_name,
            coalesce(p.metadata ->> 'name_at_start', '') as name_at_start
        from workspace_backfill_progress p join repositories r on r.id = p.repository_id
        where p.backfill_job_id = $1 and p.status in ('pending', 'in_progress')
          and ($2::uuid is null or p.repository_id > $2) and ($4::uuid[] is null or p.repository_id = any($4))
        order by p.repository_id limit $3
        """,
        job_id,
        after,
        limit,
        repository_ids,
    )
    return [RepositoryRef.model_validate(dict(row)) for row in rows]


async def begun_types(connection: Connection, job_id: str, repository_id: str) -> dict[DataType, TypeOutcome]:
    """How far this job is with each data type of a repository that it began, and why if it failed."""
    rows = await connection.fetch(
        "select data_type, status, error from backfill_sweeps where backfill_job_id = $1 and repository_id = $2",
        job_id,
        repository_id,
    )
    return {
        row["data_type"]: TypeOutcome(
            data_type=row["data_type"],
            status=row["status"],
            failure=Failure.model_validate(row["error"]) if row["error"] else None,
        )
        for row in rows
    }


class LastTransition(NamedTuple):
    """What was last recorded of a repository in an attempt; 0: nothing."""

    sequence: int = 0
    waiting: Waiting | None = None


async def last_transition(connection: Connection, job_id: str, repository_id: str, attempt: int) -> LastTransition:
    row = await connection.fetchrow(
        """
        select transition, metadata -> 'waiting' as waiting from workspace_backfill_progress
        where backfill_job_id = $1 and repository_id = $2 and attempt = $3
        """,
        job_id,
        repository_id,
        attempt,
    )
    if row is None:
        return LastTransition()
    return LastTransition(row["transition"], Waiting.model_validate(row["waiting"]) if row["waiting"] else None)


async def was_read(connection: Connection, job_id: str, repository_id: str, within: timedelta) -> bool:
    """Whether the job has stored something of a repository so recently."""
    read: bool = await connection.fetchval(
        """
        select exists (select from backfill_sweeps
          where backfill_job_id = $1 and repository_id = $2 and committed_at > now() - $3::interval)
        """,
        job_id,
        repository_id,
        within,
    )
    return read


async def skip(connection: Connection, job_id: str, repository_id: str, data_type: DataType, reason: Failure) -> None:
    """A type that does not apply, with the reason."""
    await connection.execute(
        """
        insert into backfill_sweeps (backfill_job_id, repository_id, data_type, status, error, started_at, completed_at)
        values ($1, $2, $3, 'skipped', $4, now(), now())
        on conflict (backfill_job_id, repository_id, data_type) do update set
          status = 'skipped', error = excluded.error, completed_at = now()
        where backfill_sweeps.status <> 'completed'
        """,
        job_id,
        repository_id,
        data_type,
        reason.model_dump(mode="json"),
    )


_RECORD = """
update workspace_backfill_progress set
  status = $3, attempt = $4, transition = $5,
  data_types_completed = case when $6::text[] is null then data_types_completed else $6 end,
  data_types_failed = case when $7::text[] is null then data_types_failed else $7 end,
  data_types_skipped = case when $8::text[] is null then data_types_skipped else $8 end,
  error_message = $9, started_at = coalesce(started_at, now()),
  completed_at = case when $3 in ('completed', 'failed', 'skipped', 'canceled') then now() end,
  metadata = metadata - 'waiting_until' - 'waiting'
    || jsonb_strip_nulls(jsonb_build_object('waiting_until', $10::timestamptz, 'waiting', $11::jsonb))
where backfill_job_id = $1 and repository_id = $2 and (attempt, transition) < ($4, $5)
"""

# A sweep that could not end itself (its workflow was terminated): whoever still works on it can write no more.
_CLOSE = """
update backfill_sweeps s set
  status = 'failed', error = $6, completed_at = now(), lease_token = lease_token + 1, lease_owner = null
from workspace_backfill_progress p
where s.backfill_job_id = $1 and s.repository_id = $2 and s.data_type = $3 and s.status in ('pending', 'in_progress')
  and p.backfill_job_id = $1 and p.repository_id = $2 and (p.attempt, p.transition) < ($4, $5)
"""

# A repository that was canceled alone: its cursors stay for a retry.
_CANCEL = """
update backfill_sweeps s set
  status = 'canceled', completed_at = now(), lease_token = lease_token + 1, lease_owner = null
from workspace_backfill_progress p
where s.backfill_job_id = $1 and s.repository_id = $2 and s.status in ('pending', 'in_progress')
  and p.backfill_job_id = $1 and p.repository_id = $2 and (p.attempt, p.transition) < ($3, $4)
"""

# What of a repository was fetched before it failed counts too.
_COUNTS = """
update workspace_backfill_jobs j set
  completed_repositories = p.completed, failed_repositories = p.failed, updated_at = now()
from (
  select count(*) filter (where status in ('completed', 'skipped'))::integer as completed,
    count(*) filter (where status = 'failed')::integer as failed
  from workspace_backfill_progress where backfill_job_id = $1
) p
where j.id = $1 and (j.completed_repositories, j.failed_repositories) is distinct from (p.completed, p.failed)
"""

# What a retry left as it was has been told before.
_ERRORS = """
with new as (
  select coalesce(jsonb_agg(f), '[]') as failures from jsonb_array_elements($2::jsonb) f
  where not (select coalesce(error_details, '[]') from workspace_backfill_jobs where id = $1) @> jsonb_build_array(f)
)
update workspace_backfill_jobs set
  error_details = coalesce(error_details, '[]') || failures,
  metadata = metadata || jsonb_build_object('errors', jsonb_path_query_array(
    coalesce(metadata->'errors', '[]') || failures, '$[last - 99 to last]'))
from new where id = $1
"""


async def record(connection: Connection, change: RepositoryTransition) -> None:
    """Writes a repository's state, its failures once, and the job's counts. A write that comes late changes nothing."""
    outcome = change.outcome
    repository_id = outcome.repository.repository_id
    # Sweeps first, progress after: the order in which a page's transaction locks them.
    await connection.execute(
        "select from backfill_sweeps where backfill_job_id = $1 and repository_id = $2 order by data_type for update",
        change.job_id,
        repository_id,
    )
    begun = await begun_types(connection, change.job_id, repository_id)
    types = {name: its.status for name, its in begun.items()} | {
        each.data_type: each.status
        for each in outcome.types
        # Who failed with its repository may have been complete before.
        if each.data_type not in begun or begun[each.data_type].status not in ("completed", "skipped")
    }
    by_status = {
        status: sorted(name for name, its in types.items() if its == status)
        for status in ("completed", "failed", "skipped")
    }
    failures = [each.failure for each in outcome.types if each.status == "failed" and each.failure]
    if outcome.failure:
        failures.append(outcome.failure)
    for each in outcome.types:
        if each.status == "failed" and (reason := each.failure or outcome.failure):
            await connection.execute(
                _CLOSE,
                change.job_id,
                repository_id,
                each.data_type,
                change.attempt,
                change.sequence,
                reason.model_dump(mode="json"),
            )
    if outcome.status == "canceled":
        await connection.execute(_CANCEL, change.job_id, repository_id, change.attempt, change.sequence)
    waits = outcome.status in ("pending", "in_progress")
    written = await connection.execute(
        _RECORD,
        change.job_id,
        repository_id,
        outcome.status,
        change.attempt,
        change.sequence,
        by_status["completed"],
        by_status["failed"],
        by_status["skipped"],
        "; ".join(f"{each.data_type or 'repository'}: {each.code}: {each.message}" for each in failures)[:2_000]
        or None,
        change.waiting_until if waits else None,
        change.waiting.model_dump(mode="json", exclude_defaults=True) if waits and change.waiting else None,
    )
    if written != "UPDATE 1":
        return
    if outcome.status == "failed":
        details: list[dict[str, Any]] = [
            each.model_dump(mode="json") | {"repository": outcome.repository.full_name} for each in failures
        ]
        await connection.execute(_ERRORS, change.job_id, details)
    await connection.execute(_COUNTS, change.job_id)


async def finish(connection: Connection, job_id: str, attempt: int, *, canceled: bool) -> JobOutcome:
    """The job's end, from what its repositories came to; its owner is told once. Done twice it changes nothing."""
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
        await connection.execute(
            f"""
            update workspace_backfill_jobs set
              status = $2, error_message = $3, total_repositories = $4, completed_repositories = $5,
              failed_repositories = $6, completed_at = now(), estimated_completion_at = null, updated_at = now(),
              metadata = metadata - '{UNTIL_THE_END}'::text[]
                - case when $2 = 'canceled' then 'retries_waiting' else '' end || $7
            where id = $1
            """,
            job_id,
            status,
            message,
            total,
            completed,
            failed,
            await _proofs(connection, job_id) | _as_metadata(not_shown),
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
    """What the owner of a completed job is told: the title's end, and the message."""
    if not_shown is None:
        whole = message or f"All {total} repositories are complete."
        return "completed with failures" if failed else "completed", whole
    which = _where(not_shown)
    if failed:
        return "completed with failures", f"{message}; {which}"
    whole = f"{message}; {which}" if message else f"All {total} repositories are complete, {which}."
    return f"complete, {how_many(not_shown.things)}", whole


async def _proofs(connection: Connection, job_id: str) -> dict[str, Any]:
    """For the job's metadata: `proofs` by repository and type, `as_of` by type, the earliest of its repositories."""
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
    """What had not ended when the job was canceled ends with it; its cursors stay for a retry."""
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
