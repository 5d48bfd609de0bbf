"""The table `issues`."""

from collections.abc import Sequence
from datetime import datetime

from rows import Closing, Issue
from store import thread_numbers
from store.columns import columns, json_texts
from store.database import Connection
from store.versions import REPLACES

_UPSERT = f"""
with written as (
  insert into issues as t (
    repository_id, github_id, node_id, number, title, body, state, author_id, closed_by_id, created_at, updated_at,
    closed_at, labels, milestone, assignees, linked_prs, last_synced_at)
  select $1, u.github_id, u.node_id, u.number, u.title, u.body, u.state, a.id,
    -- Who closed it is not always told with it: what a part of its timeline told once holds until it is closed again.
    case when u.closer_told then c.id else (
      select o.closed_by_id from issues o where o.github_id = u.github_id and o.closed_at = u.closed_at) end,
    u.created_at, u.updated_at,
    u.closed_at, u.labels::jsonb, u.milestone::jsonb, u.assignees::jsonb, u.linked_prs::jsonb, $2
  from unnest($3::bigint[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[],
      $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::boolean[], $15::text[], $16::text[], $17::text[],
      $18::text[])
    as u(github_id, node_id, number, title, body, state, author, closed_by, created_at, updated_at, closed_at,
      closer_told, labels, milestone, assignees, linked_prs)
  left join contributors a on a.github_id = u.author
  left join contributors c on c.github_id = u.closed_by
  on conflict (github_id) do update set
    repository_id = excluded.repository_id, node_id = excluded.node_id, number = excluded.number,
    title = excluded.title, body = excluded.body, state = excluded.state, author_id = excluded.author_id,
    closed_by_id = excluded.closed_by_id, created_at = excluded.created_at, updated_at = excluded.updated_at,
    closed_at = excluded.closed_at, labels = excluded.labels, milestone = excluded.milestone,
    assignees = excluded.assignees, linked_prs = excluded.linked_prs, last_synced_at = excluded.last_synced_at,
    gone_at = null
  -- What we never fetched may carry a wrong updated_at: a host once set it to the moment of capture.
  where (t.node_id is null or {REPLACES})
    and (t.repository_id, t.node_id, t.number, t.title, t.body, t.state, t.author_id, t.closed_by_id, t.created_at,
      t.updated_at, t.closed_at, t.labels, t.milestone, t.assignees, t.linked_prs, t.gone_at)
    is distinct from (excluded.repository_id, excluded.node_id, excluded.number, excluded.title, excluded.body,
      excluded.state, excluded.author_id, excluded.closed_by_id, excluded.created_at, excluded.updated_at,
      excluded.closed_at, excluded.labels, excluded.milestone, excluded.assignees, excluded.linked_prs,
      null::timestamptz)
  returning xmax = 0 as inserted, t.updated_at
)
select count(*) filter (where inserted and updated_at >= $19) from written
"""

# An issue and the event that closed it name the same moment; a second more or less is granted.
_CLOSE = """
update issues i set closed_by_id = c.id
from (
  select distinct on (issue) issue, at, closed_by
  from unnest($1::bigint[], $2::timestamptz[], $3::bigint[]) with ordinality as u(issue, at, closed_by, place)
  join issues i on i.github_id = u.issue
  where i.state = 'closed' and u.at between i.closed_at - interval '2 seconds' and i.closed_at + interval '2 seconds'
  order by issue, place desc
) u
left join contributors c on c.github_id = u.closed_by
where i.github_id = u.issue and i.closed_by_id is distinct from c.id
"""

_COMMENTS_COUNT = """
update issues i set comments_count = d.comments
from (
  select i.id, (select count(*) from comments c where c.issue_id = i.id)::integer as comments
  from issues i where i.github_id = any($1::bigint[])
) d
where i.id = d.id and i.comments_count is distinct from d.comments
"""


async def write(
    connection: Connection, repository_id: str, asked_at: datetime, rows: Sequence[Issue], since: datetime
) -> int:
    """Writes each row, unless a newer version of the row is stored.

    Returns how many rows are new. Only issues that were updated at or after `since` are counted.
    """
    if not rows:
        return 0
    ids, numbers = [row.github_id for row in rows], [row.number for row in rows]
    await thread_numbers.correct_github_ids(connection, "issues", repository_id, ids, numbers)
    await thread_numbers.free(connection, "issues", repository_id, ids, numbers)
    *plain, labels, milestone, assignees, linked_prs, closer_told = columns(rows)
    inserted: int = await connection.fetchval(
        _UPSERT,
        repository_id,
        asked_at,
        *plain,
        closer_told,
        json_texts(labels),
        json_texts(milestone),
        json_texts(assignees),
        json_texts(linked_prs),
        since,
    )
    return inserted


async def close(connection: Connection, closings: Sequence[Closing]) -> None:
    """Stores who closed each issue last. `closings` were found in the timelines of the issues."""
    if closings:
        await connection.execute(_CLOSE, *columns(closings))


async def derive(connection: Connection, github_ids: Sequence[int]) -> None:
    """Recounts the stored comments of these issues (GitHub's ids)."""
    if github_ids:
        await connection.execute(_COMMENTS_COUNT, github_ids)
