"""`backfill_sweeps`: one row for each job, repository and data type, with the position, the lease and the counts.

When an attempt takes the lease, the commits of every earlier holder fail from then on. So an old attempt that still
runs cannot write after its retry has taken the lease. Times are from Postgres' clock.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg

from errors import JobOver, RetryNow
from messages import DataType, Failure, Leg, RepositoryRef
from store.database import Connection, Database


class LeaseLostError(RetryNow):
    """Raised when another attempt holds the sweep's lease. This attempt has to stop without writing anything."""

    def __init__(self) -> None:
        super().__init__("lease_lost", "another attempt goes on with this sweep")


@dataclass(slots=True)
class Sweep:
    """A sweep, as of its last commit. This process held the lease then. Only Postgres knows whether the lease is still
    held.
    """

    job_id: str
    repository: RepositoryRef
    data_type: DataType
    cutoff_at: datetime
    token: int
    status: str
    attempts: int
    """Attempts since the last commit, including this one."""
    position: dict[str, Any]
    counts: Counter[str] = field(default_factory=Counter)
    expected: int | None = None
    error: Failure | None = None
    pages: int = 0
    """Commits of this sweep so far, by all attempts."""
    down_to: datetime | None = None
    """The moment down to which the present leg reads; None if the leg reads to the end of the sweep."""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.job_id, self.repository.repository_id, self.data_type


_TAKE = """
insert into backfill_sweeps as s (
  backfill_job_id, repository_id, data_type, status, lease_token, lease_owner, leased_at, leg, attempts, started_at)
values ($1, $2, $3, 'in_progress', 1, $4, clock_timestamp(), $5, 1, now())
on conflict (backfill_job_id, repository_id, data_type) do update set
  lease_token = s.lease_token + 1, lease_owner = $4, leg = $5, leased_at = clock_timestamp(), attempts = s.attempts + 1,
  started_at = coalesce(s.started_at, now()),
  status = case when s.status in ('pending', 'in_progress') then 'in_progress' else s.status end
returning lease_token, status, attempts, position, counts, expected, error, pages
"""

# A worker has begun the slice, or somebody has unpaused it. The workflow learns this only later.
_BEGUN = """
update workspace_backfill_progress set metadata = metadata - 'waiting'
where backfill_job_id = $1 and repository_id = $2 and (
  metadata #>> '{waiting,reason}' = 'no_worker' or (
    metadata #>> '{waiting,reason}' = 'paused' and coalesce((metadata #> '{waiting,data_types}') ? $3, true)))
"""

_FENCE = """
select lease_token from backfill_sweeps
where backfill_job_id = $1 and repository_id = $2 and data_type = $3 for update
"""

_PAGES = """
select pages from backfill_sweeps where backfill_job_id = $1 and repository_id = $2 and data_type = $3
"""

_COMMIT = """
update backfill_sweeps set
  position = $4, counts = $5, expected = $6, status = $7, error = $8, proof = coalesce($9, proof),
  pages = pages + $10, requests = requests + $11, points = points + $12, attempts = 0, committed_at = now(),
  most_stored = greatest(most_stored, $13), least_left = least(least_left, $14),
  least_expected = least(least_expected, $13 + least(least_left, $14)),
  waits_for = null,
  completed_at = case when $7 in ('completed', 'failed', 'skipped', 'canceled') then now() end
where backfill_job_id = $1 and repository_id = $2 and data_type = $3
"""

# The least total that was shown before the first embedding was stored is the most that may be left after it.
_EXPECTED_THREADS = """
with threads as (
  select s.status, coalesce((s.counts ->> t.data_type)::integer, 0) + s.least_left as expected, s.least_expected
  from workspace_backfill_jobs j cross join unnest(j.backfill_types) t(data_type)
  left join backfill_sweeps s on s.backfill_job_id = j.id and s.repository_id = $2 and s.data_type = t.data_type
  where j.id = $1 and t.data_type in ('pull_requests', 'issues', 'discussions') and s.status is distinct from 'skipped'
)
select count(*) as types, case
    when not bool_and(expected is not null) then null
    when (select least_left from backfill_sweeps
          where backfill_job_id = $1 and repository_id = $2 and data_type = 'embeddings') is null
      then least(sum(least_expected), sum(expected))
    else sum(expected) end::integer as threads
from threads
"""

# Adds the difference to this sweep's last counts, so that two types of one repository do not overwrite each other.
_PROGRESS = """
update workspace_backfill_progress set
  pull_requests_count = pull_requests_count + $3, issues_count = issues_count + $4,
  discussions_count = discussions_count + $5, comments_count = comments_count + $6,
  reviews_count = reviews_count + $7, events_count = events_count + $8, embeddings_count = embeddings_count + $9
where backfill_job_id = $1 and repository_id = $2
"""

_NOUNS = ("pull_requests", "issues", "discussions", "comments", "reviews", "events", "embeddings")
"""The nouns in the order of `_PROGRESS`'s parameters."""

