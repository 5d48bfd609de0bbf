"""Keeps a thread's stored list, such as its labels, if an answer shows a shorter and incomplete list. A list is
incomplete if it has fewer items than GitHub counts.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from rows import Issue, PullRequest, Short
from store.database import Connection

RowT = TypeVar("RowT", PullRequest, Issue)

COLUMNS = {"labels": "labels", "assignees": "assignees", "linked pull requests": "linked_prs"}
"""The jsonb column that stores each list, by the list's name in `Short.what`."""


async def keep_longer(
    connection: Connection, table: Literal["pull_requests", "issues"], rows: Sequence[RowT], short: Sequence[Short]
) -> Sequence[RowT]:
    """Returns the rows. `short` names the lists that are incomplete in the rows. Such a list is replaced by the stored
    list if the stored list is longer.
    """
    columns: dict[int, set[str]] = {}
    for each in short:
        if each.what in COLUMNS:
            columns.setdefault(each.thread, set()).add(COLUMNS[each.what])
    if not columns:
        return rows
    linked = "linked_prs" if table == "issues" else "null::jsonb as linked_prs"
    stored = {
        row["github_id"]: row
        for row in await connection.fetch(
            f"select github_id, labels, assignees, {linked} from {table} where github_id = any($1::bigint[])",
            sorted(columns),
        )
    }
    kept = []
    for row in rows:
        before = stored.get(row.github_id)
        longer: dict[str, Any] = {}
        for column in columns.get(row.github_id, ()):
            value = before[column] if before is not None else None
            if isinstance(value, list) and len(value) > len(getattr(row, column)):
                longer[column] = value
        kept.append(row._replace(**longer))
    return kept
