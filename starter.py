"""The operator's commands: `python starter.py --help`.

Exit codes: 0 done, 1 (`watch`, `status`) the job failed, was canceled or ended with failures, 2 bad input, 3 a server
cannot be reached, 130 interrupted. What is wrong is one line on standard error.
"""

import asyncio
import contextlib
import getpass
import inspect
import logging
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import asyncpg
from cyclopts import App, CycloptsError, Parameter
from pydantic import TypeAdapter
from rich.box import SIMPLE
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from temporalio.client import Client

import logs
import reconcile_command
import reconciler
import settings
import temporal
import unshown
import waits
from embedding.batches import TEXT_TOKENS
from errors import BackfillError, BadInput, PartOver, RetryLater, RetryNow, TooLarge, Unreachable
from messages import DataType, PartStatus
from rows import ThreadTable
from schema.migrate import migrate as migrate_database
from schema.rights import check_rights
from store import archive_reads, deliveries, embeddings, job_pauses, job_requests, job_signals, job_views, outbox
from store.archive_reads import ArchiveView
from store.database import Database
from store.deliveries import Unprocessed
from store.embeddings import Hit
from store.job_requests import Actor
from store.job_views import AddonView, JobSummary, JobView, RepositoryView, TypeView
from store.outbox import Unsent

INTERRUPTED = 130
MOST_DAYS = 36_500
LISTED = 50
MOST_HITS = 1_000
LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 30.0
"""How long `watch` waits for a Postgres that went away."""
SHOWN_AT_ONCE = 12
SAMPLES = 8
"""Files of the archive whose sizes are asked for, to estimate all of them."""
ASSUMED_BYTES_PER_SECOND = 20e6
"""Downloaded, until a reading has shown how fast it goes: unpacking alone was measured at 40 to 80 MB/s on one core."""

app = App(
    name="starter.py",
    help="Backfills of workspaces: start them, watch them, mend them.",
    version_flags=(),
    result_action="return_value",
)


def _whole(most: int) -> Callable[[Any, Sequence[Any]], int]:
    """Reads a whole number, written as one: Python and its parsers would also take 1_0, 1e3 or +5."""

    def read(_type: Any, tokens: Sequence[Any]) -> int:
        text = tokens[0].value
        if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= most:
            raise ValueError(f"must be a whole number from 1 to {most}")
        return int(text)

    return read


Days = Annotated[int, Parameter(converter=_whole(MOST_DAYS))]
Number = Annotated[int, Parameter(converter=_whole(MOST_HITS))]
Repositories = Annotated[tuple[str, ...], Parameter(name="--repo", negative=())]
DataTypes = Annotated[tuple[DataType, ...], Parameter(name="--type", negative=())]
ThreadTypes = Annotated[tuple[ThreadTable, ...], Parameter(name="--type", negative=())]


def _moment(_type: Any, tokens: Sequence[Any]) -> datetime:
    """A date or a moment in ISO 8601; without a zone it is UTC."""
    text = tokens[0].value
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or not re.match(r"\d{4}-\d{2}-\d{2}", text):
        raise ValueError("must be a date or an hour, as 2025-01-31 or 2025-01-31T09")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _event_type(_type: Any, tokens: Sequence[Any]) -> tuple[str, ...]:
    names = tuple(token.value for token in tokens)
    from github import archive as github  # here and below: no other command waits for GitHub's client to be loaded

    if unknown := [name for name in names if name not in github.EVENT_TYPES]:
        raise ValueError(f"{', '.join(unknown)} is none of {', '.join(github.EVENT_TYPES)}")
    return names


Moment = Annotated[datetime, Parameter(converter=_moment)]
EventTypes = Annotated[tuple[str, ...], Parameter(name="--event-type", negative=(), converter=_event_type)]
Switch = Annotated[bool, Parameter(negative=())]


# --- Commands ---------------------------------------------------------------------------------------------------------


@app.command
async def migrate(*, replace_host_keys: Switch = False) -> int:
    """Bring the database into the shape this release needs; repeatable.

    Parameters
    ----------
    replace_host_keys
        Drop the host's unique (github_id) of comments, under which two kinds of comments can collide.
    """
    at = settings.load(settings.Database)
    await migrate_database(
        at.direct_url,
        replace_host_keys=replace_host_keys,
        embedding_dimensions=settings.load(settings.Embeddings).embedding_dimensions,
        report=print,
    )
    return 0


