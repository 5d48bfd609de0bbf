"""`starter.py archive` and `starter.py archive-status`."""

import sys
import time
from datetime import UTC, datetime

import settings
from cli.archive_estimate import archive_estimate
from cli.arguments import EventTypes, Moment, Repositories, Switch
from cli.connections import connect_temporal, open_database
from cli.console import console, one_line
from cli.screens.archive import MOST_NAMED, table_of_reading
from errors import BadInput, Unreachable
from reconciler.telling import start_archive
from store import archive_reads


async def archive(
    *,
    workspace: str,
    since: Moment,
    until: Moment,
    repo: Repositories = (),
    event_type: EventTypes = (),
    yes: Switch = False,
) -> int:
    """Show what it costs to read events from GH Archive that GitHub no longer shows. With --yes, read them.

    Parameters
    ----------
    workspace
        Its id or slug.
    since
        From this date or hour on (UTC): 2025-01-31 or 2025-01-31T09.
    until
        Up to this date or hour. The events of this hour itself are not read.
    repo
        Only this repository of the workspace (owner/name). May be repeated.
    event_type
        Only this type of events. Without it, all types that no other source gives. May be repeated.
    yes
        Start the reading, print its id and return.
    """
    url = settings.load(settings.Archive).gh_archive_url
    if url is None:
        raise BadInput("GH_ARCHIVE_URL", "missing: GH Archive is not read unless its address is set")
    first, last = _hours(since, until)
    # Before anything is asked of the archive: whatever is wrong is said at once.
    temporal = await connect_temporal() if yes else None
    async with open_database() as database:
        async with database.transaction() as connection:
            scope = await archive_reads.scope(connection, workspace, repo)
            rate = await archive_reads.bytes_per_second(connection)
        estimate = await archive_estimate(url, first, last, rate)
        types = ", ".join(sorted(set(event_type))) or "all event types that no other source gives"
        names = ", ".join(each.full_name for each in scope.repositories[:MOST_NAMED])
        more = len(scope.repositories) - MOST_NAMED
        lines = [
            f"GH Archive for {scope.workspace_name}: {types}",
            f"of {names}" + (f" and {more} more" if more > 0 else ""),
            *(f"not of {name}: its GitHub id is not known" for name in scope.unnumbered),
            *estimate,
        ]
        print(*lines, sep="\n", file=sys.stderr if yes else sys.stdout)
        if temporal is None:
            print("nothing was read; run again with --yes to read it")
            return 0
        async with database.transaction() as connection:
            read_id = await archive_reads.ask_for(
                connection, scope, event_types=event_type, first_hour=first, last_hour=last
            )
        try:
            await start_archive(
                temporal.client,
                read_id,
                scope.workspace_id,
                scope.workspace_name,
                usable=temporal.search_attributes,
                task_queue=temporal.task_queue,
            )
        except Unreachable as error:
            print(f"starter: reading {read_id} is stored and will be started later: {one_line(error)}", file=sys.stderr)
        print(read_id)
    return 0


async def archive_status(read: str, /, *, json: Switch = False) -> int:
    """Show the progress of a reading of GH Archive.

    Exit code 1: the reading failed or was canceled.

    Parameters
    ----------
    read
        The reading's id, as `archive --yes` prints it.
    json
        As JSON.
    """
    async with open_database() as database, database.transaction() as connection:
        view = await archive_reads.look(connection, read)
    if json:
        print(view.model_dump_json(indent=2))
    else:
        console().print(table_of_reading(view))
    return 1 if view.status in ("failed", "canceled") else 0


def _hours(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """Returns the first and the last of the whole hours between two moments. Raises `BadInput` if there is no whole
    hour between them, or if GH Archive cannot have all of these hours.
    """
    from github.events.archive import FIRST_HOUR

    first = -(-since.timestamp() // 3_600)
    end = until.timestamp() // 3_600
    if first < FIRST_HOUR.timestamp() / 3_600:
        raise BadInput("--since", f"must be {FIRST_HOUR:%Y-%m-%d} or later: before, GH Archive's events have no ids")
    if end > time.time() // 3_600:
        raise BadInput("--until", "must not be later than the last full hour: the archive has only what is over")
    if first >= end:
        raise BadInput("--until", "must be a whole hour or more after --since")
    return datetime.fromtimestamp(first * 3_600, UTC), datetime.fromtimestamp((end - 1) * 3_600, UTC)
