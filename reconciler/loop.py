"""The reconciler's loop, and one round of it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Literal

import structlog
from temporalio.client import Client, Interceptor
from temporalio.service import RPCError

import temporal
from errors import BadInput, RetryNow, Unreachable
from messages import Failure, archive_workflow_id
from polar import purchases, reconciliation
from reconciler.answers import unreachable
from reconciler.lives import ENDS, Life, describe_all, how, life_of
from reconciler.paused_slices import PausedSliceWatch
from reconciler.telling import signal, start_archive, stop, tell_of_pause
from rounds import Rounds
from store import archive_reads, budgets, job_estimates, job_pauses, job_signals
from store.addon_jobs import WorkspaceRepository
from store.database import Connection, Database
from store.job_signals import Open

INTERVAL = timedelta(seconds=1)
QUIET = timedelta(seconds=3)
"""Shortest time between two starts of a workflow that ends and leaves its job pending."""
FOLLOWED = timedelta(seconds=5)
"""Interval of checks for lapsed add-ons, and for workspaces and repositories that were added,
removed or handed over."""
FORGETTING = timedelta(hours=1)
REQUESTS_KEPT = timedelta(days=7)
"""How long the costs of single requests are kept; older ones are deleted every hour."""
COMPARISON_LEASE = timedelta(seconds=6)
"""How long one process has the sole right to compare jobs with Temporal: time for an answer and a write."""

log = structlog.get_logger(__name__)


async def lost(client: Client, database: Database) -> list[str]:
    """Returns a line of text for each open job that no workflow runs. Changes nothing. Raises `Unreachable` if Temporal
    does not answer.
    """
    async with database.transaction() as connection:
        heard = await job_signals.heard_and_open(connection, quiet=QUIET)
    lives = await describe_all(client, sorted({job.workspace_id for job in heard}))
    return [
        f"job {job.job_id}: {job.status.replace('_', ' ')}, and its workflow {how(lives[job.workspace_id])}"
        for job in heard
        if not lives[job.workspace_id].runs(job)
    ]


class Reconciler:
    """Reconciles jobs, one round a second. Each process has one reconciler. If Temporal does not answer, the next round
    tries again.
    """

    def __init__(
        self,
        database: Database,
        *,
        task_queue: str,
        client: Client | None = None,
        interceptors: Sequence[Interceptor] = (),
    ) -> None:
        """If `client` is None, the reconciler connects to Temporal itself, with these `interceptors`."""
        self._database = database
        self._interceptors = interceptors
        self._task_queue = task_queue
        self._client = client
        self._usable: frozenset[str] | None = None
        self._hurried = asyncio.Event()
        self._rounds = Rounds(
            log,
            waiting="jobs wait for a server",
            broken="jobs cannot be reconciled",
            again="jobs are reconciled again",
            waits_for=(Unreachable, RetryNow, BadInput),
        )
        self._heard_at = monotonic()
        """When Temporal last answered."""
        self._followed_at = -FOLLOWED.total_seconds()
        self._checked_to: WorkspaceRepository | None = None
        self._forgot_at = monotonic()
        self._paused_slices = PausedSliceWatch(task_queue)

    @property
    def trouble(self) -> str | None:
        """Why the last round failed, such as a server that did not answer. None if the last round succeeded."""
        return self._rounds.trouble

    @property
    def silence(self) -> timedelta:
        """How long Temporal has not answered. Zero if the last round succeeded. A round that failed for another reason,
        such as Postgres, sets the time back to zero.
        """
        return timedelta(seconds=monotonic() - self._heard_at) if self._rounds.error else timedelta()

    def hurry(self) -> None:
        """Lets the next round begin at once. To be called after a job was committed."""
        self._hurried.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs rounds until `stop` is set. Of several failed rounds in a row only the first is logged."""
        stopped = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                self._hurried.clear()
                with self._rounds.round():
                    await self.reconcile()
                if not isinstance(self._rounds.error, Unreachable | BadInput):
                    self._heard_at = monotonic()
                hurried = asyncio.ensure_future(self._hurried.wait())
                await asyncio.wait(
                    (stopped, hurried), timeout=INTERVAL.total_seconds(), return_when=asyncio.FIRST_COMPLETED
                )
                hurried.cancel()
        finally:
            stopped.cancel()

    async def reconcile(self) -> None:
        """Runs one round: tells Temporal of new jobs and of changes, and ends jobs whose workflow is gone. Raises
        `Unreachable` if Temporal does not answer, and `RetryNow` if Postgres does not answer.
        """
        # An add-on ends, and what it paid for stops to be kept, whether Temporal is there or not.
        await self._follow_addons()
        if self._client is None:
            self._client = await temporal.connect(interceptors=self._interceptors)
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
            followed = await purchases.follow(connection, datetime.now(UTC), self._checked_to)
        if followed is None:
            return  # another process is at it
        self._followed_at, self._checked_to = monotonic(), followed.checked_to
        if followed.job_ids or followed.stopped:
            log.info("add-ons followed", jobs=followed.job_ids, stopped=followed.stopped)

    async def _compare(self, client: Client) -> None:
        """Ends jobs and readings of GH Archive whose workflow is gone, and counts what jobs in progress have stored.
        Does nothing if another process is doing this.

        No transaction is open during requests to Temporal, so a row is checked again when it is written.
        """
        async with self._database.transaction() as connection:
            lease_ends_at = await job_signals.take_comparison_lease(connection, COMPARISON_LEASE)
        if lease_ends_at is None:
            return
        try:
            await self._compare_jobs(client)
            await self._compare_archive(client)
            async with self._database.transaction() as connection:
                await job_estimates.estimate(connection)
        finally:
            async with self._database.transaction() as connection:
                await job_signals.end_comparison_lease(connection, lease_ends_at)

    async def _compare_jobs(self, client: Client) -> None:
        async with self._database.transaction() as connection:
            heard = await job_signals.heard_and_open(connection, quiet=QUIET)
        lives = await describe_all(client, list(dict.fromkeys(job.workspace_id for job in heard)))
        for job in heard:
            if not lives[job.workspace_id].runs(job):
                async with self._database.transaction() as connection:
                    await _give_up(connection, job, lives[job.workspace_id])

    async def _compare_archive(self, client: Client) -> None:
        """Looks at unfinished readings of GH Archive that have shown no sign of life for `QUIET`. Starts the workflow
        of a pending reading if Temporal knows none. Ends any other reading whose workflow has ended or is unknown to
        Temporal.
        """
        async with self._database.transaction() as connection:
            silent = await archive_reads.silent(connection, quiet=QUIET)
        for read in silent:
            life = await life_of(client, archive_workflow_id(read.id))
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
                    message=f"the workflow {ENDS.get(life.end, life.end)} before the reading was over",
                    action=f"what is stored stays: read again with --since {since}",
                    error_class="job_over",
                    at=datetime.now(UTC),
                )
                status: Literal["failed", "canceled"] = "canceled" if life.end == "canceled" else "failed"
                async with self._database.transaction() as connection:
                    await archive_reads.end(connection, read.id, status, failure)
                log.warning("a reading of the archive lost its workflow", read=read.id, workflow=life.end)


async def _give_up(connection: Connection, job: Open, life: Life) -> None:
    if job.status == "pending":
        if await job_signals.forget(connection, job):
            log.warning("a pending job lost its workflow", job=job.job_id, workflow=life.end or "replaced")
        return
    status = await job_signals.abandon(connection, job, _reason(job, life))
    if status:
        log.warning("a job in progress lost its workflow", job=job.job_id, workflow=life.end or "replaced", now=status)


def _reason(job: Open, life: Life) -> Failure:
    return Failure(
        code=f"workflow_{life.end or 'replaced'}",
        message=f"the workflow {how(life)} while the job was in progress",
        action=f"`starter.py retry {job.job_id}` resumes at the committed cursors",
        error_class="job_over",
        at=datetime.now(UTC),
    )
