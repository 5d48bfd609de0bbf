"""One worker: a process that polls task queues, and runs workflows and activities until a signal stops it.

Any number of workers may run. `WORKER_QUEUES` says which queues a worker polls. After SIGTERM or SIGINT a worker stops
at the next page boundaries. SIGKILL loses no data either, because every page is committed in one transaction.

Settings, from the environment or a file .env: docs/settings.md.
Exit codes: 0 stopped by a signal, 2 a setting is missing or wrong, 3 a server cannot be reached.
"""

import asyncio
import gc
import hashlib
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import structlog
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig

import logs
import process
import settings
import temporal
from activities import measures
from activities.archive import ArchiveActivities
from activities.jobs import JobActivities
from activities.sweep import SweepActivity
from activities.turn import Sources
from budget.account import Ask, Told
from budget.breaker import Intervals
from budget.prices import Prices
from errors import BackfillError, Unreachable
from github.client import GitHub
from github.events.archive import Archive
from github.transport.connection import TIMEOUT_SECONDS
from github.transport.credentials import App, Credentials
from messages import Pace
from polar.api import PolarApi
from polar.schedule import ReconcileActivity, ensure_schedule
from reconciler.loop import Reconciler
from schema.rights import check_rights
from store import embeddings
from store.availability import SharedBreaker
from store.budgets import Budgets
from store.database import Database
from workflows.archive import ArchiveWorkflow
from workflows.order import sweep_queue
from workflows.reconcile import ReconcileWorkflow
from workflows.repository_backfill import RepositoryBackfillWorkflow
from workflows.workspace_backfill import WorkspaceBackfillWorkflow

if TYPE_CHECKING:
    from embedding.client import Embedder
    from traces import Traces

log = structlog.get_logger("worker")

HEARTBEAT_THROTTLE = timedelta(seconds=5)
"""Greatest age of the cursor that people see in Temporal."""
INTRODUCTION_SECONDS = 5.0
"""Time limit for the look-up of accounts at the start, so that a worker starts to poll even if
GitHub does not answer."""


LOOK_SECONDS = 1.0
"""Interval at which a worker checks whether Temporal still answers it."""


def build_id() -> str:
    """Returns a hash of the code of workflows and messages. If the worker is not versioned, Temporal records the hash
    with each decision of a workflow.

    The SDK could make such a hash itself. But it would read every module of every package, which takes most of the time
    that a worker needs to start.
    """
    root = Path(__file__).parent
    decides = hashlib.sha256()
    for path in (*sorted((root / "messages").glob("*.py")), *sorted((root / "workflows").glob("*.py"))):
        decides.update(path.read_bytes())
    return decides.hexdigest()


