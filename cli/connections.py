"""The connections of commands to Postgres and Temporal, and the signals that follow a commit."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from temporalio.client import Client

import settings
import temporal
from cli.console import one_line
from errors import RetryNow, Unreachable
from reconciler import telling
from schema.rights import check_rights
from store import job_pauses, job_signals
from store.database import Database


class Temporal(NamedTuple):
    """A client that is connected to Temporal, the search attributes that the namespace has, and the task queue of
    workflows.
    """

    client: Client
    search_attributes: frozenset[str]
    task_queue: str


@asynccontextmanager
async def open_database() -> AsyncIterator[Database]:
    """Opens a pool of connections, and closes the pool when the context ends. Raises `BadInput` if the database role
    lacks rights that this release needs.
    """
    async with Database(settings.load(settings.Database).database_url, size=2) as database:
        async with database.transaction() as connection:
            await check_rights(connection)
        yield database


async def connect_temporal() -> Temporal:
    """Connects to Temporal, and registers search attributes that its namespace lacks. The settings of Postgres are
    checked before that, so that a command with a wrong setting changes nothing.

    Raises `BadInput` for a wrong setting, and `Unreachable` if Temporal does not answer.
    """
    settings.load(settings.Database)
    queue = settings.load(settings.Temporal).temporal_task_queue
    client = await temporal.connect()
    return Temporal(client, await temporal.register_search_attributes(client), queue)


async def signal_job(at: Temporal, database: Database, job_id: str) -> None:
    """Signals a committed job to its workspace's workflow. If Temporal or Postgres does not answer, prints that the job
    will be signaled later. The reconciler then does so.
    """
    async with database.transaction() as connection:
        unheard = await job_signals.unheard(connection, job_id=job_id)
    try:
        for job in unheard:
            await telling.signal(at.client, database, job, usable=at.search_attributes, task_queue=at.task_queue)
    except (Unreachable, RetryNow) as error:
        print(f"starter: job {job_id} is stored and will be signaled later: {one_line(error)}", file=sys.stderr)


async def signal_changes(client: Client, database: Database, job_id: str) -> None:
    """Signals a committed cancel, pause or resume to the workflow of the job's workspace, unless the workflow already
    knows of it.

    Raises `Unreachable` if Temporal does not answer. The request is committed by then, so the reconciler signals it
    later.
    """
    async with database.transaction() as connection:
        stopping = await job_signals.stopping(connection, job_id=job_id)
        pauses = await job_pauses.changes(connection, job_id=job_id)
    for job in stopping:
        await telling.stop(client, database, job)
    for change in pauses:
        await telling.tell_of_pause(client, database, change)
