"""Plans the steps from the present shape to the wanted one, and finds conflicts between them."""

from collections.abc import Iterator
from dataclasses import dataclass

from schema.relaxation import Relaxation
from schema.shape import Column, Constraint, Index, Shape, Table

# Tables of the host that are only read: how they are kept is not our business.
_READ = {"app_users", "subscriptions", "workspaces", "workspace_members", "workspace_repositories"}
# Nor is what an insert must bring, where we never insert.
_NOT_INSERTED = _READ | {"repositories"}
# What can hold whatever the wanted type holds.
_WIDER = {"integer": {"bigint"}, "text": {"character varying"}}


@dataclass(frozen=True)
class Step:
    """One change of the shape. `says` describes the change and is reported afterwards. The change locks the tables
    `name` and `also`.

    With `concurrently`, each statement runs by itself and blocks nobody. Otherwise all statements run in one short
    transaction, so the change is made whole or not at all.
    """

    name: str
    statements: list[str]
    says: list[str]
    also: frozenset[str] = frozenset()
    concurrently: bool = False


@dataclass(frozen=True)
class _Change:
    """One part of an `alter table`."""

    sql: str
    says: str
    references: str | None = None


def conflicts(wanted: Shape, there: Shape) -> list[tuple[str, str]]:
    """Returns the conflicts that no migration may mend, as (what, why). Both are texts for people."""
    return [
        (what, why)
        for table in wanted.tables.values()
        if table.name in there.tables
        for what, why in _table_conflicts(table, there.tables[table.name], ours=table.name in wanted.ours)
    ]


def _table_conflicts(wanted: Table, there: Table, *, ours: bool) -> Iterator[tuple[str, str]]:
    if there.kind != "table":
        yield wanted.name, f"expected a table, found a {there.kind}"
        return
    columns = {column.name: column for column in there.columns}
    for column in wanted.columns:
        name = f"{wanted.name}.{column.name}"
        found = columns.pop(column.name, None)
        if found is None:
            if column.name in wanted.primary_key:
                yield name, f"expected {column.type} as part of the primary key, found no such column"
        elif found.type != column.type and found.type not in _WIDER.get(column.type, ()):
            hint = "; see EMBEDDING_DIMENSIONS" if column.type.startswith("vector(") else ""
            yield name, f"expected {column.type}, found {found.type}{hint}"
    if not ours and wanted.name not in _NOT_INSERTED:
        for column in columns.values():
            if _demanding(column):
                yield f"{wanted.name}.{column.name}", "expected a default or null, found not null, and nothing fills it"
    for index in _missing_indexes(wanted, there):
        if any(other.name == index.name and other.usable for other in there.indexes):
            yield f"index {index.name} of {wanted.name}", f"expected {index.using}, found another index of this name"


def _demanding(column: Column) -> bool:
    return column.required and column.default is None and not column.generated


def steps(
    wanted: Shape, there: Shape, relaxed: list[Relaxation], *, hidden_from: list[str], replace_host_keys: bool
) -> Iterator[Step]:
    """Yields the steps from the shape `there` to the shape `wanted`, in order. The two shapes must have no `conflicts`.

    `relaxed` are the host's constraints to relax. The roles `hidden_from` get no access to our new tables. With
    `replace_host_keys`, the `kept_keys` are dropped.
    """
    for table in wanted.tables.values():
        ours = table.name in wanted.ours
        found = there.tables.get(table.name)
        if found is None:
            yield _creation(table, hidden_from if ours else [])
        else:
            changes = [*_alterations(table, found, ours=ours), *_relaxations(table.name, relaxed)]
            if changes:
                yield Step(
                    table.name,
                    [f"alter table {found.sql}\n  " + ",\n  ".join(change.sql for change in changes)],
                    [change.says for change in changes],
                    also=frozenset(change.references for change in changes if change.references),
                )
            comments = list(_comments(table, found)) if ours else []
            if comments:
                yield Step(table.name, comments, [f"described {table.name}"])
    for function in wanted.functions.values():
        if there.functions.get(function.name) != function:
            yield Step(function.name, [function.definition], [f"created function {function.name}"])
    for table in wanted.tables.values():
        found = there.tables.get(table.name)
        if found is not None:
            yield from _indexing(table, found, there)
    if replace_host_keys and "comments" in there.tables:
        yield from _key_removals(there.tables["comments"])


def kept_keys(there: Shape) -> list[Index]:
    """Returns the host's unique indexes on (github_id) of `comments`. Such an index refuses a conversation comment and
    a review comment with the same GitHub id.
    """
    comments = there.tables.get("comments")
    keys = comments.indexes if comments else []
    return [key for key in keys if key.unique and not key.primary and key.keys == ["github_id"]]


def _creation(table: Table, hidden_from: list[str]) -> Step:
    parts = [_column(column) for column in table.columns]
    parts += [f"constraint {quoted(key.name)} {key.definition}" for key in table.constraints]
    sql = f"create table {table.sql} (\n  " + ",\n  ".join(parts) + "\n)"
    if table.partitioned_by:
        sql += f" partition by {table.partitioned_by}"
    if table.options:
        sql += f" with ({', '.join(table.options)})"
    indexes = [_index(index, table.sql) for index in table.indexes if index.constraint is None]
    hiding = [f"revoke all on table {table.sql} from {quoted(role)}" for role in hidden_from]
    says = f"created table {table.name}" + (f", hidden from {' and '.join(hidden_from)}" if hidden_from else "")
    references = frozenset(key.references for key in table.constraints if key.references) - {table.name}
    return Step(table.name, [sql, *indexes, *hiding, *_comments(table, None)], [says], also=references)