def build(
    client: Client,
    database: Database,
    github: GitHub,
    embedder: "Embedder | None",
    archive: Archive | None,
    reconciling: ReconcileActivity,
    worker: settings.Worker,
    task_queue: str,
    search_attributes: frozenset[str],
    versioning: settings.Versioning,
) -> list[Worker]:
    """Returns one Temporal worker for each task queue that this process polls, with the queue's workflows and
    activities. All workers share the connections.
    """
    pace = Pace(
        heartbeat_timeout_seconds=worker.heartbeat_timeout_seconds,
        slice_seconds=worker.slice_seconds,
        slice_pages=worker.slice_pages,
        repositories_at_once=worker.repositories_at_once,
        worker_patience_seconds=worker.worker_patience_seconds,
    )
    jobs = JobActivities(database, github, pace, search_attributes, embeds=embedder is not None)
    apart = timedelta(seconds=worker.deletions_confirmed_after_seconds)
    sweeps = SweepActivity(Sources(database, github, embedder, apart, worker.shutdown_seconds))
    archives = ArchiveActivities(database, archive, pace, search_attributes)
    # In older releases sweeps used the queue of workflows. Sweeps that wait there are still done.
    data: list[Callable[..., Any]] = [sweeps.sweep, archives.read_archive]
    decisions: list[Callable[..., Any]] = [
        *(
            jobs.begin_job,
            jobs.next_repositories,
            jobs.survey_repositories,
            jobs.survey_page,
            jobs.repositories_that_may_go_on,
        ),
        jobs.inspect_repository,
        *(jobs.record_repository, jobs.finish_job, jobs.carry_out_signal, jobs.free_places),
        *(archives.begin_archive, archives.end_archive, reconciling.reconcile_with_polar),
    ]
    runs: dict[settings.WorkerQueue, tuple[str, list[type], list[Callable[..., Any]]]] = {
        "workflows": (
            task_queue,
            [WorkspaceBackfillWorkflow, RepositoryBackfillWorkflow, ArchiveWorkflow, ReconcileWorkflow],
            [*decisions, *data],
        ),
        "recent": (sweep_queue(task_queue, "recent"), [], [sweeps.sweep]),
        "historical": (sweep_queue(task_queue, "historical"), [], data),
    }
    # By default the SDK sends heartbeats at 80 % of the timeout. Then one that is a little late is too late.
    throttle = min(HEARTBEAT_THROTTLE, timedelta(seconds=worker.heartbeat_timeout_seconds / 4))
    deployment = _deployment(versioning)
    decided_by = None if deployment else build_id()
    return [
        Worker(
            client,
            task_queue=queue,
            workflows=workflows,
            activities=activities,
            build_id=decided_by,
            deployment_config=deployment,
            max_concurrent_activities=worker.activities_at_once,
            max_heartbeat_throttle_interval=throttle,
            default_heartbeat_throttle_interval=throttle,
            graceful_shutdown_timeout=timedelta(seconds=worker.shutdown_seconds),
        )
        for queue, workflows, activities in (runs[each] for each in worker.worker_queues)
    ]


def _deployment(versioning: settings.Versioning) -> WorkerDeploymentConfig | None:
    """Returns the deployment and the build of this worker, or None if the worker is not versioned.

    A workflow is not bound to the build that began it: it continues on the current build. That is safe, because
    `workflow.patched` guards each change of its shape. It is also necessary, because some workflows run for years.
    """
    name, build = versioning.temporal_deployment_name, versioning.temporal_worker_build_id
    if not name or not build:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=name, build_id=build),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


