"""Writes what workflows decide about a job's repositories to `workspace_backfill_progress`.

Writes are ordered by (attempt, transition). A late write may come from a killed worker, or from a run that was reset.
It finds a higher pair in the row, and changes nothing.
"""

from datetime import timedelta
from typing import Any, NamedTuple

from messages import DataType, Failure, RepositoryRef, RepositoryTransition, TypeOutcome, Waiting
from store.database import Connection


async def next_repositories(
    connection: Connection, job_id: str, after: str | None, limit: int, repository_ids: list[str] | None = None
) -> list[RepositoryRef]:
    """Returns the job's next `limit` repositories that have not ended, after the id `after`, in order of id.
    `repository_ids` limits the result to these repositories.
    """
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
    """Returns the outcome of each data type whose sweep this job has begun in the repository, by data type. The outcome
    of a failed type holds the reason.
    """
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
    """A repository's last transition in an attempt. `sequence` is the number of the transition, or 0 if there was no
    transition. `waiting` is the wait that the transition recorded.
    """

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
    """Returns whether the job has stored something of the repository within the time `within` before now."""
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
    """Records that the repository cannot have a data type, and why."""
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
    """Writes a repository's state, its failures that are not recorded yet, and the job's counts. If a later transition
    is stored already, changes nothing.
    """
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
        change.waiting.as_json() if waits and change.waiting else None,
    )
    if written != "UPDATE 1":
        return
    if outcome.status == "failed":
        details: list[dict[str, Any]] = [
            each.model_dump(mode="json") | {"repository": outcome.repository.full_name} for each in failures
        ]
        await connection.execute(_ERRORS, change.job_id, details)
    if not waits or change.attempt:
        # Counted under the lock: of two repositories that end at once, each would be counted without the other.
        await connection.execute("select from workspace_backfill_jobs where id = $1 for no key update", change.job_id)
    await connection.execute(_COUNTS, change.job_id)
