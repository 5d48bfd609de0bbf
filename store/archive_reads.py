"""`archive_reads`: readings of GH Archive, each with its next hour, its lease and its counts.

As in `store/sweeps.py`, when an attempt takes the lease, the commits of every earlier holder fail from then on. The
next hour is committed together with the rows of the hour before it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from errors import BadInput, JobOver
from messages import ArchivePlan, Failure, JobStatus, Pace, RepositoryRef
from store.database import Connection, Database
from store.sweeps import LeaseLostError

HOUR = timedelta(hours=1)

# --- Coming to be -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scope:
    """A workspace, and its repositories of which the archive can have events."""

    workspace_id: str
    workspace_name: str
    repositories: list[RepositoryRef]
    unnumbered: list[str]
    """Names of repositories whose GitHub id is not known (yet), so that their events cannot be identified."""


async def scope(connection: Connection, workspace: str, repositories: Sequence[str] = ()) -> Scope:
    """Returns a workspace with its repositories. `workspace` is an id or a slug. `repositories` limits the result to
    repositories with these full names, unless it is empty.

    Raises `BadInput` if a name is unknown, or if no repository has a known GitHub id.
    """
    rows = await connection.fetch(
        """
        with found as (
          select id, name from workspaces where id = $1 or slug = $2 order by id = $1 desc nulls last limit 1
        )
        select found.id as workspace_id, found.name as workspace_name, r.id, r.github_id, r.full_name
        from found left join workspace_repositories w on w.workspace_id = found.id
        left join repositories r on r.id = w.repository_id
        order by r.full_name
        """,
        _uuid(workspace),
        workspace,
    )
    if not rows:
        raise BadInput("--workspace", f"there is no workspace {workspace}")
    listed = {row["full_name"].lower(): row for row in rows if row["id"]}
    if missing := [name for name in repositories if name.lower() not in listed]:
        raise BadInput("--repo", f"{', '.join(missing)} is not a repository of this workspace")
    chosen = [listed[name.lower()] for name in dict.fromkeys(repositories)] if repositories else [*listed.values()]
    found = Scope(
        str(rows[0]["workspace_id"]),
        rows[0]["workspace_name"],
        [
            RepositoryRef(repository_id=str(row["id"]), github_id=row["github_id"], full_name=row["full_name"])
            for row in chosen
            if row["github_id"]
        ],
        [row["full_name"] for row in chosen if not row["github_id"]],
    )
    if not found.repositories:
        raise BadInput("--repo" if repositories else "--workspace", "has no repository whose GitHub id is known")
    return found


async def ask_for(
    connection: Connection,
    wanted: Scope,
    *,
    event_types: Sequence[str],
    first_hour: datetime,
    last_hour: datetime,
) -> str:
    """Creates a reading of the hours from `first_hour` to `last_hour`, both included. Returns the id of the reading."""
    read_id = await connection.fetchval(
        """
        insert into archive_reads (workspace_id, repository_ids, event_types, first_hour, last_hour, next_hour)
        values ($1, $2, $3, $4, $5, $4) returning id
        """,
        UUID(wanted.workspace_id),
        [UUID(each.repository_id) for each in wanted.repositories],
        sorted(set(event_types)) or None,
        first_hour,
        last_hour,
    )
    return str(read_id)


async def bytes_per_second(connection: Connection) -> float | None:
    """Returns the speed of the latest readings, in bytes per second. Returns None if nothing has been read yet."""
    rate: float | None = await connection.fetchval(
        """
        select sum(bytes_read) / nullif(sum(seconds_read), 0) from (
          select bytes_read, seconds_read from archive_reads where bytes_read > 0 order by created_at desc limit 5
        ) latest
        """
    )
    return rate


# --- Being read -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Read:
    """A reading, as of its last commit. This process has taken the reading's lease, but another process may have taken
    the lease since.
    """

    id: str
    token: int
    status: JobStatus
    attempts: int
    """Attempts since the last commit, including this one."""
    event_types: list[str] | None
    first_hour: datetime
    last_hour: datetime
    next_hour: datetime
    hours_missing: int
    hours_damaged: int
    lines_malformed: int
    events_stored: int
    bytes_read: int
    error: Failure | None

    @property
    def is_read(self) -> bool:
        return self.next_hour > self.last_hour


async def begin(connection: Connection, read_id: str, pace: Pace) -> ArchivePlan:
    """Marks a pending reading as in progress, and returns its plan. A second call changes nothing. Raises `JobOver` if
    there is no such reading.
    """
    await connection.execute(
        "update archive_reads set status = 'in_progress', started_at = now() where id = $1 and status = 'pending'",
        read_id,
    )
    rows = await connection.fetch(
        """
        select a.workspace_id::text, w.name as workspace_name, a.status, cardinality(a.repository_ids) as repositories,
          a.first_hour, a.last_hour
        from archive_reads a join workspaces w on w.id = a.workspace_id where a.id = $1
        """,
        read_id,
    )
    if not rows:
        raise _deleted(read_id)
    return ArchivePlan(read_id=read_id, pace=pace, **rows[0])


async def take(database: Database, read_id: str, owner: str) -> Read:
    """Takes a reading's lease, even if an earlier attempt holds it. Raises `JobOver` if the reading was deleted."""
    async with database.transaction() as connection:
        rows = await connection.fetch(
            """
            update archive_reads set lease_token = lease_token + 1, lease_owner = $2, leased_at = now(),
              attempts = attempts + 1
            where id = $1
            returning lease_token, status, attempts, event_types, first_hour, last_hour, next_hour, hours_missing,
              hours_damaged, lines_malformed, events_stored, bytes_read, error
            """,
            read_id,
            owner,
        )
    if not rows:
        raise _deleted(read_id)
    fields = dict(rows[0])
    token, error = fields.pop("lease_token"), fields.pop("error")
    return Read(id=read_id, token=token, error=Failure.model_validate(error) if error else None, **fields)