@app.command
async def start(
    *,
    workspace: str,
    retention_days: Days | None = None,
    repo: Repositories = (),
    data_type: DataTypes = (),
    fresh: Switch = False,
) -> int:
    """Start a backfill, print its job's id and return.

    Parameters
    ----------
    workspace
        Its id or slug.
    retention_days
        How many days back: without it as many as were bought, else as many as the workspace keeps.
    repo
        Only this repository of the workspace (owner/name). May be repeated.
    data_type
        Only this data type. May be repeated.
    fresh
        Fetch everything again, also what earlier jobs have covered.
    """
    async with _temporal() as (client, usable, queue), _database() as database:
        async with database.transaction() as connection:
            job_id = await job_requests.ask_for(
                connection,
                workspace=workspace,
                actor=_actor(),
                retention_days=retention_days,
                repositories=repo,
                data_types=data_type,
                fresh=fresh,
            )
        await _tell(client, database, job_id, usable, queue)
        print(job_id)
    return 0


@app.command
async def status(reference: Annotated[str, Parameter(name="JOB|WORKSPACE")], /, *, json: Switch = False) -> int:
    """Show a job, or the latest of a workspace (id or slug), with everything that is known of it.

    Parameters
    ----------
    json
        As JSON.
    """
    async with _database() as database:
        job = await _read(database, await _find(database, reference))
    if json:
        print(job.model_dump_json(indent=2))
    else:
        console = _console()
        console.print(*_headlines(job), sep="\n")
        console.print(_table_of_parts(job))
        print(*_lines_of_unshown(job), sep="\n", end="\n" if job.unshown else "")
    return _exit_code(job)


@app.command
async def watch(reference: Annotated[str, Parameter(name="JOB|WORKSPACE")], /) -> int:
    """Show a job's progress until it has ended. Ctrl-C ends the watching, not the job."""
    async with _database() as database:
        job_id = await _find(database, reference)
        console = _console()
        show = _watch_on_screen if console.is_terminal else _watch_in_lines
        job = await show(console, _views(database, job_id))
        print(*_lines_of_unshown(job), sep="\n", end="\n" if job.unshown else "")
        return _exit_code(job)


@app.command
async def retry(job: str, /, *, repo: Repositories = (), data_type: DataTypes = ()) -> int:
    """Do again what failed or was canceled of a job: same job, same cutoff, from where it stood.

    While the job runs, what failed so far is done again once the present attempt has ended.

    Parameters
    ----------
    repo
        Only this repository of the job (owner/name). May be repeated.
    data_type
        Only this data type. May be repeated.
    """
    async with _temporal() as (client, usable, queue), _database() as database:
        async with database.transaction() as connection:
            job_id = await job_requests.ask_again(
                connection, job, actor=_actor(), repositories=repo, data_types=data_type
            )
        await _tell(client, database, job_id, usable, queue)
    return 0


@app.command
async def cancel(job: str, /) -> int:
    """Stop a job, whether it runs, waits for its turn or is paused. What it stored stays."""
    async with _temporal() as (client, _, _), _database() as database:
        async with database.transaction() as connection:
            job_id = (await job_requests.ask_to_stop(connection, job, actor=_actor())).id
        await _tell_of_changes(client, database, job_id)
    return 0


@app.command
async def pause(reference: Annotated[str, Parameter(name="JOB|WORKSPACE")], /) -> int:
    """Stop a job until it is resumed. It keeps its place in its history, and holds up no other job."""
    async with _temporal() as (client, _, _), _database() as database:
        job_id = await _find(database, reference)
        async with database.transaction() as connection:
            await job_requests.pause(connection, job_id, actor=_actor())
        await _tell_of_changes(client, database, job_id)
    return 0


@app.command
async def resume(reference: Annotated[str, Parameter(name="JOB|WORKSPACE")], /) -> int:
    """Go on with a paused job where it stood, behind the jobs of its workspace that wait."""
    async with _temporal() as (client, _, _), _database() as database:
        job_id = await _find(database, reference)
        async with database.transaction() as connection:
            await job_requests.resume(connection, job_id, actor=_actor())
        await _tell_of_changes(client, database, job_id)
    return 0


def _actor() -> Actor:
    """Who runs this command."""
    try:
        login = getpass.getuser()
    except (KeyError, OSError):
        login = "unknown"  # an account without a name, as in some containers
    return Actor(f"operator:{login}", "cli")


