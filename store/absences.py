"""`backfill_absences`: stored children that a reading of their whole parent did not show. A child is deleted once
GitHub confirms that the child is gone. A child without a node id is deleted after two readings that did not show the
child, because GitHub cannot be asked about such a child.

One reading without a child deletes nothing. GitHub sometimes returns blank lists without an error, GitHub's counts fall
for a moment, and two accounts may see different children (docs/decisions/0013-deletions.md).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from messages import DataType
from rows import Page, ThreadKind, Whole
from store import deletions
from store.database import Connection
from store.sweeps import Sweep

HANDFUL = 5
"""If more children of one parent than these are absent at once, they count as `many`."""
DATA_TYPES: Mapping[ThreadKind, DataType] = {
    "pull_request": "pull_requests",
    "issue": "issues",
    "discussion": "discussions",
}

# A child that was created after the reading of its parent began is not absent.
_RECORD = """
insert into backfill_absences as a (
  repository_id, data_type, child, node_id, thread, first_missed_at, last_missed_at, many)
select $1, $2, absent.child, absent.node_id, absent.thread, $3, $3,
  absent.number > {handful} or (absent.number > 1 and absent.number * 2 > absent.stored)
from (
  select '{kind}:' || c.{id} as child, {node_id} as node_id, t.github_id as thread,
    count(*) over (partition by w.parent) as number,
    (select count(*) from {children} o where o.{reference} = p.id {only}) as stored
  from unnest($4::bigint[], $5::timestamptz[]) as w(parent, began_at)
  join {parents} p on p.github_id = w.parent
  join {threads} t on t.id = {thread}
  join {children} c on c.{reference} = p.id {only_c} and c.{born} < w.began_at
  where c.{id} <> all($6::{id_type}[])
) absent
on conflict (repository_id, data_type, child) do update set
  node_id = coalesce(excluded.node_id, a.node_id), last_missed_at = excluded.last_missed_at,
  many = a.many or excluded.many
"""


def _recording(
    kind: str,
    children: str,
    parents: str,
    reference: str,
    *,
    threads: str = "",
    thread: str = "p.id",
    only: str = "",
    node_id: str = "c.node_id",
    born: str = "created_at",
    child_id: tuple[str, str] = ("github_id", "bigint"),
) -> str:
    return _RECORD.format(
        kind=kind,
        children=children,
        parents=parents,
        reference=reference,
        threads=threads or parents,
        thread=thread,
        only=f"and o.{only}" if only else "",
        only_c=f"and c.{only}" if only else "",
        node_id=node_id,
        born=born,
        id=child_id[0],
        id_type=child_id[1],
        handful=HANDFUL,
    )


_CONVERSATION = "comment_type = 'issue_comment'"
_EVENT_ID = ("node_id", "text")
_OF_THREADS: Mapping[ThreadKind, Sequence[tuple[str, str]]] = {
    "pull_request": (
        ("c:", _recording("issue_comment", "comments", "pull_requests", "pull_request_id", only=_CONVERSATION)),
        ("e:", _recording("event", "issue_events", "pull_requests", "pull_request_id", child_id=_EVENT_ID)),
        ("r:", _recording("review", "reviews", "pull_requests", "pull_request_id", born="submitted_at")),
    ),
    "issue": (
        ("c:", _recording("issue_comment", "comments", "issues", "issue_id", only=_CONVERSATION)),
        ("e:", _recording("event", "issue_events", "issues", "issue_id", child_id=_EVENT_ID)),
    ),
    "discussion": (
        (
            "d:",
            _recording(
                "discussion_comment",
                "discussion_comments",
                "discussions",
                "discussion_id",
                only="parent_comment_id is null",
                node_id="c.id",
            ),
        ),
    ),
}
"""The children of each kind of thread: the prefix of their `Whole.seen` keys, and the statement that records them."""
_OF_REVIEWS = _recording(
    "review_comment", "comments", "reviews", "review_id", threads="pull_requests", thread="p.pull_request_id"
)
_OF_COMMENTS = _recording(
    "discussion_comment",
    "discussion_comments",
    "discussion_comments",
    "parent_comment_id",
    threads="discussions",
    thread="p.discussion_id",
    node_id="c.id",
)

_READERS = "select account from backfill_readers where repository_id = $1 and data_type = $2 order by 1"

# The thread itself was requested by its id, so GitHub's answer counts at once.
_RECORD_THREADS = """
insert into backfill_absences as a (
  repository_id, data_type, child, node_id, thread, first_missed_at, last_missed_at)
