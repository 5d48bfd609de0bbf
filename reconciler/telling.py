"""Tells Temporal what was committed: jobs to run, to stop, to pause or to resume, and readings of GH Archive to start.

A message is sent outside any transaction, and recorded as heard afterwards. If the process dies in between, the message
is sent again, which does no harm.
"""

from collections.abc import Collection
from typing import Any

import structlog
from temporalio.client import Client, WorkflowHandle
from temporalio.common import Priority, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

import temporal
from messages import (
    ARCHIVE,
    WORKSPACE_BACKFILL,
    ArchiveRead,
    Cancel,
    Pause,
    Resume,
    Retry,
    WorkspaceBackfill,
    archive_workflow_id,
    workspace_workflow_id,
)
from reconciler.answers import ANSWER, unreachable
from store import job_pauses, job_signals
from store.database import Database
from store.job_pauses import PauseChange
from store.job_signals import Stopping, Unheard

log = structlog.get_logger(__name__)


async def signal(client: Client, database: Database, job: Unheard, *, usable: Collection[str], task_queue: str) -> None:
    """Signals a committed job to its workspace's workflow, and starts the workflow if it does not run. Records that
    Temporal has heard of the job.

    `usable` are the search attributes that Temporal has. A repeated signal does no harm. Raises `Unreachable` if
    Temporal does not answer.
    """
    try:
        handle: WorkflowHandle[Any, Any] = await client.start_workflow(
            WORKSPACE_BACKFILL,
            WorkspaceBackfill(workspace_id=job.workspace_id),
            id=workspace_workflow_id(job.workspace_id),
            task_queue=task_queue,
            start_signal="retry" if isinstance(job.message, Retry) else "run",
            start_signal_args=[job.message],
            search_attributes=temporal.attributes(
                usable, workspace_id=job.workspace_id, status="pending", retention_days=job.retention_days
            ),
            static_summary=f"Backfill of {job.workspace_name}"[:200],
            static_details=f"Workspace `{job.workspace_id}`; job `{job.job_id}` started it.",
            priority=Priority(fairness_key=job.workspace_id),
            rpc_timeout=ANSWER,
        )
    except RPCError as error:
        raise unreachable(error) from error
    async with database.transaction() as connection:
        await job_signals.heard(connection, job, first_run_id=handle.first_execution_run_id)
    log.info("job signaled", job=job.job_id, workspace=job.workspace_id, attempt=job.attempt)


async def stop(client: Client, database: Database, job: Stopping) -> None:
    """Signals a workspace's workflow to stop a job, or repositories of the job, at the end of a page. Records that the
    workflow has heard.

    The signal only names the job, and the workflow reads in the job's row what has to stop. If the workflow is gone,
    `reconciler.loop` ends the job. Raises `Unreachable` if Temporal does not answer.
    """
    handle = client.get_workflow_handle(workspace_workflow_id(job.workspace_id))
    try:
        await handle.signal("cancel", Cancel(job_id=job.job_id, attempt=job.attempt), rpc_timeout=ANSWER)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise unreachable(error) from error
        return
    async with database.transaction() as connection:
        await job_signals.heard_to_stop(connection, job)
    log.info("job told to stop", job=job.job_id, workspace=job.workspace_id, attempt=job.attempt)


async def tell_of_pause(client: Client, database: Database, change: PauseChange) -> None:
    """Signals a workspace's workflow that a job was paused or resumed, and records that the workflow has heard.

    If no workflow runs, nobody has to hear of the change, because the next workflow reads the job's row. Raises
    `Unreachable` if Temporal does not answer.
    """
    handle = client.get_workflow_handle(workspace_workflow_id(change.workspace_id))
    message = Pause if change.paused else Resume
    try:
        await handle.signal(
            "pause" if change.paused else "resume",
            message(job_id=change.job_id, attempt=change.attempt),
            rpc_timeout=ANSWER,
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise unreachable(error) from error
    async with database.transaction() as connection:
        await job_pauses.heard_of(connection, change)
    log.info("workflow told of a pause", job=change.job_id, workspace=change.workspace_id, paused=change.paused)


async def start_archive(
    client: Client,
    read_id: str,
    workspace_id: str,
    workspace_name: str,
    *,
    usable: Collection[str],
    task_queue: str,
) -> None:
    """Starts the workflow of a committed reading of GH Archive. Does nothing if the workflow has been started before.
    `usable` are the search attributes that Temporal has. Raises `Unreachable` if Temporal does not answer.
    """
    try:
        await client.start_workflow(
            ARCHIVE,
            ArchiveRead(read_id=read_id),
            id=archive_workflow_id(read_id),
            task_queue=task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=temporal.attributes(usable, workspace_id=workspace_id, status="pending"),
            static_summary=f"GH Archive for {workspace_name}"[:200],
            static_details=f"Workspace `{workspace_id}`; `starter.py archive-status {read_id}` shows more.",
            rpc_timeout=ANSWER,
        )
    except WorkflowAlreadyStartedError:
        return
    except RPCError as error:
        raise unreachable(error) from error
    log.info("reading of the archive started", read=read_id, workspace=workspace_id)
