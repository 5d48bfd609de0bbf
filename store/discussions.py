"""`discussions`. A row that the host created keeps its id, which may be a node id in an older format."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from rows import Discussion
from store import thread_numbers
from store.columns import columns
from store.database import Connection
from store.versions import REPLACES

# The host once took numbers, or parts of node ids, for GitHub's id.
_CORRECT_GITHUB_ID = """
update discussions t set github_id = u.github_id
from unnest($2::bigint[], $3::text[], $4::integer[]) as u(github_id, node_id, number)
where ((t.repository_id = $1 and t.number = u.number) or t.id = u.node_id) and t.github_id <> u.github_id
  and not exists (select from discussions o where o.github_id = u.github_id)
"""
_UPSERT = f"""
with written as (
  insert into discussions as t (
    repository_id, github_id, id, node_id, number, title, body, url, category_id, category_name, category_description,
    category_emoji, author_id, author_login, is_answered, answer_id, answer_chosen_at, answer_chosen_by, upvote_count,
    comment_count, locked, created_at, updated_at, synced_at, last_synced_at)
  select $1, u.github_id, u.node_id, u.node_id, u.number, u.title, u.body, u.url, u.category_id, u.category_name,
    u.category_description, u.category_emoji, u.author, u.author_login, u.is_answered, u.answer_id, u.answer_chosen_at,
    u.answer_chosen_by, u.upvote_count, u.comment_count, u.locked, u.created_at, u.updated_at, $2, $2
  from unnest($3::bigint[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
      $11::text[], $12::text[], $13::bigint[], $14::text[], $15::boolean[], $16::text[], $17::timestamptz[],
      $18::text[], $19::integer[], $20::integer[], $21::boolean[], $22::timestamptz[], $23::timestamptz[])
    as u(github_id, node_id, number, title, body, url, category_id, category_name, category_description,
      category_emoji, author, author_login, is_answered, answer_id, answer_chosen_at, answer_chosen_by, upvote_count,
      comment_count, locked, created_at, updated_at)
  on conflict (github_id) do update set
    repository_id = excluded.repository_id, node_id = excluded.node_id, number = excluded.number,
    title = excluded.title, body = excluded.body, url = excluded.url, category_id = excluded.category_id,
    category_name = excluded.category_name, category_description = excluded.category_description,
    category_emoji = excluded.category_emoji, author_id = excluded.author_id, author_login = excluded.author_login,
    is_answered = excluded.is_answered, answer_id = excluded.answer_id, answer_chosen_at = excluded.answer_chosen_at,
    answer_chosen_by = excluded.answer_chosen_by,
    -- What an answer does not tell stays as it is.
    upvote_count = coalesce(excluded.upvote_count, t.upvote_count), comment_count = excluded.comment_count,
    locked = coalesce(excluded.locked, t.locked), created_at = excluded.created_at,
    updated_at = excluded.updated_at, synced_at = excluded.synced_at, last_synced_at = excluded.last_synced_at,
    gone_at = null
  -- What we never fetched may carry a wrong updated_at: a host once set it to the moment of capture.
  where (t.node_id is null or {REPLACES})
    and (t.repository_id, t.node_id, t.number, t.title, t.body, t.url, t.category_id, t.category_name,
      t.category_description, t.category_emoji, t.author_id, t.author_login, t.is_answered, t.answer_id,
      t.answer_chosen_at, t.answer_chosen_by, t.upvote_count, t.comment_count, t.locked, t.created_at, t.updated_at,
      t.gone_at)
    is distinct from (excluded.repository_id, excluded.node_id, excluded.number, excluded.title, excluded.body,
      excluded.url, excluded.category_id, excluded.category_name, excluded.category_description,
      excluded.category_emoji, excluded.author_id, excluded.author_login, excluded.is_answered, excluded.answer_id,
      excluded.answer_chosen_at, excluded.answer_chosen_by, coalesce(excluded.upvote_count, t.upvote_count),
      excluded.comment_count, coalesce(excluded.locked, t.locked), excluded.created_at, excluded.updated_at,
      null::timestamptz)
  returning xmax = 0 as inserted, t.updated_at
)
select count(*) filter (where inserted and updated_at >= $24) from written
"""


async def write(
    connection: Connection, repository_id: str, asked_at: datetime, rows: Sequence[Discussion], since: datetime
) -> int:
    """Writes each row, unless a newer version of the row is stored.

    Returns how many rows are new. Only discussions that were updated at or after `since` are counted.
    """
    if not rows:
        return 0
    ids, numbers = [row.github_id for row in rows], [row.number for row in rows]
    await connection.execute(_CORRECT_GITHUB_ID, repository_id, ids, [row.node_id for row in rows], numbers)
    await thread_numbers.free(connection, "discussions", repository_id, ids, numbers)
    inserted: int = await connection.fetchval(_UPSERT, repository_id, asked_at, *columns(rows), since)
    return inserted


async def count_comments(connection: Connection, asked_at: datetime, counts: Mapping[int, int]) -> None:
    """Corrects the stored numbers of comments on discussions. `counts` maps a discussion's GitHub id to the number that
    GitHub shows.
    """
    if counts:
        await connection.execute(
            """
            update discussions t set comment_count = u.comments, last_synced_at = $1
            from unnest($2::bigint[], $3::integer[]) as u(github_id, comments)
            where t.github_id = u.github_id and t.comment_count is distinct from u.comments
              and (t.last_synced_at is null or t.last_synced_at <= $1)
            """,
            asked_at,
            list(counts),
            list(counts.values()),
        )
