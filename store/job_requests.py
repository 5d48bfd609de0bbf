"""The requests of people: a new job, a retry, a cancel, a pause, and a resume.

A request is committed before `reconciler/` tells Temporal of the request, because this process may die in between. A
request about a job is decided while the job's row is locked. A repeated request changes nothing and returns the same
result. `metadata.audit` of the job records who requested what, when, and from where.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, Protocol
from uuid import UUID

from errors import BadInput, Conflict
from messages import DATA_TYPES, DataType, PartStatus
from progress.views import DONE, JobSummary, JobView, RepositoryView
from store import addon_jobs, addons, job_pauses, job_start
from store.addons import EXTENDED_DATA_RETENTION
from store.database import Connection
from store.job_attempts import begin_retry, end, keep_retry
from store.job_views import read, uuid_of

AUDITED = 100
"""How many requests a job's `metadata.audit` keeps: the latest."""
NAMED = 50
"""Most repositories of a request that `metadata.audit` names."""
MOST_WAITING_RETRIES = 20
_OVER: frozenset[PartStatus] = frozenset({"failed", "canceled"})


class Actor(NamedTuple):
    """The person or service that makes a request, and the origin of the request."""

    who: str
    """`user:<auth user id>`, `service` or `operator:<login>`. Temporal does not tell who sent a signal."""
    source: Literal["api", "cli", "signal", "update", "host"]
    """Where the request came from. `host`: the host application's old routes."""
    address: str | None = None
    """The address of an HTTP client."""

    @property
    def is_bound_by_purchase(self) -> bool:
        """Whether the actor may request no more than the workspace's owner has bought."""
        return self.source in ("api", "host")

    @property
    def kind(self) -> str:
        """The kind of actor: `api` or `operator`. The column `requested_by` stores it in place of a person's name."""
        return "api" if self.is_bound_by_purchase else "operator"


class Change(Protocol):
    """The type of a function that makes a request about a job, and takes nothing but the job and the actor."""

    async def __call__(self, connection: Connection, job_id: str, /, *, actor: Actor) -> JobSummary: ...


# --- A job of its own -------------------------------------------------------------------------------------------------


async def ask_for(
    connection: Connection,
    *,
    workspace: str,
    actor: Actor,
    retention_days: int | None = None,
    repositories: Sequence[str] = (),
    data_types: Sequence[DataType] = (),
    fresh: bool = False,
    idempotency_key: str | None = None,
) -> str:
    """Creates a job for a workspace (its id or slug), and returns the job's id. If the workspace has a job with this
    `idempotency_key`, creates nothing, and returns that job's id.

    `retention_days` is by default the days that the owner bought, or else the days that the workspace keeps anyway.
    `repositories` (full names) and `data_types` are by default all. With `fresh`, the job fetches everything again,
    even if other jobs have covered it.

    Raises `BadInput` for an unknown name, and for more days than were bought if the actor is bound by the purchase.
    """
    workspace_id, bought, kept = await _workspace(connection, workspace)
    if idempotency_key is not None and (known := await _known(connection, workspace_id, idempotency_key)):
        return known
    addon_id, bought_days = bought or (None, None)
    if actor.is_bound_by_purchase:
        _check_purchase(retention_days, bought_days)
    days = retention_days or bought_days or kept
    if not days:
        raise BadInput("--retention-days", f"missing: workspace {workspace} bought none and keeps none")
    selected = await _repositories(connection, workspace_id, repositories) if repositories else None
    types = [each for each in DATA_TYPES if each in (data_types or DATA_TYPES)]
    metadata = {"fresh": True} if fresh else {}
    job_id = await connection.fetchval(
        """
        insert into workspace_backfill_jobs (
            workspace_id, addon_type, subscription_addon_id, retention_days, cutoff_at, backfill_types,
            repositories_selected, requested_by, total_repositories, created_at, updated_at, metadata
        )
        select $1, $2, $3, $4::int, now() - make_interval(hours => 24 * $4::int), $5, $6::uuid[], $7, coalesce(
            cardinality($6::uuid[]), (select count(*) from workspace_repositories where workspace_id = $1)
        ), now(), now(), $8
        returning id
        """,
        workspace_id,
        EXTENDED_DATA_RETENTION,
        addon_id,
        days,
        types,
        selected,
        actor.kind,
        metadata if idempotency_key is None else {**metadata, "idempotency_key": idempotency_key},
    )
    await _audit(
        connection,
        str(job_id),
        "start",
        actor,
        retention_days=days,
        repositories=repositories,
        data_types=data_types,
        fresh=fresh,
    )
    return str(job_id)


