"""Computes, once a second, when each job in progress will end, what it has stored, and what it waits for.

The work in one second does not grow with the size of a job. Only the next `AT_ONCE` repositories of each job are
counted, and the sums so far are kept in `backfill_tallies`. A job with fewer repositories is counted every second, a
job with a thousand about every 20 seconds.
"""

from typing import Any

from pydantic import ValidationError

from progress.tally import Tally
from store import budgets, job_views, job_waits, samples, sweeps
from store.database import Connection

AT_ONCE = 50
"""Repositories of a job that are counted in one second."""


async def estimate(connection: Connection) -> None:
    """For each job in progress, adds up what the next repositories have stored and what they have left. Each call
    continues where the previous call stopped. After a job's last repository, this function stores the job's totals, its
    waits and its estimated end. The chart, the timeline and the pace are computed from the tables `backfill_samples`
    and `backfill_waits`.

    The estimated end in the job's row is for people who read the table. The API shows `JobView.eta`.
    """
    for row in await connection.fetch("select id::text from workspace_backfill_jobs where status = 'in_progress'"):
        job = await job_views.row(connection, row["id"])
        tally = await _count(connection, job)
        if tally is not None:
            await _keep(connection, job, tally)


async def _count(connection: Connection, job: Any) -> Tally | None:
    """Counts the next repositories of a job. Returns the sums over all repositories of the job, or None while some
    repositories are not counted.
    """
    after, so_far = await _so_far(connection, job)
    its = await job_views.repositories(connection, job, after=after, limit=AT_ONCE)
    ids = [each.repository_id for each in its]
    part = job_views.state(job, its, so_far.hold)
    spent = await sweeps.spent(connection, job["id"], ids)
    tally = so_far + Tally.of(part, spent, await budgets.readers(connection, job["id"], ids))
    if len(its) == AT_ONCE:
        await connection.execute(
            """
            insert into backfill_tallies (backfill_job_id, attempt, counted_to, tally) values ($1, $2, $3, $4)
            on conflict (backfill_job_id) do update set
                attempt = excluded.attempt, counted_to = excluded.counted_to, tally = excluded.tally
            """,
            job["id"],
            job["attempt"],
            max(ids),
            tally.model_dump(mode="json"),
        )
        return None
    if after is not None:
        await connection.execute("delete from backfill_tallies where backfill_job_id = $1", job["id"])
    return tally


async def _so_far(connection: Connection, job: Any) -> tuple[str | None, Tally]:
    """Returns the id of the last repository that this attempt has counted, and the sums so far. The id is None at the
    beginning.
    """
    row = await connection.fetchrow(
        "select counted_to::text, tally from backfill_tallies where backfill_job_id = $1 and attempt = $2",
        job["id"],
        job["attempt"],
    )
    if row is None:
        return None, Tally()
    try:
        return row["counted_to"], Tally.model_validate(row["tally"])
    except ValidationError:
        return None, Tally()  # of another release: it is counted anew


async def _keep(connection: Connection, job: Any, tally: Tally) -> None:
    state = job_views.state(job, (), tally.hold)
    await job_waits.follow(connection, state)
    mark = await job_views.marked(connection, state, tally.stored, (tally.points, tally.requests))
    await samples.take(connection, state, mark, tally.rows)
    await connection.execute(
        """
        update workspace_backfill_jobs set estimated_completion_at = date_trunc('second', $2::timestamptz)
        where id = $1 and status = 'in_progress'
          and estimated_completion_at is distinct from date_trunc('second', $2::timestamptz)
        """,
        state.id,
        job_views.eta(state, await job_views.outlook(connection, state, tally.rest, mark, tally.accounts)),
    )
