"""Asks Temporal which workflows run, and how the ended workflows ended."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from messages import workspace_workflow_id
from reconciler.answers import ANSWER, unreachable
from store.job_signals import Open

DESCRIBED_AT_ONCE = 10


@dataclass(frozen=True)
class Life:
    """The state of a workflow. `end` is how the workflow ended, or None while the workflow runs."""

    first_run_id: str | None
    end: str | None

    def runs(self, job: Open) -> bool:
        """Returns whether the workflow is running and is the workflow to which the job was signaled. In that case, the
        workflow and the job have the same `first_run_id`. If the id of the workflow or of the job is None, the workflow
        only has to be running.
        """
        known = self.first_run_id and job.first_run_id
        return self.end is None and (not known or self.first_run_id == job.first_run_id)


async def describe(client: Client, workspace_id: str) -> Life:
    """Asks Temporal whether the workspace's workflow runs, and how it ended. Raises `Unreachable` if Temporal does not
    answer.
    """
    return await life_of(client, workspace_workflow_id(workspace_id))


async def life_of(client: Client, workflow_id: str) -> Life:
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


async def describe_all(client: Client, workspace_ids: Sequence[str]) -> dict[str, Life]:
    places = asyncio.Semaphore(DESCRIBED_AT_ONCE)

    async def one(workspace_id: str) -> Life:
        async with places:
            return await describe(client, workspace_id)

    lives = await asyncio.gather(*map(one, workspace_ids))
    return dict(zip(workspace_ids, lives, strict=True))


ENDS = {
    "terminated": "was terminated in Temporal",
    "timed_out": "timed out in Temporal",
    "canceled": "was canceled in Temporal",
    "failed": "failed in Temporal",
    "completed": "ended in Temporal",
    "gone": "is not known to Temporal any more",
}


def how(life: Life) -> str:
    """Returns how the workflow ended, as the end of a sentence, such as `was terminated in Temporal`."""
    return ENDS.get(life.end, f"is {life.end} in Temporal") if life.end else "was replaced in Temporal by another one"
