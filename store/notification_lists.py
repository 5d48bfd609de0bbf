"""In-app notifications as their readers page through them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from store.database import Connection

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Place:
    """Where a notification stands among the others: its time in microseconds since 1970, and its id."""

    microseconds: int
    id: UUID

    def __str__(self) -> str:
        return f"{self.microseconds}-{self.id.hex}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        microseconds, _, identifier = text.partition("-")
        return cls(int(microseconds), UUID(identifier))

    @property
    def at(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.microseconds)


@dataclass(frozen=True)
class NotificationView:
    """One that somebody was told in the application; `created_at` is null where the host wrote none."""

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
        return Place((self.created_at - _EPOCH) // timedelta(microseconds=1) if self.created_at else 0, self.id)


async def read(
    connection: Connection, workspace_id: UUID, user_id: UUID | None, *, before: Place | None, limit: int
) -> list[NotificationView]:
    """What an auth user was told of a workspace's backfills, newest first, behind `before`.

    `user_id` None: what the workspace's present owner was told.
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
