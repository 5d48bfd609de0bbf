"""Reads the metrics for operators from Postgres, in one transaction of a dozen small statements."""

from datetime import datetime
from typing import Any, NamedTuple

from budget.account import Window
from store.database import Connection

Labelled = dict[tuple[str, ...], float]
"""Numbers by the values of their labels."""


class Measures(NamedTuple):
    """Metrics from Postgres. Counts are numbers of rows. Ages and waits are in seconds, 0 if there is nothing to
    measure.
    """

    jobs: Labelled
    """All kept jobs by status, including `paused`."""
    oldest_unfinished_job: float
    """Age since the request. Paused jobs do not count, because a person paused them."""
    unsignaled_jobs: float
    """Jobs that Temporal has not heard of."""
    repositories: Labelled
    """Repositories of unfinished jobs, by status."""
    waiting_repositories: Labelled
    """Waiting repositories of unfinished jobs, by reason."""
    silent_sweeps: float
    """Sweeps in progress without a commit for ten minutes whose repository waits for nothing."""
    addons: Labelled
    """Add-ons by status."""
    unprocessed_deliveries: float
    oldest_unprocessed_delivery: float
    notifications: Labelled
    """By (channel, status): pending ones, and those given up within a day."""
    oldest_pending_notification: Labelled
    """Age by channel."""
    notes: Labelled
    """Things that GitHub does not show, by the kind of note."""
    budget_limit: Labelled
    """By (account, resource): points or requests an hour, of the tightest window that GitHub reported."""
    budget_left: Labelled
    budget_paused: Labelled
    """By (account, resource): seconds until a limit that GitHub reported ends."""
    servers_away: Labelled
    """By (server, API): 1 while it does not answer."""


async def read(connection: Connection) -> Measures:
    """Reads all metrics, as of one moment."""
    now: datetime = await connection.fetchval("select now()")
    [open_jobs] = await connection.fetch(
        """
        select
          (count(*) filter (where signaled_at is null))::float as unsignaled,
          coalesce(extract(epoch from now() - min(created_at) filter (where not metadata ? 'paused_at')), 0)::float
            as age
        from workspace_backfill_jobs where status in ('pending', 'in_progress')
        """
    )
    [deliveries] = await connection.fetch(
        """
        select count(*)::float as count, coalesce(extract(epoch from now() - min(received_at)), 0)::float as age
        from webhook_deliveries where processed_at is null
        """
    )
    notifications = await connection.fetch(
        """
        select channel, status, count(*)::float as count, extract(epoch from now() - min(created_at))::float as age
        from notification_outbox
        where status = 'pending' or (status = 'given_up' and ended_at > now() - interval '1 day')
        group by channel, status
        """
    )
    budgets = await _budgets(connection, now)
    return Measures(
        jobs=await _counted(
            connection,
            """
            select
              case when status in ('pending', 'in_progress') and metadata ? 'paused_at' then 'paused' else status end,
              count(*)
            from workspace_backfill_jobs group by 1
            """,
        ),
        oldest_unfinished_job=open_jobs["age"],
        unsignaled_jobs=open_jobs["unsignaled"],
        repositories=await _counted(
            connection,
            """
            select p.status, count(*)
            from workspace_backfill_progress p join workspace_backfill_jobs j on j.id = p.backfill_job_id
            where j.status in ('pending', 'in_progress') group by 1
            """,
        ),
        waiting_repositories=await _counted(
            connection,
            """
            select p.metadata #>> '{waiting,reason}', count(*)
            from workspace_backfill_progress p join workspace_backfill_jobs j on j.id = p.backfill_job_id
            where j.status in ('pending', 'in_progress') and p.metadata #>> '{waiting,reason}' is not null group by 1
            """,
        ),
        silent_sweeps=await connection.fetchval(
            """
            select count(*)::float
            from backfill_sweeps s
            join workspace_backfill_jobs j on j.id = s.backfill_job_id
            join workspace_backfill_progress p
              on p.backfill_job_id = s.backfill_job_id and p.repository_id = s.repository_id
            where j.status = 'in_progress' and not j.metadata ? 'paused_at' and s.status = 'in_progress'
              and greatest(s.committed_at, s.leased_at, s.started_at) < now() - interval '10 minutes'
              and not p.metadata ? 'waiting'
            """
        ),
        addons=await _counted(connection, "select status, count(*) from subscription_addons group by 1"),
        unprocessed_deliveries=deliveries["count"],
        oldest_unprocessed_delivery=deliveries["age"],
        notifications={(row["channel"], row["status"]): row["count"] for row in notifications},
        oldest_pending_notification={
            (row["channel"],): row["age"] for row in notifications if row["status"] == "pending"
        },
        notes=await _counted(connection, "select kind, sum(count) from backfill_notes group by 1"),
        budget_limit=budgets[0],
        budget_left=budgets[1],
        budget_paused=budgets[2],
        servers_away=await _counted(
            connection,
            """
            select server, a.key, (a.value ->> 'away')::boolean::integer
            from github_availability, jsonb_each(coalesce(state -> 'apis', '{}')) a where a.value ? 'away'
            """,
        ),
    )


async def _counted(connection: Connection, query: str) -> Labelled:
    """Returns the numbers that a query finds, by their labels. Each row of the query holds the labels, and the number
    last.
    """
    return {tuple(row.values())[:-1]: float(tuple(row.values())[-1]) for row in await connection.fetch(query)}


async def _budgets(connection: Connection, now: datetime) -> tuple[Labelled, Labelled, Labelled]:
    limit, left, paused = Labelled(), Labelled(), Labelled()
    for row in await connection.fetch("select account, resource, state from github_budgets"):
        labels, state = (row["account"], row["resource"]), row["state"]
        windows = [Window.model_validate(each) for each in state.get("windows", [])]
        windows = [each for each in windows if each.resets_at > now]
        if windows:
            tightest = min(windows, key=lambda each: each.limit - each.used)
            limit[labels], left[labels] = tightest.limit, max(0, tightest.limit - tightest.used)
        until: Any = state.get("paused_until")
        paused[labels] = max(0.0, (datetime.fromisoformat(until) - now).total_seconds()) if until else 0.0
    return limit, left, paused
