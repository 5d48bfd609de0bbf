"""`github_events_cache`: a repository's events. An event is one row, even if several sources report it.

An incoming event never changes a stored row, except for an actor that nobody knew (`thread_events.name_actors`). It
adds a row, unless a stored row is the same event. Sources give one
event different ids and slightly different times, so no unique key can keep duplicates out. Instead, incoming events are
compared with the stored events under the lock of `pages.write`.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from weakref import WeakKeyDictionary

import asyncpg

from errors import PartOver, RetryNow
from messages import RepositoryRef
from rows import EventSource, FeedEvent
from store.columns import columns, json_texts
from store.database import Connection, Database

_IDENTITY = (
    "coalesce(s.payload ->> 'head', s.payload ->> 'after', s.payload #>> '{forkee,id}', s.payload #>> '{release,id}')"
)
# One text, so that Postgres uses the index on identity. With type and name apart, it reads all rows of a repository, as
# long as it has no statistics.
_KIND = "s.event_type || ' ' || s.repository_owner || '/' || s.repository_name = {} || ' ' || $1 || '/' || $2"
_PUSHES = _KIND.format("'PushEvent'")
# GH Archive has the events API's events with the same ids: they count as one source.
_ANOTHER = "replace(s.source, 'archive', 'events') is distinct from replace(u.source, 'archive', 'events')"
_NUMBERED: frozenset[EventSource] = frozenset({"events", "archive"})
"""Sources whose events have GitHub's own ids."""

# Pairs of an incoming event (by its place) and a stored row that may be the same, with the time between them. They are
# matched by what they are about; stars, and events of which one side does not name it, by their actor. A look into
# every month is slow to plan: only rows that may have another moment need it, all others look between $9 and $10.
_CANDIDATES = f"""
with incoming as materialized (
  select u.*, event_happening(u.event_type, u.payload::jsonb) as happening,
    {_IDENTITY.replace("s.payload", "u.payload::jsonb")} as identity,
    case
      when event_type = 'PushEvent' then interval '10 minutes'
      when event_type in ('WatchEvent', 'ForkEvent') or event_happening(u.event_type, u.payload::jsonb) <> ''
        then interval '60 seconds'
      else interval '2 seconds'
    end as within
  from unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[]) with ordinality
    as u(event_id, event_type, actor_login, created_at, payload, source, place)
), near as (
  select u.place, s.tableoid, s.ctid, abs(extract(epoch from s.created_at - u.created_at)) as apart
  from incoming u cross join lateral (
    select s.tableoid, s.ctid, s.created_at, s.source, s.actor_login,
      event_happening(s.event_type, s.payload) as happening
    from github_events_cache s
    where s.repository_owner = $1 and s.repository_name = $2 and s.event_type = u.event_type
      and s.created_at between u.created_at - u.within and u.created_at + u.within
      and s.created_at between $9 and $10
    offset 0
  ) s
  where {_ANOTHER} and case
    when u.happening = '' or s.happening = '' then
      lower(s.actor_login) = lower(u.actor_login) and (
        u.event_type in ('WatchEvent', 'ForkEvent')
        or s.created_at between u.created_at - interval '2 seconds' and u.created_at + interval '2 seconds'
      )
    else s.happening = u.happening
  end
), pairs as (
  table near
  union all
  select u.place, s.tableoid, s.ctid, -1
  from incoming u join github_events_cache s on s.event_id = u.event_id and s.created_at = u.created_at
  where u.source not in ('events', 'archive') and s.created_at between $9 and $10
  -- and anywhere
)
select distinct on (apart, place, tableoid, ctid) place::int - 1 as place, tableoid::bigint as tableoid,
  ctid::text as ctid, apart
from pairs
order by apart, place, tableoid, ctid
"""
# The host stores some ids without their type, with moments of its own.
_BY_ID = """
  union all
  select u.place, s.tableoid, s.ctid, -1
  from incoming u join github_events_cache s
    on s.event_id in (u.event_id, substr(u.event_id, length(u.event_type) + 2)) and s.event_type = u.event_type
  where u.source in ('events', 'archive') and s.repository_owner = $1 and s.repository_name = $2
"""
# A fork is made once, and a release is published once. A push that was derived from the history has its commit's time.
_BY_IDENTITY = f"""
  union all
  select u.place, s.tableoid, s.ctid, abs(extract(epoch from s.created_at - u.created_at))
  from incoming u cross join lateral (
    select s.tableoid, s.ctid, s.created_at, s.source, s.event_type, s.payload from github_events_cache s
    where {_IDENTITY} = u.identity and {_KIND.format("u.event_type")} offset 0
  ) s
  where event_happening(s.event_type, s.payload) = u.happening and {_ANOTHER} and (
    u.event_type in ('ForkEvent', 'ReleaseEvent')
    or u.event_type = 'PushEvent' and 'history' in (u.source, s.source)
  )
"""
_IDENTIFIED = frozenset({"ForkEvent", "ReleaseEvent", "PushEvent"})
_FARTHEST = timedelta(minutes=10)
"""Most time between two reports of one event, if they are matched by time: the longest `within` of `_CANDIDATES`."""

