"""`pull_requests`, `requested_reviewers`, and the column `reviewer_data`, which is derived from requested reviewers and
reviews.
"""

from collections.abc import Sequence
from datetime import datetime

from rows import PullRequest, RequestedReviewer
from store import thread_numbers
from store.columns import columns, json_texts
from store.database import Connection
from store.versions import REPLACES

_UPSERT = f"""
with written as (
  insert into pull_requests as t (
    repository_id, repository_full_name, github_id, node_id, number, title, body, state, author_id, author_login,
    draft, merged, merged_by_id, base_branch, head_branch, additions, deletions, changed_files, commits,
    created_at, updated_at, closed_at, merged_at, html_url, labels, milestone, assignees, last_synced_at)
  select $1, $2, u.github_id, u.node_id, u.number, u.title, u.body,
    case when $4 or u.state <> 'merged' then u.state else 'closed' end,
    a.id, u.author_login, u.draft, u.merged, m.id, u.base_branch, u.head_branch, u.additions, u.deletions,
    u.changed_files, u.commits, u.created_at, u.updated_at, u.closed_at, u.merged_at, u.html_url,
    u.labels::jsonb, u.milestone::jsonb, u.assignees::jsonb, $3
  from unnest($5::bigint[], $6::text[], $7::integer[], $8::text[], $9::text[], $10::text[], $11::bigint[], $12::text[],
      $13::boolean[], $14::boolean[], $15::bigint[], $16::text[], $17::text[], $18::integer[], $19::integer[],
      $20::integer[], $21::integer[], $22::timestamptz[], $23::timestamptz[], $24::timestamptz[], $25::timestamptz[],
      $26::text[], $27::text[], $28::text[], $29::text[])
    as u(github_id, node_id, number, title, body, state, author, author_login, draft, merged, merged_by, base_branch,
      head_branch, additions, deletions, changed_files, commits, created_at, updated_at, closed_at, merged_at,
      html_url, labels, milestone, assignees)
  left join contributors a on a.github_id = u.author
  left join contributors m on m.github_id = u.merged_by
  on conflict (github_id) do update set
    repository_id = excluded.repository_id, repository_full_name = excluded.repository_full_name,
    node_id = excluded.node_id, number = excluded.number, title = excluded.title, body = excluded.body,
    state = excluded.state, author_id = excluded.author_id, author_login = excluded.author_login,
    draft = coalesce(excluded.draft, t.draft), merged = excluded.merged, merged_by_id = excluded.merged_by_id,
    base_branch = excluded.base_branch, head_branch = excluded.head_branch,
    -- What an answer does not tell stays as it is.
    additions = coalesce(excluded.additions, t.additions), deletions = coalesce(excluded.deletions, t.deletions),
    changed_files = coalesce(excluded.changed_files, t.changed_files), commits = coalesce(excluded.commits, t.commits),
    created_at = excluded.created_at, updated_at = excluded.updated_at, closed_at = excluded.closed_at,
    merged_at = excluded.merged_at, html_url = coalesce(excluded.html_url, t.html_url), labels = excluded.labels,
    milestone = excluded.milestone, assignees = excluded.assignees, last_synced_at = excluded.last_synced_at,
    gone_at = null
  -- What we never fetched may carry a wrong updated_at: a host once set it to the moment of capture.
  where (t.node_id is null or {REPLACES})
    and (t.repository_id, t.repository_full_name, t.node_id, t.number, t.title, t.body, t.state, t.author_id,
      t.author_login, t.draft, t.merged, t.merged_by_id, t.base_branch, t.head_branch, t.additions, t.deletions,
      t.changed_files, t.commits, t.created_at, t.updated_at, t.closed_at, t.merged_at, t.html_url, t.labels,
      t.milestone, t.assignees, t.gone_at)
    is distinct from (excluded.repository_id, excluded.repository_full_name, excluded.node_id, excluded.number,
      excluded.title, excluded.body, excluded.state, excluded.author_id, excluded.author_login,
      coalesce(excluded.draft, t.draft), excluded.merged, excluded.merged_by_id, excluded.base_branch,
      excluded.head_branch, coalesce(excluded.additions, t.additions), coalesce(excluded.deletions, t.deletions),
      coalesce(excluded.changed_files, t.changed_files), coalesce(excluded.commits, t.commits), excluded.created_at,
      excluded.updated_at, excluded.closed_at, excluded.merged_at, coalesce(excluded.html_url, t.html_url),
      excluded.labels, excluded.milestone, excluded.assignees, null::timestamptz)
  returning xmax = 0 as inserted, t.updated_at
)
select count(*) filter (where inserted and updated_at >= $30) from written
"""

# Only of a version that is the stored one: an older answer must not bring back a request that was taken away.
_DROP_REQUESTS = """
delete from requested_reviewers r
using unnest($1::bigint[], $2::timestamptz[]) as u(github_id, updated_at), pull_requests p
where p.github_id = u.github_id and p.updated_at = u.updated_at and p.last_synced_at <= $5
  and r.pull_request_id = p.id
  and not (r.username like 'team:%' and u.github_id = any($6::bigint[]))
  and u.github_id <> all($7::bigint[])
  and not exists (
    select from unnest($3::bigint[], $4::text[]) as w(pull_request, username)
    where w.pull_request = u.github_id and w.username = r.username)
"""
_ADD_REQUESTS = """
insert into requested_reviewers as r (pull_request_id, username, avatar_url)
select p.id, w.username, max(w.avatar_url)
from unnest($1::bigint[], $2::timestamptz[]) as u(github_id, updated_at)
join pull_requests p on p.github_id = u.github_id and p.updated_at = u.updated_at and p.last_synced_at <= $6
join unnest($3::bigint[], $4::text[], $5::text[]) as w(pull_request, username, avatar_url)
  on w.pull_request = u.github_id
group by p.id, w.username
on conflict (pull_request_id, username) do update set avatar_url = excluded.avatar_url
where r.avatar_url is distinct from excluded.avatar_url
"""

