"""Decides whether a sweep waits for another job's sweep of the same type and repository, and for how long at most.

A sweep checks this at the beginning of each of its legs, after it took its lease. It waits for a sweep of another job
if all of the following holds for that other sweep:

- The other sweep is in progress and active: it took its lease or committed a page less than `SILENCE` ago. A sweep
whose repository waits for the end of a limit counts as active, too, because a limit delays every job.

- The other sweep is in the middle of a leg, or took its lease before the checking sweep did.

Instead of these two, the other sweep may have stopped in the middle of a leg, if its job resumes: by a retry, or
because the job's add-on had ended and is paid for again. The workflows of both jobs then start at once, so the checking
sweep may be the first to take its lease. It would pay for every page that the other sweep has stored.

- The other sweep is not in its historical leg while the checking sweep is in its recent leg
(docs/decisions/0012-waiting.md).

- The other sweep does not stand still for too long: at most `PATIENCE` has passed since a check first saw its latest
commit. Each new commit starts this time again. For a sweep without a commit, the time starts at the first check.

A sweep in the middle of a leg never waits. If two sweeps are at the beginning of a leg, only the sweep with the later
lease waits. So no two sweeps wait for each other, however many jobs there are.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from store.database import Connection
from store.job_attempts import LEFT_OUT, REDUCIBLE
from store.sweeps import Sweep, fence

SILENCE = timedelta(minutes=5)
"""Another job's sweep without a sign of life for this long counts as dead."""
PATIENCE = timedelta(hours=2)
"""Another job's sweep that commits no page for this long is no longer waited for, even if it gives signs of life. It is
longer than any limit of GitHub's, which is an hour at most.
"""

_ALIVE = """
greatest(
  other.committed_at,
  other.leased_at,
  (select (p.metadata ->> 'waiting_until')::timestamptz from workspace_backfill_progress p
    where p.backfill_job_id = other.backfill_job_id and p.repository_id = other.repository_id)
) > now() - {silence}::interval
"""

_IN_THE_MIDDLE = "(other.position <> '{}' and not other.position ? 'leg_over')"

# Whether a sweep that has stopped will resume: in the attempt that runs, in the attempt whose turn comes, or in the one
# that the owner's add-on is about to begin (`addon_jobs.resume_paid`). A job behind another job of its workspace does
# not count, because that job may wait for ours, or be ours.
_RESUMES = f"""
exists (
  select from workspace_backfill_jobs job
  join workspaces w on w.id = job.workspace_id
  join workspace_backfill_progress p on p.backfill_job_id = job.id and p.repository_id = other.repository_id
  where job.id = other.backfill_job_id and not job.metadata ? 'paused_at'
    and not exists (
      select from workspace_backfill_jobs running
      where running.workspace_id = job.workspace_id and running.id <> job.id and running.status = 'in_progress'
        and not running.metadata ? 'paused_at')
    and case job.status
      when 'in_progress' then
        job.attempt > 0 and other.status = 'pending' and p.status in ('pending', 'in_progress')
        and not job.metadata ? 'cancel_requested_at'
      when 'pending' then
        job.attempt > 0 and other.status in ('failed', 'canceled')
        and (job.metadata #>> '{{retry,requested_at}}')::timestamptz > now() - $4::interval
        and (job.metadata #> '{{retry,repository_ids}}' = '[]'
          or job.metadata #> '{{retry,repository_ids}}' ? other.repository_id::text)
        and (job.metadata #> '{{retry,data_types}}' = '[]' or job.metadata #> '{{retry,data_types}}' ? other.data_type)
        and not coalesce(job.metadata #> '{{retry,left_out}}', '[]') ? other.repository_id::text
      when 'canceled' then
        other.status = 'canceled' and job.metadata ? 'addon_ended_at' and job.completed_at > now() - $4::interval
        and not ({LEFT_OUT}) ? other.repository_id::text
        and coalesce(w.is_active, true) and exists (
          select from app_users u join subscription_addons addon on addon.user_id = u.auth_user_id
          where u.id = w.owner_id and addon.addon_type = 'extended_data_retention' and addon.status = 'active'
            and (addon.retention_days >= job.retention_days or {REDUCIBLE}))
      else false
    end)
"""

