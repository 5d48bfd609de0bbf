"""Finds the host's CHECK constraints that GitHub's real data violates. The constraints are tested with records, because
their names do not tell what they refuse.

Each table has one record that every sensible constraint accepts, and variations of this record. GitHub really sends
data like these variations. A constraint that accepts the record and refuses a variation has to be relaxed. A constraint
that refuses the record itself is about something else, and stays.
"""

import json
from dataclasses import dataclass
from typing import Any

import asyncpg

from schema.shape import Constraint, Shape

Record = dict[str, Any]

_EARLIER, _LATER = "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"
_UUID = "00000000-0000-4000-8000-000000000000"
_LONG = "x" * 300_000
_THREAD: Record = {
    "id": _UUID,
    "github_id": 1,
    "repository_id": _UUID,
    "number": 1,
    "title": "title",
    "body": "body",
    "author_id": _UUID,
    "created_at": _EARLIER,
    "updated_at": _LATER,
    "closed_at": _LATER,
    "state": "closed",
}
_TEXT_ID = {"id": "D_1", "author_id": 1, "author_login": "octocat"}

_RECORDS: dict[str, Record] = {
    "contributors": {"id": _UUID, "github_id": 1, "username": "octocat", "is_bot": False},
    "pull_requests": _THREAD
    | {
        "repository_full_name": "octocat/hello",
        "base_branch": "main",
        "head_branch": "topic",
        "merged": True,
        "merged_at": _LATER,
        "html_url": "https://github.com/octocat/hello/pull/1",
    },
    "issues": _THREAD,
    "reviews": {
        "id": _UUID,
        "github_id": 1,
        "pull_request_id": _UUID,
        "repository_id": _UUID,
        "author_id": _UUID,
        "state": "APPROVED",
        "body": "body",
        "submitted_at": _LATER,
        "updated_at": _LATER,
    },
    "comments": {
        "id": _UUID,
        "github_id": 1,
        "comment_type": "review_comment",
        "pull_request_id": _UUID,
        "repository_id": _UUID,
        "commenter_id": _UUID,
        "body": "body",
        "path": "README.md",
        "position": 1,
        "original_position": 1,
        "diff_hunk": "@@ -1 +1 @@",
        "commit_id": "0" * 40,
        "created_at": _EARLIER,
        "updated_at": _LATER,
    },
    "discussions": _THREAD | _TEXT_ID | {"url": "https://github.com/octocat/hello/discussions/1"},
    "discussion_comments": _THREAD | _TEXT_ID | {"discussion_id": "D_1", "discussion_number": 1},
    "notifications": {
        "id": _UUID,
        "user_id": _UUID,
        "operation_id": "1",
        "operation_type": "backfill",
        "status": "completed",
        "title": "title",
    },
}

_UPDATED_FIRST = ("updated_at before created_at", {"created_at": _LATER, "updated_at": _EARLIER})
_CLOSED_FIRST = (
    "closed_at before created_at",
    {"created_at": _LATER, "closed_at": _EARLIER, "merged_at": _EARLIER},
)
_BODIES = [("a body of 300,000 characters", {"body": _LONG}), ("an empty body", {"body": ""})]
_LOGINS = ("dependabot[bot]", "name_company", "ends-", "two--hyphens")

_VARIATIONS: dict[str, list[tuple[str, Record]]] = {
    "contributors": [(f"the username {login}", {"username": login}) for login in _LOGINS],
    "pull_requests": [
        _UPDATED_FIRST,
        _CLOSED_FIRST,
        ("merged_at after closed_at", {"closed_at": _EARLIER, "merged_at": _LATER}),
        *_BODIES,
    ],
    "issues": [_UPDATED_FIRST, _CLOSED_FIRST, *_BODIES],
    "reviews": [("updated_at before submitted_at", {"updated_at": _EARLIER}), *_BODIES],
    "comments": [
        _UPDATED_FIRST,
        *_BODIES,
        ("a diff_hunk of 300,000 characters", {"diff_hunk": _LONG}),
        ("a review comment whose position is null", {"position": None}),
        ("a review comment whose positions are null", {"position": None, "original_position": None}),
    ],
    "discussions": [_UPDATED_FIRST, *_BODIES],
    "discussion_comments": [_UPDATED_FIRST, *_BODIES],
}

# What a rule learns instead of being dropped: it goes on guarding everything else.
_LESSONS: dict[str, list[tuple[str, Record]]] = {"notifications": [("status", {"status": "started"})]}


@dataclass(frozen=True)
class Relaxation:
    """A constraint to relax. `refuses` names the data that the constraint refuses. `replacement` is a constraint to put
    in its place, or None if the constraint is only dropped.
    """

    table: str
    constraint: Constraint
    refuses: str
    replacement: str | None = None


async def relaxations(connection: asyncpg.Connection, there: Shape) -> list[Relaxation]:
    """Returns the CHECK constraints to relax, because they refuse data that GitHub sends or that this system writes.
    `there` is the present shape of the database.
    """
    return [
        relaxation
        for name in _RECORDS
        if name in there.tables
        for constraint in there.tables[name].constraints
        if constraint.expression is not None
        for relaxation in await _judge(connection, name, constraint, constraint.expression)
    ]


async def _judge(
    connection: asyncpg.Connection, table: str, constraint: Constraint, expression: str
) -> list[Relaxation]:
    record = _RECORDS[table]

    async def refuses(variation: Record) -> bool:
        # Named like the table, for the rule's own words; null is acceptance, as in any CHECK.
        refused: bool = await connection.fetchval(
            f"select ({expression}) is false from jsonb_populate_record(null::{table}, $1::text::jsonb) as {table}",
            json.dumps(record | variation),
        )
        return refused

    if await refuses({}):
        return []
    for column, variation in _LESSONS.get(table, []):
        if column in constraint.columns and await refuses(variation):
            value = variation[column]
            replacement = f"check (({expression}) or {column} = '{value}')"
            return [Relaxation(table, constraint, f"the {column} '{value}'", replacement)]
    refused = [says for says, variation in _VARIATIONS.get(table, []) if await refuses(variation)]
    return [Relaxation(table, constraint, ", ".join(refused))] if refused else []
