"""`backfill_parts`: the parts that a sweep still has to fetch. A data type with such a part is not complete."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import get_args

import orjson
from asyncpg import Record

from rows import Part, PartKind, Split
from store.columns import columns
from store.database import Connection
from store.sweeps import Sweep

_FIELDS = """
kind, node_id, number, began_at, cursor, expected, seen, parent_github_id, attempts, reading, split
"""

_PUT = """
insert into backfill_parts as p (
  backfill_job_id, repository_id, data_type, kind, node_id, number, began_at, cursor, expected, seen, parent_github_id,
  attempts, reading, split)
select $1, $2, $3, u.kind, u.node_id, u.number, u.began_at, u.cursor, u.expected,
  array(select jsonb_array_elements_text(u.seen::jsonb)), u.parent, u.attempts, u.reading, u.split::jsonb
from unnest($4::text[], $5::text[], $6::integer[], $7::timestamptz[], $8::text[], $9::integer[], $10::text[],
    $11::bigint[], $12::integer[], $13::text[], $14::text[])
  as u(kind, node_id, number, began_at, cursor, expected, seen, parent, attempts, reading, split)
on conflict (backfill_job_id, repository_id, data_type, kind, node_id) do update set
  number = excluded.number, began_at = excluded.began_at, cursor = excluded.cursor, expected = excluded.expected,
  seen = excluded.seen, parent_github_id = excluded.parent_github_id, attempts = excluded.attempts,
  reading = excluded.reading, split = excluded.split, failure = null
"""

_REMOVE = """
delete from backfill_parts p using unnest($4::text[], $5::text[]) as u(kind, node_id)
where p.backfill_job_id = $1 and p.repository_id = $2 and p.data_type = $3
  and p.kind = u.kind and p.node_id = u.node_id
"""

# Every page looks: counted only as far as matters. Those that stand inside a connection are few.
_PENDING = """
select * from (
  select k.kind, false as going_on, (
    select count(*) from (
      select from backfill_parts p
      where p.backfill_job_id = $1 and p.repository_id = $2 and p.data_type = $3 and p.kind = k.kind
        and p.failure is null and p.cursor is null limit 100) enough) as number
  from unnest($4::text[]) as k(kind)
  union all
  select kind, true, count(*) from backfill_parts
  where backfill_job_id = $1 and repository_id = $2 and data_type = $3 and failure is null and cursor is not null
  group by 1
) pending where number > 0
"""

_NEXT = f"""
select {_FIELDS} from backfill_parts
where backfill_job_id = $1 and repository_id = $2 and data_type = $3 and failure is null
  and kind = $4 and (cursor is not null) = $5
