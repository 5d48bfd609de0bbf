"""`notifications`: what the owner of a workspace is told of its jobs, in the application."""

from collections.abc import Mapping
from typing import Any, Literal

from store.database import Connection

_TELL = """
insert into notifications (
  user_id, operation_id, operation_type, status, title, message, metadata, read, created_at, updated_at)
select u.auth_user_id, j.id::text, 'backfill', $2, 'Backfill of ' || w.name || ' ' || $3, $4,
  jsonb_build_object('workspace_id', w.id) || $5::jsonb, false, now(), now()
from workspace_backfill_jobs j join workspaces w on w.id = j.workspace_id join app_users u on u.id = w.owner_id
where j.id = $1
"""


async def tell(
    connection: Connection,
    job_id: str,
    status: Literal["started", "completed", "failed"],
    what: str,
    message: str,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Tells the owner, in the transaction that makes it true. The title is `Backfill of {workspace} {what}`."""
    await connection.execute(_TELL, job_id, status, what, message, dict(metadata or {}))
