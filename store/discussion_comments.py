"""`discussion_comments`: comments on discussions, and the replies to these comments."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from rows import DiscussionComment
from store.columns import columns
from store.database import Connection
from store.versions import REPLACES

_CORRECT_GITHUB_ID = """
update discussion_comments t set github_id = u.github_id
from unnest($1::bigint[], $2::text[]) as u(github_id, node_id)
where t.id = u.node_id and t.github_id <> u.github_id
  and not exists (select from discussion_comments o where o.github_id = u.github_id)
"""

_UPSERT = f"""
with written as (
  insert into discussion_comments as t (
    github_id, id, discussion_id, discussion_number, parent_comment_id, author_id, author_login, body, is_answer,
    upvote_count, reply_count, created_at, updated_at, synced_at, last_synced_at)
  select u.github_id, u.node_id, d.id, d.number, p.id, u.author, u.author_login, u.body, u.is_answer, u.upvote_count,
    u.reply_count, u.created_at, u.updated_at, $1, $1
  from unnest($2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::boolean[],
      $10::integer[], $11::integer[], $12::timestamptz[], $13::timestamptz[])
    as u(github_id, node_id, discussion, parent, author, author_login, body, is_answer, upvote_count, reply_count,
      created_at, updated_at)
  join discussions d on d.github_id = u.discussion
  left join discussion_comments p on p.github_id = u.parent
  on conflict (github_id) do update set
    discussion_id = excluded.discussion_id, discussion_number = excluded.discussion_number,
    parent_comment_id = excluded.parent_comment_id, author_id = excluded.author_id,
    author_login = excluded.author_login, body = excluded.body,
    -- What an answer does not tell stays as it is.
    is_answer = coalesce(excluded.is_answer, t.is_answer),
    upvote_count = coalesce(excluded.upvote_count, t.upvote_count),
    reply_count = coalesce(excluded.reply_count, t.reply_count), created_at = excluded.created_at,
    updated_at = excluded.updated_at, synced_at = excluded.synced_at, last_synced_at = excluded.last_synced_at
  where (t.last_synced_at is null or {REPLACES})
    and (t.discussion_id, t.discussion_number, t.parent_comment_id, t.author_id, t.author_login, t.body, t.is_answer,
      t.upvote_count, t.reply_count, t.created_at, t.updated_at)
    is distinct from (excluded.discussion_id, excluded.discussion_number, excluded.parent_comment_id,
      excluded.author_id, excluded.author_login, excluded.body,
      coalesce(excluded.is_answer, t.is_answer), coalesce(excluded.upvote_count, t.upvote_count),
      coalesce(excluded.reply_count, t.reply_count), excluded.created_at, excluded.updated_at)
  returning xmax = 0 as inserted, t.discussion_id
)
select count(*) from written w join discussions d on d.id = w.discussion_id where inserted and d.updated_at >= $14
"""


async def write(connection: Connection, asked_at: datetime, rows: Sequence[DiscussionComment], since: datetime) -> int:
    """Writes each row, unless a newer version of the row is stored. Comments are written before their replies.

    Returns how many rows are new. Only comments of discussions that were updated at or after `since` are counted.
    """
    if not rows:
        return 0
    await connection.execute(_CORRECT_GITHUB_ID, [row.github_id for row in rows], [row.node_id for row in rows])
    inserted = 0
    for level in ([row for row in rows if row.parent is None], [row for row in rows if row.parent is not None]):
        if level:
            inserted += await connection.fetchval(_UPSERT, asked_at, *columns(level), since)
    return inserted


async def count_replies(connection: Connection, asked_at: datetime, counts: Mapping[int, int]) -> None:
    """Corrects the stored numbers of replies to comments. `counts` maps a comment's GitHub id to the number that GitHub
    shows.
    """
    if counts:
        await connection.execute(
            """
            update discussion_comments t set reply_count = u.replies, last_synced_at = $1
            from unnest($2::bigint[], $3::integer[]) as u(github_id, replies)
            where t.github_id = u.github_id and t.reply_count is distinct from u.replies
              and (t.last_synced_at is null or t.last_synced_at <= $1)
            """,
            asked_at,
            list(counts),
            list(counts.values()),
        )