def _check_purchase(retention_days: int | None, bought_days: int | None) -> None:
    if bought_days is None:
        raise BadInput("retention_days", "no extended data retention was bought that is active")
    if retention_days is not None and retention_days > bought_days:
        raise BadInput("retention_days", f"{retention_days} days are more than the {bought_days} that were bought")


async def _known(connection: Connection, workspace_id: UUID, idempotency_key: str) -> str | None:
    """Returns the id of the job that was requested with this key, or None if there is no such job. Locks the key until
    the transaction ends.
    """
    await connection.execute(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))", f"{workspace_id} {idempotency_key}"
    )
    job_id = await connection.fetchval(
        "select id from workspace_backfill_jobs where workspace_id = $1 and metadata ->> 'idempotency_key' = $2",
        workspace_id,
        idempotency_key,
    )
    return str(job_id) if job_id else None


async def _workspace(connection: Connection, reference: str) -> tuple[UUID, tuple[UUID, int] | None, int | None]:
    """Returns the workspace's id, its owner's best active add-on as (id, days), and the days that the workspace keeps.
    The add-on is None if the owner has no active add-on. The days are None if they are not set. Raises `BadInput` if
    there is no such workspace.
    """
    row = await connection.fetchrow(
        """
        select workspaces.id, workspaces.data_retention_days as kept, addon.id as addon_id, addon.retention_days as days
        from workspaces
        join app_users on app_users.id = workspaces.owner_id
        left join lateral (
            select id, retention_days from subscription_addons
            where user_id = app_users.auth_user_id and addon_type = $3 and status = 'active'
              and retention_days is not null
            order by retention_days desc limit 1
        ) addon on true
        where workspaces.id = $1 or workspaces.slug = $2
        order by workspaces.id = $1 desc nulls last limit 1
        """,
        uuid_of(reference),
        reference,
        EXTENDED_DATA_RETENTION,
    )
    if row is None:
        raise BadInput("--workspace", f"there is no workspace {reference}")
    return row["id"], (row["addon_id"], row["days"]) if row["addon_id"] else None, row["kept"]


async def _repositories(connection: Connection, workspace_id: UUID, names: Sequence[str]) -> list[UUID]:
    rows = await connection.fetch(
        """
        select repositories.id, lower(full_name) as name
        from workspace_repositories join repositories on repositories.id = repository_id
        where workspace_id = $1 and lower(full_name) = any($2)
        """,
        workspace_id,
        [name.lower() for name in names],
    )
    found = {row["name"]: row["id"] for row in rows}
    if missing := [name for name in names if name.lower() not in found]:
        raise BadInput("--repo", f"{', '.join(missing)} is not a repository of this workspace")
    return list(found.values())


# --- Another attempt --------------------------------------------------------------------------------------------------


