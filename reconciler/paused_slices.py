"""Tells repositories' workflows which of their slices somebody paused in Temporal (`temporal activity pause`).

Temporal tells neither the workflow nor a worker that an activity is paused. So the reconcilers ask Temporal for paused
activities, and tell the workflows. A workflow then shows in Postgres, in its details and in `BackfillStatus` that the
slice waits for an operator.
"""

from collections.abc import Mapping
from datetime import UTC, timedelta
from time import monotonic
from typing import get_args

import structlog
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from messages import REPOSITORY_BACKFILL, DataType, PausedSlice, PausedSlices
from reconciler.answers import ANSWER

LOOKED = timedelta(seconds=2)
MOST = 200
"""The most workflows with paused activities that are checked. Further ones are seen only in Temporal's list."""

log = structlog.get_logger(__name__)


class PausedSliceWatch:
    """Looks for paused slices. Each process has one watch. The watch remembers what it told each workflow, and tells a
    workflow only of changes. A repeated message does no harm.
    """

    def __init__(self, task_queue: str) -> None:
        self._query = (
            f"WorkflowType = '{REPOSITORY_BACKFILL}' AND ExecutionStatus = 'Running'"
            f" AND TaskQueue = '{task_queue}' AND TemporalPauseInfo IS NOT NULL"
        )
        self._told: dict[tuple[str, str], PausedSlices] = {}
        self._looked_at = -LOOKED.total_seconds()
        self._can_look = True

    async def look(self, client: Client) -> None:
        """Looks for paused slices, and tells workflows what has changed since the last look. Does nothing if the last
        look was less than `LOOKED` ago, or if Temporal is too old to list paused activities. Raises `RPCError` if
        Temporal fails to answer.
        """
        if not self._can_look or monotonic() - self._looked_at < LOOKED.total_seconds():
            return
        try:
            found = [
                (each.id, each.run_id)
                async for each in client.list_workflows(self._query, limit=MOST, rpc_timeout=ANSWER)
            ]
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT:
                raise
            self._can_look = False
            log.warning("Temporal is too old to say which activities are paused", why=error.message)
            return
        now = {key: await _paused(client, *key) for key in found}
        now |= {key: PausedSlices() for key in self._told.keys() - now.keys()}
        for key, slices in now.items():
            if slices != self._told.get(key, PausedSlices()):
                await _tell(client, *key, slices)
        self._told = {key: slices for key, slices in now.items() if slices.slices}
        # Only now: after a look that failed each round looks again, so that none takes Temporal for back unasked.
        self._looked_at = monotonic()


async def _paused(client: Client, workflow_id: str, run_id: str) -> PausedSlices:
    try:
        described = await client.get_workflow_handle(workflow_id, run_id=run_id).describe(rpc_timeout=ANSWER)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return PausedSlices()
        raise
    slices = [paused for each in described.raw_description.pending_activities if (paused := _slice(each))]
    return PausedSlices(slices=sorted(slices, key=lambda each: each.data_type))


TYPES: Mapping[str, DataType] = {each: each for each in get_args(DataType)}


def _slice(activity: PendingActivityInfo) -> PausedSlice | None:
    """Returns the paused slice that this activity runs, and who paused it. The data type of the slice is the activity's
    id. Returns None if the activity is no slice, is not paused, or still finishes its page.
    """
    data_type = TYPES.get(activity.activity_id)
    if data_type is None or activity.state != PendingActivityState.PENDING_ACTIVITY_STATE_PAUSED:
        return None
    by = activity.pause_info.manual
    return PausedSlice(
        data_type=data_type,
        since=activity.pause_info.pause_time.ToDatetime(tzinfo=UTC),
        who=by.identity[:200],
        why=by.reason[:200],
    )


async def _tell(client: Client, workflow_id: str, run_id: str, slices: PausedSlices) -> None:
    try:
        await client.get_workflow_handle(workflow_id, run_id=run_id).signal(
            "paused_in_temporal", slices, rpc_timeout=ANSWER
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return  # it has ended
    log.info(
        "workflow told of paused slices", workflow_id=workflow_id, paused=[each.data_type for each in slices.slices]
    )