_REQUESTED_AT = """
update requested_reviewers r set requested_at = e.at
from (
  select e.pull_request_id, e.payload->>'requested_reviewer' as username, max(e.created_at) as at
  from issue_events e join pull_requests p on p.id = e.pull_request_id
  where p.github_id = any($1::bigint[]) and e.event_type = 'review_requested'
  group by 1, 2
) e
where r.pull_request_id = e.pull_request_id and r.username = e.username and r.requested_at is distinct from e.at
"""

_REVIEWER_DATA = """
update pull_requests p set reviewer_data = d.data
from (
  select p.id, jsonb_build_object(
    'requested_reviewers', coalesce((
      select jsonb_agg(jsonb_build_object('username', r.username, 'avatar_url', r.avatar_url) order by r.username)
      from requested_reviewers r where r.pull_request_id = p.id), '[]'),
    'reviewers', coalesce((
      select jsonb_agg(to_jsonb(l) order by l.submitted_at, l.username)
      from (
        select distinct on (c.id) c.username, c.avatar_url, r.state, r.submitted_at
        from reviews r join contributors c on c.id = r.author_id
        where r.pull_request_id = p.id
        order by c.id, r.submitted_at desc, r.github_id desc) l), '[]')) as data
  from pull_requests p where p.github_id = any($1::bigint[])
) d
where p.id = d.id and p.reviewer_data is distinct from d.data
"""


_LACKS = {
    "commits": "p.commits is null",
    "deployment": """
        exists (select from issue_events e where e.pull_request_id = p.id and e.event_type = 'deployed'
          and e.payload ->> 'deployment' is null)
    """,
    "requested_reviewers": """
        exists (select from issue_events e where e.pull_request_id = p.id
          and e.event_type in ('review_requested', 'review_request_removed')
          and coalesce(e.payload ->> 'requested_reviewer', 'team') = 'team')
    """,
}
"""Conditions for pull requests that lack something because of a missing permission (`github.nodes.permissions`)."""


async def lacking(
    connection: Connection, repository_id: str, what: str, since: datetime, limit: int
) -> list[tuple[str, int]]:
    """Returns the pull requests that lack `what` because a permission was missing, as (node id, number). `what` is
    `commits`, `deployment` or another key of `_LACKS`. Only pull requests that were updated at or after `since` are
    returned.
    """
    rows = await connection.fetch(
        f"select p.node_id, p.number from pull_requests p where p.repository_id = $1 and p.node_id is not null"
        f" and p.gone_at is null and p.updated_at >= $2 and {_LACKS[what]} order by p.number desc limit $3",
        repository_id,
        since,
        limit,
    )
    return [(row["node_id"], row["number"]) for row in rows]


async def write(
    connection: Connection,
    repository_id: str,
    full_name: str,
    asked_at: datetime,
    rows: Sequence[PullRequest],
    requests: Sequence[RequestedReviewer],
    teams_hidden: Sequence[int],
    requests_short: Sequence[int],
    since: datetime,
) -> int:
    """Writes each row and its requested reviewers, unless a newer version of the row is stored.

    `teams_hidden` are pull requests of which GitHub does not show a requested team. Their stored teams are kept.
    `requests_short` are pull requests whose list of requested reviewers is incomplete. All their stored reviewers are
    kept.

    Returns how many rows are new. Only pull requests that were updated at or after `since` are counted.
    """
    if not rows:
        return 0
    ids, numbers = [row.github_id for row in rows], [row.number for row in rows]
    await thread_numbers.correct_github_ids(connection, "pull_requests", repository_id, ids, numbers)
    await thread_numbers.free(connection, "pull_requests", repository_id, ids, numbers)
    # A host may know only open and closed; `merged` says the rest.
    merged_is_a_state = await connection.fetchval("select pull_requests_state_knows_merged()")
    *plain, labels, milestone, assignees = columns(rows)
    inserted: int = await connection.fetchval(
        _UPSERT,
        repository_id,
        full_name,
        asked_at,
        merged_is_a_state,
        *plain,
        json_texts(labels),
        json_texts(milestone),
        json_texts(assignees),
        since,
    )
    versions = ids, [row.updated_at for row in rows]
    wanted = [list(column) for column in zip(*requests, strict=True)] or [[], [], []]
    await connection.execute(_DROP_REQUESTS, *versions, wanted[0], wanted[1], asked_at, teams_hidden, requests_short)
    if requests:
        await connection.execute(_ADD_REQUESTS, *versions, *wanted, asked_at)
    return inserted


async def derive(connection: Connection, github_ids: Sequence[int]) -> None:
    """Recomputes two values that are derived from the events and reviews of these pull requests (GitHub's ids): when
    each review was requested, and `reviewer_data`.
    """
    if github_ids:
        await connection.execute(_REQUESTED_AT, github_ids)
        await connection.execute(_REVIEWER_DATA, github_ids)
