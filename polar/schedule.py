"""Reconciles with Polar every hour. Creates the Temporal Schedule, and defines the activity that the scheduled workflow
runs.
"""

from collections.abc import Mapping
from datetime import timedelta

import structlog
from temporalio import activity
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from errors import BackfillError, RetryNow, Unreachable
from messages import RECONCILE, Reconciled, reconcile_schedule_id
from polar.api import PolarApi
from polar.reconciliation import reconcile
from store.database import Database

EVERY = timedelta(hours=1)
CATCH_UP = timedelta(minutes=10)
"""A run that could not start for so long is skipped, since the next run finds the same."""
ANSWER = timedelta(seconds=5)

log = structlog.get_logger(__name__)


class ReconcileActivity:
    """The activity that reconciles with Polar. `api` is None if the worker has no access token for Polar."""

    def __init__(self, database: Database, api: PolarApi | None, products: Mapping[str, int]) -> None:
        self._database = database
        self._api = api
        self._products = products

    @activity.defn(name="reconcile_with_polar")
    async def reconcile_with_polar(self) -> Reconciled:
        """Reconciles the stored add-ons with Polar's subscriptions. Raises an ApplicationError, which is retryable if
        another attempt may succeed.
        """
        try:
            if self._api is None:
                raise RetryNow("no_token", "POLAR_ACCESS_TOKEN: missing on this worker", "set it for every worker")
            return (await reconcile(self._api, self._database, self._products)).to_message()
        except BackfillError as error:
            passing = isinstance(error, RetryNow | Unreachable)
            raise ApplicationError(str(error)[:2_000], type=error.code, non_retryable=not passing) from None


async def ensure_schedule(client: Client, task_queue: str) -> None:
    """Creates the Temporal Schedule that reconciles with Polar, or updates it to this release. A schedule that
    operators paused stays paused.

    Any number of processes may call this function. If Temporal refuses the schedule, the error is logged and not
    raised.
    """
    schedule = Schedule(
        action=ScheduleActionStartWorkflow(
            RECONCILE,
            id=reconcile_schedule_id(task_queue),
            task_queue=task_queue,
            static_summary="Add-ons beside Polar's list of active subscriptions",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=EVERY)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
    )

    def update(present: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule.state = present.description.schedule.state
        return ScheduleUpdate(schedule)

    schedule_id = reconcile_schedule_id(task_queue)
    try:
        try:
            await client.create_schedule(schedule_id, schedule, rpc_timeout=ANSWER)
        except ScheduleAlreadyRunningError:
            await client.get_schedule_handle(schedule_id).update(update, rpc_timeout=ANSWER)
    except RPCError as error:
        log.warning("Polar is not asked regularly", schedule=schedule_id, why=error.message[:300])
    else:
        log.info("Polar is asked regularly", schedule=schedule_id, seconds=EVERY.total_seconds())
