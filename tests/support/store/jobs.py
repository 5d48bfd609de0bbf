"""Backfill jobs as rows, without Temporal."""

import asyncpg

from messages import DATA_TYPES
from tests.support import shop


async def job(host: asyncpg.Connection, repositories: int, *, owner: str = "octo", status: str = "in_progress") -> str:
    """A job of so many repositories, bought, each with a sweep of every type in its middle."""
    buyer = await shop.buyer(host)
    names = [f"{owner}/r{number}" for number in range(repositories)]
    workspace_id = await shop.workspace(host, buyer)
    await host.execute(
        """
        with made as (
            insert into repositories (github_id, owner, name, full_name)
            select hashtextextended(name, 0), split_part(name, '/', 1), split_part(name, '/', 2), name
            from unnest($2::text[]) as given (name) returning id
        )
        insert into workspace_repositories (workspace_id, repository_id) select $1, id from made
        """,
        workspace_id,
        names,
    )
    await host.execute(
        """
        insert into subscription_addons (user_id, addon_type, retention_days, status, polar_subscription_id)
        values ($1, 'extended_data_retention', 365, 'active', $2)
        """,
        buyer.auth_user_id,
        owner,
    )
    job_id: str = await host.fetchval(
        """
        with job as (
            insert into workspace_backfill_jobs (
                workspace_id, retention_days, cutoff_at, backfill_types, status, signaled_at, started_at
            ) values ($1, 365, now() - interval '365 days', $2, $3, now(), now() - interval '1 minute')
            returning id, workspace_id
        ), progress as (
            insert into workspace_backfill_progress (backfill_job_id, repository_id, status)
            select job.id, repository_id, 'in_progress' from job join workspace_repositories using (workspace_id)
        ), sweeps as (
            insert into backfill_sweeps (
                backfill_job_id, repository_id, data_type, status, counts, expected, most_stored, least_left,
                least_expected, points, requests
            )
            select job.id, repository_id, data_type, 'in_progress', jsonb_build_object(data_type, 7, 'comments', 3),
              10, 7, 3, 10, 2, 3
            from job join workspace_repositories using (workspace_id) cross join unnest($2::text[]) as data_type
        )
        select id::text from job
        """,
        workspace_id,
        list(DATA_TYPES),
        status,
    )
    await host.execute("analyze")
    return job_id