_INSERT = """
insert into github_events_cache (
  repository_owner, repository_name, event_id, event_type, actor_login, created_at, payload, source,
  processed, is_privileged)
select $1, $2, u.event_id, u.event_type, u.actor_login, u.created_at, u.payload::jsonb, u.source, false, false
from unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[])
  as u(event_id, event_type, actor_login, created_at, payload, source)
on conflict (event_id, created_at) do nothing
returning created_at
"""

_ensured: WeakKeyDictionary[Database, set[date]] = WeakKeyDictionary()


class PushMove(NamedTuple):
    """A push that moved a branch from the commit `before` to `head`. For a new branch, `before` is empty or zeros."""

    head: str
    before: str


async def ensure_months(database: Database, rows: Iterable[FeedEvent]) -> None:
    """Creates the monthly partitions of the feed that these rows need, in transactions of its own. A process checks
    each month only once.

    Raises `PartOver` (no_partition) if the database role may not create partitions.
    """
    known = _ensured.setdefault(database, set())
    for month in sorted({row.created_at.astimezone(UTC).date().replace(day=1) for row in rows} - known):
        try:
            async with database.transaction() as connection:
                await connection.execute("select github_events_cache_ensure_month($1)", month)
        except asyncpg.InsufficientPrivilegeError as error:
            raise PartOver(
                "no_partition",
                f"github_events_cache has no partition for {month:%Y-%m}, and this role may not make one: {error}",
                "let the role of DATABASE_URL own github_events_cache and create in its schema, or make a default"
                " partition, then retry the job",
            ) from error
        except (asyncpg.InvalidObjectDefinitionError, asyncpg.DuplicateTableError) as error:
            # The host made it in the same moment.
            raise RetryNow("partition_race", f"somebody else makes the partition of {month:%Y-%m}: {error}") from error
        known.add(month)


async def write(connection: Connection, repository: RepositoryRef, rows: Sequence[FeedEvent], since: datetime) -> int:
    """Adds the events that are not stored yet. Returns how many of them were created at or after `since`.

    A stored row matches at most one incoming event, the nearest in time. So if a thread was closed, reopened and closed
    again within a minute, both closings are stored.
    """
    rows = list({(row.event_id, row.source not in _NUMBERED and row.created_at): row for row in rows}.values())
    if not rows:
        return 0
    name = _names(repository)
    taken: set[tuple[int, str]] = set()
    there: set[int] = set()
    moments = [row.created_at for row in rows]
    between = min(moments) - _FARTHEST, max(moments) + _FARTHEST
    for pair in await connection.fetch(_candidates(rows), *name, *_columns(rows), *between):
        stored = pair["tableoid"], pair["ctid"]
        if pair["place"] not in there and stored not in taken:
            there.add(pair["place"])
            taken.add(stored)
    new = [row for place, row in enumerate(rows) if place not in there]
    if not new:
        return 0
    try:
        inserted = await connection.fetch(_INSERT, *name, *_columns(new))
    except asyncpg.CheckViolationError as error:
        if "no partition" not in str(error):
            raise
        # Somebody dropped it since we looked.
        _ensured.clear()
        raise RetryNow("no_partition", str(error)) from error
    return sum(row["created_at"] >= since for row in inserted)


def _candidates(rows: Sequence[FeedEvent]) -> str:
    """Returns SQL that finds stored events that may be one of `rows`, in all months if times can differ widely."""
    by_id = _BY_ID if not _NUMBERED.isdisjoint(row.source for row in rows) else ""
    by_identity = _BY_IDENTITY if not _IDENTIFIED.isdisjoint(row.event_type for row in rows) else ""
    return _CANDIDATES.replace("-- and anywhere", by_id + by_identity)


def _columns(rows: Sequence[FeedEvent]) -> list[list[str | datetime | None]]:
    event_ids, types, actors, moments, payloads, sources = columns(rows)
    return [event_ids, types, actors, moments, json_texts(payloads), sources]


def _names(repository: RepositoryRef) -> tuple[str, str]:
    owner, _, name = repository.full_name.partition("/")
    return owner, name


# --- What is stored already -------------------------------------------------------------------------------------------

_PUSHED = f"""
select distinct coalesce(payload ->> 'head', payload ->> 'after') as head, payload ->> 'before' as before
from github_events_cache s
where {_IDENTITY} = any($4::text[]) and payload ->> 'ref' = $3 and {_PUSHES}
"""

# `offset 0`, here and above, makes Postgres use the index, also without statistics.
_BROUGHT = f"""
  select s.payload ->> 'before' as before from github_events_cache s
  where {_IDENTITY} = c.oid and {_PUSHES} and s.payload ->> 'ref' = $3 and s.payload ->> 'before' ~ '[^0]'
    and s.payload ->> 'before' <> all($5::text[]) offset 0
"""

