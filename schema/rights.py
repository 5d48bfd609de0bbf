"""Checks the database role of the programs before anything starts.

Row level security does not refuse a role, but hides rows from it. A worker would then find no workspaces and no jobs,
without an error.
"""

import re
from pathlib import Path

import asyncpg

from errors import BadInput

_READ = ("select",)
_CHANGED = ("select", "update")
_WRITTEN = ("select", "insert", "update")
_OWNED = ("select", "insert", "update", "delete")

_HOSTS = {
    "app_users": _READ,
    "subscriptions": _READ,
    "workspaces": _CHANGED,
    "workspace_members": _READ,
    "workspace_repositories": _READ,
    "repositories": _CHANGED,
    "contributors": _WRITTEN,
    "pull_requests": _WRITTEN,
    "reviews": _OWNED,
    "requested_reviewers": _OWNED,
    "comments": _OWNED,
    "issues": _WRITTEN,
    "discussions": _WRITTEN,
    "discussion_comments": _OWNED,
    "github_events_cache": _WRITTEN,
    "notifications": ("insert",),
}
_FILES = sorted((Path(__file__).parent / "ours").glob("*.sql"))
_OURS = {
    name: _OWNED
    for file in _FILES
    for name in re.findall(r"^create table (\w+)", file.read_text("utf-8"), re.MULTILINE)
}
RIGHTS = _HOSTS | _OURS
"""The rights that the programs need, by table. Except for `delete`, a right to any column of a table is enough."""

_CHECK = """
select relname as table, row_security_active(pg_class.oid) as filtered, array(
    select "right" from unnest($2::text[], $3::text[]) needed ("table", "right")
    where needed.table = relname and not case "right"
      when 'delete' then has_table_privilege(pg_class.oid, "right")
      else has_any_column_privilege(pg_class.oid, "right")
    end
  ) as missing, current_user::text as role
from pg_class
where oid = any (array(select to_regclass(name) from unnest($1::text[]) name)) and relkind in ('r', 'p')
order by array_position($1::text[], relname::text)
"""


async def check_rights(
    connection: "asyncpg.Connection | asyncpg.pool.PoolConnectionProxy", setting: str = "DATABASE_URL"
) -> None:
    """Checks that the connection's role sees every row, and has the rights that this release needs. If not, raises a
    `BadInput` that names `setting`.

    Missing tables are skipped, because the errors that they cause later name `starter.py migrate`.
    """
    pairs = [(table, right) for table, rights in RIGHTS.items() for right in rights]
    rows = await connection.fetch(_CHECK, [*RIGHTS], *map(list, zip(*pairs, strict=True)))
    if filtered := [row["table"] for row in rows if row["filtered"]]:
        raise BadInput(
            setting,
            f"row level security hides rows of {_some(filtered)} from its role {rows[0]['role']}, which must see all: "
            "use the role that owns the tables, or one with the attribute bypassrls",
        )
    if missing := [f"{', '.join(row['missing'])} on {row['table']}" for row in rows if row["missing"]]:
        raise BadInput(setting, f"its role {rows[0]['role']} lacks rights: {_some(missing, '; ')}: grant them to it")


def _some(names: list[str], separator: str = ", ") -> str:
    """Returns the first five names as text, and how many more there are."""
    return separator.join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
