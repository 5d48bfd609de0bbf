"""`notification_outbox`: e-mails and webhook calls that tell of milestones, until they are sent or given up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from store.database import Connection
from store.milestones import Milestone

ChannelName = Literal["mail", "webhook"]
ERROR_LENGTH = 500


@dataclass(frozen=True)
class Outgoing:
    """A message of the outbox whose lease this process holds. `attempts` includes the present one."""

    id: str
    channel: ChannelName
    milestone: Milestone
    attempts: int
    created_at: datetime
    address: str | None
    """The owner's e-mail address."""
    mail_wanted: bool
    """False if the owner has switched e-mails off."""


@dataclass(frozen=True)
class Unsent:
    """A message of the outbox that waits, or was given up."""

    id: str
    channel: str
    milestone: str
    workspace: str
    job_id: str
    status: str
    created_at: datetime
    attempts: int
    next_attempt_at: datetime
    error: str | None


async def write(connection: Connection, milestone: Milestone) -> None:
    """Stores an e-mail and a webhook call. A second call for the same milestone of the same attempt changes nothing."""
    await connection.execute(
        """
        insert into notification_outbox (channel, milestone, backfill_job_id, job_attempt, user_id, content)
        select channel, $2, j.id, $3, w.owner_id, $4
        from workspace_backfill_jobs j join workspaces w on w.id = j.workspace_id, unnest($5::text[]) channel
        where j.id = $1
        on conflict (backfill_job_id, job_attempt, milestone, channel) do nothing
        """,
        milestone.job_id,
        milestone.status,
        milestone.attempt,
        milestone.model_dump(mode="json"),
        ["mail", "webhook"],
    )


# A job's milestones go out one after the other in their order: `started` never arrives after `completed`.
_CLAIM = """
update notification_outbox o set attempts = attempts + 1, leased_until = now() + $3::interval
from (
  select id from notification_outbox w
  where channel = $1 and status = 'pending' and next_attempt_at <= now()
    and (leased_until is null or leased_until <= now())
    and not exists (
      select from notification_outbox earlier
      where earlier.backfill_job_id = w.backfill_job_id and earlier.channel = w.channel and earlier.status = 'pending'
        and (earlier.job_attempt, earlier.milestone <> 'started') < (w.job_attempt, w.milestone <> 'started'))
  order by next_attempt_at, created_at limit $2 for update skip locked
) due
where o.id = due.id
returning o.id::text, o.channel, o.content, o.attempts, o.created_at,
  (select nullif(btrim(u.email), '') from app_users u where u.id = o.user_id) as address,
  not exists (
    select from workspace_backfill_jobs j join workspaces w on w.id = j.workspace_id
    left join workspace_members m on m.workspace_id = w.id and m.user_id = o.user_id
    where j.id = o.backfill_job_id
      and (w.settings #>> '{notifications,email}' = 'false' or not m.notifications_enabled)) as mail_wanted
"""


async def claim(connection: Connection, channel: ChannelName, *, limit: int, lease: timedelta) -> list[Outgoing]:
    """Takes messages that are due. Messages that have been due for longest are preferred. No other process gets the
    messages until the lease expires. A message is not taken while the channel still has an earlier message of the same
    job.
    """
    return [
        Outgoing(
            id=row["id"],
            channel=row["channel"],
            milestone=Milestone.model_validate(row["content"]),
            attempts=row["attempts"],
            created_at=row["created_at"],
            address=row["address"],
            mail_wanted=row["mail_wanted"],
        )
        for row in await connection.fetch(_CLAIM, channel, limit, lease)
    ]


async def sent(connection: Connection, message: Outgoing) -> None:
    """Records that the receiver accepted the message. This is recorded even if the lease has expired and another
    process has taken the message, because the message did arrive.
    """
    await connection.execute(
        """
        update notification_outbox set status = 'sent', ended_at = now(), leased_until = null, error = null
        where id = $1 and status = 'pending'
        """,
        message.id,
    )


async def close(connection: Connection, message: Outgoing, status: Literal["off", "given_up"], error: str) -> None:
    """Ends a message that was not sent, so that it is not tried again. `status` is `off` if the workspace's owner has
    switched the channel off or has no address in it. Otherwise, `status` is `given_up`.
    """
    await connection.execute(
        """
        update notification_outbox set status = $3, ended_at = now(), leased_until = null, error = $4
        where id = $1 and status = 'pending' and attempts = $2
        """,
        message.id,
        message.attempts,
        status,
        error[:ERROR_LENGTH],
    )


async def postpone(connection: Connection, message: Outgoing, pause: timedelta, error: str) -> None:
    """Records that an attempt to send the message failed. The message is due again after `pause`."""
    await connection.execute(
        """
        update notification_outbox set next_attempt_at = now() + $3::interval, leased_until = null, error = $4
        where id = $1 and status = 'pending' and attempts = $2
        """,
        message.id,
        message.attempts,
        pause,
        error[:ERROR_LENGTH],
    )


async def expire(connection: Connection, age: timedelta, channels: Sequence[ChannelName]) -> int:
    """Ends messages older than `age`, except messages that are being sent. A message becomes `off` if nobody has tried
    it and its channel is not in `channels`, because no setting asks for that channel. Other messages are given up.
    Returns how many messages were given up.
    """
    rows = await connection.fetch(
        """
        update notification_outbox set ended_at = now(), leased_until = null,
          status = case when attempts = 0 and channel <> all($2) then 'off' else 'given_up' end,
          error = 'too old; ' || case
            when error is not null then 'the last time: ' || error
            when channel <> all($2) then 'no process sends on this channel'
            else 'it was never tried' end
        where status = 'pending' and created_at < now() - $1::interval
          and (leased_until is null or leased_until <= now())
        returning status
        """,
        age,
        channels,
    )
    return sum(row["status"] == "given_up" for row in rows)


async def forget(connection: Connection, age: timedelta) -> int:
    """Deletes messages that ended longer ago than `age`. Returns how many messages were deleted."""
    rows = await connection.fetch(
        "delete from notification_outbox where status <> 'pending' and ended_at < now() - $1::interval returning id",
        age,
    )
    return len(rows)


async def unsent(connection: Connection, *, limit: int) -> list[Unsent]:
    """Returns messages that wait or were given up, newest first."""
    rows = await connection.fetch(
        """
        select id::text, channel, milestone, content ->> 'workspace_name' as workspace, backfill_job_id::text as job_id,
          status, created_at, attempts, next_attempt_at, error
        from notification_outbox where status in ('pending', 'given_up') order by created_at desc, id limit $1
        """,
        limit,
    )
    return [Unsent(**dict(row)) for row in rows]
