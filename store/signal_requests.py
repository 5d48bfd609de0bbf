"""Requests that people send to a workspace's workflow as signals or updates, with Temporal's Web UI or command line."""

import structlog

from errors import BadInput
from messages import JobStanding, SignalRequest
from store import job_requests
from store.database import Connection
from store.job_requests import Actor
from store.job_views import uuid_of

ACTOR = Actor("operator:temporal", "signal")
"""The actor of every signal, since Temporal does not tell who sent it."""
UPDATER = Actor("operator:temporal", "update")

log = structlog.get_logger(__name__)


async def carry_out(connection: Connection, request: SignalRequest) -> JobStanding | None:
    """Writes the request into the job's row, as the API and the command line do. Returns the job's state, or None if
    the workspace has no such job.

    If the request cannot be carried out, nothing changes. `BadInput` is then raised for an update (`request.refuses`).
    For a signal, the reason is logged.
    """
    if await _standing(connection, request) is None:
        if request.refuses:
            raise BadInput("job_id", f"the workspace has no job {request.job_id}")
        log.warning("signal for a job that the workspace does not have", job=request.job_id)
        return None
    try:
        await _ask(connection, request)
    except BadInput as refused:
        if request.refuses:
            raise
        log.warning("signal refused", job=request.job_id, action=request.action, why=refused.message)
    return await _standing(connection, request)


async def _ask(connection: Connection, request: SignalRequest) -> None:
    actor = UPDATER if request.refuses else ACTOR
    match request.action:
        case "retry":
            names = await _names(connection, request)
            await job_requests.ask_again(
                connection, request.job_id, actor=actor, repositories=names, data_types=request.data_types
            )
        case "cancel":
            await job_requests.ask_to_stop(connection, request.job_id, actor=actor)
        case "pause":
            await job_requests.pause(connection, request.job_id, actor=actor)
        case "resume":
            await job_requests.resume(connection, request.job_id, actor=actor)
        case "cancel_repository":
            await job_requests.ask_to_stop_repositories(connection, request.job_id, [request.repository], actor=actor)
        case None:
            pass


async def _names(connection: Connection, request: SignalRequest) -> list[str]:
    """Returns the full names of the repositories to retry. Raises `BadInput` for an unknown id."""
    rows = await connection.fetch(
        "select id::text, full_name from repositories where id::text = any($1)", request.repository_ids
    )
    if unknown := set(request.repository_ids) - {row["id"] for row in rows}:
        raise BadInput("repository_ids", f"{', '.join(sorted(unknown))} is not part of job {request.job_id}")
    return [row["full_name"] for row in rows]


async def _standing(connection: Connection, request: SignalRequest) -> JobStanding | None:
    row = await connection.fetchrow(
        """
        select id::text as job_id, status, attempt, (metadata ->> 'paused_at')::timestamptz as paused_at,
               coalesce(metadata ->> 'paused_by', '') as paused_by,
               metadata ? 'cancel_requested_at' as cancel_requested, coalesce(metadata -> 'stopping', '[]') as stopping
        from workspace_backfill_jobs where id = $1 and workspace_id = $2
        """,
        uuid_of(request.job_id),
        uuid_of(request.workspace_id),
    )
    return JobStanding.model_validate(dict(row)) if row else None
