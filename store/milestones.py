"""Describes the beginning or end of a job, with the job's state in the present transaction."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

import unshown
from messages import DataType
from store.database import Connection
from unshown import Unshown

Name = Literal["started", "completed", "failed"]
NAMED = 10
"""Most failures, and most things that GitHub does not show, that are named; the rest is counted."""


class NamedFailure(BaseModel):
    """A failure of a repository, or of one of its data types, with what a person can do about it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    repository: str
    data_type: DataType | None = None
    code: str = ""
    message: str = ""
    action: str = ""


class Milestone(BaseModel):
    """The beginning or end of a job. The host's webhook gets these fields, and e-mails are written from them, too."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    job_id: str
    attempt: int
    """The job's attempt: 0, one more with each retry."""
    workspace_id: str
    workspace_name: str
    status: Name
    title: str
    message: str
    retention_days: int
    total_repositories: int
    completed_repositories: int
    failed_repositories: int
    stored: dict[str, int]
    """Stored rows in scope by kind; kinds without rows are left out."""
    failures: list[NamedFailure]
    more_failures: int
    """How many failures `failures` leaves out."""
    unshown: int
    """How many things GitHub does not show."""
    unshown_things: list[str]
    """Things that GitHub does not show, in words, as far as they are named."""
    at: datetime


_JOB = """
select j.id::text as job_id, j.attempt, j.workspace_id::text, w.name as workspace_name, j.retention_days, now() as at,
  p.*
from workspace_backfill_jobs j join workspaces w on w.id = j.workspace_id
cross join lateral (
  select count(*)::integer as total_repositories,
    count(*) filter (where status in ('completed', 'skipped'))::integer as completed_repositories,
    count(*) filter (where status = 'failed')::integer as failed_repositories,
    jsonb_build_object(
      'pull_requests', sum(pull_requests_count), 'issues', sum(issues_count), 'discussions', sum(discussions_count),
      'comments', sum(comments_count), 'reviews', sum(reviews_count), 'events', sum(events_count),
      'embeddings', sum(embeddings_count)) as stored
  from workspace_backfill_progress where backfill_job_id = j.id
) p
where j.id = $1
"""

# Of what failed in the end. A repository that failed as a whole has an entry without a type, newer than those of its
# types; entries of earlier attempts stay in error_details.
_FAILURES = """
with entries as (
  select f, place, f ->> 'repository' as repository, f ->> 'data_type' as data_type
  from workspace_backfill_jobs j, jsonb_array_elements(coalesce(j.error_details, '[]')) with ordinality e (f, place)
  where j.id = $1
), latest as (
  select distinct on (e.repository, e.data_type) e.*
  from entries e
  join repositories r on r.full_name = e.repository
  join workspace_backfill_progress p on p.backfill_job_id = $1 and p.repository_id = r.id and p.status = 'failed'
  where e.data_type is null or e.data_type = any(p.data_types_failed)
  order by e.repository, e.data_type, e.place desc
), ranked as (
  select *, max(place) over (partition by repository) as last,
    max(place) filter (where data_type is null) over (partition by repository) as whole
  from latest
), current as (
  select f, repository, data_type from ranked
  where case when whole = last then data_type is null else data_type is not null end
)
select f, count(*) over ()::integer as total from current order by repository, data_type limit $2
"""

_FOUND: TypeAdapter[list[NamedFailure]] = TypeAdapter(list[NamedFailure])


async def look(
    connection: Connection, job_id: str, status: Name, what: str, message: str, not_shown: Unshown | None
) -> Milestone:
    """Returns a milestone, with the numbers of the job's present state. The title is `Backfill of {workspace} {what}`.
    `not_shown` is what GitHub does not show of the job, or None if GitHub shows everything.
    """
    [job] = await connection.fetch(_JOB, job_id)
    failures = await connection.fetch(_FAILURES, job_id, NAMED) if status != "started" else []
    facts: dict[str, Any] = dict(job)
    stored: dict[str, int] = facts.pop("stored")
    return Milestone(
        **facts,
        status=status,
        title=f"Backfill of {job['workspace_name']} {what}",
        message=message,
        stored={kind: number for kind, number in stored.items() if number} if status != "started" else {},
        failures=_FOUND.validate_python([row["f"] for row in failures]),
        more_failures=failures[0]["total"] - len(failures) if failures else 0,
        unshown=not_shown.things if not_shown else 0,
        unshown_things=unshown.lines([not_shown], NAMED) if not_shown else [],
    )
