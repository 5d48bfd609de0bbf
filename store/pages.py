"""Writes the rows of a page into all tables, parents before their children."""

from collections import Counter
from datetime import UTC, datetime

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
    timeline_events,
)
from store.database import Connection

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
    repository_id = repository.repository_id
    await lock(connection, repository_id)
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


async def _derive(connection: Connection, page: Page) -> None:
    wholes = {whole.parent for whole in page.whole_threads}
    if page.kind == "pull_request":
        touched = {row.github_id for row in page.pull_requests} | {row.pull_request for row in page.reviews} | wholes
        touched |= {row.pull_request for row in page.events if row.pull_request}
        await pull_requests.derive(connection, sorted(touched))
    elif page.kind == "issue":
        touched = {row.github_id for row in page.issues} | {row.issue for row in page.comments if row.issue} | wholes
        await issues.derive(connection, sorted(touched))
