"""`backfill_coverage`: for each data type of a repository, the time range that is stored whole, and as of when. Later
jobs do not fetch that range again.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from store.database import Connection
from store.sweeps import Sweep, count_stored

log = structlog.get_logger(__name__)

PLAN_VERSION = 1
"""The version of what a sweep fetches. Add 1 if it fetches more: coverage of other versions is not inherited."""

BEGINNING = datetime.min.replace(tzinfo=UTC)
"""`low` of a type that was swept to the list's end."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The covered time range of a data type. Everything that changed in [`low`, `as_of`] is stored as it was at
    `as_of`.

    A reader resumes from `position` to fetch things that are older than `low` or have changed after `as_of`.
    """

    low: datetime
    as_of: datetime
    position: dict[str, Any]
    left_out: tuple[str, ...] = ()
    """What the sweep did not fetch because the server's schema lacked it."""


async def read(connection: Connection, sweep: Sweep) -> Coverage | None:
    """Returns the coverage of the sweep's data type. Returns None if there is no coverage of the present
    `PLAN_VERSION`, or if the job fetches everything again.

    If fewer rows are stored than the coverage counted, somebody has deleted rows. The coverage is then deleted, too,
    and None is returned.
    """
    row = await connection.fetchrow(
        """
        select low, as_of, position, counts, left_out from backfill_coverage
        where repository_id = $1 and data_type = $2 and plan_version = $3
          and not exists (select from workspace_backfill_jobs where id = $4 and metadata ? 'fresh')
        """,
        sweep.repository.repository_id,
        sweep.data_type,
        PLAN_VERSION,
        sweep.job_id,
    )
    if row is None:
        return None
    covered = Coverage(_finite(row["low"]), row["as_of"], row["position"], tuple(row["left_out"]))
    left = await count_stored(connection, sweep, since=covered.low)
    if short := {noun: (number, left[noun]) for noun, number in row["counts"].items() if left[noun] < number}:
        log.warning("what was covered is no longer there: fetched again", was_and_is=short)
        await connection.execute(
            "delete from backfill_coverage where repository_id = $1 and data_type = $2",
            sweep.repository.repository_id,
            sweep.data_type,
        )
        return None
    return covered


async def write(connection: Connection, sweep: Sweep, coverage: Coverage, left_out: Collection[str] = ()) -> None:
    """Writes the coverage of a complete sweep, in the transaction that completes the sweep. `left_out` names the fields
    that requests left out because the server's schema lacks the fields.

    A stored coverage of the same `PLAN_VERSION` that goes further back is kept, because a job with a longer retention
    has paid for it. It is replaced, though, if its sweep left out a field that is not in `left_out`.
    """
    await connection.execute(
        """
        insert into backfill_coverage
          (repository_id, data_type, plan_version, low, as_of, position, swept_by, counts, left_out)
        values ($1, $2, $3, case when $4::timestamptz = $8 then '-infinity' else $4 end, $5, $6, $7, $9, $10)
        on conflict (repository_id, data_type) do update set
          plan_version = excluded.plan_version, low = excluded.low, as_of = excluded.as_of,
          position = excluded.position, swept_by = excluded.swept_by, counts = excluded.counts,
          left_out = excluded.left_out
        where excluded.low <= backfill_coverage.low or excluded.plan_version <> backfill_coverage.plan_version
          or not backfill_coverage.left_out <@ excluded.left_out
        """,
        sweep.repository.repository_id,
        sweep.data_type,
        PLAN_VERSION,
        coverage.low,
        coverage.as_of,
        coverage.position,
        sweep.job_id,
        BEGINNING,
        dict(await count_stored(connection, sweep, since=coverage.low)),
        sorted(left_out),
    )


def _finite(moment: datetime) -> datetime:
    """Returns the moment, or `BEGINNING` if the moment is Postgres' -infinity. asyncpg reads -infinity as a datetime
    without a time zone.
    """
    return moment if moment.tzinfo else BEGINNING
