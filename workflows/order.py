"""Decides the order of the work: the task queue of each leg, and the priority of tasks within a queue.

Temporal hands out tasks by priority. Tasks of equal priority have a fairness key (the workspace) and a weight, by which
Temporal shares free workers between the keys. So the slices of several workspaces take turns. Priorities and keys may
change while jobs run, because they are not compared when a workflow's history is replayed.
"""

from temporalio.common import Priority

from messages import Leg

RETRY, RECENT, HISTORICAL = 2, 3, 4
"""Priorities, most urgent first. Somebody waits for a retry. Tasks without a priority, such as a job's beginning, have
3."""

WEIGHTS = {"free": 1.0, "starter": 2.0, "pro": 2.0, "team": 3.0, "enterprise": 4.0}
"""A workspace's weight by tier, used when workers are scarce; 1 for an unknown tier."""


def sweep_queue(task_queue: str, leg: Leg) -> str:
    """Returns the task queue for sweeps of this leg. `task_queue` is the task queue on which the workflows run."""
    return f"{task_queue}-{leg}"


def priority(workspace_id: str, tier: str, leg: Leg, *, retry: bool) -> Priority:
    """Returns the priority of a repository's workflow and of its activities. `tier` is the workspace's subscription
    tier.
    """
    return Priority(
        priority_key=RETRY if retry else RECENT if leg == "recent" else HISTORICAL,
        fairness_key=workspace_id,
        fairness_weight=WEIGHTS.get(tier, 1.0),
    )
