"""Writes jobs as rows, in states that a real backfill passes through too fast, or reaches too rarely, to be
looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from messages import DATA_TYPES, Failure, Waiting

NEVER_FOUND = Failure(
    code="not_found",
    message="GitHub knows no repository of this name for these tokens",
    action="check its name, and whether the token may read it; then retry",
)


@dataclass(frozen=True)
class Part:
    """The state of one data type of one repository."""

    status: str = "completed"
    stored: int = 0
    expected: int | None = None
    leg: str = "historical"
    error: Failure | None = None
    hidden: int = 0
    """So many comments of one thread are counted by GitHub and never shown."""


async def write(
    host: asyncpg.Connection,
    workspace_id: str,
    status: str,
    repositories: Mapping[str, Mapping[str, Part]],
    *,
    began: timedelta = timedelta(minutes=10),
    waiting: Waiting | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> str:
    """Writes a job of these repositories of the workspace, with all rows that its view is made of; returns its id.

    `waiting` is what each repository in progress waits for.
    """
    now = datetime.now(UTC)
    ended = now if status in ("completed", "failed", "canceled") else None
    own = {name: _status(parts) for name, parts in repositories.items()}
    failed = sum(each == "failed" for each in own.values())
    job_id: str = await host.fetchval(
        """
        insert into workspace_backfill_jobs (
            workspace_id, retention_days, cutoff_at, backfill_types, requested_by, status, signaled_at, created_at,
            started_at, completed_at, total_repositories, completed_repositories, failed_repositories, error_message,
            metadata, subscription_addon_id
        ) values (
            $1, 365, $2::timestamptz - interval '365 days', $3, 'purchase', $4, $2, $2,
            case when $4 <> 'pending' then $2::timestamptz end, $5, $6, $7, $8, $10, $9,
            (select a.id from subscription_addons a join workspaces w on w.id = $1 join app_users u on u.id = w.owner_id
             where a.user_id = u.auth_user_id limit 1)
        ) returning id::text
        """,
        workspace_id,
        now - began,
        list(DATA_TYPES),
        status,
        ended,
        len(repositories),
        sum(each == "completed" for each in own.values()),
        failed,
        dict(metadata or {}),
        f"{failed} of {len(repositories)} repositories failed" if failed else None,
    )
    for name, parts in repositories.items():
        waits: dict[str, Any] = (
            {"waiting": waiting.model_dump(mode="json")} if waiting and own[name] == "in_progress" else {}
        )
        if waiting and waits and waiting.until:
            waits["waiting_until"] = waiting.until.isoformat()
        await host.execute(
            """
            insert into workspace_backfill_progress (
                backfill_job_id, repository_id, status, started_at, completed_at, metadata, error_message
            ) select $1, id, $3, $4, $5, $6, $7 from repositories where full_name = $2
            """,
            job_id,
            name,
            own[name],
            now - began,
            now if own[name] in ("completed", "failed", "canceled") else None,
            waits,
            next((part.error.message for part in parts.values() if part.error), None),
        )
        for data_type, part in parts.items():
            await _sweep(host, job_id, name, data_type, part, now - began)
    return job_id


def _status(parts: Mapping[str, Part]) -> str:
    statuses = {part.status for part in parts.values()}
    return next(
        (each for each in ("in_progress", "failed", "canceled", "pending") if each in statuses),
        "completed",
    )


async def _sweep(
    host: asyncpg.Connection, job_id: str, full_name: str, data_type: str, part: Part, began: datetime
) -> None:
    now = datetime.now(UTC)
    counts = {data_type: part.stored}
    await host.execute(
        """
        insert into backfill_sweeps (
            backfill_job_id, repository_id, data_type, status, leg, counts, expected, error, proof, started_at,
            committed_at, completed_at, most_stored, least_left, least_expected
        ) select $1, id, $3, $4, $5, $6, $7::int, $8, $9::jsonb, $10, $11::timestamptz,
            case when $9::jsonb is not null then $11::timestamptz end, $12::int,
            case when $7::int is not null then greatest($7::int - $12::int, 0) end, $7::int
        from repositories where full_name = $2
        """,
        job_id,
        full_name,
        data_type,
        part.status,
        part.leg if part.status != "pending" else None,
        counts,
        part.expected,
        part.error.of_type(data_type).model_dump(mode="json") if part.error else None,  # type: ignore[arg-type]
        {"as_of": now.isoformat(), "counted": part.stored} if part.status == "completed" else None,
        began,
        now,
        part.stored,
    )
    if part.hidden:
        await host.execute(
            """
            insert into backfill_notes (repository_id, data_type, what, node_id, kind, number, count, words)
            select id, $2, 'comments', 'I_' || full_name, 'hidden', 7, $3, 'counted twice, and never shown'
            from repositories where full_name = $1
            """,
            full_name,
            data_type,
            part.hidden,
        )
