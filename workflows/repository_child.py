"""Starts the workflow of one repository as a child of its job's workflow. Also records the outcome of a repository
whose workflow cannot record it.
"""

from temporalio import workflow
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    import temporal
    from activities.jobs import JobActivities
    from messages import (
        Failure,
        JobPlan,
        Leg,
        RepositoryBackfill,
        RepositoryOutcome,
        RepositoryRef,
        RepositoryTransition,
        TypeOutcome,
        repository_workflow_id,
    )
    from workflows import order, retries
    from workflows.failures import failure_of
    from workflows.repository_backfill import RepositoryBackfillWorkflow
    from workflows.shape_changes import FOLLOWS_RESET

LAST_WORD = 1_000_000
"""The number of a transition that the parent records for a child that could not record it itself."""
FORMER_RUN_SECONDS = (1, 2, 5, 10, 30, 60, 60, 60)
"""Seconds between checks whether the workflow that an earlier run of the job started has stopped at its page."""

Child = workflow.ChildWorkflowHandle[RepositoryBackfillWorkflow, RepositoryOutcome]


async def start(plan: JobPlan, repository: RepositoryRef, leg: Leg) -> Child:
    """Starts the repository's workflow. A workflow with the same id that still runs is first asked to give way.

    Raises `WorkflowAlreadyStartedError` if that workflow still runs after some minutes.
    """
    down_to = plan.recent_since if leg == "recent" else None
    since = f"{plan.cutoff_at:%Y-%m-%d %H:%M} UTC"
    # Who keeps the names of repositories from Temporal has uuids (docs/decisions/0022-payload-encryption.md).
    name = repository.name_at_start if temporal.REPOSITORY_FULL_NAME.name in plan.search_attributes else ""
    workflow_id = repository_workflow_id(plan.job_id, repository.repository_id, name)
    for pause in (*FORMER_RUN_SECONDS, None):
        try:
            return await workflow.start_child_workflow(
                RepositoryBackfillWorkflow.run,
                RepositoryBackfill(
                    job_id=plan.job_id,
                    workspace_id=plan.workspace_id,
                    attempt=plan.attempt,
                    repository=repository,
                    cutoff_at=plan.cutoff_at,
                    retention_days=plan.retention_days,
                    data_types=plan.data_types,
                    pace=plan.pace,
                    search_attributes=plan.search_attributes,
                    leg=leg,
                    down_to=down_to,
                    tier=plan.tier,
                ),
                id=workflow_id,
                cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
                static_summary=repository.full_name,
                static_details=f"{plan.retention_days} days, since {since}"
                + (f"; this is the recent leg, since {down_to:%Y-%m-%d %H:%M} UTC" if down_to else ""),
                priority=order.priority(plan.workspace_id, plan.tier, leg, retry=plan.attempt > 0),
                search_attributes=temporal.attributes(
                    plan.search_attributes,
                    workspace_id=plan.workspace_id,
                    repository=repository.full_name,
                    status="in_progress",
                    retention_days=plan.retention_days,
                ),
            )
        except WorkflowAlreadyStartedError:
            if pause is None or not workflow.patched(FOLLOWS_RESET):
                raise
            # Our workflow was reset: its former run's children go on. What they have paid for is committed first.
            await _ask_to_give_way(workflow_id)
            await workflow.sleep(pause, summary=f"{repository.full_name}: a former run's workflow stops at its page")
    raise AssertionError("the last attempt returns or raises")


async def _ask_to_give_way(workflow_id: str) -> None:
    try:
        await workflow.get_external_workflow_handle(workflow_id).signal(RepositoryBackfillWorkflow.give_way)
    except FailureError as error:
        if is_cancelled_exception(error):
            raise


async def record_lost(plan: JobPlan, repository: RepositoryRef, error: FailureError) -> RepositoryOutcome:
    failure = Failure(
        code="canceled" if is_cancelled_exception(error) else "workflow_ended",
        message=f"the repository's workflow did not end by itself: {failure_of(error).message}"[:2_000],
        action="retry the job: it goes on at the committed cursors",
        error_class="bug",
        repository=repository.full_name,
    )
    types = [TypeOutcome(data_type=each, status="failed") for each in plan.data_types]
    return await _record(plan, RepositoryOutcome(repository=repository, status="failed", types=types, failure=failure))


async def record_canceled(plan: JobPlan, repository: RepositoryRef) -> RepositoryOutcome:
    """Records that this repository was canceled individually, and returns its outcome. The repository must have stopped
    before the call.
    """
    return await _record(plan, RepositoryOutcome(repository=repository, status="canceled"))


async def _record(plan: JobPlan, outcome: RepositoryOutcome) -> RepositoryOutcome:
    """Records an outcome that the child workflow cannot record itself, and returns the outcome."""
    await workflow.execute_activity_method(
        JobActivities.record_repository,
        RepositoryTransition(job_id=plan.job_id, attempt=plan.attempt, sequence=LAST_WORD, outcome=outcome),
        start_to_close_timeout=retries.MIRROR_TIMEOUT,
        retry_policy=retries.MIRROR,
        summary=f"{outcome.repository.full_name}: {outcome.status}",
    )
    return outcome