# The branch's first commit, from the history.
_BEGAN = f"""
  select from github_events_cache s
  where {_IDENTITY} = c.oid and {_PUSHES} and s.payload ->> 'ref' = $3 and s.payload ->> 'before' !~ '[^0]'
    and s.source = 'history' offset 0
"""

# Follows the stored pushes of a branch from commit to commit, down to commits that no stored push contains.
_ENDS = f"""
with recursive chain(oid) as (
  select unnest($4::text[])
  union
  select p.before from chain c cross join lateral ({_BROUGHT}) p
)
select oid from chain c where not exists ({_BROUGHT}) and not exists ({_BEGAN}) order by oid
"""


async def pushed(connection: Connection, repository: RepositoryRef, ref: str, heads: Sequence[str]) -> list[PushMove]:
    """Returns the stored pushes that moved a branch to one of the commits `heads`."""
    found = await connection.fetch(_PUSHED, *_names(repository), ref, heads)
    return [PushMove(row["head"], row["before"] or "") for row in found]


async def unexplained(
    connection: Connection, repository: RepositoryRef, ref: str, oids: Sequence[str], gone: Sequence[str] = ()
) -> list[str]:
    """Follows the stored pushes of a branch back from the commits `oids`, from `head` to `before`. Returns the commits
    at which no stored push leads further, except the branch's first commit. Ignores pushes whose `before` is in `gone`,
    because GitHub no longer has these commits. After forced pushes, the result may have several commits.
    """
    return [row["oid"] for row in await connection.fetch(_ENDS, *_names(repository), ref, oids, gone)]


async def by_source(connection: Connection, repository: RepositoryRef, since: datetime) -> dict[str, int]:
    """Returns the number of rows created at or after `since`, by source. The source of the host's rows is `host`."""
    found = await connection.fetch(
        """
        select coalesce(source, 'host') as source, count(*) as rows from github_events_cache
        where repository_owner = $1 and repository_name = $2 and created_at >= $3 group by 1
        """,
        *_names(repository),
        since,
    )
    return {row["source"]: row["rows"] for row in found}


async def carry(connection: Connection, old: tuple[str, str], new: tuple[str, str]) -> None:
    """Moves a repository's events from its former (owner, name) to its new one."""
    await connection.execute(
        """
        update github_events_cache set repository_owner = $3, repository_name = $4
        where repository_owner = $1 and repository_name = $2
        """,
        *old,
        *new,
    )


# --- What threads tell ------------------------------------------------------------------------------------------------

# Since October 2025 GitHub's payloads lack title, author and state.
_COMPLETE = """
update github_events_cache e set payload = jsonb_set(e.payload, '{{{word}}}', jsonb_strip_nulls(jsonb_build_object(
  'id', t.github_id, 'number', t.number, 'title', t.title,
  'created_at', to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
  'updated_at', to_char(e.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
  'user', jsonb_build_object('login', coalesce({login}, 'ghost'), 'id', coalesce(a.github_id, 10137)),
  'state', case when e.payload ->> 'action' = 'closed' then 'closed'
    when e.payload ->> 'action' in ('opened', 'reopened') or t.closed_at is null or t.closed_at > e.created_at
      then 'open' else 'closed' end
  {more}
)) || jsonb_strip_nulls(e.payload -> '{word}'))
from {table} t left join contributors a on a.id = t.author_id
where e.repository_owner = $1 and e.repository_name = $2 and e.event_type = '{event_type}'
  and e.source in ('events', 'archive')
  and e.payload #>> '{{{word},title}}' is null
  and t.repository_id = $3 and t.number = (e.payload #>> '{{{word},number}}')::int and t.gone_at is null
"""
_COMPLETIONS = (
    _COMPLETE.format(
        word="pull_request",
        table="pull_requests",
        event_type="PullRequestEvent",
        login="t.author_login, a.username",
        more=", 'merged', coalesce(t.merged_at <= e.created_at + interval '60 seconds'"
        " and e.payload ->> 'action' not in ('opened', 'reopened'), false)",
    ),
    _COMPLETE.format(word="issue", table="issues", event_type="IssuesEvent", login="a.username", more=""),
)


# The host's purge deletes processed rows older than 90 days. Rows that were bought stay, even if the host stored them.
_KEEP = """
update github_events_cache set processed = false
where repository_owner = $1 and repository_name = $2 and created_at >= $3 and processed
"""


async def complete(connection: Connection, repository: RepositoryRef, since: datetime) -> None:
    """Adds title, author and state to stored events of threads, because GitHub leaves these fields out. The values come
    from the stored threads. Also keeps the host's purge from deleting events that were created at or after `since`.
    """
    for statement in _COMPLETIONS:
        await connection.execute(statement, *_names(repository), repository.repository_id)
    await connection.execute(_KEEP, *_names(repository), since)
