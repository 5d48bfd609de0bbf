"""Jobs with two legs."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.common import Priority

from messages import (
    BeginJob,
    JobPlan,
    NextRepositories,
    RepositoryRef,
    Run,
    SliceResult,
    SweepSlice,
    WorkspaceBackfill,
    workspace_workflow_id,
)
from tests.support.workflows.pretence import DONE, Pretence
from workflows.workspace_backfill import WorkspaceBackfillWorkflow

RECENT_SINCE = datetime(2026, 6, 1, tzinfo=UTC)
LEG_OVER = SliceResult(outcome="waiting", waiting_for="next_leg")


async def in_two_legs(slice_: SweepSlice, _call: int) -> SliceResult:
    return LEG_OVER if slice_.down_to else DONE


@dataclass
class Jobs(Pretence):
    """Several jobs. Each belongs to the workspace that has its name."""

    of: dict[str, list[RepositoryRef]] = field(default_factory=dict)
    attempt: dict[str, int] = field(default_factory=dict)
    at_once: int = 10
    heartbeat_timeout_seconds: float = 30
    swept: list[tuple[str, str, str]] = field(default_factory=list)
    """(job, leg, repository) of each slice, in the order in which they began."""

    @activity.defn(name="begin_job")
    async def begin_job(self, job: BeginJob) -> JobPlan:
        plan = await super().begin_job(job)
        return plan.model_copy(
            update={
                "workspace_id": job.job_id,
                "recent_since": RECENT_SINCE,
                "attempt": self.attempt.get(job.job_id, 0),
                "total_repositories": len(self.of[job.job_id]),
                "pace": plan.pace.model_copy(
                    update={
                        "repositories_at_once": self.at_once,
                        "heartbeat_timeout_seconds": self.heartbeat_timeout_seconds,
                    }
                ),
            }
        )

    @activity.defn(name="next_repositories")
    async def next_repositories(self, page: NextRepositories) -> list[RepositoryRef]:
        return [
            each
            for each in self.of[page.job_id]
            if (page.after is None or each.repository_id > page.after)
            and (page.repository_ids is None or each.repository_id in page.repository_ids)
        ][: page.limit]

    @activity.defn(name="sweep")
    async def sweep(self, slice_: SweepSlice) -> SliceResult:
        leg = "recent" if slice_.down_to else "historical"
        self.swept.append((slice_.job_id, leg, slice_.repository.full_name))
        return await self.sweep_is(slice_, 0)

    def ended(self, job_id: str) -> int:
        """Returns how many repositories of the job have ended."""
        return sum(each.job_id == job_id and each.outcome.status == "completed" for each in self.recorded)


async def begin(client: Client, queue: str, job_id: str) -> WorkflowHandle[Any, Any]:
    """Signals a job, as the reconciler does; returns its workflow."""
    return await client.start_workflow(
        WorkspaceBackfillWorkflow.run,
        WorkspaceBackfill(workspace_id=job_id),
        id=workspace_workflow_id(queue + job_id),
        task_queue=queue,
        start_signal="run",
        start_signal_args=[Run(job_id=job_id)],
        priority=Priority(fairness_key=job_id),
    )