# Written in the transaction of the sweep's last page, so that nobody sees the one without the other.
_TYPE_ENDED = {
    status: f"""
      update workspace_backfill_progress set
        data_types_{status} = array(select distinct unnest(data_types_{status} || $3::text) order by 1)
      where backfill_job_id = $1 and repository_id = $2
    """
    for status in ("completed", "failed", "skipped")
}

_COUNTS: dict[DataType, str] = {
    "pull_requests": """
      with threads as (
        select id from pull_requests where repository_id = $1 and updated_at >= $2 and gone_at is null)
      select (select count(*) from threads) as pull_requests,
        (select count(*) from reviews r join threads t on t.id = r.pull_request_id) as reviews,
        (select count(*) from comments c join threads t on t.id = c.pull_request_id) as comments,
        (select count(*) from issue_events e join threads t on t.id = e.pull_request_id) as timeline_events
    """,
    "issues": """
      with threads as (
        select id from issues where repository_id = $1 and updated_at >= $2 and gone_at is null)
      select (select count(*) from threads) as issues,
        (select count(*) from comments c join threads t on t.id = c.issue_id) as comments,
        (select count(*) from issue_events e join threads t on t.id = e.issue_id) as timeline_events
    """,
    "discussions": """
      with threads as (
        select id from discussions where repository_id = $1 and updated_at >= $2 and gone_at is null)
      select (select count(*) from threads) as discussions,
        (select count(*) from discussion_comments c join threads t on t.id = c.discussion_id) as comments
    """,
    # Counts threads that have a vector, current or not, because an old vector stays until it is replaced.
    "embeddings": """
      select sum(number)::integer as embeddings from (
        select count(embedding) as number from pull_requests
        where repository_id = $1 and updated_at >= $2 and gone_at is null
        union all
        select count(embedding) from issues where repository_id = $1 and updated_at >= $2 and gone_at is null
        union all
        select count(embedding) from discussions where repository_id = $1 and updated_at >= $2 and gone_at is null
      ) tables
    """,
    "events": """
      select count(*) as events from github_events_cache e
      join repositories r on r.owner = e.repository_owner and r.name = e.repository_name
      where r.id = $1 and e.created_at >= $2
    """,
}


async def is_held_by_another_run(
    database: Database, job_id: str, repository_id: str, data_type: DataType, run_id: str
) -> bool:
    """Returns whether an attempt of another run of the repository's workflow still holds the lease. `run_id` is the
    present run.

    The owner of a lease is stored as `{run id}/{activity id}/{attempt}`.
    """
    async with database.transaction() as connection:
        held: bool | None = await connection.fetchval(
            """
            select lease_owner is not null and split_part(lease_owner, '/', 1) <> $4 from backfill_sweeps
            where backfill_job_id = $1 and repository_id = $2 and data_type = $3 and status = 'in_progress'
            """,
            job_id,
            repository_id,
            data_type,
            run_id,
        )
    return bool(held)


async def take(
    database: Database,
    job_id: str,
    repository: RepositoryRef,
    data_type: DataType,
    cutoff_at: datetime,
    owner: str,
    *,
    leg: Leg | None = None,
    down_to: datetime | None = None,
) -> Sweep:
    """Takes a sweep's lease, even if an earlier attempt holds it. Temporal runs one attempt at a time, so the latest
    attempt is the valid one. Creates the sweep if there is none.

    `leg` is the leg that the caller reads. A leg reads from new to old, and `down_to` is the moment at which it stops.
    If `down_to` is None, the leg reads to the end of the sweep.

    Raises `JobOver` if the job or the repository was deleted.
    """
    async with database.transaction() as connection:
        # Leases of one type and repository are taken one after the other, so that the later one sees the earlier one.
        await connection.execute(
            "select pg_advisory_xact_lock(hashtextextended($1, 0))", f"{repository.repository_id}/{data_type}"
        )
        try:
            [row] = await connection.fetch(_TAKE, job_id, repository.repository_id, data_type, owner, leg)
        except asyncpg.ForeignKeyViolationError as error:
            raise JobOver(
                "deleted", f"job {job_id} or repository {repository.full_name} was deleted", "nothing is left to do"
            ) from error
        await connection.execute(_BEGUN, job_id, repository.repository_id, data_type)
    return Sweep(
        job_id,
        repository,
        data_type,
        cutoff_at,
        row["lease_token"],
        row["status"],
        row["attempts"],
        row["position"],
        Counter(row["counts"]),
        row["expected"],
        Failure.model_validate(row["error"]) if row["error"] else None,
        row["pages"],
        down_to,
    )


async def is_removed(connection: Connection, sweep: Sweep) -> bool:
    """Returns whether the repository no longer belongs to the job's workspace."""
    removed: bool = await connection.fetchval(
        """
        select not exists (
          select from workspace_backfill_jobs j join workspace_repositories r on r.workspace_id = j.workspace_id
          where j.id = $1 and r.repository_id = $2
        )
        """,
        sweep.job_id,
        sweep.repository.repository_id,
    )
    return removed