select $1, $2, 'thread:' || t.github_id, t.node_id, t.github_id, $3, $3 from {table} t
where t.repository_id = $1 and t.node_id = any($4::text[]) and t.gone_at is null
on conflict (repository_id, data_type, child) do update set last_missed_at = excluded.last_missed_at
returning child
"""

# GitHub listed the child a moment ago, so it is asked again only some time later.
_RECORD_CHILDREN = """
insert into backfill_absences as a (
  repository_id, data_type, child, node_id, thread, first_missed_at, last_missed_at, many)
select $1, $2, '{kind}:' || c.github_id, {node_id}, t.github_id, $3, $3, true
from {threads} t join {children} c on c.{reference} = t.id
where t.repository_id = $1 and {node_id} = any($4::text[])
on conflict (repository_id, data_type, child) do update set last_missed_at = excluded.last_missed_at, many = true
"""
_CHILDREN = {
    "pull_requests": _RECORD_CHILDREN.format(
        kind="review", threads="pull_requests", children="reviews", reference="pull_request_id", node_id="c.node_id"
    ),
    "discussions": _RECORD_CHILDREN.format(
        kind="discussion_comment",
        threads="discussions",
        children="discussion_comments",
        reference="discussion_id",
        node_id="c.id",
    ),
}
"""The children that have children of their own, and are requested by their ids."""

# If many children went missing together, GitHub is asked about them only some time later.
_TO_ASK = """
select a.child, a.node_id from backfill_absences a
where a.repository_id = $1 and a.data_type = $2 and a.node_id is not null and not $4 = any(a.gone_to)
  and not (a.asked_in is not distinct from $3 and $4 = any(a.asked))
  and (not a.many or a.first_missed_at <= $5)
order by a.thread, a.child limit $6
"""

_TO_READ_AGAIN = """
select a.child, t.node_id as thread, t.number from backfill_absences a join {table} t on t.github_id = a.thread
where a.repository_id = $1 and a.data_type = $2 and a.node_id is null and t.node_id is not null
  and a.asked_in is distinct from $3 and a.first_missed_at <= $4 and a.last_missed_at < a.first_missed_at + $5::interval
order by a.thread limit $6
"""

_MISSED_TWICE = """
select child from backfill_absences
where repository_id = $1 and data_type = $2 and node_id is null and last_missed_at >= first_missed_at + $3::interval
order by child limit $4
"""

_ANSWERED = """
update backfill_absences a set
  asked_in = $3, asked = case when a.asked_in is not distinct from $3 then a.asked || $4::text else array[$4::text] end,
  gone_to = array_remove(a.gone_to, $4::text) || case when u.gone then array[$4::text] else '{}' end,
  refuted = u.found or (a.refuted and a.asked_in is not distinct from $3)
from unnest($5::text[], $6::boolean[], $7::boolean[]) as u(child, gone, found)
where a.repository_id = $1 and a.data_type = $2 and a.child = u.child
returning a.child, not a.refuted and a.gone_to @> array(
  select account from backfill_readers where repository_id = $1 and data_type = $2) as certain