async def ask_again(
    connection: Connection,
    job_id: str,
    *,
    actor: Actor,
    repositories: Sequence[str] = (),
    data_types: Sequence[DataType] = (),
) -> str:
    """Requests a retry of what failed or was canceled in a job, and returns the job's id.

    A job that has ended becomes pending at once, and `metadata.retry` holds the selection. While the job runs or waits
    for its turn, the request waits in `metadata.retries_waiting`, and becomes the attempt after the present one. If the
    add-on of the job has ended, an operator may retry the job, which then no longer ends with the add-on.

    Raises `BadInput` if the job or a selected name is unknown, and `Conflict` if nothing selected can be retried.
    """
    await _lock(connection, job_id)
    job = await read(connection, job_id)
    selected = _select(job, repositories)
    if other := [each for each in data_types if each not in job.data_types]:
        raise BadInput("--type", f"{', '.join(other)} is not part of job {job_id}")
    wanted = set(data_types or job.data_types)
    parts = {part.status for each in selected for part in each.types if part.data_type in wanted}
    selection = {
        "repository_ids": sorted(each.repository_id for each in selected) if repositories else [],
        "data_types": [each for each in DATA_TYPES if each in data_types],
    }
    if not job.ended and await _is_asked(connection, job, selection, parts):
        return job.id
    _check_retry(job, parts)
    is_paid = job.addon is None or await addons.covers(connection, UUID(job.workspace_id), job.retention_days)
    if actor.is_bound_by_purchase and not is_paid:
        raise Conflict("JOB", f"the add-on that {job.id} was bought with has ended")
    retry = {**selection, "requested_by": actor.kind, "requested_at": datetime.now(UTC)}
    if job.ended:
        await begin_retry(connection, job.id, retry, is_paid=is_paid)
    else:
        await keep_retry(connection, job.id, retry)
    await _audit(connection, job.id, "retry", actor, repositories=repositories, data_types=data_types)
    return job.id


async def _is_asked(connection: Connection, job: JobView, selection: dict[str, Any], parts: set[PartStatus]) -> bool:
    """Returns whether the same retry is requested already. Either this retry waits, or it is the present attempt and
    nothing selected has failed or was canceled.
    """
    metadata = await connection.fetchval("select metadata from workspace_backfill_jobs where id = $1", job.id)
    waiting = metadata.get("retries_waiting", [])
    if job.attempt and (job.status == "pending" or not parts & _OVER):
        waiting = [*waiting, metadata.get("retry", {})]
    return any(selection == {name: each.get(name) for name in selection} for each in waiting)


def _check_retry(job: JobView, parts: set[PartStatus]) -> None:
    if job.ended:
        complete = not parts - DONE if job.repositories else job.status == "completed"
        if complete:
            raise Conflict("JOB", f"nothing to retry: all that was selected of {job.id} is completed")
    elif job.cancel_requested_at:
        raise Conflict("JOB", f"{job.id} is being canceled; it can be retried once it has ended")
    elif not parts & _OVER:
        raise Conflict("JOB", f"{job.id} is {job.status}, and nothing of what was selected has failed")
    elif job.retries_waiting >= MOST_WAITING_RETRIES:
        raise Conflict("JOB", f"{job.retries_waiting} retries of {job.id} wait for their attempts already")


def _select(job: JobView, repositories: Sequence[str]) -> list[RepositoryView]:
    if not repositories:
        return job.repositories
    by_name = {each.full_name.lower(): each for each in job.repositories}
    if missing := [name for name in repositories if name.lower() not in by_name]:
        raise BadInput("--repo", f"{', '.join(missing)} is not part of job {job.id}")
    return list({name.lower(): by_name[name.lower()] for name in repositories}.values())


# --- An end, a pause --------------------------------------------------------------------------------------------------


async def ask_to_stop(connection: Connection, job_id: str, *, actor: Actor) -> JobSummary:
    """Cancels a pending job. Marks a job in progress, so that its workflow stops the job. Returns the job.

    A job that stops or has stopped because its add-on ended stays canceled, even if the owner has an add-on again.

    Raises `BadInput` if the job is unknown, and `Conflict` if the job has completed or failed.
    """
    await _lock(connection, job_id)
    job = await read(connection, job_id)
    is_stopping = job.status == "canceled" or (job.cancel_requested_at and not job.ended)
    if is_stopping and not job.addon_ended_at:
        return job
    if job.ended and not is_stopping:
        raise Conflict("JOB", f"{job.id} is {job.status} already")
    await _audit(connection, job.id, "cancel", actor)
    if is_stopping:
        await addon_jobs.cancel_for_good(connection, job.id)
    elif job.status == "pending":
        # Repositories that no job has are taken for added ones, and read by a job of their own.
        await job_start.record_scope(connection, job.id)
        await end(connection, job.id, status="canceled", reason=None)
    else:
        await connection.execute(
            """
            update workspace_backfill_jobs set
                metadata = metadata || jsonb_build_object('cancel_requested_at', now()), updated_at = now()
            where id = $1
            """,
            job.id,
        )
    return await read(connection, job.id)


