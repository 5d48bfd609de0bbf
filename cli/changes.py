"""Requests that change a running job: stored first, then signaled to its workflow."""

from typing import Protocol

from cli.actor import operator
from cli.connections import connect_temporal, open_database, signal_changes
from progress.views import JobSummary
from store import job_views
from store.database import Connection
from store.job_requests import Actor


class Change(Protocol):
    """A function of `job_requests` that takes only a job and an actor."""

    async def __call__(self, connection: Connection, job_id: str, /, *, actor: Actor) -> JobSummary: ...


async def change_job(reference: str, change: Change, *, workspaces: bool = False) -> int:
    """Makes the change; returns the exit code. With `workspaces` the reference may also be a workspace, for its latest
    job."""
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