@app.command(name="list")
async def list_(*, unprocessed: Switch = False, unsent: Switch = False, json: Switch = False) -> int:
    """List the latest jobs, newest first; or Polar's deliveries that wait; or notifications that were not sent.

    Parameters
    ----------
    unprocessed
        List deliveries that wait to be tried again, oldest first, with what stands in their way.
    unsent
        List e-mails and calls of the host's webhook that wait or were given up, newest first, with what stands in
        their way.
    json
        As JSON.
    """
    if unprocessed:
        return await _list_unprocessed(as_json=json)
    if unsent:
        return await _list_unsent(as_json=json)
    async with _database() as database, database.transaction() as connection:
        recent = await job_views.recent(connection, limit=LISTED)
    if json:
        print(TypeAdapter(list[JobSummary]).dump_json(recent, indent=2).decode())
    else:
        _console().print(_table_of_jobs(recent) if recent else "no backfills yet")
    return 0


@app.command(name="reconcile")
async def reconcile_(*, dry_run: Switch = False, force: Switch = False) -> int:
    """Ask Polar which subscriptions are active, say every difference, and repair what missed webhooks left.

    Parameters
    ----------
    dry_run
        Only say what differs.
    force
        End add-ons that Polar does not have as active, even if they are more than a tenth of all.
    """
    return await reconcile_command.reconcile(dry_run=dry_run, force=force)


async def _list_unprocessed(*, as_json: bool) -> int:
    async with _database() as database, database.transaction() as connection:
        waiting = await deliveries.unprocessed(connection, limit=LISTED)
    if as_json:
        print(TypeAdapter(list[Unprocessed]).dump_json(waiting, indent=2).decode())
    else:
        _console().print(_table_of_deliveries(waiting) if waiting else "every delivery is finished")
    return 0


async def _list_unsent(*, as_json: bool) -> int:
    async with _database() as database, database.transaction() as connection:
        waiting = await outbox.unsent(connection, limit=LISTED)
    if as_json:
        print(TypeAdapter(list[Unsent]).dump_json(waiting, indent=2).decode())
    else:
        _console().print(_table_of_unsent(waiting) if waiting else "every notification is sent")
    return 0


@app.command
async def archive(
    *,
    workspace: str,
    since: Moment,
    until: Moment,
    repo: Repositories = (),
    event_type: EventTypes = (),
    yes: Switch = False,
) -> int:
    """Say what it costs to fill event types from GH Archive that GitHub no longer tells; with --yes, do it.

    Parameters
    ----------
    workspace
        Its id or slug.
    since
        From this date or hour on (UTC): 2025-01-31 or 2025-01-31T09.
    until
        Up to this date or hour, which is not read.
    repo
        Only this repository of the workspace (owner/name). May be repeated.
    event_type
        Only this type of events. Without it, all that no other source gives. May be repeated.
    yes
        Start it, print the reading's id and return.
    """
    url = settings.load(settings.Archive).gh_archive_url
    if url is None:
        raise BadInput("GH_ARCHIVE_URL", "missing: GH Archive is not read unless its address is set")
    first, last = _hours(since, until)
    async with AsyncExitStack() as stack:
        # Before anything is asked of the archive: whatever is wrong is said at once.
        connected = await stack.enter_async_context(_temporal()) if yes else None
        database = await stack.enter_async_context(_database())
        async with database.transaction() as connection:
            scope = await archive_reads.scope(connection, workspace, repo)
            rate = await archive_reads.bytes_per_second(connection)
        cost = await _archive_cost(url, first, last, rate)
        types = ", ".join(sorted(set(event_type))) or "all event types that no other source gives"
        names = ", ".join(each.full_name for each in scope.repositories[:LISTED])
        more = len(scope.repositories) - LISTED
        lines = [
            f"GH Archive for {scope.workspace_name}: {types}",
            f"of {names}" + (f" and {more} more" if more > 0 else ""),
            *(f"not of {name}: its GitHub id is not known" for name in scope.unnumbered),
            *cost,
        ]
        print(*lines, sep="\n", file=sys.stderr if yes else sys.stdout)
        if connected is None:
            print("nothing was read; run again with --yes to read it")
            return 0
        client, usable, queue = connected
        async with database.transaction() as connection:
            read_id = await archive_reads.ask_for(
                connection, scope, event_types=event_type, first_hour=first, last_hour=last
            )
        try:
            await reconciler.start_archive(
                client, read_id, scope.workspace_id, scope.workspace_name, usable=usable, task_queue=queue
            )
        except Unreachable as error:
            print(
                f"starter: reading {read_id} is stored and will be started later: {_one_line(error)}", file=sys.stderr
            )
        print(read_id)
    return 0


