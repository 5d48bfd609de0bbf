"""Jobs as people see them: the latest jobs, and one job with everything that is known of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from errors import BadInput
from messages import TERMINAL_JOB_STATUSES, Failure, JobStatus, PartStatus, Waiting
from store import unshown
from store.database import Connection
from unshown import Unshown

DONE: frozenset[PartStatus] = frozenset({"completed", "skipped"})


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TypeView(_Row):
    """One data type of one repository. `stored` and `expected` count threads, `counts` all that is stored.

    `notes` is what GitHub refuses of a type that is complete otherwise, in words; `proof.sources` tells of each source
    of events (rows.EventSource) `status`, `rows`, `as_of` and, where it was skipped, the `reason`.
    """

    data_type: str
    status: PartStatus
    stored: int
    expected: int | None
    counts: dict[str, int]
    as_of: datetime | None
    proof: dict[str, Any] | None
    """Why it is complete: what was compared, and the numbers."""
    error: Failure | None
    notes: list[str]
    unshown: Unshown | None
    """What GitHub will not give for good, as far as it is known; None: it shows all."""


class RepositoryView(_Row):
    repository_id: str
    full_name: str
    status: PartStatus
    error: str | None
    started_at: datetime | None
    completed_at: datetime | None
    waiting: Waiting | None
    """What it, or some of its types, waits for."""
    waiting_until: datetime | None
    """Nothing of it can go on before."""
    types: list[TypeView]


class AddonView(_Row):
    retention_days: int | None
    status: str
    purchased_at: datetime | None
    expires_at: datetime | None
    past_due: bool
    """A payment is due: it is kept until Polar revokes it."""
    renews: bool | None
    """False: it was canceled, and ends at `expires_at`. None: it is not active."""
    changes_at: datetime | None
    """When a change of plan takes effect that was ordered for the next period."""
    changes_to_days: int | None
    """The days of that plan; None: it is none of ours."""


class JobSummary(_Row):
    """The job's own fields."""

    id: str
    workspace_id: str
    workspace_name: str
    workspace_slug: str
    status: JobStatus
    attempt: int
    requested_by: str | None
    retention_days: int
    cutoff_at: datetime
    data_types: list[str]
    total_repositories: int
    completed_repositories: int
    failed_repositories: int
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    cancel_requested_at: datetime | None
    paused_at: datetime | None
    paused_by: str | None
    retries_waiting: int
    """Retries that begin, one after the other, when the present attempt has ended."""
    error_message: str | None

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL_JOB_STATUSES

    @property
    def ended_well(self) -> bool:
        """It ended, and all of it is there."""
        return self.status == "completed" and self.failed_repositories == 0


class JobView(JobSummary):
    """A job with everything a progress view needs, at one moment."""

    as_of: datetime
    eta: datetime | None
    waiting: Waiting | None
    """Set if nothing of the job goes on: what ends first of all that its repositories wait for."""
    waiting_until: datetime | None
    """Set if nothing of the job can go on before."""
    addon: AddonView | None
    unshown: int
    """Things that GitHub does not show, of all types."""
    repositories: list[RepositoryView]


_JOB = """
    select job.id::text, job.workspace_id::text, workspaces.name as workspace_name, workspaces.slug as workspace_slug,
           job.status, job.attempt, job.requested_by, job.retention_days, job.cutoff_at,
           job.backfill_types as data_types, job.total_repositories, job.completed_repositories,
           job.failed_repositories, job.created_at, job.started_at, job.completed_at,
           (job.metadata ->> 'cancel_requested_at')::timestamptz as cancel_requested_at,
           (job.metadata ->> 'paused_at')::timestamptz as paused_at, job.metadata ->> 'paused_by' as paused_by,
           coalesce((job.metadata ->> 'paused_seconds')::float, 0) as paused_seconds,
           coalesce(jsonb_array_length(job.metadata -> 'retries_waiting'), 0) as retries_waiting, job.error_message,
           job.subscription_addon_id, job.repositories_selected, now() as as_of
    from workspace_backfill_jobs job join workspaces on workspaces.id = job.workspace_id
"""

