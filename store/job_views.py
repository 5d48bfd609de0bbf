"""Jobs as people see them: the latest jobs, and one job with all its details."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from errors import BadInput
from messages import Failure
from progress import advice, headline, pace, time_left, totals
from progress.pace import Mark
from progress.sentences import Sentence
from progress.tally import Hold
from progress.time_left import Outlook
from progress.totals import Rest, Totals
from progress.views import DONE, AddonView, JobState, JobSummary, JobView, RepositoryView
from store import budgets, job_changes, job_waits, samples, sweeps, unshown
from store.database import Connection
from unshown import Unshown

_JOB = """
    select job.id::text, job.workspace_id::text, workspaces.name as workspace_name, workspaces.slug as workspace_slug,
           job.status, job.attempt, job.requested_by, job.retention_days, job.cutoff_at,
           job.backfill_types as data_types, job.total_repositories, job.completed_repositories,
           job.failed_repositories, job.created_at, job.started_at, job.completed_at,
           (job.metadata ->> 'cancel_requested_at')::timestamptz as cancel_requested_at,
           (job.metadata ->> 'paused_at')::timestamptz as paused_at, job.metadata ->> 'paused_by' as paused_by,
           coalesce((job.metadata ->> 'paused_seconds')::float, 0) as paused_seconds,
           (job.metadata ->> 'addon_ended_at')::timestamptz as addon_ended_at,
           coalesce(jsonb_array_length(job.metadata -> 'retries_waiting'), 0) as retries_waiting, job.error_message,
           job.subscription_addon_id, job.repositories_selected, job.metadata -> 'as_of' as as_of_by_type,
           coalesce(job.metadata -> 'stopping', '[]') as stopping,
           (job.metadata #>> '{unshown,things}')::integer as things_unshown, now() as as_of
    from workspace_backfill_jobs job join workspaces on workspaces.id = job.workspace_id
"""

# The repositories are the job's progress rows; before these exist, the repositories that it will begin with. `limit 1`
# keeps Postgres from reading the names of thousands of repositories to join fifty.
_REPOSITORIES = """
    with parts as (
        select repository_id, status, error_message, started_at, completed_at, data_types_completed, data_types_failed,
               data_types_skipped, metadata -> 'waiting' as waiting,
               (metadata ->> 'waiting_until')::timestamptz as waiting_until
        from workspace_backfill_progress
        where backfill_job_id = $1 and ($4::uuid is null or repository_id > $4)
          and ($6::uuid[] is null or repository_id = any($6)) order by repository_id limit $5
    ), scope as (
        select * from parts
        union all
        select repository_id, 'pending', null, null, null, '{}', '{}', '{}', null, null
        from (
            select unnest($3::uuid[]) as repository_id
            union
            select repository_id from workspace_repositories where workspace_id = $2 and $3::uuid[] is null
        ) selected
        where $5::bigint is null and $6::uuid[] is null and not exists (select 1 from parts)
    )
    select scope.repository_id::text, repositories.full_name, scope.status, scope.error_message as error,
           scope.started_at, scope.completed_at, scope.waiting, scope.waiting_until,
           data_types_completed, data_types_failed, data_types_skipped, coalesce(sweeps.by_type, '{}') as sweeps
    from scope
    cross join lateral (select full_name from repositories where id = scope.repository_id limit 1) repositories
    left join lateral (
        select jsonb_object_agg(data_type, jsonb_build_object(
            'status', status, 'counts', counts, 'expected', expected, 'proof', proof, 'error', error,
            'most_stored', most_stored, 'least_left', least_left, 'least_expected', least_expected,
            'requests_ahead', position -> 'requests_ahead',
            'requests_are_counted', (position #>> '{listing,in_bulk}') is not null,
            'recent_done', leg = 'historical' or coalesce((position ->> 'leg_over')::boolean, false)
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
    """Returns the id of a job. `reference` is the id itself, or the id or slug of a workspace, which stands for its
    latest job.

    Raises `BadInput` if there is no such job or workspace, or if the workspace has no job.
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
    """Returns the jobs that were requested last, newest first."""
    rows = await connection.fetch(f"{_JOB} order by job.created_at desc, job.id limit $1", limit)
    return [JobSummary.model_validate(dict(row)) for row in rows]


async def of_workspace(
    connection: Connection, workspace_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Any]:
    """Returns the rows of a workspace's jobs, newest first. If `before` (creation time, id) is given, returns only
    older jobs.
    """
    at, job_id = before or (None, None)
    return await connection.fetch(
        f"""
        {_JOB} where job.workspace_id = $1 and ($2::timestamptz is null or (job.created_at, job.id) < ($2, $3::uuid))
        order by job.created_at desc, job.id desc limit $4
        """,
        workspace_id,
        at,
        job_id,
        limit,
    )


async def row(connection: Connection, job_id: str) -> Any:
    """Returns the fields of a job's own row. Raises `BadInput` if there is no such job."""
    job = await connection.fetchrow(f"{_JOB} where job.id = $1", uuid_of(job_id))
    if job is None:
        raise BadInput("JOB", f"there is no job {job_id}")
    return job


def recorded_as_of(job: Any) -> datetime | None:
    """Returns the moment up to which everything in an ended job is complete. `job` is the job's own row. The moment is
    the earliest `as_of` of the job's types, or the job's end if no `as_of` is recorded.
    """
    return min(map(datetime.fromisoformat, (job["as_of_by_type"] or {}).values()), default=job["completed_at"])


@dataclass
class Known:
    """The views of a job's repositories, as earlier calls have read them. The fingerprints show which repositories have
    changed since.
    """

    job: tuple[Any, ...] = ()
    """The fields of the job's own row that its repositories' views depend on."""
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    repositories: dict[str, RepositoryView] = field(default_factory=dict)


async def look(connection: Connection, job_id: str, known: Known | None = None) -> JobView:
    """Returns the job's view as of one moment. This call has to be the first in its transaction, because it sets the
    isolation level.

    `known` holds the views that earlier calls have read. If it is given, only repositories that have changed since are
    read, and `known` is updated. The views of all other repositories are the same objects as before.
    """
    await connection.execute("set transaction isolation level repeatable read, read only")
    return await read(connection, job_id, known)


async def read(connection: Connection, job_id: str, known: Known | None = None) -> JobView:
    """Returns the job's view. Raises `BadInput` if there is no such job.

    `known` holds the views that earlier calls have read, and is updated. If it is None, everything is read.
    """
    job = await row(connection, job_id)
    addon = await addon_of(connection, job["subscription_addon_id"])
    not_shown = await unshown.of_job(connection, job["id"])
    its = await _changed(connection, job, not_shown, known if known is not None else Known())
    things = sum(each.things for each in not_shown.values())
    return await _with_outlook(connection, state(job, its, Hold.of(its), addon=addon, unshown=things))


async def _changed(
    connection: Connection, job: Any, not_shown: Mapping[tuple[str, str], Unshown], known: Known
) -> list[RepositoryView]:
    """Returns the views of the job's repositories, ordered by name. Reads only repositories that have changed since
    `known` was updated, and updates `known`.
    """
    its = tuple(job[name] for name in ("data_types", "stopping", "attempt", "status"))
    if not known.repositories or known.job != its:
        known.fingerprints, known.repositories = {}, {}
    fingerprints = await job_changes.by_repository(connection, job["id"])
    changed = [each for each, mark in fingerprints.items() if known.fingerprints.get(each) != mark]
    if not fingerprints or len(changed) == len(fingerprints):
        found = await repositories(connection, job, not_shown=not_shown)
        known.repositories = {each.repository_id: each for each in found}
    else:
        again = await repositories(connection, job, not_shown=not_shown, only=changed) if changed else []
        read_now = {each.repository_id: each for each in again}
        known.repositories = {each: read_now.get(each) or known.repositories[each] for each in fingerprints}
    known.job, known.fingerprints = its, fingerprints
    return list(known.repositories.values())


async def repositories(
    connection: Connection,
    job: Any,
    *,
    not_shown: Mapping[tuple[str, str], Unshown] | None = None,
    after: str | None = None,
    limit: int | None = None,
    only: Sequence[str] | None = None,
) -> list[RepositoryView]:
    """Returns the views of a job's repositories, ordered by name. `job` is the job's row.

    `limit` selects the next repositories of a begun job, in order of id, after the id `after`. `only` selects the
    repositories with these ids. `not_shown` holds the things that GitHub does not show, by (repository id, data type).
    The views contain these things.
    """
    rows = await connection.fetch(
        _REPOSITORIES, job["id"], UUID(job["workspace_id"]), job["repositories_selected"], after, limit, only
    )
    shown = not_shown or {}
    views = (
        RepositoryView.model_validate(
            {
                **row,
                "cancel_requested": row["status"] in ("pending", "in_progress")
                and row["repository_id"] in job["stopping"],
                "types": [
                    {**_type(each, row), "unshown": shown.get((row["repository_id"], each))}
                    for each in job["data_types"]
                ],
            }
        )
        for row in rows
    )
    return [totals.with_expected_embeddings(each) if "embeddings" in job["data_types"] else each for each in views]


def state(
    job: Any,
    its: Sequence[RepositoryView],
    hold: Hold,
    *,
    addon: AddonView | None = None,
    unshown: int = 0,
) -> JobState:
    """Returns the state of a job.

    `job` is the job's row, and `its` are the views of its repositories. `hold` says which wait ends first, if all
    repositories wait. `unshown` is the number of things that GitHub does not show.
    """
    goes_on = job["status"] == "in_progress" and not job["paused_at"]
    return JobState.model_validate(
        {
            **job,
            "addon": addon,
            "unshown": unshown,
            "repositories": its,
            "waiting": hold.waiting if goes_on else None,
            "waiting_until": hold.waiting_until if goes_on else None,
        }
    )


async def addon_of(connection: Connection, addon_id: UUID | None) -> AddonView | None:
    """Returns the add-on as people see it, or None if there is no add-on with this id."""
    row = await connection.fetchrow(
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
        addon_id,
    )
    return AddonView.model_validate(dict(row)) if row else None


async def marked(connection: Connection, job: JobState, stored: int, spent: tuple[int, int]) -> Mark:
    """Returns a mark of the job's present progress. `stored` is the number of threads and embeddings, `spent` the cost
    as (points, requests).
    """
    waited = await job_waits.seconds(connection, job.id, job.started_at, job.as_of) if job.started_at else 0.0
    return Mark(pace.worked_seconds(job, waited), stored, *spent)


async def outlook(
    connection: Connection, job: JobState, rest: Rest, now: Mark, accounts: Collection[str]
) -> Outlook | Sentence:
    """Returns the time left, or a sentence that says why it is unknown.

    `rest` is the work that the job still has to do, `now` is the mark of the job's present progress. `accounts` are the
    accounts that read the job's repositories.
    """
    if job.status == "pending" or job.paused_at is not None:
        return time_left.outlook(job, rest, Mark(0, 0, 0, 0), (), ())
    earlier = await samples.marks(connection, job.id, job.attempt, now.worked_seconds)
    windows, others = await budgets.windows(connection, job.id, accounts)
    return time_left.outlook(job, rest, now, earlier, windows, others)


def eta(job: JobState, outlook: Outlook | Sentence | None) -> datetime | None:
    """Returns the moment at which the job will most likely end, or None if the time left is unknown."""
    return job.as_of + timedelta(seconds=outlook.likely_seconds) if isinstance(outlook, Outlook) else None


async def _with_outlook(connection: Connection, job: JobState) -> JobView:
    """Returns the view of a job: its state, with headline, progress, totals and time left."""
    its = totals.of(job)
    left = None if job.ended else await _outlook(connection, job, its)
    likely = eta(job, left)
    # Not validated again: these are fields of a model.
    return JobView.model_validate(
        {
            **{name: getattr(job, name) for name in JobState.model_fields},
            "headline": headline.of_job(job, its.progress, likely),
            "progress": its.progress,
            "types": its.types,
            "eta": likely,
            "time_left": left.left if isinstance(left, Outlook) else None,
            "time_left_reason": left if isinstance(left, Sentence) else None,
        }
    )


async def _outlook(connection: Connection, job: JobState, its: Totals) -> Outlook | Sentence:
    spent = await sweeps.spent(connection, job.id)
    now = await marked(connection, job, its.progress.stored, spent)
    return await outlook(connection, job, its.rest, now, await budgets.readers(connection, job.id))


def _type(data_type: str, row: Any) -> dict[str, Any]:
    sweep = row["sweeps"].get(data_type) or {}
    counts = sweep.get("counts") or {}
    status = _type_status(data_type, row, sweep.get("status"))
    stored, expected = counts.get(data_type, 0), sweep.get("expected")
    left = 0 if status in DONE else sweep.get("least_left")
    if left is None and expected is not None:
        left = max(expected - stored, 0)  # its row was written by an older release
    return {
        "data_type": data_type,
        "status": status,
        "stored": stored,
        "expected": expected if status in DONE or left is None else stored + left,
        "counts": counts,
        "recent_done": bool(sweep.get("recent_done")) or status in DONE,
        "as_of": (sweep.get("proof") or {}).get("as_of"),
        "proof": sweep.get("proof"),
        "error": _failure(sweep.get("error")),
        "notes": (sweep.get("proof") or {}).get("notes") or [],
        "left": left,
        "most_stored": max(sweep.get("most_stored") or 0, stored),
        "least_expected": sweep.get("least_expected"),
        "estimate": expected,
        "has_begun": sweep.get("least_left") is not None,
        "requests_ahead": sweep.get("requests_ahead") or 0,
        "requests_are_counted": sweep.get("requests_are_counted") or False,
    }


def _failure(error: dict[str, Any] | None) -> dict[str, Any] | None:
    return error and {**error, "what_to_do": advice.what_to_do(Failure.model_validate(error))}


def _type_status(data_type: str, row: Any, swept: str | None) -> str:
    """Returns the status of a data type. `swept` is the status of the type's sweep, or None if the sweep has not begun.
    The result is `swept`, unless that is None. Otherwise, the result follows from `row`, the repository's progress.
    """
    if swept:
        return swept
    for status in ("completed", "skipped"):
        if data_type in row[f"data_types_{status}"]:
            return status
    if row["status"] in ("pending", "in_progress"):
        return "pending"  # a failure of an earlier attempt does not count
    if data_type in row["data_types_failed"]:
        return "failed"
    ended: str = row["status"] if row["status"] in ("failed", "canceled", "skipped") else "pending"
    return ended