@app.command(name="archive-status")
async def archive_status(read: str, /, *, json: Switch = False) -> int:
    """Show how far a reading of GH Archive is.

    Parameters
    ----------
    json
        As JSON.
    """
    async with _database() as database, database.transaction() as connection:
        view = await archive_reads.look(connection, read)
    if json:
        print(view.model_dump_json(indent=2))
    else:
        _console().print(_table_of_archive(view))
    return 1 if view.status in ("failed", "canceled") else 0


@app.command
async def search(
    text: str, /, *, workspace: str, limit: Number = 10, thread_type: ThreadTypes = (), json: Switch = False
) -> int:
    """Show the threads of a workspace whose meaning is nearest to a text, nearest first.

    Parameters
    ----------
    text
        In anybody's words; it goes to the same model as the threads did.
    workspace
        Its id or slug.
    limit
        How many.
    thread_type
        Only this type. May be repeated.
    json
        As JSON.
    """
    setting = settings.load(settings.Embeddings)
    if not text.strip():
        raise BadInput("TEXT", "is empty")
    if setting.key is None:
        raise BadInput("OPENAI_API_KEY", "missing: the text has to be embedded as the threads were")
    async with _database() as database:
        async with database.transaction() as connection:
            await embeddings.check_dimensions(connection, setting.embedding_dimensions)
            await embeddings.find_workspace(connection, workspace)
        vector = await _embedded(text, setting, setting.key)
        async with database.transaction() as connection:
            hits = await embeddings.nearest(
                connection,
                workspace=workspace,
                model=setting.embedding_model,
                vector=vector,
                limit=limit,
                tables=thread_type or embeddings.TABLES,
            )
    if json:
        print(TypeAdapter(list[Hit]).dump_json(hits, indent=2).decode())
    else:
        nothing = f"nothing is embedded yet with {setting.embedding_model}"
        _console().print(_table_of_hits(hits) if hits else nothing)
    return 0


_AT_FAULT = {
    "openai_unauthorized": "OPENAI_API_KEY",
    "openai_not_found": "EMBEDDING_MODEL",
    "openai_dimensions": "EMBEDDING_DIMENSIONS",
}
"""The setting to blame, by what the server says."""


async def _embedded(text: str, setting: settings.Embeddings, key: str) -> list[float]:
    """Raises `BadInput` for what a setting is to blame for, `Unreachable` for every other refusal."""
    # Here and not above: no other command needs openai's package, which takes half a second.
    from embedding.client import Embedder
    from embedding.tokens import cut

    logs.register_secret(key)
    at = setting.openai_base_url, setting.embedding_model, setting.embedding_dimensions
    try:
        async with Embedder(key, *at) as embedder:
            tokens = TEXT_TOKENS
            while True:
                text, tokens = cut(text, tokens)
                try:
                    [vector] = await embedder.embed([text])
                except TooLarge:
                    # As this server counts.
                    if tokens < 2:
                        raise
                    tokens //= 2
                else:
                    return vector
    except (RetryLater, RetryNow, PartOver) as error:
        if error.code in _AT_FAULT:
            raise BadInput(_AT_FAULT[error.code], error.message) from error
        raise Unreachable(error.code, f"{error.message} ({error.action})" if error.action else error.message) from error


@asynccontextmanager
async def _database() -> AsyncIterator[Database]:
    async with Database(settings.load(settings.Database).database_url, size=2) as database:
        async with database.transaction() as connection:
            await check_rights(connection)
        yield database


@asynccontextmanager
async def _temporal() -> AsyncIterator[tuple[Client, frozenset[str], str]]:
    """A client, the search attributes that can be used, the task queue. Bad settings are told before it is tried."""
    settings.load(settings.Database)
    queue = settings.load(settings.Temporal).temporal_task_queue
    client = await temporal.connect()
    yield client, await temporal.register_search_attributes(client), queue


async def _tell(client: Client, database: Database, job_id: str, usable: frozenset[str], queue: str) -> None:
    """Signals a committed job. Should Temporal go away just now, the job stands all the same, and will be heard of."""
    async with database.transaction() as connection:
        waiting = await job_signals.unheard(connection, job_id=job_id)
    try:
        for job in waiting:
            await reconciler.signal(client, database, job, usable=usable, task_queue=queue)
    except (Unreachable, RetryNow) as error:
        print(f"starter: job {job_id} is stored and will be signaled later: {_one_line(error)}", file=sys.stderr)


