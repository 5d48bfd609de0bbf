"""Reads a database from outside, its catalog and its rows, without the code under test."""

import asyncpg

_CATALOG = """
select concat_ws(' ', 'relation', c.relname, c.relkind, c.relowner::regrole, c.reloptions, c.relacl, d.description)
from pg_class c left join pg_description d on d.objoid = c.oid and d.objsubid = 0 and d.classoid = 'pg_class'::regclass
where c.relnamespace = quote_ident(current_schema())::regnamespace
union all
select concat_ws(
  ' ', 'column', c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
  pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
)
from pg_class c join pg_attribute a on a.attrelid = c.oid
left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relnamespace = quote_ident(current_schema())::regnamespace and a.attnum > 0 and not a.attisdropped
union all
select concat_ws(' ', 'constraint', conrelid::regclass, conname, convalidated, pg_get_constraintdef(oid))
from pg_constraint where connamespace = quote_ident(current_schema())::regnamespace
union all
select concat_ws(' ', 'index', indexrelid::regclass, indisvalid, pg_get_indexdef(indexrelid)) from pg_index
join pg_class c on c.oid = indrelid where c.relnamespace = quote_ident(current_schema())::regnamespace
union all
select concat_ws(' ', 'function', oid::regprocedure, pg_get_functiondef(oid)) from pg_proc
where pronamespace = quote_ident(current_schema())::regnamespace and prokind = 'f'
  and prolang <> (select oid from pg_language where lanname = 'c')
union all
select concat_ws(' ', 'extension', extname, extnamespace::regnamespace) from pg_extension
union all
select concat_ws(' ', 'schema', nspname) from pg_namespace where nspname !~ '^pg_(temp|toast_temp)_'
order by 1
"""

_TABLES = """
select c.oid::regclass::text from pg_class c
where c.relnamespace = quote_ident(current_schema())::regnamespace and c.relkind = 'r' order by 1
"""


async def shape(connection: asyncpg.Connection) -> list[str]:
    """Returns the catalog, with a line for each thing that can differ."""
    return [row[0] for row in await connection.fetch(_CATALOG)]


async def rows(connection: asyncpg.Connection) -> dict[str, list[str]]:
    """Returns all rows as text, by table."""
    return {
        name: [row[0] for row in await connection.fetch(f"select t::text from {name} t order by 1")]
        for (name,) in await connection.fetch(_TABLES)
    }


async def versions(connection: asyncpg.Connection) -> dict[str, tuple[int, list[tuple[str, str]]]]:
    """Returns each table's file on disk, and version and place of its rows. Any rewrite or update changes them."""
    return {
        name: (
            await connection.fetchval("select pg_relation_filenode($1::text::regclass)", name),
            [(row[0], row[1]) for row in await connection.fetch(f"select xmin::text, ctid::text from {name} t")],
        )
        for (name,) in await connection.fetch(_TABLES)
    }


async def columns(connection: asyncpg.Connection) -> dict[str, dict[str, str]]:
    """Returns the columns and their types, by table."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in await connection.fetch(
        """
        select c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
        from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace = quote_ident(current_schema())::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0
          and not a.attisdropped and not c.relispartition
        """
    ):
        found.setdefault(table, {})[column] = kind
    return found


async def keys(connection: asyncpg.Connection) -> set[tuple[str, frozenset[str]]]:
    """Returns every unique key that `on conflict` can name: (table, columns)."""
    return {
        (row[0], frozenset(row[1]))
        for row in await connection.fetch(
            """
            select c.relname, array_agg(a.attname::text)
            from pg_index x join pg_class c on c.oid = x.indrelid
            join pg_attribute a on a.attrelid = c.oid and a.attnum = any (x.indkey)
            where c.relnamespace = quote_ident(current_schema())::regnamespace
              and x.indisunique and x.indisvalid and x.indimmediate and x.indpred is null
            group by x.indexrelid, c.relname
            """
        )
    }
