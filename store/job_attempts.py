"""Attempts of a job: begins or keeps a retry, and ends a job whose workflow cannot end it."""

from collections import defaultdict
from typing import Any

from messages import Failure, JobStatus
from store import notifications, surveys
from store.database import Connection

CLOSED = 1_000_000_000
"""A `transition` that is higher than that of any late write of the same attempt."""

PENDING_AGAIN = """
    status = 'pending', attempt = job.attempt + 1, transition = 0, signaled_at = null, completed_at = null,
    estimated_completion_at = null, error_message = null, updated_at = now()
"""
"""SQL that sets a job (`job`) that has ended to pending, as its next attempt."""

OF_AN_ATTEMPT = (
    "{cancel_requested_at,cancel_heard_at,stopping,stopping_heard,rows_stored,"
    "addon_ended_at,first_run_id,paused_seconds}"
)
"""Keys of a job's metadata that belong to a single attempt."""

LEFT_OUT = """
    coalesce(job.metadata #> '{retry,left_out}', '[]') || coalesce(job.metadata -> 'stopping', '[]')
"""
"""SQL for the repositories that somebody canceled alone in the present attempt of a job (`job`), or that this attempt
had left out for that."""

REDUCIBLE = "(job.started_at is not null and job.requested_by <> 'operator')"
"""SQL for whether a job (`job`) that was canceled because its add-on ended resumes with a smaller add-on. Its pages
would be paid for again by another job: only complete sweeps leave coverage."""

METADATA_AT_THE_END = """
    case
        when $2 <> 'canceled' and metadata ? 'retries_waiting'
          and (not metadata ? 'cancel_requested_at' or metadata ? 'addon_ended_at')
        then metadata - 'waiting_until'
        when metadata ? 'addon_ended_at' then metadata - '{waiting_until,paused_at,paused_by}'::text[]
        else metadata - '{waiting_until,paused_at,paused_by,retries_waiting}'::text[]
    end
"""
"""SQL for the metadata of a job that ends with the status `$2`. If a retry waits, the pause of the job lasts into the
next attempt. A cancel forgets the retries, even if the job ends before its workflow hears of the cancel. If the add-on
has ended, the next attempt is stopped, and resumes once the add-on is paid for again. So does a job that the add-on's
end has canceled: its retries wait for the end of the attempt that resumes."""


async def begin_retry(connection: Connection, job_id: str, retry: dict[str, Any], *, is_paid: bool) -> None:
    """Makes a job that has ended pending, as its next attempt. If the job is not paid for, detaches it from its add-on,
    because a job whose add-on has ended is stopped. The caller must have locked the job's row.
    """
    await connection.execute(
        f"""
        update workspace_backfill_jobs job set
            {PENDING_AGAIN}, subscription_addon_id = case when $3 then subscription_addon_id end,
            metadata = metadata - '{OF_AN_ATTEMPT}'::text[] || jsonb_build_object('retry', $2::jsonb)
        where id = $1
        """,
        job_id,
        retry,
        is_paid,
    )


async def keep_retry(connection: Connection, job_id: str, retry: dict[str, Any]) -> None:
    """Keeps a retry until the job's present attempt has ended. The caller must have locked the job's row."""
    await connection.execute(
        """
        update workspace_backfill_jobs set updated_at = now(), metadata = metadata || jsonb_build_object(
            'retries_waiting', coalesce(metadata -> 'retries_waiting', '[]') || $2::jsonb
        )
        where id = $1
        """,
        job_id,
        retry,
    )


async def begin_waiting_retry(connection: Connection, job_id: str) -> bool:
    """Begins the oldest retry that was requested while the job still ran. The completed or failed job becomes pending,
    as its next attempt. Returns False if no retry waits, or if the job has another status. The caller must have locked
    the job's row.
    """
    tag: str = await connection.execute(
        f"""
        update workspace_backfill_jobs job set
            {PENDING_AGAIN},
            metadata = metadata - '{OF_AN_ATTEMPT}'::text[] - 'retries_waiting'
                || jsonb_build_object('retry', metadata #> '{{retries_waiting,0}}')
                || case when jsonb_array_length(metadata -> 'retries_waiting') > 1
                   then jsonb_build_object('retries_waiting', (metadata -> 'retries_waiting') - 0) else '{{}}' end
        where id = $1 and status in ('completed', 'failed') and metadata ? 'retries_waiting'
        """,
        job_id,
    )
    return tag == "UPDATE 1"


