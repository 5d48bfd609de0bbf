"""Changes a running job: the request is committed first, and then signaled to the job's workflow."""

from typing import Protocol

from cli.actor import operator
from cli.connections import connect_temporal, open_database, signal_changes
from progress.views import JobSummary
from store import job_views
from store.database import Connection
from store.job_requests import Actor


class Change(Protocol):
    """A function of `store.job_requests` that takes a job and an actor, and nothing else."""

    async def __call__(self, connection: Connection, job_id: str, /, *, actor: Actor) -> JobSummary: ...


async def change_job(reference: str, change: Change, *, workspaces: bool = False) -> int:
    """Makes the change and returns the exit code. With `workspaces`, `reference` may also name a workspace, whose
    latest job is then changed.
    """
    client = (await connect_temporal()).client
    async with open_database() as database:
        job_id = reference
        if workspaces:
            async with database.transaction() as connection:
                job_id = await job_views.find(connection, reference)
        async with database.transaction() as connection:
            job_id = (await change(connection, job_id, actor=operator())).id
        await signal_changes(client, database, job_id)
    return 0
