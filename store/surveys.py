"""`backfill_surveys`: surveys of repositories, for the sweeps of the job that made the surveys."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from messages import Waiting, WaitingReason
from store import shown_waits
from store.coverage import PLAN_VERSION
from store.database import Connection

FRESH = timedelta(minutes=10)
"""An older survey is not used; sweeps send their own requests."""


async def keep(connection: Connection, job_id: str, surveys: Mapping[str, Mapping[str, Any]]) -> None:
    """Stores the surveys of one request, by repository id. If the job has ended meanwhile, stores no survey, because
    surveys are deleted only when their job ends.
    """
    goes_on = await connection.fetchval(
        "select true from workspace_backfill_jobs where id = $1 and status in ('pending', 'in_progress') for share",
        job_id,
    )
    if not goes_on:
        return
    await connection.executemany(
        """
        insert into backfill_surveys (backfill_job_id, repository_id, survey) values ($1, $2, $3)
        on conflict (backfill_job_id, repository_id) do update set survey = excluded.survey, told_at = now()
        """,
        [(job_id, repository_id, dict(surveys[repository_id])) for repository_id in sorted(surveys)],
    )


async def keep_answers(connection: Connection, job_id: str, answers: Mapping[str, bytes]) -> None:
    """Stores the prefetched answers of each repository, by repository id. They replace answers that were stored before.
    A repository without a survey is left out.
    """
    await connection.executemany(
        """
        update backfill_surveys set answers = $3, answered_at = coalesce(answered_at, now())
        where backfill_job_id = $1 and repository_id = $2
        """,
        [(job_id, repository_id, answers[repository_id]) for repository_id in sorted(answers)],
    )


async def read(connection: Connection, job_id: str, repository_id: str) -> dict[str, Any] | None:
    """Returns the survey that this job made of the repository. Returns None if there is no survey younger
    than `FRESH`.
    """
    survey: dict[str, Any] | None = await connection.fetchval(
        "select survey from backfill_surveys"
        " where backfill_job_id = $1 and repository_id = $2 and told_at > now() - $3::interval",
        job_id,
        repository_id,
        FRESH,
    )
    return survey


class Answers(NamedTuple):
    """A repository's prefetched answers."""

    packed: bytes
    is_old: bool
    """Whether the first of them were stored at least `FRESH` ago."""


async def answers(connection: Connection, job_id: str, repository_id: str) -> Answers | None:
    """Returns the repository's prefetched answers, or None if no answers are stored. Old answers are returned, too,
    because their requests are already paid for.
    """
    row = await connection.fetchrow(
        "select answers, answered_at <= now() - $3::interval as is_old from backfill_surveys"
        " where backfill_job_id = $1 and repository_id = $2 and answers is not null and answered_at is not null",
        job_id,
        repository_id,
        FRESH,
    )
    return Answers(row["answers"], row["is_old"]) if row is not None else None


class Known(NamedTuple):
    """What this job has stored of a repository before its sweeps."""

    survey: dict[str, Any]
    packed: bytes | None
    """The prefetched answers."""
    is_fresh: bool
    """Whether the survey is younger than `FRESH`."""


async def known(connection: Connection, job_id: str, repository_ids: Sequence[str]) -> dict[str, Known]:
    """Returns the surveys that this job has made of these repositories, however old, by repository id."""
    rows = await connection.fetch(
        "select repository_id::text, survey, answers, told_at > now() - $3::interval as is_fresh from backfill_surveys"
        " where backfill_job_id = $1 and repository_id = any($2::uuid[])",
        job_id,
        list(repository_ids),
        FRESH,
    )
    return {row["repository_id"]: Known(row["survey"], row["answers"], row["is_fresh"]) for row in rows}


async def show_wait(
    connection: Connection, job_id: str, repository_ids: Sequence[str], waiting: Waiting | None
) -> None:
    """Shows at these repositories that their survey waits. If `waiting` is None, they wait for their turn again.

    A repository that waits for something else, or has begun, is not changed.
    """
    own: tuple[WaitingReason, ...] = ("github_limit", "github_away")
    await shown_waits.show(
        connection,
        job_id,
        waiting or shown_waits.turn(),
        statuses=("pending",),
        in_place_of=own if waiting is None else (*own, "turn"),
        repository_ids=repository_ids,
    )


async def forget(connection: Connection, job_id: str) -> None:
    """Deletes a job's surveys, in the transaction that writes the job's end."""
    await connection.execute("delete from backfill_surveys where backfill_job_id = $1", job_id)


async def forget_completed(connection: Connection, job_id: str, repository_id: str) -> None:
    """Deletes the repository's survey if the job has completed the repository. The survey of a failed repository is
    kept, because the repository may be retried.
    """
    await connection.execute(
        """
        delete from backfill_surveys where backfill_job_id = $1 and repository_id = $2 and exists (
          select from workspace_backfill_progress p where p.backfill_job_id = $1 and p.repository_id = $2
            and p.status in ('completed', 'skipped'))
        """,
        job_id,
        repository_id,
    )


async def scope(connection: Connection, job_id: str) -> tuple[list[str], datetime]:
    """Returns the data types and the cutoff of the job. If the job was deleted, returns no types and the present
    moment.
    """
    row = await connection.fetchrow(
        "select backfill_types, cutoff_at from workspace_backfill_jobs where id = $1", job_id
    )
    return (list(row["backfill_types"]), row["cutoff_at"]) if row is not None else ([], datetime.now(UTC))


async def covered(connection: Connection, job_id: str, repository_ids: Sequence[str]) -> dict[str, list[str]]:
    """Returns the data types that have coverage of the present `PLAN_VERSION`, by repository id. The result is empty
    for a job that fetches everything again.
    """
    rows = await connection.fetch(
        """
        select repository_id::text, array_agg(data_type) as data_types from backfill_coverage
        where repository_id = any($2::uuid[]) and plan_version = $3
          and not exists (select from workspace_backfill_jobs where id = $1 and metadata ? 'fresh')
        group by 1
        """,
        job_id,
        list(repository_ids),
        PLAN_VERSION,
    )
    return {row["repository_id"]: row["data_types"] for row in rows}


async def begun(connection: Connection, job_id: str, repository_ids: Sequence[str]) -> set[str]:
    """Returns the ids of the repositories that the job has begun to read. They need no survey, because their sweeps
    resume.
    """
    rows = await connection.fetch(
        "select distinct repository_id::text from backfill_sweeps"
        " where backfill_job_id = $1 and repository_id = any($2::uuid[]) and position <> '{}'",
        job_id,
        list(repository_ids),
    )
    return {row["repository_id"] for row in rows}


async def private(connection: Connection, repository_ids: Sequence[str]) -> set[str]:
    """Returns the ids of the repositories that GitHub last showed as private."""
    rows = await connection.fetch(
        "select id::text from repositories where id = any($1::uuid[]) and is_private", list(repository_ids)
    )
    return {row["id"] for row in rows}


async def stored_discussions(connection: Connection, repository_ids: Sequence[str]) -> dict[str, int]:
    """Returns the number of stored discussions, by repository id. Repositories without discussions are left out."""
    rows = await connection.fetch(
        "select repository_id::text, count(*) as number from discussions where repository_id = any($1::uuid[])"
        " and gone_at is null group by 1",
        list(repository_ids),
    )
    return {row["repository_id"]: row["number"] for row in rows}
