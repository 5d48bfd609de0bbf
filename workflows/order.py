"""What goes before what: on which task queue a leg is swept, and in which order a queue hands out its tasks.

Temporal orders by priority, then shares among fairness keys by their weights, at dispatch: so it is slices that take
turns, a minute each. Neither is part of a workflow's shape: all of it may change while jobs run.
"""

from temporalio.common import Priority

from messages import Leg

RETRY, RECENT, HISTORICAL = 2, 3, 4
"""Somebody waits for a retry. 3 is what Temporal gives to those who say nothing, such as a job's beginning."""

WEIGHTS = {"free": 1.0, "starter": 2.0, "pro": 2.0, "team": 3.0, "enterprise": 4.0}
"""A workspace's share by its tier, where workers are short; 1 for a tier that is not known."""


def sweep_queue(task_queue: str, leg: Leg) -> str:
    """Where sweeps of this leg wait for a worker; `task_queue` is that of workflows."""
    return f"{task_queue}-{leg}"


def priority(workspace_id: str, tier: str, leg: Leg, *, retry: bool) -> Priority:
    """Of a repository's workflow and of all its activities."""
    return Priority(
        priority_key=RETRY if retry else RECENT if leg == "recent" else HISTORICAL,
        fairness_key=workspace_id,
        fairness_weight=WEIGHTS.get(tier, 1.0),
    )
