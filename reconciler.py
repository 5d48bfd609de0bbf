"""Keeps Postgres and Temporal of one mind about jobs, whichever of them was away and whoever was killed in between.

A job that was committed and never heard is signaled. A job whose workflow is gone (termination and crashes run no code)
is signaled again if it had not begun, and ended with the reason if it had; so is a reading of GH Archive. A workflow is
told which of its jobs is to stop. Add-ons lapse, and workspaces and repositories that come, go or change hands are
followed (`polar.purchases.follow`). Runs in every worker and webhook server.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Literal

import structlog
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import Priority, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

import temporal
from errors import BadInput, RetryNow, Unreachable
from messages import (
    ARCHIVE,
    WORKSPACE_BACKFILL,
    ArchiveRead,
    Cancel,
    Failure,
    Pause,
    Resume,
    Retry,
    WorkspaceBackfill,
    archive_workflow_id,
    workspace_workflow_id,
)
from paused_slices import PausedSliceWatch
from polar import purchases, reconciliation
from store import archive_reads, budgets, job_estimates, job_pauses, job_signals
from store.addon_jobs import Listed
from store.database import Connection, Database
from store.job_pauses import PauseChange
from store.job_signals import Open, Stopping, Unheard

INTERVAL = timedelta(seconds=1)
QUIET = timedelta(seconds=3)
"""A workflow that ends and leaves its job pending is started again no more often than this."""
FOLLOWED = timedelta(seconds=5)
"""How often add-ons that lapsed are looked for, and workspaces and repositories that came, went or changed hands."""
FORGETTING = timedelta(hours=1)
REQUESTS_KEPT = timedelta(days=7)
"""For so long it can be looked up what a request cost; every hour older ones are forgotten."""
ANSWER = timedelta(seconds=5)
"""How long Temporal may take for one answer."""
TURN = timedelta(seconds=6)
"""For how long one process alone compares jobs with Temporal: an answer, and what is written after it."""
DESCRIBED_AT_ONCE = 10

log = structlog.get_logger(__name__)


async def signal(client: Client, database: Database, job: Unheard, *, usable: Collection[str], task_queue: str) -> None:
    """Tells Temporal of a committed job, whether its workspace's workflow runs or not, and notes that it heard.

    Hearing of a job twice does no harm. Raises `Unreachable` if Temporal does not answer.
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
    """Tells a workspace's workflow to stop a job at the boundary of a page, and notes that it heard.

    A workflow that is gone hears nothing; its job is ended elsewhere. Raises `Unreachable` if Temporal does not answer.
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
    """Tells a workspace's workflow that a job was paused or goes on, and notes that it heard.

    A workflow that is gone holds no job; the next one reads the row. Raises `Unreachable` if Temporal does not answer.
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
    """Starts a committed reading of GH Archive; one that was started before stays. Raises `Unreachable`."""
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


def unreachable(error: RPCError) -> Unreachable:
    """What an answer of Temporal's that is none means to a person."""
    return Unreachable("temporal_unreachable", f"Temporal: {error.status.name.lower()}: {error.message[:300]}")


@dataclass(frozen=True)
class Life:
    """What Temporal says of a workspace's workflow: `end` is how it ended, None while it runs."""

    first_run_id: str | None
    end: str | None

    def carries(self, job: Open) -> bool:
        """Whether it runs, in the chain of runs that heard of the job (where both are known)."""
        known = self.first_run_id and job.first_run_id
        return self.end is None and (not known or self.first_run_id == job.first_run_id)


async def describe(client: Client, workspace_id: str) -> Life:
    """Raises `Unreachable` if Temporal does not answer."""
    return await _life(client, workspace_workflow_id(workspace_id))


async def _life(client: Client, workflow_id: str) -> Life:
    handle = client.get_workflow_handle(workflow_id)
    try:
        described = await handle.describe(rpc_timeout=ANSWER)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return Life(first_run_id=None, end="gone")
        raise unreachable(error) from error
    running = described.status in (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CONTINUED_AS_NEW)
    end = None if running or described.status is None else described.status.name.lower()
    return Life(first_run_id=described.raw_info.first_run_id or None, end=end)


