"""Checks Temporal: whether it answers, whether it has the search attributes, and whether a worker polls each task
queue.
"""

from collections.abc import AsyncIterator

from temporalio.client import Client

import settings
import temporal
from cli.checks.finding import Finding, failure, ok, trouble, warning
from errors import BackfillError

QUEUES = {"workflows": "", "recent": "-recent", "historical": "-historical"}
"""What is polled -> the suffix of its task queue's name."""
_IDLE = {
    "workflows": "no job begins, goes on or ends",
    "recent": "nothing of the last 90 days is fetched",
    "historical": "nothing older than 90 days is fetched",
}


async def examine() -> AsyncIterator[Finding]:
    queue = settings.load(settings.Temporal).temporal_task_queue
    try:
        client = await temporal.connect()
        yield ok("Temporal", f"answers at {client.service_client.config.target_host}, namespace {client.namespace}")
        yield await _search_attributes(client)
        for kind, suffix in QUEUES.items():
            yield await _queue(client, kind, f"{queue}{suffix}")
    except BackfillError as error:
        to_do = "check that Temporal runs, and TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_TLS and TEMPORAL_API_KEY"
        yield trouble("Temporal", error, to_do)


async def _search_attributes(client: Client) -> Finding:
    refused = await temporal.refused_search_attributes(client)
    if not refused:
        return ok("search attributes", "the namespace has all of them")
    what = "; ".join(f"{name}: {why}" for name, why in refused.items())
    to_do = "a worker registers them when it starts, if it may; else `temporal operator search-attribute create`"
    return warning("search attributes", what[:300], to_do)


async def _queue(client: Client, kind: str, name: str) -> Finding:
    pollers = await temporal.pollers(client, name, workflows=kind == "workflows")
    if pollers:
        return ok(f"task queue {name}", f"{len(pollers)} {'worker polls' if len(pollers) == 1 else 'workers poll'} it")
    what = f"no worker polls it: {_IDLE[kind]}"
    to_do = f"start worker.py with TEMPORAL_TASK_QUEUE={name.removesuffix(QUEUES[kind])} and {kind} in WORKER_QUEUES"
    return failure(f"task queue {name}", what, to_do)