def _alterations(wanted: Table, there: Table, *, ours: bool) -> Iterator[_Change]:
    columns = {column.name for column in there.columns}
    missing = [column for column in wanted.columns if column.name not in columns]
    inline = {}
    for column in missing:
        # A foreign key that comes with its new, empty column is valid without a look at the rows.
        key = next((key for key in wanted.constraints if key.kind == "f" and key.columns == [column.name]), None)
        sql = f"add column {_column(column, bare=not ours, filled=False)}"
        if key:
            inline[key.name] = key
            sql += f" constraint {quoted(key.name)} {key.definition[key.definition.index('REFERENCES') :]}"
        yield _Change(sql, f"added {wanted.name}.{column.name} {column.type}", key.references if key else None)
    if not ours:
        return
    # From here on only what is ours: a host's own columns keep the host's own rules.
    known = {column.name for column in wanted.columns}
    for column in there.columns:
        if column.name not in known and _demanding(column):
            yield _Change(
                f"alter column {quoted(column.name)} drop not null",
                f"relaxed {wanted.name}.{column.name}, not null dropped: nothing fills it any more",
            )
    for constraint in wanted.constraints:
        if constraint.kind in "cf" and constraint.name not in inline:
            yield from _rule(constraint, there)
    set_already = {option.partition("=")[0] for option in there.options}
    options = [option for option in wanted.options if option.partition("=")[0] not in set_already]
    if options:
        yield _Change(f"set ({', '.join(options)})", f"set {', '.join(options)} of {wanted.name}")


def _rule(constraint: Constraint, there: Table) -> Iterator[_Change]:
    if any(other.meaning == constraint.meaning for other in there.constraints):
        return
    name = quoted(constraint.name)
    outdated = any(other.name == constraint.name for other in there.constraints)
    yield _Change(
        # Not valid: it holds for every write from now on, and nobody waits while old rows are read.
        (f"drop constraint {name}, " if outdated else "") + f"add constraint {name} {constraint.definition} not valid",
        f"{'replaced' if outdated else 'added'} {constraint.name} of {there.name}: {constraint.definition}",
        constraint.references,
    )


def _relaxations(table: str, relaxed: list[Relaxation]) -> Iterator[_Change]:
    for relaxation in relaxed:
        if relaxation.table == table:
            name = relaxation.constraint.name
            sql, how = f"drop constraint {quoted(name)}", "dropped"
            if relaxation.replacement:
                sql, how = f"{sql}, add constraint {quoted(name)} {relaxation.replacement} not valid", "widened"
            refused = f"{relaxation.constraint.definition} refuses {relaxation.refuses}"
            yield _Change(sql, f"relaxed {name} of {table}, {how}: {refused}")


def _indexing(wanted: Table, there: Table, shape: Shape) -> Iterator[Step]:
    for index in _missing_indexes(wanted, there):
        parts = [shape.tables[name] for name in there.partitions]
        for part in parts:
            if not any(other.serves_as(index) for other in part.indexes):
                name = f"{part.name}{index.name.removeprefix(there.name)}"[:63]
                yield _building(index.renamed(name), part)
        if there.partitioned_by:
            # Those of the partitions are taken over, so this is quick; it cannot be done concurrently.
            yield Step(there.name, [_index(index, there.sql)], [f"created index {index.name} on {there.name}"])
        else:
            yield _building(index, there)


def _missing_indexes(wanted: Table, there: Table) -> list[Index]:
    if wanted.name in _READ:
        return []
    return [index for index in wanted.indexes if not any(other.serves_as(index) for other in there.indexes)]


def _building(index: Index, table: Table) -> Step:
    broken = next((other for other in table.indexes if other.name == index.name), None)
    return Step(
        table.name,
        ([f"drop index concurrently {broken.sql}"] if broken else []) + [_index(index, table.sql, " concurrently")],
        [f"{'repaired' if broken else 'created'} index {index.name} on {table.name}"],
        concurrently=True,
    )


def _key_removals(comments: Table) -> Iterator[Step]:
    for key in kept_keys(Shape({"comments": comments}, {})):
        says = f"dropped {key.name} of comments: upserts on conflict (github_id) must name comment_type too from now on"
        if key.constraint:
            sql = f"alter table {comments.sql} drop constraint {quoted(key.constraint)}"
            yield Step("comments", [sql], [says])
        else:
            yield Step("comments", [f"drop index concurrently {key.sql}"], [says], concurrently=True)


def _comments(wanted: Table, there: Table | None) -> Iterator[str]:
    if wanted.comment and (there is None or there.comment != wanted.comment):
        yield f"comment on table {wanted.sql} is {literal(wanted.comment)}"
    said = {column.name: column.comment for column in there.columns} if there else {}
    for column in wanted.columns:
        if column.comment and said.get(column.name) != column.comment:
            yield f"comment on column {wanted.sql}.{quoted(column.name)} is {literal(column.comment)}"


def _column(column: Column, *, bare: bool = False, filled: bool = True) -> str:
    """Returns the column as SQL. With `bare`, returns only its name and type.

    `filled` is False if the column is added to an existing table, whose rows have no value for it. `not null` is then
    left out, unless the column has a default.
    """
    sql = f"{quoted(column.name)} {column.type}"
    if bare:
        return sql
    if column.default is not None:
        sql += f" default {column.default}"
    return sql + (" not null" if column.required and (filled or column.default is not None) else "")


def _index(index: Index, table: str, how: str = "") -> str:
    return f"create {'unique ' if index.unique else ''}index{how} {quoted(index.name)} on {table} using {index.using}"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