def _deleted(read_id: str) -> JobOver:
    return JobOver("deleted", f"reading {read_id} of GH Archive was deleted", "nothing is left to do")


async def repositories(
    connection: Connection, read: Read, github_ids: Collection[int] | None = None
) -> list[RepositoryRef]:
    """Returns the reading's repositories that still belong to the workspace, with their present names. `github_ids`
    limits the result to repositories with these GitHub ids.

    The names are locked until the transaction ends, because events could otherwise be stored under a former name.
    """
    rows = await connection.fetch(
        """
        select r.id::text, r.github_id, r.full_name
        from archive_reads a join workspace_repositories w on w.workspace_id = a.workspace_id
        join repositories r on r.id = w.repository_id
        where a.id = $1 and r.id = any(a.repository_ids) and r.github_id is not null
          and ($2::bigint[] is null or r.github_id = any($2))
        order by r.id for key share of r
        """,
        read.id,
        None if github_ids is None else list(github_ids),
    )
    return [
        RepositoryRef(repository_id=row["id"], github_id=row["github_id"], full_name=row["full_name"]) for row in rows
    ]


async def fence(connection: Connection, read: Read) -> None:
    """Raises `LeaseLostError` if another attempt has taken the lease. This has to be the first call in every
    transaction that stores something.
    """
    if (
        await connection.fetchval("select lease_token from archive_reads where id = $1 for update", read.id)
        != read.token
    ):
        raise LeaseLostError


async def commit(
    connection: Connection,
    read: Read,
    *,
    missing: bool,
    damaged: bool,
    malformed: int,
    stored: int,
    length: int,
    seconds: float,
) -> Read:
    """Records the hour at `read.next_hour` as read. Returns the reading with the following hour as its next hour.

    `missing` says that the archive has no file of the hour. `damaged` says that the file is damaged, and only the
    events before the damage are stored. `malformed` is the number of skipped lines, `stored` the number of new events.
    `length` is the number of bytes read, `seconds` the time that the hour took.
    """
    [row] = await connection.fetch(
        """
        update archive_reads set
          next_hour = next_hour + interval '1 hour', hours_missing = hours_missing + $2,
          lines_malformed = lines_malformed + $3, events_stored = events_stored + $4, bytes_read = bytes_read + $5,
          seconds_read = seconds_read + $6, hours_damaged = hours_damaged + $7,
          attempts = 0, error = null, committed_at = now(),
          status = case when status = 'in_progress' and next_hour >= last_hour then 'completed' else status end,
          completed_at = case when next_hour >= last_hour then now() else completed_at end
        where id = $1
        returning status, attempts, next_hour, hours_missing, hours_damaged, lines_malformed, events_stored, bytes_read
        """,
        read.id,
        int(missing),
        malformed,
        stored,
        length,
        seconds,
        int(damaged),
    )
    return _with(read, row)