async def end(connection: Connection, job_id: str, *, status: JobStatus, reason: Failure | None) -> None:
    """Ends a job in place of its workflow, with all its repositories and sweeps that have not ended. The caller must
    have locked the job's row. If `status` is `failed` and a retry is waiting, begins that retry. If `status` is
    `failed` and no retry is waiting, notifies the owner.

    Takes the leases away from these sweeps, and sets the `transition` of what it ends to `CLOSED`. Activities that
    still run write lower transitions, so their writes change nothing.
    """
    failed = reason.model_dump(mode="json") if reason else None
    # Sweeps first, progress after: the order in which a page's transaction locks them.
    sweeps = await connection.fetch(
        """
        update backfill_sweeps
        set status = $2, error = $3, completed_at = now(), lease_token = lease_token + 1, lease_owner = null
        where backfill_job_id = $1 and status in ('pending', 'in_progress')
        returning repository_id, data_type, position ->> 'cursor' as cursor
        """,
        job_id,
        status,
        failed,
    )
    repositories = await connection.fetch(
        """
        update workspace_backfill_progress progress set
            status = $2, error_message = $3, completed_at = now(), transition = $4,
            metadata = progress.metadata - 'waiting_until' - 'waiting',
            data_types_failed = case when $2 = 'failed' then array(
                select unnest(job.backfill_types) except select unnest(data_types_completed || data_types_skipped)
            ) else data_types_failed end
        from workspace_backfill_jobs job, repositories
        where job.id = $1 and backfill_job_id = $1 and progress.status in ('pending', 'in_progress')
          and repositories.id = repository_id
        returning repository_id, full_name
        """,
        job_id,
        status,
        f"{reason.code}: {reason.message}" if reason else None,
        CLOSED,
    )
    places = defaultdict(list)
    for sweep in sweeps:
        places[sweep["repository_id"]].append({"data_type": sweep["data_type"], "cursor": sweep["cursor"]})
    failures = [
        failed | {"repository": each["full_name"]} | place
        for each in sorted(repositories, key=lambda row: row["full_name"])
        for place in places.get(each["repository_id"], [{}])
        if failed and status == "failed"
    ]
    message = in_words(reason) if reason else None
    await connection.execute(
        f"""
        update workspace_backfill_jobs set
            status = $2, error_message = $3, transition = $4, completed_at = now(), updated_at = now(),
            estimated_completion_at = null,
            completed_repositories = (
                select count(*) from workspace_backfill_progress
                where backfill_job_id = $1 and status in ('completed', 'skipped')
            ),
            failed_repositories = (
                select count(*) from workspace_backfill_progress where backfill_job_id = $1 and status = 'failed'
            ),
            error_details = coalesce(error_details, '[]') || $5::jsonb,
            metadata = {METADATA_AT_THE_END}
                || case when metadata ? 'paused_at'
                   then jsonb_build_object('pause_changed_at', now()) else '{{}}' end
                || case when $5::jsonb = '[]' then '{{}}' else
                   jsonb_build_object('errors', jsonb_path_query_array(
                       coalesce(metadata -> 'errors', '[]') || $5::jsonb, '$[last - 99 to last]'
                   )) end
        where id = $1
        """,
        job_id,
        status,
        message,
        CLOSED,
        failures,
    )
    await surveys.forget(connection, job_id)
    if status == "failed" and not await begin_waiting_retry(connection, job_id):
        await notifications.tell(connection, job_id, "failed", "failed", message or "")


def in_words(reason: Failure) -> str:
    """Returns the `error_message` of a job that ended for this reason."""
    return f"{reason.message} ({reason.action})"
