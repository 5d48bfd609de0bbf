"""`backfill_surveys`: what one request told of many repositories, for the sweeps of the job that sent it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from store.database import Connection

FRESH = timedelta(minutes=10)
"""An older survey tells nothing: what it would save is asked for anew."""


async def replace(
    connection: Connection,
    job_id: str,
    asked: Sequence[str],
    surveys: Mapping[str, Mapping[str, Any]],
    answers: Mapping[str, bytes],
) -> None:
    """Stores the surveys of these repositories, by their ids; one that was asked for and not answered has none then.

    `answers`: of those that were read whole, what their sweeps need not ask for. A job that has ended meanwhile gets
    none: nobody would delete them.
    """
    goes_on = await connection.fetchval(
        "select true from workspace_backfill_jobs where id = $1 and status in ('pending', 'in_progress') for share",
        job_id,
    )
    if not goes_on:
        return
    await connection.execute(
        "delete from backfill_surveys where backfill_job_id = $1 and repository_id = any($2::uuid[])",
        job_id,
        list(asked),
    )
    await connection.executemany(
        """
        insert into backfill_surveys (backfill_job_id, repository_id, survey, answers) values ($1, $2, $3, $4)
        on conflict (backfill_job_id, repository_id) do update set
          survey = excluded.survey, answers = excluded.answers, told_at = now()
        """,
        [
            (job_id, repository_id, dict(survey), answers.get(repository_id))
            for repository_id, survey in surveys.items()
        ],
    )


async def read(connection: Connection, job_id: str, repository_id: str) -> dict[str, Any] | None:
    """The survey of this repository, if this job had one moments ago."""
    survey: dict[str, Any] | None = await connection.fetchval(
        "select survey from backfill_surveys"
        " where backfill_job_id = $1 and repository_id = $2 and told_at > now() - $3::interval",
        job_id,
        repository_id,
        FRESH,
    )
    return survey


async def answers(connection: Connection, job_id: str, repository_id: str) -> bytes | None:
    """What sweeps of this repository need not ask for, if this job had it moments ago."""
    packed: bytes | None = await connection.fetchval(
        "select answers from backfill_surveys"
        " where backfill_job_id = $1 and repository_id = $2 and told_at > now() - $3::interval",
        job_id,
        repository_id,
        FRESH,
    )
    return packed


async def fresh(connection: Connection, job_id: str, repository_ids: Sequence[str]) -> set[str]:
    """Those of these repositories whose survey this job had moments ago."""
    rows = await connection.fetch(
        "select repository_id::text from backfill_surveys"
        " where backfill_job_id = $1 and repository_id = any($2::uuid[]) and told_at > now() - $3::interval",
        job_id,
        list(repository_ids),
        FRESH,
    )
    return {row["repository_id"] for row in rows}


async def forget(connection: Connection, job_id: str) -> None:
    """Deletes the surveys of a job whose end is written in this transaction."""
    await connection.execute("delete from backfill_surveys where backfill_job_id = $1", job_id)


async def scope(connection: Connection, job_id: str) -> tuple[list[str], datetime]:
    """The job's data types, and its cutoff."""
    row = await connection.fetchrow(
        "select backfill_types, cutoff_at from workspace_backfill_jobs where id = $1", job_id
    )
    return (list(row["backfill_types"]), row["cutoff_at"]) if row is not None else ([], datetime.now(UTC))


async def covered(connection: Connection, job_id: str, repository_ids: Sequence[str]) -> dict[str, list[str]]:
    """Repository id -> data types that are covered; none for a job that is to begin afresh."""
    rows = await connection.fetch(
        """
        select repository_id::text, array_agg(data_type) as data_types from backfill_coverage
        where repository_id = any($2::uuid[])
          and not exists (select from workspace_backfill_jobs where id = $1 and metadata ? 'fresh')
        group by 1
        """,
        job_id,
        list(repository_ids),
    )
    return {row["repository_id"]: row["data_types"] for row in rows}


async def begun(connection: Connection, job_id: str, repository_ids: Sequence[str]) -> set[str]:
    """Those of these repositories of which the job has read something: their sweeps go on where they stand."""
    rows = await connection.fetch(
        "select distinct repository_id::text from backfill_sweeps"
        " where backfill_job_id = $1 and repository_id = any($2::uuid[]) and position <> '{}'",
        job_id,
        list(repository_ids),
    )
    return {row["repository_id"] for row in rows}


async def stored_discussions(connection: Connection, repository_ids: Sequence[str]) -> dict[str, int]:
    """Repository id -> discussions that are stored; without those that have none."""
    rows = await connection.fetch(
        "select repository_id::text, count(*) as number from discussions where repository_id = any($1::uuid[])"
        " and gone_at is null group by 1",
        list(repository_ids),
    )
    return {row["repository_id"]: row["number"] for row in rows}
