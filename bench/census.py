"""Compares the rows that must exist with the rows that do, table by table, by their ids. Tests check the contents of
rows.
"""

from collections.abc import Callable, Collection, Iterable
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
    """How many rows were found, of how many there should be."""

    found: int
    there: int

    @property
    def whole(self) -> bool:
        return self.found == self.there


def github_id(thing: Any) -> str:
    """Returns the id of a row in Postgres. For an event, that is its node id."""
    return thing.node_id(True) if isinstance(thing, TimelineEvent) else str(thing.database_id)


def node_id(thing: Any) -> str:
    """Returns the node id in GitHub's old format, which clients get that do not request the new one. Some ids are
    too large for `databaseId`.
    """
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
    """Returns every row that these data types have in the whole repository."""
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


def union(every: Iterable[Census]) -> Census:
    """Returns the rows of all of them."""
    whole: Census = {noun: set() for noun in STORED}
    for each in every:
        for noun, identities in each.items():
            whole[noun] |= identities
    return whole


async def stored(dsn: str, github_id: int) -> Census:
    """Returns the rows of the repository that Postgres has."""
    connection = await asyncpg.connect(dsn)
    try:
        repository = await connection.fetchval("select id from repositories where github_id = $1", github_id)
        return {noun: {row[0] for row in await connection.fetch(query, repository)} for noun, query in STORED.items()}
    finally:
        await connection.close()


async def told(dsn: str, repository: Repository) -> dict[str, tuple[int, int]]:
    """For each kind of event that the world counts: how many are stored, and how many there must be at least.

    If a star was taken back, its event is still there.
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
    """Returns the rows that are missing and those that should not exist, a line for each noun; empty if there are
    none.
    """
    lines = []
    for noun, identities in wanted.items():
        missing, surplus = len(identities - stored[noun]), len(stored[noun] - identities)
        if missing or surplus:
            lines.append(f"{noun}: {missing:,} of {len(identities):,} missing, {surplus:,} too many")
    return lines


def shares(wanted: Census, found: Census) -> dict[str, Share]:
    """For each noun that has rows, how many of them were found. Rows that should not exist are ignored."""
    return {
        noun: Share(len(identities & found.get(noun, set())), len(identities))
        for noun, identities in wanted.items()
        if identities
    }


def size(census: Census) -> int:
    """Returns the number of rows in all tables."""
    return sum(map(len, census.values()))
