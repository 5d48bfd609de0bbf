"""The table `reviews`."""

from collections.abc import Sequence
from datetime import datetime

from rows import Review
from store.columns import columns
from store.database import Connection
from store.versions import REPLACES

_UPSERT = f"""
with written as (
  insert into reviews as t (
    repository_id, github_id, pull_request_id, author_id, state, body, submitted_at, updated_at, commit_id,
    last_synced_at, node_id)
  select $1, u.github_id, p.id, a.id, u.state, u.body, u.submitted_at, u.updated_at, u.commit_id, $2,
    u.node_id
  from unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[],
      $10::text[], $11::text[])
    as u(github_id, pull_request, author, state, body, submitted_at, updated_at, commit_id, node_id)
  join pull_requests p on p.github_id = u.pull_request
  join contributors a on a.github_id = u.author
  on conflict (github_id) do update set
    pull_request_id = excluded.pull_request_id, repository_id = excluded.repository_id,
    author_id = excluded.author_id, state = excluded.state, body = excluded.body,
    submitted_at = excluded.submitted_at, updated_at = excluded.updated_at, commit_id = excluded.commit_id,
    last_synced_at = excluded.last_synced_at, node_id = coalesce(t.node_id, excluded.node_id)
  where (t.last_synced_at is null or {REPLACES})
    and (t.pull_request_id, t.repository_id, t.author_id, t.state, t.body, t.submitted_at, t.updated_at, t.commit_id,
      t.node_id)
    is distinct from (excluded.pull_request_id, excluded.repository_id, excluded.author_id, excluded.state,
      excluded.body, excluded.submitted_at, excluded.updated_at, excluded.commit_id,
      coalesce(t.node_id, excluded.node_id))
  returning xmax = 0 as inserted, t.pull_request_id
)
select count(*) from written w join pull_requests p on p.id = w.pull_request_id where inserted and p.updated_at >= $12
"""


async def write(
    connection: Connection, repository_id: str, asked_at: datetime, rows: Sequence[Review], since: datetime
) -> int:
    """Writes each row, unless a newer version of the row is stored.

    Returns how many rows are new. Only reviews of pull requests that were updated at or after `since` are counted.
    """
    if not rows:
        return 0
    inserted: int = await connection.fetchval(_UPSERT, repository_id, asked_at, *columns(rows), since)
    return inserted
