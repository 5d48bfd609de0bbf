"""The events that stored threads tell: when each was opened, closed and reopened, and by whom."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from messages import RepositoryRef
from rows import EventSource, FeedEvent
from store.database import Connection

NEAR = timedelta(seconds=60)
"""Most time between a thread's own time of closing and its timeline's."""

# A merged pull request is never reopened, so its last closing was the merge. If the timeline has no closing (the host
# stored the thread without one), the thread's own time is used.
_OF_THREADS = """
with threads as materialized (
  select t.id, t.github_id, t.number, t.title, t.created_at, t.closed_at, {merged} as merged,
    coalesce({author_login}, 'ghost') as login, coalesce(a.github_id, 10137) as author,
    (select username from contributors where id = t.{closer}) as closer
  from {table} t left join contributors a on a.id = t.author_id
  where t.repository_id = $1 and t.updated_at >= $2 and t.gone_at is null and t.number > $3
  order by t.number limit $4
), timeline as (
  select t.id, e.event_type, e.created_at, coalesce(e.actor_login, 'ghost') as actor,
    row_number() over (partition by t.id, e.event_type order by e.created_at desc, e.node_id desc) = 1 as last
  from threads t join issue_events e on e.{reference} = t.id and e.event_type in ('closed', 'reopened')
), actions as (
  select id, 'opened' as action, created_at as at, login as actor, false as merged from threads
  union all
  select e.id, e.event_type, e.created_at, e.actor, e.event_type = 'closed' and e.last and t.merged
  from timeline e join threads t using (id)
  union all
  select t.id, 'closed', t.closed_at, coalesce(t.closer, 'ghost'), t.merged from threads t
  where t.closed_at is not null and not exists (
    select from timeline e
    where e.id = t.id and e.event_type = 'closed' and e.created_at > t.closed_at - interval '60 seconds'
  )
)
select t.github_id, t.number, t.title, t.login, t.author, t.created_at, h.action, h.at, h.actor, h.merged
from threads t left join actions h on h.id = t.id and h.at >= $2
order by t.number, h.at
"""
_OF = {
    "pull_requests": _OF_THREADS.format(
        table="pull_requests",
        reference="pull_request_id",
        merged="coalesce(t.merged, false)",
        author_login="t.author_login, a.username",
        closer="merged_by_id",
    ),
    "issues": _OF_THREADS.format(
        table="issues", reference="issue_id", merged="false", author_login="a.username", closer="closed_by_id"
    ),
}


async def of_threads(
    connection: Connection, table: str, repository_id: str, since: datetime, after: int, limit: int
) -> tuple[list[FeedEvent], int | None]:
    """Returns the events by which the next `limit` stored threads after the number `after` were opened, closed or
    reopened at or after `since`. Also returns the number of the last thread, or None at the end of the list.
    """
    found = await connection.fetch(_OF[table], repository_id, since, after, limit)
    rows = [_of_thread(table, row) for row in found if row["action"]]
    numbers = {row["number"] for row in found}
    return rows, max(numbers) if len(numbers) == limit else None


def _of_thread(table: str, row: asyncpg.Record) -> FeedEvent:
    event_type, word = ("PullRequestEvent", "pull_request") if table == "pull_requests" else ("IssuesEvent", "issue")
    thread = {
        "id": row["github_id"],
        "number": row["number"],
        "title": row["title"],
        "user": {"login": row["login"], "id": row["author"]},
        "state": "closed" if row["action"] == "closed" else "open",
        "created_at": _as_github(row["created_at"]),
        "updated_at": _as_github(row["at"]),
    }
    payload: dict[str, Any] = {"action": row["action"], word: thread}
    if table == "pull_requests":
        payload["number"] = row["number"]
        thread["merged"] = row["merged"]
    source: EventSource = "threads"
    event_id = f"{event_type}_{row['github_id']}_{row['action']}_{int(row['at'].timestamp())}"
    return FeedEvent(event_id, event_type, row["actor"], row["at"], payload, source)


def _as_github(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# A row whose closing was hidden when it was told names nobody. Its event is the same closing, to the minute.
_NAME = """
update github_events_cache e set actor_login = u.actor_login
from unnest($3::text[], $4::text[], $5::timestamptz[]) as u(event_id, actor_login, created_at)
where e.repository_owner = $1 and e.repository_name = $2 and e.source = 'threads' and e.actor_login = 'ghost'
  and e.created_at between $6 and $7
  and e.created_at between u.created_at - interval '60 seconds' and u.created_at + interval '60 seconds'
  and regexp_replace(e.event_id, '_[0-9]+$', '') = regexp_replace(u.event_id, '_[0-9]+$', '')
"""


async def name_actors(connection: Connection, repository: RepositoryRef, rows: Sequence[FeedEvent]) -> None:
    """Names the actor of each stored event that was told as somebody unknown (`ghost`), if one of `rows` is the same
    event and knows the actor.
    """
    known = [row for row in rows if row.actor_login != "ghost"]
    if not known:
        return
    owner, _, name = repository.full_name.partition("/")
    moments = [row.created_at for row in known]
    await connection.execute(
        _NAME,
        owner,
        name,
        [row.event_id for row in known],
        [row.actor_login for row in known],
        moments,
        min(moments) - NEAR,
        max(moments) + NEAR,
    )
