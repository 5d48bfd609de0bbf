"""Decides who may see a workspace and its jobs: the people in `workspace_members`, and the workspace's owner."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from store.database import Connection

Role = Literal["owner", "admin", "editor", "viewer"]

# A member whose invitation is pending is none yet. Only the host's own database has these two columns.
_ROLE = """
    case
        when $2::uuid is null then 'owner'
        when workspaces.owner_id = app_users.id then 'owner'
        when to_jsonb(member) ->> 'invited_at' is null or to_jsonb(member) ->> 'accepted_at' is not null
            then member.role
    end
"""
_MEMBER = """
    left join app_users on app_users.auth_user_id = $2::uuid
    left join workspace_members member on member.workspace_id = workspaces.id and member.user_id = app_users.id
"""


@dataclass(frozen=True)
class Seen:
    """A workspace, or one of its jobs, that a user may see, and the user's role."""

    workspace_id: UUID
    role: Role
    job_id: UUID | None = None


async def of_workspace(connection: Connection, workspace_id: UUID, user_id: UUID | None) -> Seen | None:
    """Returns the workspace, and the role that an auth user has in it. Returns None if there is no such workspace, or
    if the user has no role. `user_id` is None for the service, which sees every workspace.
    """
    role = await connection.fetchval(
        f"select {_ROLE} from workspaces {_MEMBER} where workspaces.id = $1", workspace_id, user_id
    )
    return Seen(workspace_id, role) if role else None


async def of_job(connection: Connection, job_id: UUID, user_id: UUID | None) -> Seen | None:
    """Returns a job, its workspace, and the role that an auth user has in the workspace. Returns None if there is no
    such job, or if the user has no role. `user_id` is None for the service, which sees every job.
    """
    row = await connection.fetchrow(
        f"""
        select workspaces.id, {_ROLE} as role
        from workspace_backfill_jobs job join workspaces on workspaces.id = job.workspace_id {_MEMBER}
        where job.id = $1
        """,
        job_id,
        user_id,
    )
    return Seen(row["id"], row["role"], job_id) if row and row["role"] else None


async def with_repository(connection: Connection, full_name: str, user_id: UUID | None) -> list[Seen]:
    """Returns the active workspaces with this repository that an auth user may see. `user_id` is None for the service,
    which sees all workspaces. Workspaces that the user may change come first. Among otherwise equal workspaces, those
    with more bought days come first.
    """
    rows = await connection.fetch(
        f"""
        select workspace_id, role from (
            select workspaces.id as workspace_id, {_ROLE} as role, (
                select max(addon.retention_days)
                from app_users owner join subscription_addons addon on addon.user_id = owner.auth_user_id
                where owner.id = workspaces.owner_id and addon_type = 'extended_data_retention' and status = 'active'
            ) as days_bought
            from repositories
            join workspace_repositories on repository_id = repositories.id
            join workspaces on workspaces.id = workspace_repositories.workspace_id {_MEMBER}
            where lower(full_name) = lower($1) and coalesce(workspaces.is_active, true)
        ) seen
        where role is not null
        order by role in ('owner', 'admin') desc, days_bought desc nulls last, workspace_id
        """,
        full_name,
        user_id,
    )
    return [Seen(**dict(row)) for row in rows]
