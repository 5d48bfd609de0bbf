"""`comments`: conversation comments of issues and pull requests, and review comments."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from errors import PartOver
from rows import Comment
from store.columns import columns
from store.database import Connection
from store.versions import REPLACES

_UPSERT = f"""
with written as (
  insert into comments as t (
    repository_id, comment_type, github_id, pull_request_id, issue_id, review_id, in_reply_to_github_id, commenter_id,
    body, path, position, original_position, diff_hunk, commit_id, created_at, updated_at, last_synced_at, node_id)
  select $1, u.comment_type, u.github_id, p.id, i.id, r.id, u.in_reply_to, a.id, u.body, u.path, u.position,
    u.original_position, u.diff_hunk, u.commit_id, u.created_at, u.updated_at, $2, u.node_id
  from unnest($3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
      $10::text[], $11::text[], $12::integer[], $13::integer[], $14::text[], $15::text[], $16::timestamptz[],
      $17::timestamptz[], $18::text[])
    as u(comment_type, github_id, pull_request, issue, review, in_reply_to, author, body, path, position,
      original_position, diff_hunk, commit_id, created_at, updated_at, node_id)
  left join pull_requests p on p.github_id = u.pull_request
  left join issues i on i.github_id = u.issue
  left join reviews r on r.github_id = u.review
  left join contributors a on a.github_id = u.author
  on conflict (comment_type, github_id) do update set
    repository_id = excluded.repository_id, pull_request_id = excluded.pull_request_id, issue_id = excluded.issue_id,
    review_id = excluded.review_id, in_reply_to_github_id = excluded.in_reply_to_github_id,
    in_reply_to_id = case when t.in_reply_to_github_id is distinct from excluded.in_reply_to_github_id
      then null else t.in_reply_to_id end,
    commenter_id = excluded.commenter_id, body = excluded.body, path = excluded.path, position = excluded.position,
    original_position = excluded.original_position, diff_hunk = excluded.diff_hunk, commit_id = excluded.commit_id,
    created_at = excluded.created_at, updated_at = excluded.updated_at, last_synced_at = excluded.last_synced_at,
    node_id = coalesce(t.node_id, excluded.node_id)
  where (t.last_synced_at is null or {REPLACES})
    and (t.repository_id, t.pull_request_id, t.issue_id, t.review_id, t.in_reply_to_github_id, t.commenter_id, t.body,
      t.path, t.position, t.original_position, t.diff_hunk, t.commit_id, t.created_at, t.updated_at,
      t.node_id)
    is distinct from (excluded.repository_id, excluded.pull_request_id, excluded.issue_id, excluded.review_id,
      excluded.in_reply_to_github_id, excluded.commenter_id, excluded.body, excluded.path, excluded.position,
      excluded.original_position, excluded.diff_hunk, excluded.commit_id, excluded.created_at, excluded.updated_at,
      coalesce(t.node_id, excluded.node_id))
  returning xmax = 0 as inserted, t.pull_request_id, t.issue_id
)
select count(*) from written w
left join pull_requests p on p.id = w.pull_request_id left join issues i on i.id = w.issue_id
where inserted and coalesce(p.updated_at, i.updated_at) >= $19
"""

# A reply may arrive before its parent: whichever of the two is written last ties them.
_TIE_REPLIES = """
update comments c set in_reply_to_id = p.id
from comments p
where c.comment_type = 'review_comment' and c.in_reply_to_id is null
  and p.comment_type = 'review_comment' and p.github_id = c.in_reply_to_github_id
  and (c.github_id = any($1::bigint[]) or c.in_reply_to_github_id = any($1::bigint[]))
"""


async def write(
    connection: Connection, repository_id: str, asked_at: datetime, rows: Sequence[Comment], since: datetime
) -> int:
    """Writes each row, unless a newer version of the row is stored. Links replies to the comments that they answer.

    Returns how many rows are new. Only comments of threads that were updated at or after `since` are counted.

    Raises `PartOver` (comment_id_collision) if a conversation comment and a review comment have the same GitHub id, and
    an older unique key of the host forbids that. Nothing is overwritten then.
    """
    if not rows:
        return 0
    try:
        inserted: int = await connection.fetchval(_UPSERT, repository_id, asked_at, *columns(rows), since)
    except asyncpg.UniqueViolationError as error:
        raise PartOver(
            "comment_id_collision",
            f"a conversation comment and a review comment share a number ({error.detail}), and this database's key"
            " on comments (github_id) allows only one of them",
            "run `starter.py migrate --replace-host-keys`, then retry",
        ) from error
    review_comments = [row.github_id for row in rows if row.comment_type == "review_comment"]
    if review_comments:
        await connection.execute(_TIE_REPLIES, review_comments)
    return inserted
