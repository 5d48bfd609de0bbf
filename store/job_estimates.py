"""Once a second, for all jobs in progress: when they will end, what they have stored, and what they wait for."""

from store import job_waits, samples
from store.database import Connection
from store.job_views import marked, read


async def estimate(connection: Connection) -> None:
    """Keeps in each job's row when it will end, for those who read the row and not `JobView.eta`, and how it came along
    (`samples`, `job_waits`), for its chart, its timeline and its pace."""
    for row in await connection.fetch("select id::text from workspace_backfill_jobs where status = 'in_progress'"):
        job = await read(connection, row["id"])
        await job_waits.follow(connection, job)
        await samples.take(connection, job, await marked(connection, job, job.progress))
        await connection.execute(
            """
            update workspace_backfill_jobs set estimated_completion_at = date_trunc('second', $2::timestamptz)
            where id = $1 and status = 'in_progress'
              and estimated_completion_at is distinct from date_trunc('second', $2::timestamptz)
            """,
            row["id"],
            job.eta,
        )