# Repositories are the job's progress rows, or, before there are any, those that it is going to begin with.
_REPOSITORIES = """
    with parts as (
        select repository_id, status, error_message, started_at, completed_at, data_types_completed, data_types_failed,
               data_types_skipped, metadata -> 'waiting' as waiting,
               (metadata ->> 'waiting_until')::timestamptz as waiting_until
        from workspace_backfill_progress where backfill_job_id = $1
    ), scope as (
        select * from parts
        union all
        select repository_id, 'pending', null, null, null, '{}', '{}', '{}', null, null
        from (
            select unnest($3::uuid[]) as repository_id
            union
            select repository_id from workspace_repositories where workspace_id = $2 and $3::uuid[] is null
        ) selected
        where not exists (select 1 from parts)
    )
    select scope.repository_id::text, repositories.full_name, scope.status, scope.error_message as error,
           scope.started_at, scope.completed_at, scope.waiting, scope.waiting_until,
           data_types_completed, data_types_failed, data_types_skipped, coalesce(sweeps.by_type, '{}') as sweeps
    from scope join repositories on repositories.id = scope.repository_id
    left join lateral (
        select jsonb_object_agg(data_type, jsonb_build_object(
            'status', status, 'counts', counts, 'expected', expected, 'proof', proof, 'error', error
        )) as by_type
        from backfill_sweeps
        where backfill_job_id = $1 and backfill_sweeps.repository_id = scope.repository_id
    ) sweeps on true
    order by repositories.full_name
"""


def uuid_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def find(connection: Connection, reference: str) -> str:
    """The id of a job: `reference` is a job's id, or the id or slug of a workspace, whose latest job is meant.

    Raises `BadInput` if there is none.
    """
    uuid = uuid_of(reference)
    job_id = await connection.fetchval("select id from workspace_backfill_jobs where id = $1", uuid)
    workspace_id = await connection.fetchval(
        "select id from workspaces where id = $1 or slug = $2 order by id = $1 desc nulls last limit 1", uuid, reference
    )
    if job_id is None and workspace_id is None:
        raise BadInput("JOB|WORKSPACE", f"there is no job and no workspace {reference}")
    job_id = job_id or await connection.fetchval(
        "select id from workspace_backfill_jobs where workspace_id = $1 order by created_at desc, id limit 1",
        workspace_id,
    )
    if job_id is None:
        raise BadInput("JOB|WORKSPACE", f"workspace {reference} has no backfill yet")
    return str(job_id)


async def recent(connection: Connection, *, limit: int) -> list[JobSummary]:
    """The jobs that were asked for last, newest first."""
    rows = await connection.fetch(f"{_JOB} order by job.created_at desc, job.id limit $1", limit)
    return [JobSummary.model_validate(dict(row)) for row in rows]


async def look(connection: Connection, job_id: str) -> JobView:
    """The job as it stands, all of it at one moment; the transaction must have done nothing else before."""
    await connection.execute("set transaction isolation level repeatable read, read only")
    return await read(connection, job_id)


async def read(connection: Connection, job_id: str) -> JobView:
    """The job as it stands. Raises `BadInput` if there is none."""
    job = await connection.fetchrow(f"{_JOB} where job.id = $1", uuid_of(job_id))
    if job is None:
        raise BadInput("JOB", f"there is no job {job_id}")
    addon = await connection.fetchrow(
        """
        select retention_days, status, purchased_at, expires_at,
               status = 'active' and coalesce(metadata ->> 'polar_status' = 'past_due', false) as past_due,
               case when status = 'active' then
                   coalesce(metadata ->> 'cancel_at_period_end', 'false') = 'false' and metadata ->> 'ends_at' is null
               end as renews,
               (metadata #>> '{pending_update,applies_at}')::timestamptz as changes_at,
               (metadata ->> 'pending_days')::integer as changes_to_days
        from subscription_addons where id = $1
        """,
        job["subscription_addon_id"],
    )
    rows = await connection.fetch(_REPOSITORIES, job_id, UUID(job["workspace_id"]), job["repositories_selected"])
    not_shown = await unshown.of_job(connection, job["id"])
    repositories = [
        RepositoryView.model_validate(
            {
                **row,
                "types": [
                    {**_type(each, row), "unshown": not_shown.get((row["repository_id"], each))}
                    for each in job["data_types"]
                ],
            }
        )
        for row in rows
    ]
    goes_on = job["status"] == "in_progress" and not job["paused_at"]
    waiting_until = _waiting_until(repositories) if goes_on else None
    return JobView.model_validate(
        {
            **job,
            "addon": dict(addon) if addon else None,
            "unshown": sum(each.things for each in not_shown.values()),
            "repositories": repositories,
            "waiting": _waiting(repositories) if goes_on else None,
            "waiting_until": waiting_until,
            "eta": _eta(job, repositories, waiting_until),
        }
    )


