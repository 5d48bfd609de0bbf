"""`starter.py start`."""

from cli.actor import operator
from cli.arguments import DataTypes, Days, Repositories, Switch
from cli.connections import connect_temporal, open_database, signal_job
from store import job_requests


async def start(
    *,
    workspace: str,
    retention_days: Days | None = None,
    repo: Repositories = (),
    data_type: DataTypes = (),
    fresh: Switch = False,
) -> int:
    """Start a backfill of a workspace, and print the id of its job. Does not wait for the job's end.

    Parameters
    ----------
    workspace
        Its id or slug.
    retention_days
        Days of history to fetch. Without it, the days that the owner bought, or else the days that the workspace keeps.
    repo
        Only this repository of the workspace (owner/name). May be repeated.
    data_type
        Only this data type. May be repeated.
    fresh
        Fetch everything again, also what earlier jobs have covered.
    """
    temporal = await connect_temporal()
    async with open_database() as database:
        async with database.transaction() as connection:
            job_id = await job_requests.ask_for(
                connection,
                workspace=workspace,
                actor=operator(),
                retention_days=retention_days,
                repositories=repo,
                data_types=data_type,
                fresh=fresh,
            )
        await signal_job(temporal, database, job_id)
        print(job_id)
    return 0
