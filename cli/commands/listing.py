"""`starter.py list`."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from rich.console import RenderableType

from cli.arguments import Switch
from cli.connections import open_database
from cli.console import console, print_json
from cli.screens import lists
from errors import BadInput
from progress.views import JobSummary
from store import deliveries, job_views, outbox
from store.deliveries import Unprocessed
from store.outbox import Unsent

MOST_LISTED = 50


async def list_(*, unprocessed: Switch = False, unsent: Switch = False, json: Switch = False) -> int:
    """List the latest jobs, newest first. With an option, list waiting deliveries or unsent notifications instead.

    Parameters
    ----------
    unprocessed
        List Polar's deliveries that are not processed yet, oldest first, each with its latest error.
    unsent
        List e-mails and calls of the host's webhook that wait or were given up, newest first, each with its latest
        error.
    json
        As JSON.
    """
    if unprocessed and unsent:
        raise BadInput("--unsent", "lists something else than --unprocessed; ask for one of them")
    async with open_database() as database, database.transaction() as connection:
        if unprocessed:
            waiting = await deliveries.unprocessed(connection, limit=MOST_LISTED)
            return _show(waiting, list[Unprocessed], lists.deliveries, "every delivery is finished", as_json=json)
        if unsent:
            kept = await outbox.unsent(connection, limit=MOST_LISTED)
            return _show(kept, list[Unsent], lists.unsent, "every notification is sent", as_json=json)
        jobs = await job_views.recent(connection, limit=MOST_LISTED)
    return _show(jobs, list[JobSummary], lists.jobs, "no backfills yet", as_json=json)


Row = TypeVar("Row")


def _show(
    rows: Sequence[Row],
    kind: type[list[Row]],
    table: Callable[[Sequence[Row]], RenderableType],
    none: str,
    *,
    as_json: bool,
) -> int:
    if as_json:
        print_json(rows, kind)
    else:
        console().print(table(rows) if rows else none)
    return 0
