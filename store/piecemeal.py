"""Writes a page of which Postgres refuses some rows, so that all its other rows are stored.

The bounds of `ranges` leave Postgres little to refuse. What is left are rules that only this database has, such as a
column of the host's with fewer characters. A row that breaks one breaks it in each attempt.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import asyncpg

from errors import PartOver
from messages import RepositoryRef
from rows import (
    Comment,
    Contributor,
    Discussion,
    DiscussionComment,
    Issue,
    Note,
    Page,
    PullRequest,
    Review,
    TimelineEvent,
)
from store import contributors, pages
from store.database import Connection, Database

REFUSALS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)
"""Errors of which each attempt at the same rows gets the same."""
LONGEST_WORDS = 300
Thread = PullRequest | Issue | Discussion
Row = Thread | Review | Comment | TimelineEvent | DiscussionComment

_NAMES = "select github_id, node_id, number from {table} where github_id = any($1::bigint[]) and node_id is not null"


class Refused(NamedTuple):
    row: Row
    words: str
    """Postgres' words."""


def unstorable(error: Exception) -> PartOver:
    """Returns the error for what Postgres refuses, and what is of no single thread."""
    return PartOver("unstorable", words_of(error), "report it with this text; retry once the database accepts it")


def words_of(error: Exception) -> str:
    rule = getattr(error, "constraint_name", None) or getattr(error, "column_name", None)
    return f"Postgres refuses it{f' ({rule})' if rule else ''}: {type(error).__name__}: {error}"[:LONGEST_WORDS]


async def write_people(database: Database, people: Iterable[Contributor], seen_at: datetime) -> dict[int, str]:
    """Writes people one by one. Returns those whom Postgres refuses, with its words."""
    refused = {}
    for person in people:
        try:
            await contributors.write(database, [person], seen_at)
        except REFUSALS as error:
            refused[person.github_id] = words_of(error)
    return refused


async def write(
    connection: Connection, repository: RepositoryRef, page: Page, refused_people: Mapping[int, str], since: datetime
) -> tuple[Counter[str], list[Refused]]:
    """Writes the page as `pages.write` does, without the rows that Postgres refuses. Returns how many rows are new, by
    noun, and the rows that are refused. A row that names one of `refused_people` is refused, too.

    Raises an error of `REFUSALS` if Postgres refuses something that is no row of a thread.
    """
    refused: list[Refused] = []
    rows: list[Row] = []
    threads: list[Row] = [*page.pull_requests, *page.issues, *page.discussions]
    for row in [*threads, *page.reviews, *page.comments, *page.events, *page.discussion_comments]:
        people: list[int] = [getattr(row, name, None) or 0 for name in ("author", "merged_by", "closed_by")]
        words = next((refused_people[each] for each in people if each in refused_people), None)
        if words is None:
            rows.append(row)
        else:
            refused.append(Refused(row, words))

    async def write_some(some: list[Row]) -> Counter[str]:
        if not some:
            return Counter()
        try:
            async with connection.transaction():
                return await pages.write(connection, repository, _with_rows(page, some), since)
        except REFUSALS as error:
            if len(some) == 1:
                refused.append(Refused(some[0], words_of(error)))
                return Counter()
        middle = len(some) // 2
        return await write_some(some[:middle]) + await write_some(some[middle:])

    new = await write_some(rows)
    none = Page(page.asked_at)
    rest = replace(
        page,
        pull_requests=none.pull_requests,
        requested_reviewers=none.requested_reviewers,
        issues=none.issues,
        discussions=none.discussions,
        reviews=none.reviews,
        comments=none.comments,
        events=none.events,
        discussion_comments=none.discussion_comments,
        closings=[each for each in page.closings if each.closed_by not in refused_people],
    )
    return new + await pages.write(connection, repository, rest, since), refused


async def notes_on(connection: Connection, page: Page, refused: Sequence[Refused]) -> list[Note]:
    """Returns the notes on refused rows: one for each thread, or for the children of each thread."""
    threads = {row.github_id: (row, words) for row, words in refused if isinstance(row, Thread)}
    notes = [Note("unavailable", "thread", row.number, row.node_id, 1, words) for row, words in threads.values()]
    children: dict[int, list[str]] = {}
    for row, words in refused:
        if not isinstance(row, Thread) and _thread_of(row) not in threads:
            children.setdefault(_thread_of(row), []).append(words)
    if children and page.kind is not None:
        what = "comments" if page.kind == "discussion" else "timeline"
        for found in await connection.fetch(_NAMES.format(table=f"{page.kind}s"), sorted(children)):
            reasons = children[found["github_id"]]
            notes.append(Note("unavailable", what, found["number"], found["node_id"], len(reasons), reasons[-1]))
    return notes


def _thread_of(row: Review | Comment | TimelineEvent | DiscussionComment) -> int:
    if isinstance(row, DiscussionComment):
        return row.discussion
    issue = None if isinstance(row, Review) else row.issue
    return row.pull_request or issue or 0


def _with_rows(page: Page, rows: Sequence[Row]) -> Page:
    """Returns a page that has these rows alone, with what belongs to them."""
    ids = {row.github_id for row in rows if isinstance(row, Thread)}
    return Page(
        page.asked_at,
        page.kind,
        account=page.account,
        pull_requests=[row for row in rows if isinstance(row, PullRequest)],
        requested_reviewers=[each for each in page.requested_reviewers if each.pull_request in ids],
        teams_hidden=[each for each in page.teams_hidden if each in ids],
        short=[each for each in page.short if each.thread in ids],
        issues=[row for row in rows if isinstance(row, Issue)],
        discussions=[row for row in rows if isinstance(row, Discussion)],
        reviews=[row for row in rows if isinstance(row, Review)],
        comments=[row for row in rows if isinstance(row, Comment)],
        events=[row for row in rows if isinstance(row, TimelineEvent)],
        discussion_comments=[row for row in rows if isinstance(row, DiscussionComment)],
    )