# A sweep of an older release has no leg: it is waited for.
_OTHERS = f"""
select mine.repository_id::text, mine.data_type, mine.waits_for, other.backfill_job_id::text as job_id,
  other.committed_at, now() as now
from backfill_sweeps mine
left join backfill_sweeps other
  on other.repository_id = mine.repository_id and other.data_type = mine.data_type
  and other.backfill_job_id <> mine.backfill_job_id
  and (mine.leg = 'recent' and other.leg = 'historical') is not true
  and case other.status
    when 'in_progress' then
      ($3::timestamptz is null or other.leased_at < $3 or {_IN_THE_MIDDLE}) and {_ALIVE.format(silence="$4")}
    else other.status in ('pending', 'failed', 'canceled') and {_IN_THE_MIDDLE} and {_RESUMES}
  end
where mine.backfill_job_id = $1 and mine.repository_id = any($2::uuid[])
"""

_LEASED_AT = """
select leased_at from backfill_sweeps where backfill_job_id = $1 and repository_id = $2 and data_type = $3
"""

_WAIT = """
update backfill_sweeps set waits_for = $4, status = 'pending', lease_owner = null, attempts = greatest(attempts - 1, 0)
where backfill_job_id = $1 and repository_id = $2 and data_type = $3
"""

_LOOKED = """
update backfill_sweeps set waits_for = $4
where backfill_job_id = $1 and repository_id = $2 and data_type = $3 and status = 'pending'
  and waits_for is distinct from $4
"""


async def wait_for_another(connection: Connection, sweep: Sweep) -> str | None:
    """Returns the id of the job whose sweep this sweep has to wait for. Returns None if this sweep does not have to
    wait.

    A sweep that has to wait gives its lease back, so that no other sweep waits for it. Its attempt is not counted.
    """
    await fence(connection, sweep)
    leased_at = await connection.fetchval(_LEASED_AT, *sweep.key)
    rows = await connection.fetch(
        f"{_OTHERS} and mine.data_type = $5 order by other.leased_at",
        sweep.job_id,
        [sweep.repository.repository_id],
        leased_at,
        SILENCE,
        sweep.data_type,
    )
    blocking, seen = _blocking(rows)
    if not blocking:
        return None
    await connection.execute(_WAIT, *sweep.key, seen)
    return blocking[0]


async def history_is_being_swept(connection: Connection, sweep: Sweep) -> bool:
    """Returns whether another job sweeps the historical leg of the same type and repository. A sweep without a sign of
    life within `SILENCE` does not count.
    """
    swept: bool = await connection.fetchval(
        f"""
        select exists (
          select from backfill_sweeps other
          where other.repository_id = $1 and other.data_type = $2 and other.backfill_job_id <> $3
            and other.status = 'in_progress' and other.leg = 'historical' and {_ALIVE.format(silence="$4")})
        """,
        sweep.repository.repository_id,
        sweep.data_type,
        sweep.job_id,
        SILENCE,
    )
    return swept


async def may_go_on(connection: Connection, job_id: str, repository_ids: Sequence[str]) -> list[str]:
    """Returns the ids of the waiting repositories in which at least one data type no longer has to wait for another
    job.

    A repository that was removed from the workspace is returned, too, because it has to continue in order to end.
    """
    rows = await connection.fetch(
        f"""
        {_OTHERS} and mine.status = 'pending' and mine.waits_for is not null
          and exists (
            select from workspace_backfill_jobs j join workspace_repositories r on r.workspace_id = j.workspace_id
            where j.id = $1 and r.repository_id = mine.repository_id)
        order by other.leased_at
        """,
        job_id,
        repository_ids,
        # Whoever has a lease now has it before this sweep can take its next one.
        None,
        SILENCE,
    )
    by_sweep = defaultdict(list)
    for row in rows:
        by_sweep[row["repository_id"], row["data_type"]].append(row)
    free: dict[str, bool] = {}
    for (repository_id, data_type), its in by_sweep.items():
        blocking, seen = _blocking(its)
        free[repository_id] = free.get(repository_id, False) or not blocking
        if blocking:
            await connection.execute(_LOOKED, job_id, repository_id, data_type, seen)
    return [each for each in repository_ids if free.get(each, True)]


def _blocking(others: Iterable[Any]) -> tuple[list[str], dict[str, dict[str, str | None]]]:
    """Returns the ids of the jobs to wait for. Also returns, for each job in `others`, its last commit and when a check
    first saw that commit.
    """
    blocking: list[str] = []
    seen: dict[str, dict[str, str | None]] = {}
    for other in others:
        if other["job_id"] is None:
            continue
        committed_at = other["committed_at"] and other["committed_at"].isoformat()
        before: Any = (other["waits_for"] or {}).get(other["job_id"])
        stands = before is not None and before["committed_at"] == committed_at
        since = datetime.fromisoformat(before["since"]) if stands else other["now"]
        seen[other["job_id"]] = {"committed_at": committed_at, "since": since.isoformat()}
        if other["now"] - since <= PATIENCE:
            blocking.append(other["job_id"])
    return blocking, seen
