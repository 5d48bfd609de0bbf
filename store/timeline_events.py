"""`issue_events`: events of threads' timelines. A stored event changes only in the fields that GitHub may show
differently later: names, the payload, and the thread to which the event belongs.
"""

from collections.abc import Sequence
from datetime import datetime

from rows import TimelineEvent
from store.columns import columns, json_texts
from store.database import Connection

_INSERT = """
with written as (
  insert into issue_events as t (
    node_id, repository_id, pull_request_id, issue_id, event_type, actor_login, created_at, payload)
  select u.node_id, $1, p.id, i.id, u.event_type, u.actor_login, u.created_at, u.payload::jsonb
  from unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[], $8::text[])
    as u(node_id, pull_request, issue, event_type, actor_login, created_at, payload)
  left join pull_requests p on p.github_id = u.pull_request
  left join issues i on i.github_id = u.issue
  on conflict (node_id) do update set
    repository_id = excluded.repository_id, pull_request_id = excluded.pull_request_id, issue_id = excluded.issue_id,
    actor_login = excluded.actor_login, payload = excluded.payload
  where (t.repository_id, t.pull_request_id, t.issue_id, t.actor_login, t.payload)
    is distinct from (excluded.repository_id, excluded.pull_request_id, excluded.issue_id, excluded.actor_login,
      excluded.payload)
  returning xmax = 0 as inserted, t.pull_request_id, t.issue_id
)
select count(*) from written w
left join pull_requests p on p.id = w.pull_request_id left join issues i on i.id = w.issue_id
where inserted and coalesce(p.updated_at, i.updated_at) >= $9
"""


async def write(connection: Connection, repository_id: str, rows: Sequence[TimelineEvent], since: datetime) -> int:
    """Writes the events. Returns how many events are new. Only events of threads that were updated at or after `since`
    are counted.
    """
    if not rows:
        return 0
    *plain, payload = columns(rows)
    inserted: int = await connection.fetchval(_INSERT, repository_id, *plain, json_texts(payload), since)
    return inserted
