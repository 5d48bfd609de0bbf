"""`backfill_waits`: when a job stood still, and why. `job_estimates` updates these rows once a second."""

from dataclasses import dataclass
from datetime import datetime

from messages import WaitingReason
from progress.views import JobState
from store.database import Connection

KEPT = 500
"""Waits kept for each job: the latest."""

# It waits for the same as a second ago, as far as people can tell: that is one wait.
_GO_ON = """
update backfill_waits set until = $3, detail = $4
where backfill_job_id = $1 and reason = $2 and ended_at is null
"""
_BEGIN = """
insert into backfill_waits (backfill_job_id, since, reason, until, detail) values ($1, $2, $3, $4, $5)
on conflict (backfill_job_id, since) do update set
  reason = excluded.reason, until = excluded.until, detail = excluded.detail, ended_at = null
"""
_END = """
update backfill_waits set ended_at = greatest(since, least($2, coalesce(until, $2)))
where backfill_job_id = $1 and ended_at is null and ($3::text is null or reason <> $3)
"""
_FORGET = f"""
delete from backfill_waits where backfill_job_id = $1 and since <= (
  select since from backfill_waits where backfill_job_id = $1 order by since desc offset {KEPT} limit 1
)
"""


async def follow(connection: Connection, job: JobState) -> None:
    """Begins, continues or ends a wait in `backfill_waits`, as the job's present state requires."""
    waiting = job.waiting
    await connection.execute(_END, job.id, job.as_of, waiting.reason if waiting else None)
    if waiting is None:
        return
    if await connection.execute(_GO_ON, job.id, waiting.reason, waiting.until, waiting.detail) != "UPDATE 0":
        return
    last = await connection.fetchval("select max(ended_at) from backfill_waits where backfill_job_id = $1", job.id)
    since = max(waiting.since, last) if last else waiting.since
    await connection.execute(_BEGIN, job.id, since, waiting.reason, waiting.until, waiting.detail)
    await connection.execute(_FORGET, job.id)


async def seconds(connection: Connection, job_id: str, since: datetime, now: datetime) -> float:
    """Returns how many seconds the job stood still between two moments."""
    waited: float = await connection.fetchval(
        """
        select coalesce(sum(greatest(0, extract(epoch from
            least(coalesce(ended_at, $3), $3) - greatest(since, $2)))), 0)::float
        from backfill_waits where backfill_job_id = $1
        """,
        job_id,
        since,
        now,
    )
    return waited


@dataclass(frozen=True, slots=True)
class Wait:
    since: datetime
    until: datetime | None
    """When the job was expected to continue, if that was known."""
    ended_at: datetime | None
    """None if the job still waits."""
    reason: WaitingReason
    detail: str


async def of_job(connection: Connection, job_id: str, *, limit: int = KEPT) -> list[Wait]:
    """Returns the latest waits of a job, newest first. If the job has ended, each wait has an `ended_at`."""
    rows = await connection.fetch(
        """
        select since, until, reason, detail, coalesce(
            ended_at, case when job.completed_at is not null then greatest(since, job.completed_at) end
        ) as ended_at
        from backfill_waits join workspace_backfill_jobs job on job.id = backfill_job_id
        where backfill_job_id = $1 order by since desc limit $2
        """,
        job_id,
        limit,
    )
    return [Wait(**dict(row)) for row in rows]
