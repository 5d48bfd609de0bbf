"""Orders the work: the task queue of each leg, and the order in which a queue hands out tasks.

Temporal orders tasks by priority, then shares workers among fairness keys by weight when it dispatches them. So slices
of a minute each take turns. Neither affects a workflow's history: all of it may change while jobs run.
"""

from temporalio.common import Priority

from messages import Leg

RETRY, RECENT, HISTORICAL = 2, 3, 4
"""Priorities, most urgent first. Somebody waits for a retry. Tasks without a priority, such as a job's beginning, have
3."""

WEIGHTS = {"free": 1.0, "starter": 2.0, "pro": 2.0, "team": 3.0, "enterprise": 4.0}
"""A workspace's weight by tier, used when workers are scarce; 1 for an unknown tier."""


def sweep_queue(task_queue: str, leg: Leg) -> str:
    """The task queue for sweeps of this leg; `task_queue` is that of workflows."""
    return f"{task_queue}-{leg}"


def priority(workspace_id: str, tier: str, leg: Leg, *, retry: bool) -> Priority:
    """The priority of a repository's workflow and of all its activities."""
    return Priority(
        priority_key=RETRY if retry else RECENT if leg == "recent" else HISTORICAL,
        fairness_key=workspace_id,
        fairness_weight=WEIGHTS.get(tier, 1.0),
    )
