"""Row level security of our tables in a Supabase database, where a public API gives access to every table of the
schema.

`supabase/*.sql` say what signed-in users may read. The policies are created on temporary tables and read back from the
catalog, so that wanted and present policies have the same wording.
"""

from collections.abc import Iterable

import asyncpg
from pydantic import BaseModel, ConfigDict

from errors import BadInput
from schema.plan import Step, literal, quoted
from schema.shape import SUPABASE, Shape

# Rights that no policy governs.
_UNGOVERNED = "truncate, references, trigger"
_EVERYBODY = frozenset({"public", "anon", "authenticated"})

_POLICIES = """
select json_build_object(
  'table', c.relname,
  'name', polname,
  'permissive', polpermissive,
  'command', case polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
               else 'all' end,
  'roles', (
    select json_agg(coalesce(rolname, 'public') order by 1)
    from unnest(polroles) role left join pg_roles on pg_roles.oid = role
  ),
  'using', pg_get_expr(polqual, polrelid),
  'check', pg_get_expr(polwithcheck, polrelid),
  'comment', obj_description(pg_policy.oid, 'pg_policy')
)
from pg_policy join pg_class c on c.oid = polrelid
where polrelid = any (array(select to_regclass(name) from unnest($1::text[]) name))
order by c.relname, polname
"""

_SECURED = """
select relname from pg_class
where relrowsecurity and oid = any (array(select to_regclass(name) from unnest($1::text[]) name))
"""

# Of columns: a right to the whole table would hold for columns that are added later.
_GRANTED = """
select relname as table, attname as column, rolname as role
from pg_class join pg_attribute on attrelid = pg_class.oid, aclexplode(attacl) join pg_roles on pg_roles.oid = grantee
where relnamespace = pg_my_temp_schema() and relname = any ($1::text[]) and privilege_type = 'SELECT'
order by relname, attnum
"""

_MISSING_RIGHTS = """
select "table", "column", role
from unnest($1::text[], $2::text[], $3::text[]) with ordinality wanted ("table", "column", role, n)
where not has_column_privilege(role, to_regclass("table"), "column", 'select')
order by n
"""

# Functions that act as their owner and that anybody may call, as is usual, or that signed-in users may not call.
_EXPOSED_FUNCTIONS = """
select p.oid::regprocedure::text as name, (
    select coalesce(json_agg(coalesce(rolname, 'public')), '[]')
    from aclexplode(coalesce(proacl, acldefault('f', proowner))) left join pg_roles on pg_roles.oid = grantee
    where grantee = 0 or rolname = 'anon'
  )::text as revoke_from
from pg_proc p
where prosecdef and proname = any ($1::text[]) and pg_function_is_visible(p.oid)
  and (
    exists (
      select from aclexplode(coalesce(proacl, acldefault('f', proowner))) left join pg_roles on pg_roles.oid = grantee
      where grantee = 0 or rolname = 'anon'
    )
    or not has_function_privilege('authenticated', p.oid, 'execute')
  )
order by 1
"""


class Policy(BaseModel):
    """A policy as the catalog describes it. `roles` is `public` if the policy holds for everybody."""

    model_config = ConfigDict(frozen=True)

    table: str
    name: str
    permissive: bool
    command: str
    roles: list[str]
    using: str | None
    check: str | None
    comment: str | None

    def creation(self, table: str) -> list[str]:
        sql = f"create policy {quoted(self.name)} on {table}{'' if self.permissive else ' as restrictive'}"
        sql += f" for {self.command} to {', '.join(map(quoted, self.roles))}"
        sql += f" using ({self.using})" if self.using else ""
        sql += f" with check ({self.check})" if self.check else ""
        return [sql, f"comment on policy {quoted(self.name)} on {table} is {literal(self.comment or '')}"]


