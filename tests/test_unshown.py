"""What GitHub does not show, as people are told of it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import pytest

import unshown
from cli import program
from messages import (
    DATA_TYPES,
    Pace,
    PartStatus,
    RepositoryOutcome,
    RepositoryRef,
    RepositoryTransition,
    TypeOutcome,
)
from rows import Note
from store import job_end, job_requests, job_start, notes, sweeps, transitions
from store.database import Database
from tests.support import shop
from tests.support.shop import connected

SAML = "Resource protected by organization SAML enforcement."
TIMELINE = Note("hidden", "timeline", 12, "PR_12", 2, "Resource not accessible by personal access token")
THREAD = Note("refused", "thread", 14, "PR_14", 1, SAML)


def test_one_thing_is_one() -> None:
    assert [unshown.how_many(number) for number in (1, 3)] == [
        "1 thing GitHub does not show",
        "3 things GitHub does not show",
    ]


@dataclass
class Ended:
    """A job over two repositories, `octo/a` and `octo/b`, in which a sweep noted something."""

    database: Database
    host: asyncpg.Connection
    job_id: str
    repositories: list[RepositoryRef]

    async def note(self, repository: RepositoryRef, *noted: Note) -> None:
        sweep = await sweeps.take(
            self.database, self.job_id, repository, "pull_requests", datetime(2026, 1, 1, tzinfo=UTC), "somebody"
        )
        async with self.database.transaction() as connection:
            await notes.write(connection, sweep, noted)
            await sweeps.commit(
                connection, sweep, position={}, counts=sweep.counts, status="completed", proof={"proved_by": "chain"}
            )

    async def end(self, *failed: RepositoryRef) -> None:
        async with self.database.transaction() as connection:
            for each in self.repositories:
                status: PartStatus = "failed" if each in failed else "completed"
                types = [TypeOutcome(data_type=data_type, status="completed") for data_type in DATA_TYPES]
                outcome = RepositoryOutcome(repository=each, status=status, types=types)
                change = RepositoryTransition(job_id=self.job_id, attempt=0, sequence=1, outcome=outcome)
                await transitions.record(connection, change)
            outcome_of_job = await job_end.finish(connection, self.job_id, 0, canceled=False)
        assert outcome_of_job.status == "completed"

    async def told(self) -> asyncpg.Record:
        row = await self.host.fetchrow("select title, message, metadata from notifications where status = 'completed'")
        assert row is not None
        return row


@pytest.fixture
async def ended(database: str) -> AsyncIterator[Ended]:
    async with Database(database, size=4) as opened, connected(database) as host:
        workspace_id = await shop.workspace(host, await shop.buyer(host), "octo/a", "octo/b", slug="acme")
        rows = await host.fetch("select id::text, github_id, full_name from repositories order by full_name")
        async with opened.transaction() as connection:
            job_id = await job_requests.ask_for(connection, workspace=workspace_id, actor=shop.OPERATOR)
            await job_start.begin(connection, job_id, Pace())
        repositories = [
            RepositoryRef(repository_id=row["id"], github_id=row["github_id"], full_name=row["full_name"])
            for row in rows
        ]
        yield Ended(opened, host, job_id, repositories)


async def test_the_owner_is_told_how_many_things_and_where(ended: Ended) -> None:
    await ended.note(ended.repositories[0], TIMELINE, THREAD)
    await ended.end()
    title, message, metadata = await ended.told()
    assert title == "Backfill of acme complete, 3 things GitHub does not show"
    assert message == "All 2 repositories are complete, 3 things GitHub does not show: octo/a#12, octo/a#14."
    assert metadata["unshown"]["things"] == 3
    [first, second] = metadata["unshown"]["which"]
    assert (first["repository"], first["number"], first["kind"], first["what"]) == ("octo/a", 12, "hidden", "timeline")
    assert (second["number"], second["words"]) == (14, SAML)
    job = await ended.host.fetchval("select metadata from workspace_backfill_jobs")
    assert job["unshown"] == metadata["unshown"]


async def test_failures_come_first_in_what_the_owner_is_told(ended: Ended) -> None:
    await ended.note(ended.repositories[0], TIMELINE)
    await ended.end(ended.repositories[1])
    title, message, _ = await ended.told()
    assert title == "Backfill of acme completed with failures"
    assert message == "1 of 2 repositories failed: octo/b; 2 things GitHub does not show: octo/a#12"


async def test_where_all_is_shown_nothing_is_said_of_it(ended: Ended) -> None:
    await ended.end()
    title, message, metadata = await ended.told()
    assert (title, message) == ("Backfill of acme completed", "All 2 repositories are complete.")
    assert "unshown" not in metadata


async def test_many_are_counted_and_some_are_named(ended: Ended) -> None:
    many = [TIMELINE._replace(number=number, node_id=f"PR_{number}", count=1) for number in range(1, 26)]
    await ended.note(ended.repositories[0], *many)
    await ended.end()
    _, message, metadata = await ended.told()
    assert message.endswith(
        "25 things GitHub does not show: " + ", ".join(f"octo/a#{n}" for n in range(1, 11)) + ", and 15 more."
    )
    assert (len(metadata["unshown"]["which"]), metadata["unshown"]["more"]) == (20, 5)


async def test_status_says_how_many_and_which(
    ended: Ended, database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await ended.note(ended.repositories[0], TIMELINE, THREAD, Note("refused", "stargazers", None, "", 40, ""))
    await ended.end()
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("COLUMNS", "200")
    assert await program.run(["status", "acme", "--json"]) == 0
    job = json.loads(capsys.readouterr().out)
    assert job["unshown"] == 43
    [of_pulls] = [each for each in job["repositories"][0]["types"] if each["data_type"] == "pull_requests"]
    assert of_pulls["unshown"]["by_kind"] == {"hidden": {"timeline": 2}, "refused": {"thread": 1, "stargazers": 40}}
    assert [each["number"] for each in of_pulls["unshown"]["which"]] == [None, 12, 14]
    assert await program.run(["status", "acme"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0].startswith("Complete as of ") and lines[0].endswith(", 43 things GitHub does not show")
    [row] = [line for line in lines if line.startswith("octo/a pull requests")]
    assert row.endswith("complete, 43 things GitHub does not show; proved by chain")
    today = datetime.now(UTC).date()
    assert f"octo/a#14: 1 thread refused since {today}: {SAML}" in lines
    assert f"octo/a: 40 stargazers refused since {today}" in lines
    assert await program.run(["watch", "acme"]) == 0
    watched = capsys.readouterr().out
    assert "octo/a pull requests: completed, 0: complete, 43 things GitHub does not show" in watched
    assert "completed_with_notes: Complete as of " in watched
    assert f"octo/a#14: 1 thread refused since {today}: {SAML}" in watched
