"""Embeddings of threads: finds the texts that are still to be embedded, stores the vectors in the threads' own rows,
and searches threads by vector.

A vector is current if its row names the present model and holds the hash of the present text (`embedding_hash` in
schema/ours).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, get_args
from uuid import UUID

from errors import BadInput
from rows import Embedding, ThreadTable
from store.columns import columns
from store.database import Connection
from store.sweeps import Sweep

TABLES: tuple[ThreadTable, ...] = get_args(ThreadTable)

MOST_BYTES = 400_000
"""Bytes of text that one query reads: slightly more than fits into a request."""


class Place(NamedTuple):
    """The thread after which a list continues. Without a number, the list begins at the table's first thread."""

    table: ThreadTable
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """The text of a thread that is to be embedded, and the hash that is stored with its vector."""

    table: ThreadTable
    github_id: int
    number: int
    node_id: str
    """The node id; for a row that only the host has written, table and GitHub id."""
    text: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class Scope:
    """Numbers of a repository's threads: all threads in scope, threads with a text, and threads without a current
    vector.
    """

    threads: int
    with_text: int
    due: int
    now: datetime


_IN_SCOPE = "repository_id = $1 and updated_at >= $2 and gone_at is null"
_HASH = "embedding_hash($3, $4, embedding_text(title, body))"
_KEY = "coalesce(t.node_id, '{table} ' || t.github_id)"
_FAILED = """
exists (
  select from backfill_parts p where p.backfill_job_id = {job} and p.repository_id = $1 and p.data_type = 'embeddings'
    and p.kind = 'embedding' and p.node_id = {key} and p.failure is not null)
"""

# Hashing every text takes time. So while threads arrive, only texts without a vector of this model are looked for.
_DUE = """
select github_id, number, node_id, text, content_hash from (
  select *, sum(octet_length(text)) over (order by number) - octet_length(text) as before from (
    select github_id, number, {key} as node_id, embedding_text(title, body) as text, {hash} as content_hash
    from {table} t
    where {in_scope} and ($5::integer is null or number > $5)
      and (embedding is null or content_hash is null or embedding_model is distinct from $3
        or ($6 and content_hash <> {hash}))
      and embedding_text(title, body) <> '' and not {failed}
    order by number limit $7
  ) due
) measured where before < $8 order by number
"""

_SCOPE = """
select count(*) as threads, count(*) filter (where embedding_text(title, body) <> '') as with_text,
  count(*) filter (where embedding_text(title, body) <> '' and not {failed}
    and (embedding is null or (embedding_model, content_hash) is distinct from ($3::text, {hash}))) as due,
  now() as now
from {table} t where {in_scope}
"""

_WRITE = """
with before as (
  select github_id, embedding is null as is_new from {table} where github_id = any($1::bigint[])
  order by github_id for update
), written as (
  -- A list becomes a vector by assignment, whichever schema pgvector is in. Nothing of the thread itself is touched.
  update {table} t set embedding = u.vector::real[], embedding_model = u.model, content_hash = u.content_hash,
    embedding_generated_at = now()
  from unnest($1::bigint[], $2::text[], $3::text[], $4::integer[], $5::text[])
      as u(github_id, content_hash, model, dimensions, vector)
    join before b on b.github_id = u.github_id
  where t.github_id = u.github_id
    -- The text may have changed while the server was asked: then this is not its vector.
    and embedding_hash(u.model, u.dimensions, embedding_text(t.title, t.body)) = u.content_hash
    and (t.embedding is null or (t.embedding_model, t.content_hash) is distinct from (u.model, u.content_hash))
  returning b.is_new, t.updated_at >= $6 and t.gone_at is null as in_scope
)
select count(*) filter (where is_new and in_scope) from written
"""


def _statement(template: str, table: ThreadTable, job: str = "") -> str:
    key = _KEY.format(table=table)
    return template.format(
        table=table, in_scope=_IN_SCOPE, hash=_HASH, key=key, failed=_FAILED.format(job=job, key=key)
    )