"""

_THREADS = """
select distinct t.node_id, t.number from backfill_absences a join {table} t on t.github_id = a.thread
where a.repository_id = $1 and a.data_type = $2 and a.child = any($3::text[]) and t.node_id is not null
"""


class Answered(NamedTuple):
    """GitHub's answer to a request for one absent child by the child's id. `gone` is True if GitHub says that the child
    does not exist, `found` if GitHub returns the child. If both are False, the answer was unclear, for example a
    refusal.
    """

    child: str
    gone: bool
    found: bool = False


class Confirmation(NamedTuple):
    """The answers about absent children that GitHub gave to one account. `account` is empty if GitHub was not asked. In
    that case, a child counts as gone because two whole readings, far enough apart, did not show the child.
    """

    account: str
    answers: list[Answered]
    asked_at: datetime


async def record(connection: Connection, repository_id: str, page: Page) -> None:
    """Records an absence for each stored child that a whole reading of its parent did not show. Only the children of
    parents that this page completes are checked (`whole_threads`, `whole_reviews` and `whole_comments`). Deletes the
    absences of all threads and children that the page shows.
    """
    if page.kind is None:
        return
    data_type = DATA_TYPES[page.kind]
    shown = _shown(page)
    if shown:
        await connection.execute(
            "delete from backfill_absences where repository_id = $1 and data_type = $2 and child = any($3::text[])",
            repository_id,
            data_type,
            shown,
        )

    async def missed(wholes: Sequence[Whole], prefix: str, statement: str) -> None:
        keys = [key[2:] for whole in wholes for key in whole.seen if key.startswith(prefix)]
        await connection.execute(
            statement,
            repository_id,
            data_type,
            page.asked_at,
            [whole.parent for whole in wholes],
            [whole.began_at for whole in wholes],
            keys if prefix == "e:" else [int(key) for key in keys],
        )

    if page.whole_threads:
        for prefix, statement in _OF_THREADS[page.kind]:
            await missed(page.whole_threads, prefix, statement)
    if page.whole_reviews:
        await missed(page.whole_reviews, "c:", _OF_REVIEWS)
    if page.whole_comments:
        await missed(page.whole_comments, "d:", _OF_COMMENTS)


def _shown(page: Page) -> list[str]:
    return [
        *(f"thread:{row.github_id}" for rows in (page.pull_requests, page.issues, page.discussions) for row in rows),
        *(f"{row.comment_type}:{row.github_id}" for row in page.comments),
        *(f"review:{row.github_id}" for row in page.reviews),
        *(f"event:{node_id}" for row in page.events for node_id in (row.node_id, row.former_id)),
        *(f"discussion_comment:{row.github_id}" for row in page.discussion_comments),
    ]


async def record_gone(
    connection: Connection, sweep: Sweep, node_ids: Sequence[str], account: str, asked_at: datetime
) -> None:
    """Records that GitHub told `account` that nothing has the ids `node_ids`. These are ids of threads, of reviews, or
    of a discussion's comments.

    A thread is marked as gone once GitHub has told this to every account that has read the data type. A review or a
    comment is absent, and GitHub is asked for it again after a while.
    """
    _, repository_id, data_type = sweep.key
    if data_type in _CHILDREN:
        await connection.execute(_CHILDREN[data_type], repository_id, data_type, asked_at, node_ids)
    rows = await connection.fetch(_RECORD_THREADS.format(table=data_type), repository_id, data_type, asked_at, node_ids)
    if rows:
        answers = [Answered(row["child"], gone=True) for row in rows]
        await confirm(connection, sweep, Confirmation(account, answers, asked_at))


async def add_reader(connection: Connection, sweep: Sweep, account: str) -> None:
    """Records that this account has read something of the sweep's data type."""
    _, repository_id, data_type = sweep.key
    await connection.execute(
        "insert into backfill_readers (repository_id, data_type, account) values ($1, $2, $3) on conflict do nothing",
        repository_id,
        data_type,
        account,
    )


async def readers(connection: Connection, sweep: Sweep) -> list[str]:
    """Returns the accounts that have read the sweep's data type, in this sweep or an earlier one."""
    return [row["account"] for row in await connection.fetch(_READERS, *sweep.key[1:])]


async def are_any(connection: Connection, sweep: Sweep) -> bool:
    found: bool = await connection.fetchval(
        "select exists (select from backfill_absences where repository_id = $1 and data_type = $2)", *sweep.key[1:]
    )
    return found


