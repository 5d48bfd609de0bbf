"""`backfill_samples`: what a job had stored from time to time, for its chart and its pace, in a bounded number.

One process at a time takes them for all jobs (`job_estimates`); no page's transaction ever waits for one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from progress.pace import Mark
from progress.views import JobState
from store.database import Connection

KEPT = 240
"""Of each job: one more, and every second one goes."""
APART = 1 / 120
"""Of the time since the first sample lies between two of them, and a second at least."""

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
    """Keeps what the job has done by now and the rows that it has stored, unless the last sample is too young."""
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
    """Of this attempt the first, and the one at half of the work so far, where they are not the same."""
    rows = await connection.fetch(_MARKS, job_id, attempt, worked_seconds / 2)
    return list(dict.fromkeys(Mark(**dict(row)) for row in rows))


@dataclass(frozen=True, slots=True)
class Sample:
    at: datetime
    rows: Mapping[str, int]


async def of_job(connection: Connection, job_id: str) -> list[Sample]:
    """All that are kept of a job, the oldest first."""
    rows = await connection.fetch(
        "select at, rows from backfill_samples where backfill_job_id = $1 order by at", job_id
    )
    return [Sample(row["at"], row["rows"]) for row in rows]


async def stored_now(connection: Connection, job_id: str) -> dict[str, int]:
    """Rows in scope that are stored by now, by data type."""
    rows = await connection.fetch(
        """
        select data_type, sum(number)::bigint as stored
        from backfill_sweeps, lateral (select sum(value::integer) as number from jsonb_each_text(counts)) counted
        where backfill_job_id = $1 group by 1
        """,
        job_id,
    )
    return {row["data_type"]: row["stored"] or 0 for row in rows}
