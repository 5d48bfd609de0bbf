"""Corrects what is stored after GitHub's clock was set back. A server's clock can be ahead, and be corrected later."""

from datetime import datetime

from store import pages
from store.database import Connection
from store.sweeps import Sweep

ASKED_FOR = ("pull_requests", "issues", "discussions", "reviews", "comments")


async def set_back(connection: Connection, sweep: Sweep, now: datetime) -> None:
    """Dates all questions that were later than `now`, GitHub's present time, to `now`. The next version of a row then
    replaces the row (`store.versions`). Deletes the coverage of the sweep's data type, which ends in the future.
    """
    repository_id = sweep.repository.repository_id
    await pages.lock(connection, repository_id)
    for table in ASKED_FOR:
        await connection.execute(
            f"update {table} set last_synced_at = $2 where repository_id = $1 and last_synced_at > $2",
            repository_id,
            now,
        )
    await connection.execute(
        "update discussion_comments c set last_synced_at = $2 from discussions d"
        " where d.repository_id = $1 and c.discussion_id = d.id and c.last_synced_at > $2",
        repository_id,
        now,
    )
    await connection.execute(
        "delete from backfill_coverage where repository_id = $1 and data_type = $2", repository_id, sweep.data_type
    )