order by number desc nulls last, node_id limit $6
"""

_FAIL = """
update backfill_parts set failure = $6
where backfill_job_id = $1 and repository_id = $2 and data_type = $3 and kind = $4 and node_id = $5
"""


def _row(part: Part) -> tuple[object, ...]:
    return (
        part.kind,
        part.node_id,
        part.number,
        part.began_at,
        part.cursor,
        part.expected,
        orjson.dumps(part.seen).decode(),
        part.parent,
        part.attempts,
        part.reading,
        orjson.dumps(asdict(part.split)).decode() if part.split is not None else None,
    )


async def put(connection: Connection, sweep: Sweep, parts: Iterable[Part]) -> None:
    """Adds parts. A part that exists is updated."""
    rows = [_row(part) for part in {(part.kind, part.node_id): part for part in parts}.values()]
    if rows:
        await connection.execute(_PUT, *sweep.key, *columns(rows))


async def remove(connection: Connection, sweep: Sweep, parts: Sequence[Part]) -> None:
    """Removes parts that were fetched whole."""
    if parts:
        await connection.execute(_REMOVE, *sweep.key, [part.kind for part in parts], [part.node_id for part in parts])


async def pending(connection: Connection, sweep: Sweep) -> dict[tuple[str, bool], int]:
    """Returns how many parts are left, by (kind, whether the part has a cursor). A part has a cursor if its connection
    was read in part. Parts without a cursor are counted only up to 100.
    """
    rows = await connection.fetch(_PENDING, *sweep.key, get_args(PartKind))
    return {(row["kind"], row["going_on"]): row["number"] for row in rows}


async def count(connection: Connection, sweep: Sweep, kind: PartKind) -> int:
    """Returns how many parts of a kind are left."""
    number: int = await connection.fetchval(
        "select count(*) from backfill_parts where backfill_job_id = $1 and repository_id = $2 and data_type = $3"
        " and kind = $4 and failure is null",
        *sweep.key,
        kind,
    )
    return number


async def take(connection: Connection, sweep: Sweep, kind: str, going_on: bool, limit: int) -> list[Part]:
    """Returns up to `limit` parts of one kind, newest threads first. With `going_on`, returns only parts with a cursor,
    whose connection was read in part. Otherwise, returns only parts without a cursor.
    """
    rows = await connection.fetch(_NEXT, *sweep.key, kind, going_on, limit)
    return [_part(row) for row in rows]


def _part(row: Record) -> Part:
    return Part(
        row["kind"],
        row["node_id"],
        row["number"],
        row["began_at"],
        row["cursor"],
        row["expected"],
        list(row["seen"]),
        row["parent_github_id"],
        row["attempts"],
        row["reading"],
        Split(**row["split"]) if row["split"] is not None else None,
    )


async def of_reviews(connection: Connection, sweep: Sweep, reviews: Sequence[int]) -> list[Part]:
    """Returns the parts that would fetch the comments of these reviews (GitHub's ids) and were not begun yet."""
    rows = await connection.fetch(
        f"""
        select {_FIELDS} from backfill_parts
        where backfill_job_id = $1 and repository_id = $2 and data_type = $3 and failure is null
          and kind = 'review_comments' and cursor is null and parent_github_id = any($4::bigint[])
        """,
        *sweep.key,
        reviews,
    )
    return [_part(row) for row in rows]


async def covered_by_list(connection: Connection, sweep: Sweep, since: datetime, *, limit: int) -> list[Part]:
    """Returns parts that would fetch comments of single reviews, although a list of all comments since `since` shows
    these comments, too. This holds for reviews of pull requests that were opened at or after `since`, because no
    comment is older than its pull request.
    """
    rows = await connection.fetch(
        """
        select b.kind, b.node_id, b.number, b.began_at, b.cursor, b.expected, b.seen, b.parent_github_id, b.attempts,
          b.reading, b.split
        from backfill_parts b
        join reviews r on r.github_id = b.parent_github_id join pull_requests p on p.id = r.pull_request_id
        where b.backfill_job_id = $1 and b.repository_id = $2 and b.data_type = $3 and b.failure is null
          and b.kind = 'review_comments' and b.cursor is null and p.created_at >= $4
        order by b.node_id limit $5
        """,
        *sweep.key,
        since,
        limit,
    )
    return [_part(row) for row in rows]


async def fail(connection: Connection, sweep: Sweep, part: Part, reason: str) -> None:
    """Records that GitHub does not serve this part, and why. The sweep continues with the other parts."""
    await connection.execute(_FAIL, *sweep.key, part.kind, part.node_id, {"reason": reason[:500]})


async def failures(connection: Connection, sweep: Sweep) -> list[tuple[int | None, str]]:
    """Returns the parts that GitHub did not serve, as (number of the thread, reason)."""
    rows = await connection.fetch(
        "select distinct number, failure->>'reason' as reason from backfill_parts"
        " where backfill_job_id = $1 and repository_id = $2 and data_type = $3 and failure is not null order by 1",
        *sweep.key,
    )
    return [(row["number"], row["reason"]) for row in rows]


async def forgive(connection: Connection, job_id: str, repository_ids: Sequence[str]) -> None:
    """Prepares a retry, in which the parts that GitHub did not serve are fetched again."""
    await connection.execute(
        "update backfill_parts set failure = null, attempts = 0, reading = null"
        " where backfill_job_id = $1 and repository_id = any($2::uuid[]) and failure is not null",
        job_id,
        repository_ids,
    )