async def has_supabase(connection: asyncpg.Connection) -> bool:
    """Returns whether this is a Supabase database, which has `auth.uid()` and the role `authenticated`.

    Raises `BadInput` if the connection's role may not use the schema `auth` of a Supabase database, because policies
    could then not be created.
    """
    found = await connection.fetchrow(
        """
        select has_schema_privilege(pg_namespace.oid, 'usage') as usable
        from pg_proc join pg_namespace on pg_namespace.oid = pronamespace
        where nspname = 'auth' and proname = 'uid' and pronargs = 0 and prorettype = 'uuid'::regtype
          and exists (select from pg_roles where rolname = 'authenticated')
        """
    )
    if found is not None and not found["usable"]:
        raise BadInput(
            "DATABASE_DIRECT_URL", "its role may not use schema auth, which policies need: grant usage on it"
        )
    return found is not None


async def steps(connection: asyncpg.Connection, wanted: Shape, api_roles: Iterable[str]) -> list[Step]:
    """Returns the steps that give our tables the row level security that they lack. The tables, and the functions that
    policies call, have to exist.
    """
    ours = [table for table in wanted.tables if table in wanted.ours]
    policies, rights = await _wanted(connection, wanted)
    there = {(each.table, each.name): each for each in await _policies(connection, ours)}
    secured = {row["relname"] for row in await connection.fetch(_SECURED, ours)}
    missing = await connection.fetch(_MISSING_RIGHTS, *map(list, zip(*rights, strict=True)))
    found = []
    for table in ours:
        statements, says = [], []
        if table not in secured:
            statements += [f"alter table {quoted(table)} enable row level security"]
            statements += [f"revoke {_UNGOVERNED} on table {quoted(table)} from {quoted(role)}" for role in api_roles]
            says += [f"enabled row level security of {table}"]
        for policy in policies:
            old = there.get((table, policy.name))
            if policy.table == table and policy != old:
                statements += [f"drop policy {quoted(policy.name)} on {quoted(table)}"] if old else []
                statements += policy.creation(quoted(table))
                says += [f"{'replaced' if old else 'created'} policy {policy.name} of {table}: {policy.comment}"]
        lacking = [(row["role"], row["column"]) for row in missing if row["table"] == table]
        for role in dict.fromkeys(role for role, _ in lacking):
            columns = ", ".join(quoted(column) for each, column in lacking if each == role)
            statements += [f"grant select ({columns}) on table {quoted(table)} to {quoted(role)}"]
            says += [f"granted {role} to read {table}, as far as policies let"]
        if statements:
            found.append(Step(table, statements, says))
    for row in await connection.fetch(_EXPOSED_FUNCTIONS, [name.partition("(")[0] for name in wanted.functions]):
        name = row["name"]
        revoking = [f"revoke all on function {name} from public, {', '.join(map(quoted, api_roles))}"]
        granting = [f"grant execute on function {name} to authenticated"]
        found.append(Step(name, revoking + granting, [f"left {name} to authenticated alone"]))
    return found


async def foreign(connection: asyncpg.Connection, wanted: Shape) -> list[Policy]:
    """Returns the policies that somebody else created on our tables, as far as they hold for users of the public API. A
    policy is ours if our files create one of the same name on the same table.
    """
    ours = [table for table in wanted.tables if table in wanted.ours]
    known = {(each.table, each.name) for each in (await _wanted(connection, wanted))[0]}
    there = await _policies(connection, ours)
    return [each for each in there if (each.table, each.name) not in known and _EVERYBODY & {*each.roles}]


async def _policies(connection: asyncpg.Connection, tables: Iterable[str]) -> list[Policy]:
    return [Policy.model_validate_json(row[0]) for row in await connection.fetch(_POLICIES, list(tables))]


async def _wanted(connection: asyncpg.Connection, wanted: Shape) -> tuple[list[Policy], list[tuple[str, str, str]]]:
    """Returns the wanted policies, and the wanted rights to read as (table, column, role). Creates the policies only
    temporarily.
    """
    ours = [table for table in wanted.tables if table in wanted.ours]
    transaction = connection.transaction()
    await transaction.start()
    try:
        for table in ours:
            await connection.execute(f"create temporary table {quoted(table)} (like {quoted(table)})")
        await connection.execute((SUPABASE / "policies.sql").read_text("utf-8"))
        policies = await _policies(connection, ours)
        rights = [(row["table"], row["column"], row["role"]) for row in await connection.fetch(_GRANTED, ours)]
    finally:
        await transaction.rollback()
    return policies, rights
