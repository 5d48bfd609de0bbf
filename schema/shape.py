"""The shape of a database as Postgres' catalog describes it.

`host/*.sql` and `ours/*.sql` define the wanted shape. They are run on temporary tables, which are read back from the
catalog and rolled back. So Postgres itself interprets the files, and the wanted and the present shape have the same
wording.
"""

from dataclasses import dataclass
from pathlib import Path

import asyncpg
from pydantic import BaseModel, ConfigDict

HERE = Path(__file__).parent
SUPABASE = HERE / "supabase"

_TABLES = """
select json_build_object(
  'name', c.relname,
  'sql', c.oid::regclass::text,
  'kind', case c.relkind when 'r' then 'table' when 'p' then 'table' when 'v' then 'view'
            when 'm' then 'materialized view' when 'f' then 'foreign table' else 'something else' end,
  'partitioned_by', pg_get_partkeydef(c.oid),
  'partitions', (
    select coalesce(json_agg(p.relid::regclass::text order by 1), '[]')
    from pg_partition_tree(c.oid) p where c.relkind = 'p' and p.isleaf and p.relid <> c.oid
  ),
  'options', coalesce(c.reloptions, '{}'),
  'owned', pg_has_role(c.relowner, 'usage'),
  'secured', c.relrowsecurity,
  'comment', obj_description(c.oid, 'pg_class'),
  'columns', (
    select coalesce(json_agg(json_build_object(
      'name', a.attname,
      'type', format_type(a.atttypid, a.atttypmod),
      'required', a.attnotnull,
      'default', pg_get_expr(d.adbin, d.adrelid),
      'generated', a.attgenerated <> '' or a.attidentity <> '',
      'comment', col_description(c.oid, a.attnum)
    ) order by a.attnum), '[]')
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  ),
  'constraints', (
    select coalesce(json_agg(json_build_object(
      'name', k.conname,
      'kind', k.contype,
      'columns', (
        select coalesce(json_agg(a.attname order by n), '[]')
        from unnest(k.conkey) with ordinality key (attnum, n)
        join pg_attribute a on a.attrelid = c.oid and a.attnum = key.attnum
      ),
      'definition', regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', ''),
      'expression', pg_get_expr(k.conbin, k.conrelid),
      'references', r.relname
    ) order by k.contype in ('p', 'u') desc, k.conname), '[]')
    from pg_constraint k left join pg_class r on r.oid = k.confrelid
    where k.conrelid = c.oid and k.contype in ('c', 'f', 'p', 'u')
  ),
  'indexes', (
    select coalesce(json_agg(json_build_object(
      'name', i.relname,
      'sql', i.oid::regclass::text,
      'unique', x.indisunique,
      'primary', x.indisprimary,
      'usable', x.indisvalid and x.indimmediate,
      'keys', (
        select json_agg(pg_get_indexdef(x.indexrelid, n, true) order by n) from generate_series(1, x.indnkeyatts) n
      ),
      'predicate', pg_get_expr(x.indpred, x.indrelid),
      'nulls_distinct', not x.indnullsnotdistinct,
      'using', substring(pg_get_indexdef(x.indexrelid, 0, true) from ' USING (.*)$'),
      'constraint', k.conname
    ) order by i.relname), '[]')
    from pg_index x
    join pg_class i on i.oid = x.indexrelid
    left join pg_constraint k on k.conindid = x.indexrelid and k.contype in ('p', 'u')
    where x.indrelid = c.oid
  )
)
from pg_class c
where c.oid = any($1::oid[])
order by array_position($1, c.oid)
"""

_FUNCTIONS = """
select p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' as name,
       -- Without its schema: the same words wherever it is.
       'create or replace function ' || substr(d, position(quote_ident(p.proname) || '(' in d)) as definition
from pg_proc p, pg_get_functiondef(p.oid) d
where p.oid = any($1::oid[])
order by array_position($1, p.oid)
"""


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True)


class Column(_Fact):
    name: str
    type: str
    required: bool
    default: str | None
    generated: bool
    comment: str | None


class Constraint(_Fact):
    """A constraint. `kind` is the catalog's letter: c check, f foreign key, p primary key, u unique."""

    name: str
    kind: str
    columns: list[str]
    definition: str
    expression: str | None
    references: str | None

    @property
    def meaning(self) -> str:
        """The constraint's condition. What a foreign key does on delete is left out, because the host may choose it."""
        return self.definition.partition(" ON ")[0] if self.kind == "f" else self.definition


