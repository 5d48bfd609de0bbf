"""Compares the rows that must exist with those that do, by identity, table by table. Their contents are checked by
tests."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import asyncpg

from messages import DataType
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import TimelineEvent

UNTOLD = frozenset({"MentionedEvent", "SubscribedEvent", "UnsubscribedEvent"})
"""Timeline events that a backfill omits on purpose (github/queries/timeline.graphql)."""

Census = dict[str, set[str]]
"""Noun -> identities."""


@dataclass(frozen=True)
class Share:
    """How many were found, out of how many."""

    found: int
    there: int

    @property
    def whole(self) -> bool:
        return self.found == self.there


def github_id(thing: Any) -> str:
    """The identity of a row in Postgres; for an event its node id."""
    return thing.node_id(True) if isinstance(thing, TimelineEvent) else str(thing.database_id)


def node_id(thing: Any) -> str:
    """The node id that GitHub shows to clients that do not request its new format. Some ids are too large for
    `databaseId`."""
    identifier: str = thing.node_id(False)
    return identifier


STORED = {
    "pull_requests": "select github_id::text from pull_requests where repository_id = $1",
    "issues": "select github_id::text from issues where repository_id = $1",
    "reviews": "select github_id::text from reviews where repository_id = $1",
    "review_comments": """
        select github_id::text from comments where repository_id = $1 and comment_type = 'review_comment'
    """,
    "comments": "select github_id::text from comments where repository_id = $1 and comment_type = 'issue_comment'",
    "timeline_events": "select node_id from issue_events where repository_id = $1",
    "discussions": "select github_id::text from discussions where repository_id = $1",
    "discussion_comments": """
        select c.github_id::text from discussion_comments c join discussions d on d.id = discussion_id
        where repository_id = $1
    """,
}


def wanted(
    repository: Repository, data_types: Collection[DataType], identity: Callable[[Any], str] = github_id
) -> Census:
    """Every row that these types have in the whole repository."""
    census: Census = {noun: set() for noun in STORED}
    pulls = repository.pull_requests.values() if "pull_requests" in data_types else ()
    issues = repository.issues.values() if "issues" in data_types else ()
    census["pull_requests"] = set(map(identity, pulls))
    census["issues"] = set(map(identity, issues))
    for discussion in repository.discussions.values() if "discussions" in data_types else ():
        census["discussions"].add(identity(discussion))
        census["discussion_comments"] |= set(map(identity, discussion.children()))
    for thread in (*pulls, *issues):
        census["comments"] |= set(map(identity, thread.comments))
        census["timeline_events"] |= {identity(event) for event in thread.events if event.typename not in UNTOLD}
    for review in (review for pull in pulls for review in pull.reviews if review.state != "PENDING"):
        census["reviews"].add(identity(review))
        census["review_comments"] |= set(map(identity, review.comments))
    return census


async def stored(dsn: str, github_id: int) -> Census:
    """The repository's rows in Postgres."""
    connection = await asyncpg.connect(dsn)
    try:
        repository = await connection.fetchval("select id from repositories where github_id = $1", github_id)
        return {noun: {row[0] for row in await connection.fetch(query, repository)} for noun, query in STORED.items()}
    finally:
        await connection.close()


async def told(dsn: str, repository: Repository) -> dict[str, tuple[int, int]]:
    """For the kinds of events that the world counts: how many are stored, and how many there must be at least.

    A star that was taken back still has an event.
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
    """Missing and surplus rows, a line for each noun; empty if the two are equal."""
    lines = []
    for noun, identities in wanted.items():
        missing, surplus = len(identities - stored[noun]), len(stored[noun] - identities)
        if missing or surplus:
            lines.append(f"{noun}: {missing:,} of {len(identities):,} missing, {surplus:,} too many")
    return lines


def shares(wanted: Census, found: Census) -> dict[str, Share]:
    """The share found of each noun that has rows; surplus rows do not count."""
    return {
        noun: Share(len(identities & found.get(noun, set())), len(identities))
        for noun, identities in wanted.items()
        if identities
    }


def size(census: Census) -> int:
    """The number of rows in all tables."""
    return sum(map(len, census.values()))
