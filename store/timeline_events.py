"""`issue_events`: events of threads' timelines. A stored event changes only in the fields that GitHub may show
differently later: names, the payload, and the thread to which the event belongs.
"""

from collections.abc import Sequence
from datetime import datetime

from rows import TimelineEvent
from store.columns import columns, json_texts
from store.database import Connection

# A server that learned the new format of node ids names the same events anew.
_RENAME = """
with renamed as (
  select distinct on (u.former_id) u.node_id, u.former_id,
    exists (select from issue_events e where e.node_id = u.node_id) as is_twice
  from unnest($1::text[], $2::text[]) as u(node_id, former_id) join issue_events t on t.node_id = u.former_id
), dropped as (
  delete from issue_events t using renamed r where r.is_twice and t.node_id = r.former_id
)
update issue_events t set node_id = r.node_id from renamed r where not r.is_twice and t.node_id = r.former_id
"""

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
    """Writes the events. An event that is stored with a node id of the older format gets its present node id.

    Returns how many events are new. Only events of threads that were updated at or after `since` are counted.
    """
    if not rows:
        return 0
    *plain, payload, former = columns(rows)
    if any(former):
        await connection.execute(_RENAME, plain[0], former)
    inserted: int = await connection.fetchval(_INSERT, repository_id, *plain, json_texts(payload), since)
    return inserted
