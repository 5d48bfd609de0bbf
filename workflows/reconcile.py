"""The workflow that the schedule for reconciling with Polar starts."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from messages import RECONCILE, Reconciled
    from polar.schedule import ReconcileActivity

TIMEOUT = timedelta(minutes=30)
"""Time limit of one attempt. Polar's rate limits may stretch a long list."""
RETRY = RetryPolicy(initial_interval=timedelta(seconds=10), backoff_coefficient=3, maximum_attempts=5)
"""Retries for some minutes in all; then the schedule's next run follows."""


@workflow.defn(name=RECONCILE)
class ReconcileWorkflow:
    """Reconciles with Polar. The workflow fails if too many add-ons would have ended at once, so that an operator
    checks whether they should end.
    """

    @workflow.run
    async def run(self) -> Reconciled:
        reconciled = await workflow.execute_activity_method(
            ReconcileActivity.reconcile_with_polar, start_to_close_timeout=TIMEOUT, retry_policy=RETRY
        )
        workflow.set_current_details(
            f"{reconciled.listed} active subscriptions at Polar, {reconciled.active} active add-ons here:"
            f" **{reconciled.differences} differences, {reconciled.repaired} repaired**\n\n"
            + "\n".join(f"- {each}" for each in reconciled.said)
        )
        if reconciled.refused:
            raise ApplicationError(
                f"{reconciled.refused} of {reconciled.active} active add-ons would end, more than a tenth:"
                " if that is right, run starter.py reconcile --force",
                type="brake",
                non_retryable=True,
            )
        return reconciled