async def _tell_of_changes(client: Client, database: Database, job_id: str) -> None:
    """Tells the job's workflow that it is to stop, was paused or goes on, unless it has heard.

    Raises `Unreachable` if Temporal does not answer: the request is stored, and the reconciler tells Temporal later.
    """
    async with database.transaction() as connection:
        stopping = await job_signals.stopping(connection, job_id=job_id)
        pauses = await job_pauses.changes(connection, job_id=job_id)
    for job in stopping:
        await reconciler.stop(client, database, job)
    for change in pauses:
        await reconciler.tell_of_pause(client, database, change)


async def _find(database: Database, reference: str) -> str:
    async with database.transaction() as connection:
        return await job_views.find(connection, reference)


async def _read(database: Database, job_id: str) -> JobView:
    async with database.transaction() as connection:
        return await job_views.look(connection, job_id)


def _exit_code(job: JobSummary) -> int:
    return 1 if job.ended and not job.ended_well else 0


async def _views(database: Database, job_id: str) -> AsyncIterator[JobView]:
    """The job again and again, the last time when it has ended. Raises `Unreachable` if Postgres stays away."""
    answered = time.monotonic()
    while True:
        try:
            job = await _read(database, job_id)
        except RetryNow as error:
            if time.monotonic() - answered > PATIENCE_SECONDS:
                raise Unreachable("database", error.message) from error
        else:
            answered = time.monotonic()
            yield job
            if job.ended:
                return
        await asyncio.sleep(LOOK_SECONDS)


# --- GH Archive -------------------------------------------------------------------------------------------------------