def _with(read: Read, row: Any) -> Read:
    fields = {name: getattr(read, name) for name in Read.__slots__}
    return Read(**fields | {"error": None} | dict(row))


async def release(database: Database, read: Read, *, failure: Failure | None = None) -> None:
    """Gives the lease back. The reading resumes after the last committed hour. Records `failure` if it is given.
    Otherwise, this attempt is not counted in `attempts`.
    """
    async with database.transaction() as connection:
        await connection.execute(
            """
            update archive_reads set lease_owner = null, error = coalesce($3, error),
              attempts = case when $3::jsonb is null then greatest(attempts - 1, 0) else attempts end
            where id = $1 and lease_token = $2
            """,
            read.id,
            read.token,
            failure.model_dump(mode="json") if failure else None,
        )


async def end(
    connection: Connection, read_id: str, status: Literal["failed", "canceled"], failure: Failure | None = None
) -> None:
    """Ends a reading before its last hour, and takes its lease away. A reading that has ended is not changed."""
    await connection.execute(
        """
        update archive_reads set status = $2, error = coalesce($3, error), completed_at = now(), lease_owner = null,
          lease_token = lease_token + 1
        where id = $1 and status in ('pending', 'in_progress')
        """,
        read_id,
        status,
        failure.model_dump(mode="json") if failure else None,
    )


@dataclass(frozen=True, slots=True)
class Silent:
    """An unfinished reading that has shown no sign of life for some time."""

    id: str
    workspace_id: str
    workspace_name: str
    status: JobStatus
    next_hour: datetime


async def silent(connection: Connection, quiet: timedelta) -> list[Silent]:
    """Returns unfinished readings that have shown no sign of life for the time `quiet`. A reading shows a sign of life
    when it is requested, when it begins, when its lease is taken, and when an hour is committed.
    """
    rows = await connection.fetch(
        """
        select a.id::text, a.workspace_id::text, w.name as workspace_name, a.status, a.next_hour
        from archive_reads a join workspaces w on w.id = a.workspace_id
        where a.status in ('pending', 'in_progress')
          and greatest(a.created_at, a.started_at, a.leased_at, a.committed_at) < now() - $1::interval
        order by a.created_at
        """,
        quiet,
    )
    return [Silent(**row) for row in rows]


# --- What people see --------------------------------------------------------------------------------------------------


class ArchiveView(BaseModel):
    """A reading as people see it. An hour is given by the moment at which it begins."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    workspace_id: str
    workspace_name: str
    repositories: list[str]
    event_types: list[str] | None
    status: JobStatus
    first_hour: datetime
    last_hour: datetime
    next_hour: datetime
    hours_total: int
    hours_read: int
    """Hours read, including missing ones."""
    hours_missing: int
    hours_damaged: int
    lines_malformed: int
    events_stored: int
    bytes_read: int
    seconds_read: float
    attempts: int
    error: Failure | None
    created_at: datetime
    started_at: datetime | None
    committed_at: datetime | None
    completed_at: datetime | None


async def look(connection: Connection, read_id: str) -> ArchiveView:
    """Returns a reading as people see it. Raises `BadInput` if the id is unknown."""
    rows = await connection.fetch(
        """
        select a.*, w.name as workspace_name, array(
          select full_name from repositories where id = any(a.repository_ids) order by full_name
        ) as repositories
        from archive_reads a join workspaces w on w.id = a.workspace_id where a.id = $1
        """,
        _uuid(read_id),
    )
    if not rows:
        raise BadInput("READ", f"there is no reading {read_id}")
    row = dict(rows[0])
    return ArchiveView.model_validate(
        row
        | {"id": str(row["id"]), "workspace_id": str(row["workspace_id"])}
        | {"hours_total": (row["last_hour"] - row["first_hour"]) // HOUR + 1}
        | {"hours_read": (row["next_hour"] - row["first_hour"]) // HOUR}
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