async def fence(connection: Connection, sweep: Sweep) -> None:
    """Raises `LeaseLostError` if another attempt has taken the lease. This has to be the first call in every
    transaction of a sweep.
    """
    if await connection.fetchval(_FENCE, *sweep.key) != sweep.token:
        raise LeaseLostError


async def is_committed(connection: Connection, sweep: Sweep) -> bool:
    """Returns whether Postgres has a commit that `sweep` does not know of. This is so if the connection was lost after
    the commit.
    """
    pages: int = await connection.fetchval(_PAGES, *sweep.key)
    return pages > sweep.pages


async def commit(
    connection: Connection,
    sweep: Sweep,
    *,
    position: Mapping[str, Any],
    counts: Counter[str],
    expected: int | None = None,
    status: str = "in_progress",
    failure: Failure | None = None,
    proof: Mapping[str, Any] | None = None,
    pages: int = 0,
    requests: int = 0,
    points: int = 0,
) -> None:
    """Stores the sweep's position and counts, in the transaction that stores the page's rows.

    `counts` and `expected` are totals. `pages`, `requests` and `points` are added to what earlier commits stored. If
    `proof` is None, the stored proof is kept. If `failure` is None, the stored failure is deleted.
    """
    await connection.execute(
        _COMMIT,
        *sweep.key,
        dict(position),
        dict(counts),
        expected,
        status,
        failure.model_dump(mode="json") if failure else None,
        dict(proof) if proof else None,
        pages,
        requests,
        points,
        counts[sweep.data_type],
        await _still_to_store(connection, sweep, counts[sweep.data_type], expected, status),
    )
    change = {noun: counts[noun] - sweep.counts[noun] for noun in _NOUNS}
    if any(change.values()):
        await connection.execute(_PROGRESS, sweep.job_id, sweep.repository.repository_id, *change.values())
    if status in _TYPE_ENDED:
        await connection.execute(_TYPE_ENDED[status], *sweep.key)


async def _still_to_store(
    connection: Connection, sweep: Sweep, stored: int, expected: int | None, status: str
) -> int | None:
    """Returns how many threads or embeddings are still to be stored: `expected` minus `stored`. Returns None if the
    number is not known.

    For embeddings that are not complete, the number of expected threads replaces `expected` if the job reads threads,
    because each thread gets an embedding.
    """
    if sweep.data_type == "embeddings" and status != "completed":
        row = await connection.fetchrow(_EXPECTED_THREADS, sweep.job_id, sweep.repository.repository_id)
        if row is not None and row["types"]:
            expected = row["threads"]
    return None if expected is None else max(expected - stored, 0)


async def count_stored(connection: Connection, sweep: Sweep, since: datetime | None = None) -> Counter[str]:
    """Returns how many rows of the sweep's type are stored, by noun. Counts the rows in scope of the job, or the rows
    since `since` if it is given. Rows that other jobs fetched count, too.
    """
    since = since or sweep.cutoff_at
    [row] = await connection.fetch(_COUNTS[sweep.data_type], sweep.repository.repository_id, since)
    return Counter(dict(row))


async def spent(connection: Connection, job_id: str, repository_ids: Sequence[str] | None = None) -> tuple[int, int]:
    """Returns how many GraphQL points a job has cost so far, and an estimate of its REST requests to GitHub. If
    `repository_ids` is given, only these repositories count.

    A sweep counts its requests to both APIs in one number. Its REST requests are estimated as that number minus its
    points. The estimate is too low if a GraphQL request cost more than one point. It is too high if a GraphQL request
    was repeated, because only the points of the last answer are recorded. Requests for embeddings do not count, because
    they go to OpenAI.
    """
    [row] = await connection.fetch(
        """
        select coalesce(sum(points), 0)::integer as points,
          coalesce(sum(greatest(requests - points, 0)) filter (where data_type <> 'embeddings'), 0)::integer as requests
        from backfill_sweeps where backfill_job_id = $1 and ($2::uuid[] is null or repository_id = any($2))
        """,
        job_id,
        repository_ids,
    )
    return row["points"], row["requests"]


async def release(database: Database, sweep: Sweep, *, failure: Failure | None = None) -> None:
    """Gives the lease back. The sweep resumes at its last commit. Records `failure` if it is given. Otherwise, this
    attempt is not counted in `attempts`.
    """
    async with database.transaction() as connection:
        await connection.execute(
            """
            update backfill_sweeps set lease_owner = null, error = coalesce($5, error),
              attempts = case when $5::jsonb is null then greatest(attempts - 1, 0) else attempts end
            where backfill_job_id = $1 and repository_id = $2 and data_type = $3 and lease_token = $4
            """,
            *sweep.key,
            sweep.token,
            failure.model_dump(mode="json") if failure else None,
        )