async def ask_to_stop_repositories(
    connection: Connection, job_id: str, /, repositories: Sequence[str], *, actor: Actor
) -> JobView:
    """Marks repositories of a job (full names), so that the workflow stops them at the end of a page. The other
    repositories continue. Returns the job.

    Marks all repositories or none. Raises `BadInput` if a repository is unknown. Raises `Conflict` if a repository or
    the job has ended, or if the job has not begun.
    """
    job = await _open(connection, job_id)
    selected = _select(job, repositories)
    if job.status == "pending":
        raise Conflict("JOB", f"{job.id} has not begun; cancel it, or wait for its turn")
    if over := [each for each in selected if each.status in DONE or each.status == "failed"]:
        raise Conflict("--repo", ", ".join(f"{each.full_name} is {each.status} already" for each in over))
    asked = [each for each in selected if each.status != "canceled" and not each.cancel_requested]
    if not asked:
        return job
    # Written to the job's row. A page's transaction locks the progress row before the job's row, so locking both here
    # could deadlock.
    await connection.execute(
        """
        update workspace_backfill_jobs set updated_at = now(), metadata = metadata
            || jsonb_build_object('stopping', coalesce(metadata -> 'stopping', '[]') || to_jsonb($2::text[]))
        where id = $1
        """,
        job.id,
        [each.repository_id for each in asked],
    )
    await _audit(connection, job.id, "cancel", actor, repositories=[each.full_name for each in asked])
    return await read(connection, job.id)


async def pause(connection: Connection, job_id: str, *, actor: Actor) -> JobSummary:
    """Marks a job as paused, so that its workflow stops the job at the end of a page. Returns the job.

    Raises `BadInput` if the job is unknown, and `Conflict` if the job has ended or is being canceled.
    """
    job = await _open(connection, job_id)
    if job.paused_at:
        return job
    await _audit(connection, job.id, "pause", actor)
    await job_pauses.begin(connection, job.id, actor.who)
    return await read(connection, job.id)


async def resume(connection: Connection, job_id: str, *, actor: Actor) -> JobSummary:
    """Ends the pause of a job, and returns the job. The job resumes at its cursors, after the waiting jobs of its
    workspace.

    Raises `BadInput` if the job is unknown, and `Conflict` if the job has ended or is being canceled.
    """
    job = await _open(connection, job_id)
    if not job.paused_at:
        return job
    await _audit(connection, job.id, "resume", actor)
    await job_pauses.end(connection, job.id)
    return await read(connection, job.id)


async def _open(connection: Connection, job_id: str) -> JobView:
    await _lock(connection, job_id)
    job = await read(connection, job_id)
    if job.ended:
        raise Conflict("JOB", f"{job.id} is {job.status} already")
    if job.cancel_requested_at:
        raise Conflict("JOB", f"{job.id} is being canceled")
    return job


async def _lock(connection: Connection, job_id: str) -> None:
    """Locks the job's row until the transaction ends."""
    await connection.execute("select 1 from workspace_backfill_jobs where id = $1 for update", uuid_of(job_id))


async def _audit(connection: Connection, job_id: str, action: str, actor: Actor, **selection: Any) -> None:
    names = selection.get("repositories", ())
    if len(names) > NAMED:
        selection |= {"repositories": names[:NAMED], "more_repositories": len(names) - NAMED}
    entry = {"at": datetime.now(UTC), "action": action, "who": actor.who, "source": actor.source}
    await connection.execute(
        f"""
        update workspace_backfill_jobs set updated_at = now(), metadata = metadata || jsonb_build_object(
            'audit', jsonb_path_query_array(
                coalesce(metadata -> 'audit', '[]') || $2::jsonb, '$[last - {AUDITED - 1} to last]'
            )
        )
        where id = $1
        """,
        job_id,
        entry | {"address": actor.address} | {name: each for name, each in selection.items() if each},
    )
