"""Reads the recorded past of a job for its timeline and its chart: samples, waits, the audit of requests, and the ends
of its repositories.
"""

from datetime import datetime
from typing import NamedTuple

from messages import Waiting
from progress import chart
from progress.chart import Buckets
from progress.timeline import MOST_EVENTS, EndedRepository, PastWait, Story
from progress.views import JobSummary
from store import job_views, job_waits, samples
from store.database import Connection

_FACTS = """
select job.metadata -> 'audit' as audit, addon.purchased_at as bought_at,
  case when job.attempt = 0 then job.started_at else least(job.started_at, (
    select min(started_at) from workspace_backfill_progress where backfill_job_id = job.id
  )) end as began_at
from workspace_backfill_jobs job left join subscription_addons addon on addon.id = job.subscription_addon_id
where job.id = $1
"""
_ENDED = """
select full_name, progress.completed_at as at, case when status = 'failed' then coalesce(error_message, '') end as error
from workspace_backfill_progress progress join repositories on repositories.id = repository_id
where backfill_job_id = $1 and status in ('completed', 'failed') and completed_at is not null
order by completed_at desc, repository_id limit $2
"""


async def story(connection: Connection, job_id: str) -> Story:
    """Returns the recorded past of a job. Raises `BadInput` if there is no such job."""
    row = await job_views.row(connection, job_id)
    [facts] = await connection.fetch(_FACTS, job_id)
    waits = [
        PastWait(Waiting(reason=each.reason, since=each.since, until=each.until, detail=each.detail), each.ended_at)
        for each in await job_waits.of_job(connection, job_id, limit=MOST_EVENTS)
    ]
    return Story(
        JobSummary.model_validate(dict(row)),
        bought_at=facts["bought_at"],
        began_at=facts["began_at"],
        as_of=job_views.recorded_as_of(row),
        unshown=row["things_unshown"] or 0,
        audit=facts["audit"] or (),
        waits=waits,
        repositories=[EndedRepository(**dict(each)) for each in await connection.fetch(_ENDED, job_id, MOST_EVENTS)],
    )


class Wait(NamedTuple):
    since: datetime
    until: datetime
    reason: str


class Chart(NamedTuple):
    buckets: Buckets
    waits: list[Wait]


async def chart_of(connection: Connection, job_id: str) -> Chart:
    """Returns the job's chart, from the beginning of its first attempt to the job's end, or to now. The chart is empty
    if the job has not begun. Raises `BadInput` if there is no such job.
    """
    row = await job_views.row(connection, job_id)
    [facts] = await connection.fetch(_FACTS, job_id)
    since = facts["began_at"]
    if since is None:
        return Chart(Buckets(chart.LENGTHS[0], []), [])
    until = row["completed_at"] or row["as_of"]
    stored = [(each.at, each.rows) for each in await samples.of_job(connection, job_id)]
    stored.append((until, await samples.stored_now(connection, job_id)))
    waits = [
        Wait(each.since, each.ended_at or max(each.until or until, each.since), each.reason)
        for each in reversed(await job_waits.of_job(connection, job_id))
        if each.reason == "github_limit"
    ]
    return Chart(chart.of(stored, since, until), waits)
