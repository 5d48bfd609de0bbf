"""Queries on stored threads, whose results decide whether a sweep is complete."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from messages import DataType
from store.database import Connection

# The data types of threads are named as their tables are.


async def versions(connection: Connection, table: DataType, github_ids: Sequence[int]) -> dict[int, datetime]:
    """Returns the stored updatedAt of the fetched threads among `github_ids`, by GitHub id. Threads that are gone are
    left out.

    Also left out are threads that were requested less than two seconds after their last change. GitHub's updatedAt has
    whole seconds, so such a thread may have changed again without a new updatedAt.
    """
    rows = await connection.fetch(
        f"select github_id, updated_at from {table} where github_id = any($1::bigint[]) and node_id is not null"
        " and gone_at is null and last_synced_at >= updated_at + interval '2 seconds'",
        github_ids,
    )
    return {row["github_id"]: row["updated_at"] for row in rows}


async def known(connection: Connection, table: DataType, github_ids: Sequence[int]) -> set[int]:
    """Returns the ids among `github_ids` whose threads this system has fetched. Threads that are gone are left out, so
    that such a thread is fetched again if GitHub shows it.
    """
    rows = await connection.fetch(
        f"select github_id from {table}"
        " where github_id = any($1::bigint[]) and node_id is not null and gone_at is null",
        github_ids,
    )
    return {row["github_id"] for row in rows}


async def otherwise_commented(connection: Connection, table: DataType, counts: Mapping[int, int]) -> set[int]:
    """Returns the GitHub ids of the fetched discussions whose stored number of comments differs from `counts`.

    `counts` maps GitHub ids to numbers of comments. It has to be empty for other types, because only discussions store
    GitHub's number.
    """
    if not counts:
        return set()
    rows = await connection.fetch(
        f"select t.github_id from unnest($1::bigint[], $2::integer[]) as u(github_id, comments)"
        f" join {table} t on t.github_id = u.github_id"
        " where t.node_id is not null and t.comment_count is distinct from u.comments",
        list(counts),
        list(counts.values()),
    )
    return {row["github_id"] for row in rows}


async def comments_miscounted(connection: Connection, table: DataType, counts: Mapping[int, int]) -> set[int]:
    """Returns the GitHub ids of the fetched pull requests or issues that do not have as many stored comments as
    `counts` says. `counts` maps GitHub ids to numbers of comments.
    """
    of_thread = "pull_request_id" if table == "pull_requests" else "issue_id"
    rows = await connection.fetch(
        f"select t.github_id from unnest($1::bigint[], $2::integer[]) as u(github_id, comments)"
        f" join {table} t on t.github_id = u.github_id"
        f" where t.node_id is not null and t.gone_at is null and u.comments <> (select count(*) from comments c"
        f" where c.{of_thread} = t.id and c.comment_type = 'issue_comment')",
        list(counts),
        list(counts.values()),
    )
    return {row["github_id"] for row in rows}


async def by_number(
    connection: Connection, table: DataType, repository_id: str, numbers: Sequence[int]
) -> dict[int, str]:
    """Returns the node ids of the fetched threads with these numbers, by number."""
    return await _by_number(connection, table, repository_id, numbers, "node_id")


async def github_ids(
    connection: Connection, table: DataType, repository_id: str, numbers: Sequence[int]
) -> dict[int, int]:
    """Returns the GitHub ids of the fetched threads with these numbers, by number."""
    return await _by_number(connection, table, repository_id, numbers, "github_id")


async def _by_number(
    connection: Connection,
    table: DataType,
    repository_id: str,
    numbers: Sequence[int],
    column: Literal["node_id", "github_id"],
) -> dict[int, Any]:
    rows = await connection.fetch(
        f"select number, {column} from {table}"
        " where repository_id = $1 and number = any($2::integer[]) and node_id is not null",
        repository_id,
        numbers,
    )
    return {row["number"]: row[column] for row in rows}


async def comment_versions(connection: Connection, comment_type: str, github_ids: Sequence[int]) -> dict[int, datetime]:
    """Returns the updated_at of the stored comments with these GitHub ids, by GitHub id. A comment that was requested
    less than two seconds after its last change is left out, because it may have changed again.
    """
    rows = await connection.fetch(
        "select github_id, updated_at from comments where comment_type = $1 and github_id = any($2::bigint[])"
        " and last_synced_at >= updated_at + interval '2 seconds'",
        comment_type,
        github_ids,
    )
    return {row["github_id"]: row["updated_at"] for row in rows}


async def count(connection: Connection, table: DataType, repository_id: str) -> int:
    """Returns the number of the repository's fetched threads that are not gone."""
    number: int = await connection.fetchval(
        f"select count(*) from {table} where repository_id = $1 and node_id is not null and gone_at is null",
        repository_id,
    )
    return number


