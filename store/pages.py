"""Writes the rows of a page into all tables, parents before their children."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from messages import RepositoryRef
from rows import REVIEW_REQUESTS, Page
from store import (
    absences,
    comments,
    discussion_comments,
    discussions,
    embeddings,
    feed,
    issues,
    pull_requests,
    reviews,
    short_lists,
    star_history,
    thread_events,
    timeline_events,
)
from store.database import Connection

Row = TypeVar("Row", bound=Any)
EVER = datetime.min.replace(tzinfo=UTC)


async def lock(connection: Connection, repository_id: str) -> None:
    """Takes the lock of a repository's rows, and holds it until the transaction ends. Without this lock, two sweeps
    that write the same rows in different orders could deadlock.
    """
    await connection.execute("select pg_advisory_xact_lock(hashtextextended('repository ' || $1, 0))", repository_id)


async def write(connection: Connection, repository: RepositoryRef, page: Page, since: datetime = EVER) -> Counter[str]:
    """Writes the page, in the caller's transaction. The page's people (`contributors.write`) and the monthly partitions
    for its events (`feed.ensure_months`) have to be written before.

    Returns how many rows are new, by noun. Rows of threads count only if the thread was updated at or after `since`.
    Events count only if they were created at or after `since`.
    """
    repository_id, page = repository.repository_id, _each_once(page)
    await lock(connection, repository_id)
    await thread_events.name_actors(connection, repository, [row for row in page.feed if row.source == "threads"])
    new = Counter(
        pull_requests=await pull_requests.write(
            connection,
            repository_id,
            repository.full_name,
            page.asked_at,
            await short_lists.keep_longer(connection, "pull_requests", page.pull_requests, page.short),
            page.requested_reviewers,
            page.teams_hidden,
            [each.thread for each in page.short if each.what == REVIEW_REQUESTS],
            since,
        ),
        issues=await issues.write(
            connection,
            repository_id,
            page.asked_at,
            await short_lists.keep_longer(connection, "issues", page.issues, page.short),
            since,
        ),
        reviews=await reviews.write(connection, repository_id, page.asked_at, page.reviews, since),
        comments=await comments.write(connection, repository_id, page.asked_at, page.comments, since),
        timeline_events=await timeline_events.write(connection, repository_id, page.events, since),
        discussions=await discussions.write(connection, repository_id, page.asked_at, page.discussions, since),
        events=await feed.write(connection, repository, page.feed, since),
    )
    new["comments"] += await discussion_comments.write(connection, page.asked_at, page.discussion_comments, since)
    await discussions.count_comments(connection, page.asked_at, page.comment_counts)
    await discussion_comments.count_replies(connection, page.asked_at, page.reply_counts)
    new["embeddings"] = await embeddings.write(connection, page.embeddings, since)
    await star_history.write(connection, repository_id, page.star_days)
    if page.threads_told:
        await feed.complete(connection, repository, since)
    await issues.close(connection, page.closings)
    await absences.record(connection, repository_id, page)
    await _derive(connection, page)
    return +new


def _each_once(page: Page) -> Page:
    """Returns the page with each row once. An answer may show a thing twice, in several lists or on both sides of a
    change, and one statement cannot write the same row twice.
    """
    return replace(
        page,
        pull_requests=_latest(page.pull_requests, lambda row: row.github_id),
        issues=_latest(page.issues, lambda row: row.github_id),
        reviews=_latest(page.reviews, lambda row: row.github_id),
        comments=_latest(page.comments, lambda row: (row.comment_type, row.github_id)),
        events=list({row.node_id: row for row in page.events}.values()),
        discussions=_latest(page.discussions, lambda row: row.github_id),
        discussion_comments=_latest(page.discussion_comments, lambda row: row.github_id),
        star_days=list({row.day: row for row in page.star_days}.values()),
    )


def _latest(rows: Sequence[Row], key: Callable[[Row], Hashable]) -> list[Row]:
    """Returns, for each key, the row that was updated last. The keys stay in their order."""
    latest: dict[Hashable, Row] = {}
    for row in rows:
        if key(row) not in latest or row.updated_at > latest[key(row)].updated_at:
            latest[key(row)] = row
    return list(latest.values())


async def _derive(connection: Connection, page: Page) -> None:
    wholes = {whole.parent for whole in page.whole_threads}
    if page.kind == "pull_request":
        touched = {row.github_id for row in page.pull_requests} | {row.pull_request for row in page.reviews} | wholes
        touched |= {row.pull_request for row in page.events if row.pull_request}
        await pull_requests.derive(connection, sorted(touched))
    elif page.kind == "issue":
        touched = {row.github_id for row in page.issues} | {row.issue for row in page.comments if row.issue} | wholes
        await issues.derive(connection, sorted(touched))
