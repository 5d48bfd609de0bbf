"""Notifies people of a job's milestones: by rows in `notifications`, and by e-mails and webhooks through the outbox."""

from collections.abc import Mapping
from typing import Any

from store import milestones, outbox
from store.database import Connection
from unshown import Unshown

# The owner's own switches, where the host keeps them. What is not set is on.
_TELL = """
insert into notifications (
  user_id, operation_id, operation_type, status, title, message, metadata, read, created_at, updated_at)
select u.auth_user_id, j.id::text, 'backfill', $2, 'Backfill of ' || w.name || ' ' || $3, $4,
  jsonb_build_object('workspace_id', w.id) || $5::jsonb, false, now(), now()
from workspace_backfill_jobs j join workspaces w on w.id = j.workspace_id join app_users u on u.id = w.owner_id
left join workspace_members m on m.workspace_id = w.id and m.user_id = w.owner_id
where j.id = $1 and coalesce(w.settings #>> '{notifications,in_app}', '') <> 'false'
  and m.notifications_enabled is not false
"""


async def tell(
    connection: Connection,
    job_id: str,
    status: milestones.Name,
    what: str,
    message: str,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Writes the notifications of a milestone, in the transaction that writes the milestone. The title is `Backfill of
    {workspace} {what}`.

    `metadata` is stored in the row in `notifications`. Its field `unshown` is also used in the e-mail and the webhook.
    """
    facts = dict(metadata or {})
    await connection.execute(_TELL, job_id, status, what, message, facts)
    not_shown = Unshown.model_validate(facts["unshown"]) if "unshown" in facts else None
    await outbox.write(connection, await milestones.look(connection, job_id, status, what, message, not_shown))
