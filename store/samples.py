"""`backfill_samples`: how much a job had stored, at a limited number of moments. The job's chart and pace are computed
from these samples.

One process at a time takes the samples of all jobs (`job_estimates`). No transaction that stores a page waits for this
process.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from progress.pace import Mark
from progress.views import JobState
from store.database import Connection

KEPT = 240
"""Most samples of each job: beyond that, every second one is deleted."""
APART = 1 / 120
"""Least distance of two samples, as a share of the time since the first one; at least a second."""

_TAKE = f"""
insert into backfill_samples (backfill_job_id, at, attempt, worked_seconds, rows, units, points, requests)
select $1, $2, $3, $4, $5, $6, $7, $8
from (
  select min(at) as first, max(at) as last, max(attempt) as attempt from backfill_samples where backfill_job_id = $1
) so_far
where so_far.last is null or so_far.attempt < $3
  or $2 - so_far.last >= greatest(interval '1 second', ($2 - so_far.first) * {APART})
on conflict do nothing
"""

# The first and the last stay.
_THIN = f"""
delete from backfill_samples using (
  select at, row_number() over (order by at) as place, count(*) over () as number
  from backfill_samples where backfill_job_id = $1
) numbered
where backfill_job_id = $1 and backfill_samples.at = numbered.at
  and number > {KEPT} and place % 2 = 0 and place < number
"""

# The beginning, then where half of the work so far was done: the pace of all of it, and of the latest half.
_MARKS = """
(select worked_seconds, units, points, requests from backfill_samples
 where backfill_job_id = $1 and attempt = $2 order by at limit 1)
union all
(select worked_seconds, units, points, requests from backfill_samples
 where backfill_job_id = $1 and attempt = $2 and worked_seconds >= $3 order by at limit 1)
"""


async def take(connection: Connection, job: JobState, mark: Mark, rows: Mapping[str, int]) -> None:
    """Stores a sample of the job's progress and of its stored rows, unless the last sample is too recent."""
    taken = await connection.execute(
        _TAKE,
        job.id,
        job.as_of,
        job.attempt,
        mark.worked_seconds,
        dict(rows),
        mark.units,
        mark.points,
        mark.requests,
    )
    if taken == "INSERT 0 1":
        await connection.execute(_THIN, job.id)


async def marks(connection: Connection, job_id: str, attempt: int, worked_seconds: float) -> list[Mark]:
    """Returns the marks from which the pace of this attempt is computed, oldest first. The marks are the attempt's
    first mark, and its first mark after half of `worked_seconds`.

    Returns a single mark if both marks are the same, and no mark if the attempt has no sample.
    """
    rows = await connection.fetch(_MARKS, job_id, attempt, worked_seconds / 2)
    return list(dict.fromkeys(Mark(**dict(row)) for row in rows))


@dataclass(frozen=True, slots=True)
class Sample:
    at: datetime
    rows: Mapping[str, int]


async def of_job(connection: Connection, job_id: str) -> list[Sample]:
    """Returns all samples of a job, oldest first."""
    rows = await connection.fetch(
        "select at, rows from backfill_samples where backfill_job_id = $1 order by at", job_id
    )
    return [Sample(row["at"], row["rows"]) for row in rows]


async def stored_now(connection: Connection, job_id: str) -> dict[str, int]:
    """Returns how many rows in scope of the job are stored at present, by data type."""
    rows = await connection.fetch(
        """
        select data_type, sum(number)::bigint as stored
        from backfill_sweeps, lateral (select sum(value::integer) as number from jsonb_each_text(counts)) counted
        where backfill_job_id = $1 group by 1
        """,
        job_id,
    )
    return {row["data_type"]: row["stored"] or 0 for row in rows}