class Index(_Fact):
    """An index. `using` is its definition, from the access method on. `constraint` is the key that the index
    implements.
    """

    name: str
    sql: str
    unique: bool
    primary: bool
    usable: bool
    keys: list[str]
    predicate: str | None
    nulls_distinct: bool
    using: str
    constraint: str | None

    def renamed(self, name: str) -> "Index":
        return self.model_copy(update={"name": name})

    @property
    def operators(self) -> str:
        """The access method, the keys and the operator classes. Operator classes matter for a vector index, because an
        index for one distance does not serve queries by another distance.
        """
        return self.using.partition(" WITH (")[0].partition(" WHERE ")[0]

    def serves_as(self, wanted: "Index") -> bool:
        """Returns whether this index can be used in place of `wanted`."""
        if not self.usable or self.using.split()[0] != wanted.using.split()[0]:
            return False
        if self.using.split()[0] != "btree" and self.operators != wanted.operators:
            return False
        if wanted.unique:
            same = (set(self.keys), self.predicate, self.nulls_distinct)
            return self.unique and same == (set(wanted.keys), wanted.predicate, wanted.nulls_distinct)
        return self.keys[: len(wanted.keys)] == wanted.keys and self.predicate in (None, wanted.predicate)


class Table(_Fact):
    """A table. `sql` is its name in statements: quoted, and with its schema if the schema is not in the search_path.
    `secured` says whether row level security is enabled.
    """

    name: str
    sql: str
    kind: str
    partitioned_by: str | None
    partitions: list[str]
    options: list[str]
    owned: bool
    secured: bool
    comment: str | None
    columns: list[Column]
    constraints: list[Constraint]
    indexes: list[Index]

    @property
    def primary_key(self) -> list[str]:
        return next((key.columns for key in self.constraints if key.kind == "p"), [])


class Function(_Fact):
    name: str
    definition: str


@dataclass(frozen=True)
class Shape:
    """The tables and functions of a database. The tables are in an order in which they can be created. `ours` are the
    names of the tables that the host does not have.
    """

    tables: dict[str, Table]
    functions: dict[str, Function]
    ours: frozenset[str] = frozenset()


async def wanted(connection: asyncpg.Connection, *, dimensions: int, supabase: bool = False) -> Shape:
    """Returns the shape that the files define, where a vector has `dimensions` values. Creates tables only temporarily.

    `supabase` adds the functions that policies call.
    """
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("create extension if not exists vector")
        # Temporary tables: whoever may connect may make them, and they do not meet the real ones.
        await connection.execute(
            "select set_config('search_path', 'pg_temp, ' || current_setting('search_path'), true)"
        )
        await _run(connection, "host", dimensions)
        hosts = await _tables(connection, _SCRATCH_TABLES)
        await _run(connection, "ours", dimensions)
        if supabase:
            await connection.execute((SUPABASE / "callers.sql").read_text("utf-8"))
        tables = await _tables(connection, _SCRATCH_TABLES)
        functions = await _functions(connection, _SCRATCH_FUNCTIONS)
    finally:
        await transaction.rollback()
    return Shape(tables, functions, frozenset(tables) - frozenset(hosts))


async def found(connection: asyncpg.Connection, like: Shape) -> Shape:
    """Returns the part of the shape `like` that this database has, in any schema of its search_path.

    `tables` of the result maps the names of tables to the tables. It also holds the partitions of the tables, by
    `Table.sql`.
    """
    tables = await _tables(connection, _VISIBLE_TABLES, list(like.tables))
    partitions = [name for table in tables.values() for name in table.partitions]
    parts = await _tables(connection, "select unnest($1::text[])::regclass::oid", partitions)
    tables |= {part.sql: part for part in parts.values()}
    names = [name.partition("(")[0] for name in like.functions]
    return Shape(tables, await _functions(connection, _VISIBLE_FUNCTIONS, names))


_SCRATCH_TABLES = (
    "select oid from pg_class where relnamespace = pg_my_temp_schema() and relkind in ('r', 'p') order by oid"
)
_SCRATCH_FUNCTIONS = "select oid from pg_proc where pronamespace = pg_my_temp_schema() order by oid"
_VISIBLE_TABLES = """
select oid from pg_class
where relname = any($1::text[]) and relkind in ('r', 'p', 'v', 'm', 'f') and pg_table_is_visible(oid)
"""
_VISIBLE_FUNCTIONS = "select oid from pg_proc where proname = any($1::text[]) and pg_function_is_visible(oid)"


async def _run(connection: asyncpg.Connection, folder: str, dimensions: int) -> None:
    for file in sorted((HERE / folder).glob("*.sql")):
        await connection.execute(file.read_text("utf-8").replace("vector(384)", f"vector({dimensions})"))


async def _tables(connection: asyncpg.Connection, which: str, *names: list[str]) -> dict[str, Table]:
    oids = [row[0] for row in await connection.fetch(which, *names)]
    tables = [Table.model_validate_json(row[0]) for row in await connection.fetch(_TABLES, oids)]
    return {table.name: table for table in tables}


async def _functions(connection: asyncpg.Connection, which: str, *names: list[str]) -> dict[str, Function]:
    oids = [row[0] for row in await connection.fetch(which, *names)]
    functions = [Function(**dict(row)) for row in await connection.fetch(_FUNCTIONS, oids)]
    return {function.name: function for function in functions}