def _type(data_type: str, row: Any) -> dict[str, Any]:
    sweep = row["sweeps"].get(data_type) or {}
    counts = sweep.get("counts") or {}
    return {
        "data_type": data_type,
        "status": _type_status(data_type, row, sweep.get("status")),
        "stored": counts.get(data_type, 0),
        "expected": sweep.get("expected"),
        "counts": counts,
        "as_of": (sweep.get("proof") or {}).get("as_of"),
        "proof": sweep.get("proof"),
        "error": sweep.get("error"),
        "notes": (sweep.get("proof") or {}).get("notes") or [],
    }


def _type_status(data_type: str, row: Any, swept: str | None) -> str:
    """A repository can end before a sweep of it began (it is gone): then its progress row knows."""
    if swept:
        return swept
    for status in ("completed", "skipped"):
        if data_type in row[f"data_types_{status}"]:
            return status
    if row["status"] in ("pending", "in_progress"):
        return "pending"  # whatever it failed of in an earlier attempt
    if data_type in row["data_types_failed"]:
        return "failed"
    ended: str = row["status"] if row["status"] in ("failed", "canceled", "skipped") else "pending"
    return ended


def _waiting(repositories: Sequence[RepositoryView]) -> Waiting | None:
    waits = [each.waiting for each in repositories if each.status == "in_progress"]
    if any(each is None or each.data_types for each in waits):
        return None
    held = [each for each in waits if each is not None and each.reason != "turn"]
    return min(held, key=lambda each: (each.until is None, each.until or each.since), default=None)


def _waiting_until(repositories: Sequence[RepositoryView]) -> datetime | None:
    # One between its legs neither waits for GitHub nor goes on.
    running = [
        each.waiting_until
        for each in repositories
        if each.status == "in_progress" and (each.waiting_until or any(it.status == "in_progress" for it in each.types))
    ]
    moments = [each for each in running if each is not None]
    return min(moments) if moments and len(moments) == len(running) else None


def _eta(job: Any, repositories: Sequence[RepositoryView], waiting_until: datetime | None) -> datetime | None:
    """When it ends at the pace so far, if what nobody has counted yet is like what was counted."""
    if job["status"] != "in_progress" or not job["started_at"] or job["attempt"] or job["paused_at"]:
        return None  # a retry began with most of it done: there is no pace to tell
    parts = [part for each in repositories for part in each.types]
    going = [part for part in parts if part.status in ("pending", "in_progress")]
    sizes = [max(part.expected, part.stored) for part in parts if part.expected is not None]
    # What ended without all that was expected is not coming any more.
    done = sum(part.stored if part in going else max(part.expected or 0, part.stored) for part in parts)
    if not done:
        return None
    known = sum(max(part.expected - part.stored, 0) for part in going if part.expected is not None)
    uncounted = sum(part.expected is None for part in going)
    left = known + uncounted * (sum(sizes) / len(sizes) if sizes else 0)
    worked = job["as_of"] - job["started_at"] - timedelta(seconds=job["paused_seconds"])
    eta: datetime = job["as_of"] + worked * (left / done)
    return max(eta, waiting_until) if waiting_until else eta
