"""A workspace as its settings page shows it: names, add-on and latest job. The workspace may have no job yet."""

from dataclasses import dataclass
from uuid import UUID

from progress.views import AddonView
from store.addons import EXTENDED_DATA_RETENTION
from store.database import Connection
from store.job_views import addon_of


@dataclass(frozen=True)
class WorkspaceView:
    id: UUID
    name: str
    slug: str
    addon: AddonView | None
    """The owner's best active add-on, else the latest one."""
    latest_job_id: UUID | None


async def look(connection: Connection, workspace_id: UUID) -> WorkspaceView | None:
    """Returns the workspace, or None if there is no such workspace."""
    row = await connection.fetchrow(
        """
        select workspaces.id, workspaces.name, workspaces.slug,
            (select addon.id from subscription_addons addon join app_users on app_users.auth_user_id = addon.user_id
             where app_users.id = workspaces.owner_id and addon_type = $2
             order by status = 'active' desc, case when status = 'active' then retention_days end desc nulls last,
                 coalesce(last_event_at, purchased_at, addon.created_at) desc nulls last, addon.id limit 1) as addon_id,
            (select job.id from workspace_backfill_jobs job where job.workspace_id = workspaces.id
             order by job.created_at desc, job.id limit 1) as latest_job_id
        from workspaces where workspaces.id = $1
        """,
        workspace_id,
        EXTENDED_DATA_RETENTION,
    )
    if row is None:
        return None
    addon = await addon_of(connection, row["addon_id"])
    return WorkspaceView(row["id"], row["name"], row["slug"], addon, row["latest_job_id"])
