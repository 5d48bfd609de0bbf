"""`reviews`."""

from collections.abc import Sequence
from datetime import datetime

from rows import Review, Whole
from store.columns import columns
from store.database import Connection

_UPSERT = """
with written as (
  insert into reviews as t (
    repository_id, github_id, pull_request_id, author_id, state, body, submitted_at, updated_at, commit_id,
    last_synced_at)
  select $1, u.github_id, p.id, a.id, u.state, u.body, u.submitted_at, u.updated_at, u.commit_id, $2
  from unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[],
      $10::text[])
    as u(github_id, pull_request, author, state, body, submitted_at, updated_at, commit_id)
  join pull_requests p on p.github_id = u.pull_request
  join contributors a on a.github_id = u.author
  on conflict (github_id) do update set
    pull_request_id = excluded.pull_request_id, repository_id = excluded.repository_id,
    author_id = excluded.author_id, state = excluded.state, body = excluded.body,
    submitted_at = excluded.submitted_at, updated_at = excluded.updated_at, commit_id = excluded.commit_id,
    last_synced_at = excluded.last_synced_at
  where (t.last_synced_at is null
      or (coalesce(t.updated_at, '-infinity'), t.last_synced_at) <= (excluded.updated_at, excluded.last_synced_at))
    and (t.pull_request_id, t.repository_id, t.author_id, t.state, t.body, t.submitted_at, t.updated_at, t.commit_id)
    is distinct from (excluded.pull_request_id, excluded.repository_id, excluded.author_id, excluded.state,
      excluded.body, excluded.submitted_at, excluded.updated_at, excluded.commit_id)
  returning xmax = 0 as inserted, t.pull_request_id
)
select count(*) from written w join pull_requests p on p.id = w.pull_request_id where inserted and p.updated_at >= $11
"""

# A review vanishes when it had no body of its own and its last comment is deleted: what we hold of its comments is
# gone too.
_DELETE_ABSENT = """
with doomed as (
  select r.id, w.began_at from unnest($1::bigint[], $2::timestamptz[]) as w(parent, began_at)
  join pull_requests p on p.github_id = w.parent
  join reviews r on r.pull_request_id = p.id and r.submitted_at < w.began_at
  where r.github_id <> all($3::bigint[])
), doomed_comments as (
  select c.id from comments c join doomed d on d.id = c.review_id where c.created_at < d.began_at
), untied as (
  update comments c set in_reply_to_id = null from doomed_comments d where c.in_reply_to_id = d.id
), deleted as (
  delete from comments c using doomed_comments d where c.id = d.id
)
delete from reviews r using doomed d where r.id = d.id
"""


async def write(
    connection: Connection, repository_id: str, asked_at: datetime, rows: Sequence[Review], since: datetime
) -> int:
    """Writes the rows that are not older than the stored ones.

    Returns how many are new, of pull requests updated at or after `since`.
    """
    if not rows:
        return 0
    inserted: int = await connection.fetchval(_UPSERT, repository_id, asked_at, *columns(rows), since)
    return inserted


async def delete_absent(connection: Connection, pull_requests: Sequence[Whole]) -> None:
    """Deletes stored reviews of whole pull requests that GitHub no longer has."""
    seen = [int(key[2:]) for whole in pull_requests for key in whole.seen if key.startswith("r:")]
    await connection.execute(
        _DELETE_ABSENT, [whole.parent for whole in pull_requests], [whole.began_at for whole in pull_requests], seen
    )