async def work(stop: asyncio.Event) -> None:
    """Reads the settings, connects, and works until `stop` is set. Raises `Unreachable` once Temporal has been silent
    for `TEMPORAL_SILENCE_SECONDS`, because this process would then get no more work.
    """
    settings.check(
        *(settings.Worker, settings.Temporal, settings.Database, settings.GitHub, settings.Embeddings),
        *(settings.PolarApi, settings.Archive, settings.Versioning, settings.Payloads, settings.Metrics),
        settings.Traces,
    )
    worker_setting = settings.load(settings.Worker)
    task_queue = settings.load(settings.Temporal).temporal_task_queue
    database_setting = settings.load(settings.Database)
    github_setting = settings.load(settings.GitHub)
    embeddings_setting = settings.load(settings.Embeddings)
    polar_setting = settings.load(settings.PolarApi)
    archive_url = settings.load(settings.Archive).gh_archive_url
    versioning = settings.load(settings.Versioning)
    for secret in (embeddings_setting.key, polar_setting.token):
        logs.register_secret(secret or "")
    size = worker_setting.activities_at_once * len(worker_setting.worker_queues) + 2
    async with AsyncExitStack() as stack:
        traced = await stack.enter_async_context(process.traced("worker"))
        interceptors = [traced.interceptor] if traced else []
        client = await temporal.connect(temporal.measured_runtime(), interceptors=interceptors)
        database = await stack.enter_async_context(Database(database_setting.database_url, size=size))
        async with database.transaction() as connection:
            await check_rights(connection)
            await embeddings.check_dimensions(connection, embeddings_setting.embedding_dimensions)
        github = await _github(stack, github_setting, database, traced)
        archive = await _archive(stack, archive_url, github_setting, database) if archive_url else None
        embedder = await _embedder(stack, embeddings_setting)
        polar = await _polar(stack, polar_setting, database)
        search_attributes = await temporal.register_search_attributes(client)
        if polar_setting.token is not None:
            await ensure_schedule(client, task_queue)
        reconciler = Reconciler(database, task_queue=task_queue, client=client)
        workers = build(
            client,
            database,
            github,
            embedder,
            archive,
            polar,
            worker_setting,
            task_queue,
            search_attributes,
            versioning,
        )
        reconciling = asyncio.create_task(reconciler.run(stop))
        # Objects that exist by now stay. Full garbage collections, which stop the event loop, need not look at them
        # again.
        gc.collect()
        gc.freeze()
        running = [asyncio.create_task(each.run()) for each in workers]
        log.info(temporal.encryption_in_words())
        log.info("polling", task_queues=[each.task_queue for each in workers], namespace=client.namespace)
        # If one of the workers cannot go on, the process ends, and its supervisor starts it again.
        stopping = asyncio.create_task(stop.wait())
        limit, ended = timedelta(seconds=worker_setting.temporal_silence_seconds), set[asyncio.Task[Any]]()
        while not ended and reconciler.silence < limit:
            ended, _ = await asyncio.wait(
                [stopping, *running], timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
        silent = None if ended else reconciler.trouble
        stop.set()
        log.info("stopping")
        await asyncio.gather(*(each.shutdown() for each in workers))
        await asyncio.gather(*running)
        await reconciling
    if silent:
        raise Unreachable("temporal_silent", f"no work for {limit.total_seconds():g} s: {silent}")
    log.info("stopped")


async def _github(
    stack: AsyncExitStack, setting: settings.GitHub, database: Database, traced: "Traces | None"
) -> GitHub:
    prices = Prices()

    def ended(account: str, ask: Ask, told: Told) -> None:
        measures.request_ended(account, ask, told)
        if traced is not None:
            traced.request_ended(account, ask, told)

    pool = Budgets(database, setting.github_budget_share, prices, ended=ended)
    await pool.load_prices()
    every = timedelta(seconds=setting.github_probe_seconds)
    breaker = SharedBreaker(database, setting.github_api_url, Intervals(probe_every=every))
    app = None
    if setting.app is not None:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        app = App(session, setting.github_api_url, *setting.app)
    github = await stack.enter_async_context(
        GitHub(setting.github_api_url, setting.graphql_url, Credentials(setting.tokens, app), pool, prices, breaker)
    )
    try:
        async with asyncio.timeout(INTRODUCTION_SECONDS):
            await github.introduce()
    except (BackfillError, TimeoutError) as error:
        # The accounts are looked up again before the first request; until then jobs show that they wait for GitHub.
        log.warning("GitHub does not tell the accounts of the tokens yet", why=logs.redact(str(error)))
    return github


async def _archive(stack: AsyncExitStack, url: str, setting: settings.GitHub, database: Database) -> Archive:
    every = timedelta(seconds=setting.github_probe_seconds)
    return await stack.enter_async_context(Archive(url, SharedBreaker(database, url, Intervals(probe_every=every))))


async def _polar(stack: AsyncExitStack, setting: settings.PolarApi, database: Database) -> ReconcileActivity:
    if setting.token is None:
        log.info("POLAR_ACCESS_TOKEN is not set: Polar is not asked what webhooks may have missed")
        return ReconcileActivity(database, None, {})
    api = await stack.enter_async_context(PolarApi(setting.polar_api_url, setting.token))
    return ReconcileActivity(database, api, setting.polar_retention_products)


async def _embedder(stack: AsyncExitStack, setting: settings.Embeddings) -> "Embedder | None":
    if setting.key is None:
        log.warning("OPENAI_API_KEY is not set: embeddings are skipped")
        return None
    # Imported here, because the package openai takes half a second, and memory that other processes do not need.
    from embedding.client import Embedder

    return await stack.enter_async_context(
        Embedder(setting.key, setting.openai_base_url, setting.embedding_model, setting.embedding_dimensions)
    )


def main(arguments: Sequence[str] = ()) -> int:
    """Runs the worker; returns the exit code of `process.run`."""
    return process.run("worker", __doc__, work, arguments)


if __name__ == "__main__":
    process.leave(main(sys.argv[1:]))