async def unlisted(
    connection: Connection,
    table: DataType,
    repository_id: str,
    born: tuple[datetime | None, datetime],
    listed: Sequence[int],
) -> list[tuple[str, int]]:
    """Returns the fetched threads that are missing from one page of a list in order of creation, as (node id, number).

    `listed` are the GitHub ids on the page. `born` is the range of creation times that the page shows completely. The
    range begins with the creation of the previous page's last thread, or with None on the first page. It ends before
    the creation of the page's own last thread. The beginning is included and the end is not, because several threads
    may share a second.
    """
    rows = await connection.fetch(
        f"select node_id, number from {table} where repository_id = $1 and node_id is not null and gone_at is null"
        " and created_at >= coalesce($2::timestamptz, '-infinity') and created_at < $3"
        " and github_id <> all($4::bigint[])",
        repository_id,
        born[0],
        born[1],
        listed,
    )
    return [(row["node_id"], row["number"]) for row in rows]


async def mark_gone(connection: Connection, table: DataType, github_ids: Sequence[int], asked_at: datetime) -> None:
    """Marks threads as gone, once it is confirmed that GitHub does not have them (`store.absences`)."""
    await connection.execute(
        f"update {table} set gone_at = $2 where github_id = any($1::bigint[]) and gone_at is null",
        github_ids,
        asked_at,
    )


async def gone(
    connection: Connection, table: DataType, repository_id: str, since: datetime, limit: int
) -> list[tuple[str, int]]:
    """Returns the gone threads that were updated at or after `since`, as (node id, number). The threads that were
    marked as gone last come first.
    """
    rows = await connection.fetch(
        f"select node_id, number from {table} where repository_id = $1 and node_id is not null and gone_at is not null"
        " and updated_at >= $2 order by gone_at desc, number limit $3",
        repository_id,
        since,
        limit,
    )
    return [(row["node_id"], row["number"]) for row in rows]


async def ids_by_node(connection: Connection, table: DataType, node_ids: Sequence[str]) -> dict[str, int]:
    """Returns the GitHub ids of the fetched threads with these node ids, by node id."""
    rows = await connection.fetch(f"select node_id, github_id from {table} where node_id = any($1::text[])", node_ids)
    return {row["node_id"]: row["github_id"] for row in rows}


_CHILDREN = {
    "pull_requests": """
        (select count(*) from comments c where c.pull_request_id = t.id and c.comment_type = 'issue_comment')
        + (select count(*) from reviews r where r.pull_request_id = t.id)
        + (select count(*) from issue_events e where e.pull_request_id = t.id)
    """,
    "issues": """
        (select count(*) from comments c where c.issue_id = t.id)
        + (select count(*) from issue_events e where e.issue_id = t.id)
    """,
    "discussions": """
        (select count(*) from discussion_comments c where c.discussion_id = t.id and c.parent_comment_id is null)
    """,
}


async def count_children(connection: Connection, table: DataType, node_ids: Sequence[str]) -> dict[str, int]:
    """Returns how many stored children the fetched threads with these node ids have, by node id.

    `node_ids` may also hold comments on discussions. For such a comment, returns the stored number of its replies.
    """
    rows = await connection.fetch(
        f"select t.node_id, {_CHILDREN[table]} as number from {table} t where t.node_id = any($1::text[])", node_ids
    )
    if table == "discussions":
        rows += await connection.fetch(
            "select id as node_id, reply_count as number from discussion_comments where id = any($1::text[])", node_ids
        )
    return {row["node_id"]: row["number"] for row in rows}


async def pull_requests_of(connection: Connection, reviews: Sequence[int]) -> dict[int, int]:
    """Returns the pull requests of these reviews: GitHub id of the review -> GitHub id of its pull request."""
    rows = await connection.fetch(
        "select r.github_id as review, p.github_id as pull_request from reviews r"
        " join pull_requests p on p.id = r.pull_request_id where r.github_id = any($1::bigint[])",
        reviews,
    )
    return {row["review"]: row["pull_request"] for row in rows}
