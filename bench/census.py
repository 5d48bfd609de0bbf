"""Which rows there must be and which there are: by identity, table by table. That each is right, the tests show."""

from collections.abc import Collection

import asyncpg

from messages import DataType
from sandbox.github.repositories import Repository

UNTOLD = frozenset({"MentionedEvent", "SubscribedEvent", "UnsubscribedEvent"})
"""Timeline events that a backfill leaves out on purpose (github/queries/timeline.graphql)."""

Census = dict[str, set[str]]
"""Noun -> identities: GitHub's ids, with the kind of comment before them, or the node ids of events."""

STORED = {
    "pull_requests": "select github_id::text from pull_requests where repository_id = $1",
    "issues": "select github_id::text from issues where repository_id = $1",
    "reviews": "select github_id::text from reviews where repository_id = $1",
    "comments": "select comment_type || ' ' || github_id from comments where repository_id = $1",
    "timeline_events": "select node_id from issue_events where repository_id = $1",
    "discussions": "select github_id::text from discussions where repository_id = $1",
    "discussion_comments": """
        select c.github_id::text from discussion_comments c join discussions d on d.id = discussion_id
        where repository_id = $1
    """,
}


def wanted(repository: Repository, data_types: Collection[DataType]) -> Census:
    """Every row that these types bring of the whole repository."""
    census: Census = {noun: set() for noun in STORED}
    pulls = repository.pull_requests.values() if "pull_requests" in data_types else ()
    issues = repository.issues.values() if "issues" in data_types else ()
    census["pull_requests"] = {str(pull.database_id) for pull in pulls}
    census["issues"] = {str(issue.database_id) for issue in issues}
    for discussion in repository.discussions.values() if "discussions" in data_types else ():
        census["discussions"].add(str(discussion.database_id))
        census["discussion_comments"] |= {str(comment.database_id) for comment in discussion.children()}
    for thread in (*pulls, *issues):
        census["comments"] |= {f"issue_comment {comment.database_id}" for comment in thread.comments}
        census["timeline_events"] |= {event.node_id(True) for event in thread.events if event.typename not in UNTOLD}
    for review in (review for pull in pulls for review in pull.reviews if review.state != "PENDING"):
        census["reviews"].add(str(review.database_id))
        census["comments"] |= {f"review_comment {comment.database_id}" for comment in review.comments}
    return census


async def stored(dsn: str, github_id: int) -> Census:
    """What Postgres holds of the repository."""
    connection = await asyncpg.connect(dsn)
    try:
        repository = await connection.fetchval("select id from repositories where github_id = $1", github_id)
        return {noun: {row[0] for row in await connection.fetch(query, repository)} for noun, query in STORED.items()}
    finally:
        await connection.close()


async def told(dsn: str, repository: Repository) -> dict[str, tuple[int, int]]:
    """Of the kinds of events that the world counts: how many are stored, and how many there must be at least.

    A star that was taken back is an event still.
    """
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "select event_type, count(*) as number from github_events_cache"
            " where repository_owner || '/' || repository_name = $1 group by 1",
            repository.name_with_owner,
        )
    finally:
        await connection.close()
    stored = {row["event_type"]: row["number"] for row in rows}
    there = {
        "WatchEvent": len(repository.stars),
        "ForkEvent": len(repository.shown_forks()),
        "ReleaseEvent": len(repository.shown_releases()),
    }
    return {kind: (stored.get(kind, 0), number) for kind, number in there.items()}


def differences(wanted: Census, stored: Census) -> list[str]:
    """What is missing and what is too much, a line a noun; empty if the two are equal."""
    lines = []
    for noun, identities in wanted.items():
        missing, surplus = len(identities - stored[noun]), len(stored[noun] - identities)
        if missing or surplus:
            lines.append(f"{noun}: {missing:,} of {len(identities):,} missing, {surplus:,} too many")
    return lines


def size(census: Census) -> int:
    """Rows of all tables."""
    return sum(map(len, census.values()))
