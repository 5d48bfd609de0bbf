"""Each field of a row has the bounds of the column that it is stored in: Postgres refuses no row for its values."""

from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

import rows
from ranges import Range
from tests.support.shop import connected

TABLES = {
    rows.Contributor: "contributors",
    rows.PullRequest: "pull_requests",
    rows.Issue: "issues",
    rows.Review: "reviews",
    rows.Comment: "comments",
    rows.TimelineEvent: "issue_events",
    rows.Discussion: "discussions",
    rows.DiscussionComment: "discussion_comments",
    rows.FeedEvent: "github_events_cache",
    rows.StarDay: "repository_star_history",
}
BITS = {"integer": 31, "bigint": 63}
LONGEST_INDEXED = 2_704 // 4
"""Characters of up to 4 bytes."""
COLUMNS = """
select c.column_name, c.data_type, exists (
  select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
  where i.indrelid = to_regclass($1) and a.attname = c.column_name) as indexed
from information_schema.columns c where c.table_name = $1 and c.table_schema = 'public'
"""


def bounds(hint: Any) -> Range | None:
    for each in (hint, *get_args(hint)):
        if get_origin(each) is Annotated:
            return next(found for found in get_args(each) if isinstance(found, Range))
    return None


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__name__)
async def test_each_field_of_a_row_has_the_bounds_of_its_column(kind: type[Any], database: str) -> None:
    hints = get_type_hints(kind, include_extras=True)
    async with connected(database) as connection:
        columns = await connection.fetch(COLUMNS, TABLES[kind])
    compared = 0
    for name, data_type, indexed in columns:
        if name not in hints:
            continue
        found = bounds(hints[name])
        if data_type in BITS:
            assert found is not None, name
            assert found.low >= -(2 ** BITS[data_type]), name
            assert found.high < 2 ** BITS[data_type], name
            compared += 1
        elif data_type == "text" and indexed and hints[name] in (str, str | None):
            pytest.fail(f"{name} is a key, and a text without bounds")
        elif data_type == "text" and indexed and found is not None:
            assert 1 <= found.low <= found.high <= LONGEST_INDEXED, name
            compared += 1
    assert compared
