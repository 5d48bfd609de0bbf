"""The notifications that people see in the application, in pages."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from store.database import Connection
from store.places import Place


@dataclass(frozen=True)
class NotificationView:
    """A notification in the application. `created_at` is None if the host wrote the notification without a time."""

    id: UUID
    job_id: str
    status: str
    title: str
    message: str | None
    metadata: dict[str, Any]
    read: bool
    created_at: datetime | None

    @property
    def place(self) -> Place:
        return Place.of(self.created_at, self.id)


async def read(
    connection: Connection, workspace_id: UUID, user_id: UUID | None, *, before: Place | None, limit: int
) -> list[NotificationView]:
    """Returns an auth user's notifications about backfills of a workspace, newest first. If `before` is given, returns
    only older notifications.

    If `user_id` is None, returns the notifications of the workspace's present owner.
    """
    rows = await connection.fetch(
        """
        select id, operation_id as job_id, status, title, message, coalesce(metadata, '{}') as metadata,
               coalesce(read, false) as read, created_at
        from notifications
        where operation_type = 'backfill' and metadata ->> 'workspace_id' = $1::uuid::text
          and user_id = coalesce($2::uuid, (
              select auth_user_id from app_users
              where id = (select owner_id from workspaces where workspaces.id = $1::uuid)
          ))
          and ($3::timestamptz is null or (coalesce(created_at, 'epoch'), id) < ($3, $4::uuid))
        order by coalesce(created_at, 'epoch') desc, id desc
        limit $5
        """,
        workspace_id,
        user_id,
        before.at if before else None,
        before.id if before else None,
        limit,
    )
    return [NotificationView(**dict(row)) for row in rows]
