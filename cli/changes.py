"""Changes an existing job. The request is committed first, and then signaled to the workflow of the job's workspace."""

from api.models import Backfill
from cli.actor import operator
from cli.connections import connect_temporal, open_database, signal_changes
from cli.jobs import read_job
from store import job_views
from store.job_requests import Change


async def change_job(reference: str, change: Change, *, workspaces: bool = False, json: bool = False) -> int:
    """Makes `change` to a job and returns the exit code. With `workspaces`, `reference` may also name a workspace. Then
    the workspace's latest job is changed. With `json`, prints the job after the change.
    """
    client = (await connect_temporal()).client
    async with open_database() as database:
        job_id = reference
        if workspaces:
            async with database.transaction() as connection:
                job_id = await job_views.find(connection, reference)
        async with database.transaction() as connection:
            job_id = (await change(connection, job_id, actor=operator())).id
        if json:
            print(Backfill.model_validate(await read_job(database, job_id)).model_dump_json(indent=2))
        await signal_changes(client, database, job_id)
    return 0
