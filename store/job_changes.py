"""Finds out which jobs look different to people than before. The fingerprint of a job changes whenever its `JobView`
may have changed.
"""

from collections.abc import Sequence

from store.database import Connection

# Every row that `job_views.read` reads of a job, by the transaction that wrote it (`xmin`). A row that is written again
# has a newer one, which no row had before: so the sum over all of them stays the same only while nothing has changed.
# Nothing has to be written for this, and a transaction that commits late is found in the first snapshot that shows it.
_FINGERPRINTS = """
with watched as (
  select id, workspace_id, subscription_addon_id, backfill_types, xmin as row_version
  from workspace_backfill_jobs where id = any($1::uuid[])
), progress as (
  select watched.id, watched.backfill_types, part.repository_id, part.xmin as row_version
  from watched join workspace_backfill_progress part on part.backfill_job_id = watched.id
), listed as (
  select watched.id, its.repository_id, its.xmin as row_version
  from watched join workspace_repositories its on its.workspace_id = watched.workspace_id
  where not exists (select from progress where progress.id = watched.id)
), versions as (
  select id, row_version from watched
  union all select id, row_version from progress
  union all select id, row_version from listed
  union all
  select watched.id, sweep.xmin from watched join backfill_sweeps sweep on sweep.backfill_job_id = watched.id
  union all
  select scope.id, repository.xmin
  from (select id, repository_id from progress union all select id, repository_id from listed) scope
  join repositories repository on repository.id = scope.repository_id
  union all
  select progress.id, note.xmin
  from progress join backfill_notes note
    on note.repository_id = progress.repository_id and note.data_type = any(progress.backfill_types)
  union all
  select watched.id, workspace.xmin from watched join workspaces workspace on workspace.id = watched.workspace_id
  union all
  select watched.id, addon.xmin from watched join subscription_addons addon on addon.id = watched.subscription_addon_id
)
select id::text, count(*) || '.' || sum(hashtextextended(row_version::text, 0)) as fingerprint
from versions group by 1
"""


# The same of each repository, in the order of names. A job that has not begun has no rows here, and is read whole.
_BY_REPOSITORY = """
with progress as (
  select p.repository_id, p.xmin as row_version, r.full_name, r.xmin as name_version, j.backfill_types
  from workspace_backfill_jobs j join workspace_backfill_progress p on p.backfill_job_id = j.id
  join repositories r on r.id = p.repository_id
  where j.id = $1
), versions as (
  select repository_id, row_version from progress
  union all select repository_id, name_version from progress
  union all select repository_id, xmin from backfill_sweeps where backfill_job_id = $1
  union all
  select progress.repository_id, note.xmin
  from progress join backfill_notes note
    on note.repository_id = progress.repository_id and note.data_type = any(progress.backfill_types)
)
select repository_id::text, count(*) || '.' || sum(hashtextextended(versions.row_version::text, 0)) as fingerprint
from versions join progress using (repository_id) group by repository_id, full_name order by full_name
"""


async def by_repository(connection: Connection, job_id: str) -> dict[str, str]:
    """Returns the fingerprint of each repository of a job, by repository id, in the order of the repositories' names.
    The result is empty if the job has not begun. A fingerprint changes whenever the repository's view may have changed.
    """
    rows = await connection.fetch(_BY_REPOSITORY, job_id)
    return {row["repository_id"]: row["fingerprint"] for row in rows}


async def fingerprints(connection: Connection, job_ids: Sequence[str]) -> dict[str, str]:
    """Returns the fingerprint of each job, by job id. Jobs that were deleted are left out.

    If the fingerprint of a job differs from an earlier one, some row of the job was written. The job's view may still
    be the same.
    """
    rows = await connection.fetch(_FINGERPRINTS, list(job_ids))
    return {row["id"]: row["fingerprint"] for row in rows}