async def count_threads(connection: Connection, sweep: Sweep) -> int:
    """Returns how many threads GitHub has reported as gone to some account, but not yet to every account that has read
    the data type.
    """
    number: int = await connection.fetchval(
        "select count(*) from backfill_absences where repository_id = $1 and data_type = $2 and child like 'thread:%'",
        *sweep.key[1:],
    )
    return number


async def to_ask(
    connection: Connection, sweep: Sweep, account: str, many_since: datetime, *, limit: int = 100
) -> dict[str, str]:
    """Returns the absent children about which this account has to ask GitHub: child -> node id.

    A child is left out if GitHub has already told this account that the child is gone. An account asks about each child
    only once in a job.

    If most children of a parent, or more than `HANDFUL`, went missing together, these children are returned only if
    they went missing at or before `many_since`. Such a loss is often an error of GitHub's that ends after a while.
    """
    _, repository_id, data_type = sweep.key
    rows = await connection.fetch(_TO_ASK, repository_id, data_type, sweep.job_id, account, many_since, limit)
    return {row["child"]: row["node_id"] for row in rows}


async def to_read_again(
    connection: Connection, sweep: Sweep, now: datetime, apart: timedelta, *, limit: int = 100
) -> dict[str, tuple[str, int]]:
    """Returns the absent children whose threads have to be read again: child -> (node id, number) of the thread. Only
    children without a node id are returned, because GitHub cannot be asked about such children.

    A child is returned if it was first missed at least `apart` before `now`, and last missed less than `apart` after it
    was first missed. Children whose threads this job has already queued (`mark_queued`) are left out.
    """
    _, repository_id, data_type = sweep.key
    rows = await connection.fetch(
        _TO_READ_AGAIN.format(table=data_type), repository_id, data_type, sweep.job_id, now - apart, apart, limit
    )
    return {row["child"]: (row["thread"], row["number"]) for row in rows}


async def missed_twice(connection: Connection, sweep: Sweep, apart: timedelta, *, limit: int = 100) -> list[str]:
    """Returns children without a node id that two whole readings, at least `apart` from each other, did not show."""
    return [row["child"] for row in await connection.fetch(_MISSED_TWICE, *sweep.key[1:], apart, limit)]


async def threads_of(connection: Connection, sweep: Sweep, children: Sequence[str]) -> dict[str, int]:
    """Returns the threads to which these absent children belong: node id -> number."""
    _, repository_id, data_type = sweep.key
    rows = await connection.fetch(_THREADS.format(table=data_type), repository_id, data_type, children)
    return {row["node_id"]: row["number"] for row in rows}


async def confirm(connection: Connection, sweep: Sweep, confirmation: Confirmation) -> None:
    """Records GitHub's answers about absent children. Deletes each child that is gone for every account that has read
    the data type. If `confirmation.account` is empty, deletes each child whose answer says that it is gone.

    A thread is not deleted, but marked as gone.
    """
    job_id, repository_id, data_type = sweep.job_id, sweep.repository.repository_id, sweep.data_type
    account, answers, asked_at = confirmation
    if account:
        rows = await connection.fetch(
            _ANSWERED,
            repository_id,
            data_type,
            job_id,
            account,
            [each.child for each in answers],
            [each.gone for each in answers],
            [each.found for each in answers],
        )
        certain = [row["child"] for row in rows if row["certain"]]
    else:
        certain = [each.child for each in answers if each.gone]
    if certain:
        await deletions.delete_absent(connection, repository_id, data_type, certain, asked_at)


async def mark_queued(connection: Connection, sweep: Sweep, children: Sequence[str]) -> None:
    """Records that this job has queued the threads of these absent children to be read again. `to_read_again` then
    leaves these children out for this job.
    """
    job_id, repository_id, data_type = sweep.key
    await connection.execute(
        "update backfill_absences set asked_in = $3, asked = '{}'"
        " where repository_id = $1 and data_type = $2 and child = any($4::text[])",
        repository_id,
        data_type,
        job_id,
        children,
    )