async def lost(client: Client, database: Database) -> list[str]:
    """Open jobs whose workflow does not carry them, in words. Changes nothing. Raises `Unreachable`."""
    async with database.transaction() as connection:
        heard = await job_signals.heard_and_open(connection, quiet=QUIET)
    lives = await _describe_all(client, sorted({job.workspace_id for job in heard}))
    return [
        f"job {job.job_id}: {job.status.replace('_', ' ')}, and its workflow {_how(lives[job.workspace_id])}"
        for job in heard
        if not lives[job.workspace_id].carries(job)
    ]


class Reconciler:
    """One a process. Temporal may be away when it starts; it is looked for as long as it runs."""

    def __init__(self, database: Database, *, task_queue: str, client: Client | None = None) -> None:
        self._database = database
        self._task_queue = task_queue
        self._client = client
        self._usable: frozenset[str] | None = None
        self._hurried = asyncio.Event()
        self._trouble: str | None = None
        self._followed_at = -FOLLOWED.total_seconds()
        self._looked_to: Listed | None = None
        self._forgot_at = monotonic()
        self._paused_slices = PausedSliceWatch(task_queue)

    @property
    def trouble(self) -> str | None:
        """What is out of reach since the last round, None if nothing is."""
        return self._trouble

    def hurry(self) -> None:
        """A job was committed just now."""
        self._hurried.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop`. What is out of reach is logged once an outage, and nothing is changed meanwhile."""
        stopped = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                self._hurried.clear()
                await self._attempt()
                hurried = asyncio.ensure_future(self._hurried.wait())
                await asyncio.wait(
                    (stopped, hurried), timeout=INTERVAL.total_seconds(), return_when=asyncio.FIRST_COMPLETED
                )
                hurried.cancel()
        finally:
            stopped.cancel()

    async def _attempt(self) -> None:
        try:
            await self.reconcile()
        except (Unreachable, RetryNow, BadInput) as error:
            if self._trouble is None:
                log.warning("jobs wait for a server", error=str(error))
            self._trouble = str(error)
        except Exception as error:
            # A bug here must not take the process with it: what it serves besides goes on, and this is tried again.
            if self._trouble is None:
                log.exception("jobs cannot be reconciled")
            self._trouble = f"{type(error).__name__}: {error}"
        else:
            if self._trouble is not None:
                log.info("jobs are reconciled again")
            self._trouble = None

    async def reconcile(self) -> None:
        """One round. Raises `Unreachable` (Temporal) or `RetryNow` (Postgres)."""
        # An add-on ends, and what it paid for stops to be kept, whether Temporal is there or not.
        await self._follow_addons()
        if self._client is None:
            self._client = await temporal.connect()
        if self._usable is None:
            self._usable = await temporal.register_search_attributes(self._client)
        await self._compare(self._client)
        async with self._database.transaction() as connection:
            stopping = await job_signals.stopping(connection)
            pauses = await job_pauses.changes(connection)
            waiting = await job_signals.unheard(connection)
        for each in stopping:
            await stop(self._client, self._database, each)
        for change in pauses:
            await tell_of_pause(self._client, self._database, change)
        for job in waiting:
            await signal(self._client, self._database, job, usable=self._usable, task_queue=self._task_queue)
        try:
            await self._paused_slices.look(self._client)
        except RPCError as error:
            raise unreachable(error) from error
        if monotonic() - self._forgot_at >= FORGETTING.total_seconds():
            self._forgot_at = monotonic()
            await budgets.forget(self._database, REQUESTS_KEPT)
            async with self._database.transaction() as connection:
                await reconciliation.forget(connection)

    async def _follow_addons(self) -> None:
        if monotonic() - self._followed_at < FOLLOWED.total_seconds():
            return
        async with self._database.transaction() as connection:
            followed = await purchases.follow(connection, datetime.now(UTC), self._looked_to)
        if followed is None:
            return  # another process is at it
        self._followed_at, self._looked_to = monotonic(), followed.looked_to
        if followed.job_ids or followed.stopped:
            log.info("add-ons followed", jobs=followed.job_ids, stopped=followed.stopped)

    async def _compare(self, client: Client) -> None:
        """Ends what lost its workflow, and counts what is in progress; one process at a time.

        No transaction is open while Temporal is asked: rows are compared again where they are written.
        """
        async with self._database.transaction() as connection:
            turn = await job_signals.take_turn(connection, TURN)
        if turn is None:
            return
        try:
            await self._compare_jobs(client)
            await self._compare_archive(client)
            async with self._database.transaction() as connection:
                await job_estimates.estimate(connection)
        finally:
            async with self._database.transaction() as connection:
                await job_signals.end_turn(connection, turn)

    async def _compare_jobs(self, client: Client) -> None:
        async with self._database.transaction() as connection:
            heard = await job_signals.heard_and_open(connection, quiet=QUIET)
        lives = await _describe_all(client, list(dict.fromkeys(job.workspace_id for job in heard)))
        for job in heard:
            if not lives[job.workspace_id].carries(job):
                async with self._database.transaction() as connection:
                    await _give_up(connection, job, lives[job.workspace_id])

    async def _compare_archive(self, client: Client) -> None:
        """A reading whose workflow never was is started; one whose workflow is gone has failed."""
        async with self._database.transaction() as connection:
            silent = await archive_reads.silent(connection, quiet=QUIET)
        for read in silent:
            life = await _life(client, archive_workflow_id(read.id))
            if life.end == "gone" and read.status == "pending":
                await start_archive(
                    client,
                    read.id,
                    read.workspace_id,
                    read.workspace_name,
                    usable=self._usable or (),
                    task_queue=self._task_queue,
                )
            elif life.end is not None:
                since = f"{read.next_hour.astimezone(UTC):%Y-%m-%dT%H}"
                failure = Failure(
                    code=f"workflow_{life.end}",
                    message=f"the workflow {_ENDS.get(life.end, life.end)} before the reading was over",
                    action=f"what is stored stays: read again with --since {since}",
                    error_class="job_over",
                    at=datetime.now(UTC),
                )
                status: Literal["failed", "canceled"] = "canceled" if life.end == "canceled" else "failed"
                async with self._database.transaction() as connection:
                    await archive_reads.end(connection, read.id, status, failure)
                log.warning("a reading of the archive lost its workflow", read=read.id, workflow=life.end)


async def _describe_all(client: Client, workspace_ids: Sequence[str]) -> dict[str, Life]:
    places = asyncio.Semaphore(DESCRIBED_AT_ONCE)

    async def one(workspace_id: str) -> Life:
        async with places:
            return await describe(client, workspace_id)

    lives = await asyncio.gather(*map(one, workspace_ids))
    return dict(zip(workspace_ids, lives, strict=True))


async def _give_up(connection: Connection, job: Open, life: Life) -> None:
    if job.status == "pending":
        if await job_signals.forget(connection, job):
            log.warning("a pending job lost its workflow", job=job.job_id, workflow=life.end or "replaced")
        return
    status = await job_signals.abandon(connection, job, _reason(job, life))
    if status:
        log.warning("a job in progress lost its workflow", job=job.job_id, workflow=life.end or "replaced", now=status)


_ENDS = {
    "terminated": "was terminated in Temporal",
    "timed_out": "timed out in Temporal",
    "canceled": "was canceled in Temporal",
    "failed": "failed in Temporal",
    "completed": "ended in Temporal",
    "gone": "is not known to Temporal any more",
}


def _how(life: Life) -> str:
    return _ENDS.get(life.end, f"is {life.end} in Temporal") if life.end else "was replaced in Temporal by another one"


def _reason(job: Open, life: Life) -> Failure:
    return Failure(
        code=f"workflow_{life.end or 'replaced'}",
        message=f"the workflow {_how(life)} while the job was in progress",
        action=f"`starter.py retry {job.job_id}` resumes at the committed cursors",
        error_class="job_over",
        at=datetime.now(UTC),
    )