async def due(
    connection: Connection, sweep: Sweep, model: str, dimensions: int, after: Place, *, changed: bool, most: int
) -> list[Text]:
    """Returns the next texts in scope without a vector of this model, ordered by table and number. Returns at most
    `most` texts, and fewer if the texts are long. With `changed`, also returns texts whose vector belongs to an older
    text.

    `after` is the thread after which the list continues. Texts that this job gave up are left out.
    """
    found: list[Text] = []
    for table in TABLES[TABLES.index(after.table) :]:
        rows = await connection.fetch(
            _statement(_DUE, table, "$9"),
            sweep.repository.repository_id,
            sweep.cutoff_at,
            model,
            dimensions,
            after.number if table == after.table else None,
            changed,
            most - len(found),
            MOST_BYTES - sum(len(each.text) for each in found),
            sweep.job_id,
        )
        found += [Text(table=table, **row) for row in rows]
        if len(found) == most or (rows and sum(len(each.text) for each in found) >= MOST_BYTES // 2):
            break
    return found


async def scope(connection: Connection, sweep: Sweep, model: str, dimensions: int) -> Scope:
    """Counts the repository's threads in scope, the threads with a text, and the threads without a current vector. The
    last number leaves out threads whose texts this job gave up.
    """
    threads = with_text = left = 0
    for table in TABLES:
        [row] = await connection.fetch(
            _statement(_SCOPE, table, "$5"),
            sweep.repository.repository_id,
            sweep.cutoff_at,
            model,
            dimensions,
            sweep.job_id,
        )
        threads, with_text, left = threads + row["threads"], with_text + row["with_text"], left + row["due"]
    return Scope(threads, with_text, left, row["now"])


async def count(connection: Connection, sweep: Sweep) -> tuple[int, datetime]:
    """Returns the number of threads in scope, and the time by Postgres' clock."""
    union = " union all ".join(f"select count(*) as n from {table} where {_IN_SCOPE}" for table in TABLES)
    [row] = await connection.fetch(
        f"select sum(n)::integer as threads, now() as now from ({union}) counted",
        sweep.repository.repository_id,
        sweep.cutoff_at,
    )
    return row["threads"], row["now"]


async def write(connection: Connection, rows: Sequence[Embedding], since: datetime) -> int:
    """Stores each vector, unless the thread's text has changed since the text was embedded.

    Returns how many threads got their first vector. Only threads that were updated at or after `since` are counted.
    """
    new = 0
    for table in TABLES:
        of_table = [
            (row.github_id, row.content_hash, row.model, len(row.vector), _array(row.vector))
            for row in rows
            if row.table == table
        ]
        if of_table:
            new += await connection.fetchval(_statement(_WRITE, table), *columns(of_table), since)
    return new


def _array(vector: Sequence[float]) -> str:
    return "{" + ",".join(map(repr, vector)) + "}"


async def check_dimensions(connection: Connection, dimensions: int) -> None:
    """Raises `BadInput` if an embedding column holds vectors whose length is not `dimensions`. A missing column is no
    error.
    """
    rows = await connection.fetch(
        """
        select relname as table, atttypmod as dimensions from pg_attribute join pg_class on pg_class.oid = attrelid
        where attrelid = any(array(select to_regclass(name) from unnest($1::text[]) name)) and attname = 'embedding'
          and not attisdropped and atttypmod <> -1 and atttypmod <> $2
        order by array_position($1::text[], relname::text)
        """,
        TABLES,
        dimensions,
    )
    if rows:
        [first, *_] = rows
        raise BadInput(
            "EMBEDDING_DIMENSIONS",
            f"is {dimensions}, but {first['table']}.embedding holds {first['dimensions']} values",
        )


# --- Search -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hit:
    """A thread that a search found. `score` is the cosine similarity of the thread's vector and the query's vector, at
    most 1.
    """

    score: float
    table: ThreadTable
    repository: str
    number: int
    title: str
    url: str


_URL = {
    "pull_requests": "coalesce(t.html_url, 'https://github.com/' || r.full_name || '/pull/' || t.number)",
    "issues": "'https://github.com/' || r.full_name || '/issues/' || t.number",
    "discussions": "t.url",
}

_NEAREST = """
select 1 - (t.embedding <=> $1::text::vector) as score, r.full_name as repository, t.number, t.title, {url} as url
from {table} t join repositories r on r.id = t.repository_id
where t.repository_id in (select repository_id from workspace_repositories where workspace_id = $2)
  and t.embedding_model = $3 and t.gone_at is null
order by (t.embedding <=> $1::text::vector){exactly} limit $4
"""


async def nearest(
    connection: Connection,
    *,
    workspace: str,
    model: str,
    vector: Sequence[float],
    limit: int,
    tables: Sequence[ThreadTable] = TABLES,
) -> list[Hit]:
    """Returns the `limit` threads of a workspace whose vectors of `model` are nearest to `vector`, nearest first.
    `workspace` is an id or a slug.

    Raises `BadInput` if there is no such workspace.
    """
    workspace_id = await find_workspace(connection, workspace)
    await _prepare(connection)
    hits: list[Hit] = []
    for table in tables:
        arguments = "[" + ",".join(map(repr, vector)) + "]", workspace_id, model, limit
        rows = await connection.fetch(_NEAREST.format(table=table, url=_URL[table], exactly=""), *arguments)
        if len(rows) < limit:
            # The index gives up after many rows of other workspaces. `+ 0` keeps Postgres from using it, so that all
            # rows are compared.
            rows = await connection.fetch(_NEAREST.format(table=table, url=_URL[table], exactly=" + 0"), *arguments)
        hits += [Hit(table=table, **row) for row in rows]
    return sorted(hits, key=lambda hit: -hit.score)[:limit]


async def find_workspace(connection: Connection, reference: str) -> UUID:
    """Returns the id of the workspace with this id or slug. Raises `BadInput` if there is no such workspace."""
    try:
        uuid = UUID(reference)
    except ValueError:
        uuid = None
    found: UUID | None = await connection.fetchval(
        "select id from workspaces where id = $1 or slug = $2 order by id = $1 desc nulls last limit 1", uuid, reference
    )
    if found is None:
        raise BadInput("--workspace", f"there is no workspace {reference}")
    return found


async def _prepare(connection: Connection) -> None:
    """Prepares the transaction for a search. Adds the schema of pgvector to the search_path. Makes pgvector's index
    return 200 rows, and then more rows until enough rows pass the filter. Before version 0.8, pgvector cannot return
    more rows.
    """
    [row] = await connection.fetch(
        """
        select nspname as schema, string_to_array(extversion, '.')::integer[] >= '{0,8}' as goes_on
        from pg_extension join pg_namespace on pg_namespace.oid = extnamespace where extname = 'vector'
        """
    )
    await connection.execute(
        "select set_config('search_path', current_setting('search_path') || ', ' || quote_ident($1), true)",
        row["schema"],
    )
    # Loads pgvector, so that its settings are known.
    await connection.execute("select '[0]'::vector")
    await connection.execute("set local hnsw.ef_search = 200")
    if row["goes_on"]:
        await connection.execute("set local hnsw.iterative_scan = strict_order")
