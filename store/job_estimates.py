"""When jobs in progress will end, kept in their rows."""

from store.database import Connection
from store.job_views import read


async def estimate(connection: Connection) -> None:
    """Keeps in each job in progress when it will end, for those who read the row and not `JobView.eta`."""
    for row in await connection.fetch("select id::text from workspace_backfill_jobs where status = 'in_progress'"):
        eta = (await read(connection, row["id"])).eta
        await connection.execute(
            """
            update workspace_backfill_jobs set estimated_completion_at = date_trunc('second', $2::timestamptz)
            where id = $1 and status = 'in_progress'
              and estimated_completion_at is distinct from date_trunc('second', $2::timestamptz)
            """,
            row["id"],
            eta,
        )
