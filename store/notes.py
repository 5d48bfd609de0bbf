"""`backfill_notes`: things that GitHub will never show. A data type is complete without these things, and people are
told what is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from asyncpg import Record

from messages import DataType, Noted
from rows import Note
from store.columns import columns
from store.database import Connection
from store.sweeps import Sweep

LONGEST_WORDS = 500

_WRITE = """
insert into backfill_notes as n (
  repository_id, data_type, kind, what, number, node_id, count, words, first_seen_at, last_seen_at, seen_by)
select $1, $2, u.kind, u.what, u.number, u.node_id, u.count, u.words, now(), now(), $3
from unnest($4::text[], $5::text[], $6::integer[], $7::text[], $8::integer[], $9::text[])
  as u(kind, what, number, node_id, count, words)
on conflict (repository_id, data_type, what, node_id) do update set
  kind = excluded.kind, number = excluded.number, count = excluded.count, words = excluded.words,
  last_seen_at = excluded.last_seen_at, seen_by = excluded.seen_by
"""

_RESOLVE = """
delete from backfill_notes n using unnest($3::text[], $4::text[]) as u(what, node_id)
where n.repository_id = $1 and n.data_type = $2 and n.what = u.what and n.node_id = u.node_id
"""

# Threads are named as the tables of their data types are.
_OF_THREADS = """
select
  coalesce(sum(n.count) filter (where n.number is null), 0)::integer as unlisted,
  coalesce(bool_or(n.last_seen_at < now() - interval '7 days') filter (where n.number is null), false) as is_old,
  count(*) filter (where n.number is not null and t.id is null) as missing,
  count(*) filter (where t.id is not null) as stored
from backfill_notes n
left join {table} t on t.repository_id = n.repository_id and t.node_id = n.node_id and t.gone_at is null
where n.repository_id = $1 and n.data_type = $2 and n.what = 'thread'
"""

_FIELDS = "kind, what, number, node_id, count, words"

# A note that another job saw last has not been looked at in this one.
_TO_LOOK_AGAIN = f"""
select {_FIELDS} from backfill_notes
where repository_id = $1 and data_type = $2 and node_id <> '' and seen_by is distinct from $3
order by number, what, node_id limit $4
"""

_OF_PERMISSIONS = f"""
select {_FIELDS} from backfill_notes
where repository_id = $1 and data_type = $2 and node_id = '' and what = any($4::text[]) and seen_by is distinct from $3
order by what
"""

_PAGE = f"""
select {_FIELDS} from backfill_notes
where repository_id = $1 and data_type = $2 and (what, node_id) > ($3, $4)
order by what, node_id limit $5
"""

_SUMMARY = """
select kind, what, sum(count)::integer as count from backfill_notes
where repository_id = $1 and data_type = $2 group by 1, 2 order by 1, 2
"""


@dataclass(frozen=True, slots=True)
class NotedThreads:
    """Counts of a data type's threads with a note on the whole thread. Notes on a part of a thread do not count."""

    unlisted: int
    """Threads that GitHub counts and does not list."""
    is_old: bool
    """Whether `unlisted` was last found more than a week ago."""
    missing: int
    """Noted threads with a number that are not stored."""
    stored: int
    """Noted threads that are stored and no longer shown."""


async def of_threads(connection: Connection, sweep: Sweep) -> NotedThreads:
    _, repository_id, data_type = sweep.key
    [row] = await connection.fetch(_OF_THREADS.format(table=data_type), repository_id, data_type)
    return NotedThreads(*row.values())


async def given_up(connection: Connection, sweep: Sweep) -> set[str]:
    """Returns the node ids of the threads that this job has noted as unavailable."""
    rows = await connection.fetch(
        "select node_id from backfill_notes where repository_id = $1 and data_type = $2 and what = 'thread'"
        " and node_id <> '' and seen_by = $3",
        sweep.repository.repository_id,
        sweep.data_type,
        sweep.job_id,
    )
    return {row["node_id"] for row in rows}


async def write(connection: Connection, sweep: Sweep, notes: Sequence[Note]) -> None:
    """Adds notes. If a note on the same (what, node id) exists, its kind, number, count and words are replaced.

    If `notes` holds several notes on the same (what, node id), the last note counts.
    """
    # In the order of their key: two sweeps never wait for each other in a circle.
    distinct = {(note.what, note.node_id): note._replace(words=note.words[:LONGEST_WORDS]) for note in notes}
    if distinct:
        rows = [distinct[key] for key in sorted(distinct)]
        _, repository_id, data_type = sweep.key
        await connection.execute(_WRITE, repository_id, data_type, sweep.job_id, *columns(rows))


async def resolve(connection: Connection, sweep: Sweep, whole: Sequence[tuple[str, str]]) -> None:
    """Deletes the notes on things that GitHub now shows whole. `whole` holds the (what, node id) of each thing."""
    if whole:
        _, repository_id, data_type = sweep.key
        await connection.execute(
            _RESOLVE, repository_id, data_type, [what for what, _ in whole], [node_id for _, node_id in whole]
        )


async def to_look_again(connection: Connection, sweep: Sweep, *, limit: int = 100) -> list[Note]:
    """Returns notes on threads and their parts that other jobs wrote, and that this job has not checked yet.

    The check of a note either writes the note again or deletes it. So repeated calls return fewer and fewer notes.
    """
    rows = await connection.fetch(_TO_LOOK_AGAIN, sweep.repository.repository_id, sweep.data_type, sweep.job_id, limit)
    return [_note(row) for row in rows]


async def of_permissions(connection: Connection, sweep: Sweep, whats: Sequence[str]) -> list[Note]:
    """Returns other jobs' notes which say that a missing permission hides a part of the threads (one of `whats`). Notes
    that this job has checked are left out.
    """
    _, repository_id, data_type = sweep.key
    rows = await connection.fetch(_OF_PERMISSIONS, repository_id, data_type, sweep.job_id, whats)
    return [_note(row) for row in rows]


async def read(
    connection: Connection,
    repository_id: str,
    data_type: DataType,
    *,
    after: tuple[str, str] = ("", ""),
    limit: int = 100,
) -> list[Note]:
    """Returns one page of the notes on a data type of a repository. The page begins after the note whose (what, node
    id) is `after`.
    """
    return [_note(row) for row in await connection.fetch(_PAGE, repository_id, data_type, *after, limit)]


async def summary(connection: Connection, repository_id: str, data_type: DataType) -> Noted:
    """Returns how many things are missing from a data type of a repository: kind -> what -> number. The result is empty
    if nothing is missing.
    """
    numbers: Noted = {}
    for row in await connection.fetch(_SUMMARY, repository_id, data_type):
        numbers.setdefault(row["kind"], {})[row["what"]] = row["count"]
    return numbers


def _note(row: Record) -> Note:
    return Note(row["kind"], row["what"], row["number"], row["node_id"], row["count"], row["words"])