def _hours(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """The first and the last whole hour of a range. Raises `BadInput` where there is none that the archive can have."""
    from github.archive import FIRST_HOUR

    first = -(-since.timestamp() // 3_600)
    end = until.timestamp() // 3_600
    if first < FIRST_HOUR.timestamp() / 3_600:
        raise BadInput("--since", f"must be {FIRST_HOUR:%Y-%m-%d} or later: before, GH Archive's events have no ids")
    if end > time.time() // 3_600:
        raise BadInput("--until", "must not be later than the last full hour: the archive has only what is over")
    if first >= end:
        raise BadInput("--until", "must be a whole hour or more after --since")
    return datetime.fromtimestamp(first * 3_600, UTC), datetime.fromtimestamp((end - 1) * 3_600, UTC)


async def _archive_cost(url: str, first: datetime, last: datetime, rate: float | None) -> list[str]:
    """What it takes to read these hours, in words; asks for the sizes of a few files, spread over the range."""
    from github.archive import Archive, name_of

    total = (last - first) // archive_reads.HOUR + 1
    count = min(total, SAMPLES)
    places = [round(number * (total - 1) / max(count - 1, 1)) for number in range(count)]
    async with Archive(url) as client:
        try:
            sizes = await asyncio.gather(*(client.size(first + place * archive_reads.HOUR) for place in places))
        except (PartOver, RetryLater) as error:
            raise BadInput("GH_ARCHIVE_URL", error.message) from error
    there = [each for each in sizes if each.there]
    if not there:
        raise BadInput(
            "GH_ARCHIVE_URL",
            f"{url} has none of the {count} hours that were looked for, the first of them {name_of(first)}",
        )
    end = last + archive_reads.HOUR
    lines = [f"{total} hours, each a file: {first:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, from {url}"]
    lengths = [each.length for each in there if each.length is not None]
    if len(lengths) < len(there):
        lines.append("how many bytes that is the server does not say")
    else:
        size = sum(lengths) / count * total
        of = f"the sizes of {count} of the files" if count < total else "the sizes of all files"
        lines.append(f"about {_size(size)} to download (an estimate by {of}), nothing of it kept on disk")
        pace = rate or ASSUMED_BYTES_PER_SECOND
        why = "as fast as the latest readings" if rate else "assumed, as nothing was read yet"
        lines.append(f"about {_duration(size / pace)} at {_size(pace)}/s ({why})")
    if missing := count - len(there):
        lines.append(f"{missing} of the {count} files looked for {'is' if missing == 1 else 'are'} missing")
    return [*lines, "no GitHub budget is used"]


def _size(number: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1_000:
            return f"{number:.3g} {unit}"
        number /= 1_000
    return f"{number:.3g} TB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3_600:.0f} h"


def _table_of_archive(view: ArchiveView) -> RenderableType:
    end = view.last_hour + archive_reads.HOUR
    table = Table.grid(padding=(0, 2))
    table.add_row("reading", view.id)
    table.add_row("workspace", view.workspace_name)
    table.add_row("status", _status(view.status))
    table.add_row("repositories", ", ".join(view.repositories[:LISTED]) or "none is left")
    table.add_row("event types", ", ".join(view.event_types or ()) or "all that no other source gives")
    table.add_row(
        "hours", f"{view.first_hour.astimezone(UTC):%Y-%m-%d %H:%M} to {end.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    )
    table.add_row(
        "read", f"{view.hours_read} of {view.hours_total}, {view.hours_missing} of them missing in the archive"
    )
    table.add_row(
        "next", f"{view.next_hour.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if view.hours_read < view.hours_total else ""
    )
    if view.hours_damaged:
        table.add_row("damaged", f"{view.hours_damaged} hours, of which was stored what could be read")
    table.add_row("events stored", str(view.events_stored))
    table.add_row("malformed lines", str(view.lines_malformed))
    table.add_row("downloaded", _size(view.bytes_read))
    if view.committed_at:
        table.add_row("last hour stored", f"{view.committed_at.astimezone():%Y-%m-%d %H:%M:%S}")
    if view.error:
        action = f" ({view.error.action})" if view.error.action else ""
        table.add_row("why", f"{view.error.code}: {view.error.message}{action}")
    return table


# --- What people see --------------------------------------------------------------------------------------------------

_COLORS = {"completed": "green", "failed": "red", "canceled": "yellow", "in_progress": "cyan"}


def _console() -> Console:
    """Where the output is not a terminal, wide enough for a whole row."""
    return Console(width=None if sys.stdout.isatty() else 240, markup=False, emoji=False, highlight=False)


async def _watch_on_screen(console: Console, views: AsyncIterator[JobView]) -> JobView:
    with Live(console=console, auto_refresh=False) as live:
        async for job in views:
            live.update(_screen(job), refresh=True)
    return job


async def _watch_in_lines(_console: Console, views: AsyncIterator[JobView]) -> JobView:
    """One line for each thing that has changed."""
    told: dict[str, str] = {}
    async for job in views:
        lines = _lines(job)
        for about, line in lines.items():
            if told.get(about) != line:
                print(f"{_clock(job.as_of, seconds=True)} {about}: {line}", flush=True)
        told = lines
    return job


def _lines(job: JobView) -> dict[str, str]:
    """How everything that has begun stands, by what it is."""
    lines = {}
    for repository, part in _parts(job):
        if part.status != "pending":
            why = f": {unshown.complete(part.unshown) if part.status == 'completed' else _why(part)}".rstrip(": ")
            lines[f"{repository.full_name} {part.data_type}"] = f"{part.status}, {_amount(part)}{why}"
    for repository in job.repositories:
        if repository.status == "in_progress" and (waiting := waits.of_repository(repository)):
            lines[repository.full_name] = waiting
        elif repository.status not in ("pending", "in_progress"):
            lines[repository.full_name] = repository.status + (f": {repository.error}" if repository.error else "")
    return lines | {f"job {job.id}": _progress(job)}


def _headlines(job: JobView) -> list[str]:
    lines = [
        f"Backfill {job.id} of {job.workspace_name} ({job.workspace_slug})",
        f"{job.retention_days} days, back to {_date(job.cutoff_at)}: {', '.join(job.data_types)}",
        _progress(job),
    ]
    if job.addon:
        until = f", until {_date(job.addon.expires_at)}" if job.addon.expires_at else ""
        bought = f", bought {_date(job.addon.purchased_at)}" if job.addon.purchased_at else ""
        lines.append(f"add-on: {job.addon.retention_days} days, {job.addon.status}{bought}{until}{_outlook(job.addon)}")
    return lines


def _outlook(addon: AddonView) -> str:
    """What is going to become of the add-on, if it is not just renewed."""
    words = []
    if addon.past_due:
        words.append("a payment is past due: Polar tries again, and the add-on stays until Polar revokes it")
    if addon.renews is False:
        words.append("canceled, ends then")
    if addon.changes_at:
        plan = f"{addon.changes_to_days} days" if addon.changes_to_days else "another product"
        words.append(f"{plan} from {_date(addon.changes_at)}")
    return "".join(f"; {each}" for each in words)


def _progress(job: JobView) -> str:
    """The job in one line, but for the time that is left: that changes all the time."""
    words = [f"{job.status}{' (canceling)' if job.cancel_requested_at and not job.ended else ''}"]
    if job.paused_at and not job.cancel_requested_at:
        words.append(f"paused since {_date(job.paused_at)} by {job.paused_by}")
    words.append(f"{job.completed_repositories} of {job.total_repositories} repositories complete")
    if job.unshown:
        words.append(unshown.how_many(job.unshown))
    if job.failed_repositories:
        words.append(f"{job.failed_repositories} failed")
    if job.attempt:
        words.append(f"retry {job.attempt}")
    if job.retries_waiting:
        words.append(f"{job.retries_waiting} more {'retry waits' if job.retries_waiting == 1 else 'retries wait'}")
    if waiting := waits.of_job(job):
        words.append(waiting)
    return ", ".join(words) + (f": {job.error_message}" if job.error_message else "")


def _screen(job: JobView) -> RenderableType:
    parts = _parts(job)
    # What runs, then what failed, then what is done: at the end of a large job its failures are what is left to see.
    order: list[PartStatus] = ["in_progress", "failed", "canceled", "completed", "skipped", "pending"]
    shown = sorted(parts, key=lambda each: order.index(each[1].status))[:SHOWN_AT_ONCE]
    table = Table.grid(padding=(0, 1))
    for repository, part in shown:
        name = f"{repository.full_name} {part.data_type}"
        table.add_row(name, _bar(part), _threads(part), _status(part.status), _note(repository, part))
    if len(parts) > len(shown):
        table.add_row(f"and {len(parts) - len(shown)} more")
    stored, expected = sum(part.stored for _, part in parts), sum(_expected(part) for _, part in parts)
    left = f"ready about {_clock(job.eta)}" if job.eta else ""
    total = ProgressBar(total=max(expected, 1), completed=stored, width=30)
    table.add_row("all that was counted so far", total, f"{stored} of {expected}", _status(job.status), left)
    return Group(*_headlines(job), table)


def _bar(part: TypeView) -> ProgressBar:
    done = part.status in job_views.DONE
    counting = part.status == "in_progress" and part.expected is None
    total = None if counting else float(max(_expected(part), 1))
    return ProgressBar(total=total, completed=total or 0 if done else part.stored, width=30, pulse=counting)


def _table_of_parts(job: JobView) -> Table:
    table = Table("repository", "data type", "status", "stored", "expected", "as of", "why", box=SIMPLE)
    for repository, part in _parts(job):
        expected = "" if part.expected is None else str(part.expected)
        as_of = _date(part.as_of) if part.as_of else ""
        note = _note(repository, part)
        table.add_row(
            repository.full_name, part.data_type, _status(part.status), str(part.stored), expected, as_of, note
        )
    return table


def _lines_of_unshown(job: JobView) -> list[str]:
    """Which things GitHub does not show."""
    return unshown.lines([part.unshown for _, part in _parts(job) if part.unshown], SHOWN_AT_ONCE)


def _table_of_deliveries(waiting: Sequence[Unprocessed]) -> Table:
    table = Table("delivery", "event", "received", "attempts", "next", "in the way", box=SIMPLE)
    for each in waiting:
        again = _date(each.next_attempt_at) if each.next_attempt_at else "at once"
        # What others wrote is no markup.
        row = (each.webhook_id, each.type, _date(each.received_at), str(each.attempts), again, each.error or "")
        table.add_row(*map(Text, row))
    return table


def _table_of_unsent(waiting: Sequence[Unsent]) -> Table:
    table = Table("channel", "milestone", "workspace", "job", "since", "attempts", "next", "in the way", box=SIMPLE)
    for each in waiting:
        again = _date(each.next_attempt_at) if each.status == "pending" else "never"
        what = (each.channel, each.milestone, each.workspace, each.job_id)
        row = (*what, _date(each.created_at), str(each.attempts), again, each.error or "")
        table.add_row(*map(Text, row))
    return table


def _table_of_jobs(recent: Sequence[JobSummary]) -> Table:
    table = Table("job", "workspace", "status", "days", "repositories", "failed", "asked for", "by", box=SIMPLE)
    for job in recent:
        table.add_row(
            job.id,
            job.workspace_slug,
            _status(job.status),
            str(job.retention_days),
            f"{job.completed_repositories} of {job.total_repositories}",
            str(job.failed_repositories),
            _date(job.created_at),
            job.requested_by or "",
        )
    return table


def _table_of_hits(hits: Sequence[Hit]) -> Table:
    table = Table("", "score", "type", "thread", "title", "url", box=SIMPLE)
    for rank, hit in enumerate(hits, 1):
        kind = hit.table.removesuffix("s").replace("_", " ")
        table.add_row(str(rank), f"{hit.score:.3f}", kind, f"{hit.repository}#{hit.number}", hit.title, hit.url)
    return table


def _parts(job: JobView) -> list[tuple[RepositoryView, TypeView]]:
    return [(repository, part) for repository in job.repositories for part in repository.types]


def _expected(part: TypeView) -> int:
    return max(part.expected or 0, part.stored)


def _threads(part: TypeView) -> str:
    return f"{part.stored} of {part.expected}" if part.expected is not None else str(part.stored)


def _amount(part: TypeView) -> str:
    """With everything that hangs on the threads: `120 of 582, 30 reviews, 4 comments`."""
    rest = [
        f"{count} {noun.replace('_', ' ')}" for noun, count in part.counts.items() if noun != part.data_type and count
    ]
    return ", ".join([_threads(part), *rest])


def _note(repository: RepositoryView, part: TypeView) -> str:
    """What stands in its way, or did."""
    if waiting := waits.of_type(repository, part):
        return waiting
    if part.status == "failed" and not part.error:
        return repository.error or ""
    if part.status == "completed" and part.proof:
        return "; ".join(filter(None, [unshown.complete(part.unshown), _proof(part.proof), *part.notes]))
    return _why(part)


def _proof(proof: dict[str, Any]) -> str:
    """Why a type is complete, in a few words."""
    by = str(proof.get("proved_by", ""))
    if "threads_github" in proof and by == "count":
        return f"proved by count: {proof['threads_stored']} of GitHub's {proof['threads_github']}"
    return f"proved by {by}" if by else ""


def _why(part: TypeView) -> str:
    if not part.error:
        return ""
    return f"{part.error.code}: {part.error.message}" + (f" ({part.error.action})" if part.error.action else "")


def _status(word: str) -> Text:
    return Text(word, style=_COLORS.get(word, ""))


def _clock(moment: datetime, *, seconds: bool = False) -> str:
    return moment.astimezone().strftime("%H:%M:%S" if seconds else "%H:%M")


def _date(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


# --- The program ------------------------------------------------------------------------------------------------------


async def run(arguments: Sequence[str]) -> int:
    """One command; answers its exit code. What is wrong was written to standard error, in one line."""
    try:
        logs.configure(settings.load(settings.Log).log_format)
        logging.getLogger().setLevel(logging.ERROR)  # what a command has to say it says itself
        return await _command(arguments)
    except CycloptsError as error:
        return _complain(f"{_one_line(error)} (see --help)", 2)
    except BadInput as error:
        return _complain(error.message, 2)
    except BackfillError as error:
        return _complain(error.message, 3 if isinstance(error, (Unreachable, RetryNow)) else 1)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        return _complain(f"DATABASE_URL: {error}: the database is not of this release (starter.py migrate)", 2)
    except (asyncpg.PostgresError, asyncpg.InternalClientError) as error:
        return _complain(f"Postgres does not do what is asked: {error}", 3)


async def _command(arguments: Sequence[str]) -> int:
    if not arguments:
        raise BadInput("COMMAND", f"missing: one of {', '.join(sorted(name for name in app if name[0] != '-'))}")
    command, bound, _ = app.parse_args(list(arguments), exit_on_error=False, print_error=False)
    answer = command(*bound.args, **bound.kwargs)
    return (await answer if inspect.isawaitable(answer) else None) or 0


def _complain(what: str, exit_code: int) -> int:
    print(f"starter: {_one_line(what)}", file=sys.stderr)
    return exit_code


def _one_line(what: object) -> str:
    return " ".join(logs.redact(str(what)).split())


def main() -> int:
    """The exit code. Ctrl-C is not an error to speak of: what was committed goes on."""
    try:
        return asyncio.run(run(sys.argv[1:]))
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # `starter.py list | head`
        code = main()
        sys.stdout.flush()
        sys.stderr.flush()
    # temporalio's runtime sometimes aborts while the interpreter ends (sdk-python#300); nothing is left to do by then.
    os._exit(code)
