"""Deletes stored children once GitHub has confirmed that they are gone (`store.absences` decides when)."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from messages import DataType
from store import issues, pull_requests, threads
from store.database import Connection

# A reply outlives what it replies to.
_DELETE_COMMENTS = """
with doomed as (
  select id from comments where comment_type = $1 and github_id = any($2::bigint[])
), untied as (
  update comments c set in_reply_to_id = null from doomed d where c.in_reply_to_id = d.id
)
delete from comments c using doomed d where c.id = d.id
"""

# A review vanishes when it had no body of its own and its last comment is deleted: its comments are gone with it.
_DELETE_REVIEWS = """
with doomed as (
  select id from reviews where github_id = any($1::bigint[])
), doomed_comments as (
  select c.id from comments c join doomed d on d.id = c.review_id
), untied as (
  update comments c set in_reply_to_id = null from doomed_comments d where c.in_reply_to_id = d.id
), deleted as (
  delete from comments c using doomed_comments d where c.id = d.id
)
delete from reviews r using doomed d where r.id = d.id
"""

_DELETE_EVENTS = "delete from issue_events where node_id = any($1::text[])"

_DELETE_DISCUSSION_COMMENTS = """
with doomed as (
  select id from discussion_comments where github_id = any($1::bigint[])
), replies as (
  delete from discussion_comments c using doomed d where c.parent_comment_id = d.id
)
delete from discussion_comments c using doomed d where c.id = d.id
"""


_FORGET = """
delete from backfill_absences where repository_id = $1 and data_type = $2 and child = any($3::text[])
returning thread, node_id
"""

# What is gone lacks nothing.
_FORGET_NOTES = "delete from backfill_notes where repository_id = $1 and data_type = $2 and node_id = any($3::text[])"


async def delete_absent(
    connection: Connection, repository_id: str, data_type: DataType, children: Sequence[str], asked_at: datetime
) -> None:
    """Deletes these absent children with their absences and notes, and derives their threads' own columns again."""
    await _delete_rows(connection, data_type, children, asked_at)
    rows = await connection.fetch(_FORGET, repository_id, data_type, children)
    node_ids = [row["node_id"] for row in rows if row["node_id"] is not None]
    await connection.execute(_FORGET_NOTES, repository_id, data_type, node_ids)
    changed = sorted({row["thread"] for row in rows})
    if data_type == "pull_requests":
        await pull_requests.derive(connection, changed)
    elif data_type == "issues":
        await issues.derive(connection, changed)


async def _delete_rows(
    connection: Connection, data_type: DataType, children: Sequence[str], asked_at: datetime
) -> None:
    """Deletes the stored `children`. Each child is given as `kind:id`, as in `backfill_absences`. A thread
    (`thread:id`) is not deleted, but marked as gone since `asked_at`.
    """
    by_kind: dict[str, list[str]] = defaultdict(list)
    for child in children:
        kind, _, key = child.partition(":")
        by_kind[kind].append(key)
    ids = {kind: [int(key) for key in keys] for kind, keys in by_kind.items() if kind != "event"}
    for kind in ("issue_comment", "review_comment"):
        if kind in ids:
            await connection.execute(_DELETE_COMMENTS, kind, ids[kind])
    if "review" in ids:
        await connection.execute(_DELETE_REVIEWS, ids["review"])
    if "event" in by_kind:
        await connection.execute(_DELETE_EVENTS, by_kind["event"])
    if "discussion_comment" in ids:
        await connection.execute(_DELETE_DISCUSSION_COMMENTS, ids["discussion_comment"])
    if "thread" in ids:
        await threads.mark_gone(connection, data_type, ids["thread"], asked_at)
