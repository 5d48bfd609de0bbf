"""Notes of what GitHub will not give for good: facts about a repository, written with the page that finds them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from temporalio.testing import ActivityEnvironment

from activities import sweep as sweep_module
from activities.position import Position
from activities.sweep import SweepActivity
from activities.turn import Sources, Turn
from github.client import GitHub
from messages import Pace, RepositoryRef, SliceResult, SweepSlice
from rows import Note
from store import job_requests, job_start, notes, sweeps
from store.database import Database
from store.notes import NotedThreads
from store.sweeps import Sweep
from tests.support import shop
from tests.support.shop import connected

HIDDEN = Note("hidden", "timeline", 12, "PR_12", 3, "Resource not accessible by personal access token")
REFUSED = Note("refused", "comments", 14, "PR_14", 1, "Although you appear to have the correct authorization...")
STARS = Note("refused", "stargazers", None, "", 40, "Must have push access")


@dataclass
class Repository:
    """A repository in a workspace, and sweeps over its pull requests, each of a job of its own."""

    database: Database
    workspace_id: str
    ref: RepositoryRef

    async def job(self) -> str:
        async with self.database.transaction() as connection:
            job_id = await job_requests.ask_for(
                connection, workspace=self.workspace_id, data_types=("pull_requests",), actor=shop.OPERATOR
            )
            await job_start.begin(connection, job_id, Pace())
        return job_id

    async def sweep(self) -> Sweep:
        cutoff_at = datetime(2026, 1, 1, tzinfo=UTC)
        return await sweeps.take(self.database, await self.job(), self.ref, "pull_requests", cutoff_at, "somebody")

    async def write(self, sweep: Sweep, *written: Note) -> None:
        async with self.database.transaction() as connection:
            await notes.write(connection, sweep, written)

    async def resolve(self, sweep: Sweep, *whole: tuple[str, str]) -> None:
        async with self.database.transaction() as connection:
            await notes.resolve(connection, sweep, whole)

    async def noted(self) -> list[Note]:
        async with self.database.transaction() as connection:
            return await notes.read(connection, self.ref.repository_id, "pull_requests")

    async def to_look_again(self, sweep: Sweep) -> list[Note]:
        async with self.database.transaction() as connection:
            return await notes.to_look_again(connection, sweep)


@pytest.fixture
async def repository(database: str) -> AsyncIterator[Repository]:
    async with Database(database, size=4) as opened, connected(database) as connection:
        workspace_id = await shop.workspace(connection, await shop.buyer(connection), "octo/a")
        repository_id = await connection.fetchval("select id::text from repositories")
        yield Repository(
            opened,
            workspace_id,
            RepositoryRef(repository_id=repository_id, github_id=1, full_name="octo/a"),
        )


async def test_a_note_that_is_seen_again_keeps_its_first_moment(repository: Repository, database: str) -> None:
    await repository.write(await repository.sweep(), HIDDEN)
    async with connected(database) as connection:
        await connection.execute("update backfill_notes set first_seen_at = '2020-01-01', last_seen_at = '2020-01-01'")
        again = await repository.sweep()
        await repository.write(again, HIDDEN._replace(count=1), HIDDEN._replace(kind="refused", count=5, words="No."))
        [row] = await connection.fetch("select * from backfill_notes")
    assert (row["kind"], row["count"], row["words"]) == ("refused", 5, "No.")
    assert row["first_seen_at"] == datetime(2020, 1, 1, tzinfo=UTC)
    assert datetime.now(UTC) - row["last_seen_at"] < timedelta(hours=1)
    assert str(row["seen_by"]) == again.job_id


async def test_what_is_whole_now_loses_its_note_and_no_other(repository: Repository) -> None:
    sweep = await repository.sweep()
    of_another_thread = HIDDEN._replace(number=13, node_id="PR_13")
    await repository.write(sweep, HIDDEN, HIDDEN._replace(what="comments"), of_another_thread, REFUSED, STARS)
    await repository.resolve(sweep, ("timeline", "PR_12"), ("reviews", "PR_14"), ("stargazers", ""))
    assert await repository.noted() == [HIDDEN._replace(what="comments"), REFUSED, of_another_thread]


async def test_notes_of_another_type_stay_when_those_of_one_are_whole(repository: Repository, database: str) -> None:
    sweep = await repository.sweep()
    await repository.write(sweep, HIDDEN)
    async with connected(database) as connection:
        await connection.execute("update backfill_notes set data_type = 'issues'")
        await repository.resolve(sweep, ("timeline", "PR_12"))
        assert await connection.fetchval("select count(*) from backfill_notes") == 1


async def test_threads_that_are_not_listed_are_told_from_those_that_are_not_stored(
    repository: Repository, database: str
) -> None:
    unlisted = Note("hidden", "thread", None, "", 4, "")
    missing = Note("unavailable", "thread", 12, "PR_12", 1, "")
    await repository.write(await repository.sweep(), unlisted, missing, HIDDEN)
    sweep = await repository.sweep()

    async def noted() -> NotedThreads:
        async with repository.database.transaction() as connection:
            return await notes.of_threads(connection, sweep)

    assert await noted() == NotedThreads(unlisted=4, is_old=False, missing=1, stored=0)
    async with connected(database) as connection:
        await connection.execute("update backfill_notes set last_seen_at = now() - '6 days 23 h'::interval")
        assert not (await noted()).is_old
        await connection.execute("update backfill_notes set last_seen_at = now() - '7 days 1 s'::interval")
        assert (await noted()).is_old


async def test_words_are_cut_where_they_are_too_long(repository: Repository) -> None:
    await repository.write(await repository.sweep(), HIDDEN._replace(words="x" * 600))
    assert [note.words for note in await repository.noted()] == ["x" * 500]


async def test_all_notes_are_read_in_pages(repository: Repository) -> None:
    many = [HIDDEN._replace(node_id=f"PR_{number}", number=number) for number in range(100, 105)]
    await repository.write(await repository.sweep(), STARS, *many)
    read: list[Note] = []
    async with repository.database.transaction() as connection:
        while page := await notes.read(
            connection,
            repository.ref.repository_id,
            "pull_requests",
            after=(read[-1].what, read[-1].node_id) if read else ("", ""),
            limit=2,
        ):
            read += page
    assert read == [STARS, *many]


async def test_each_job_looks_again_at_what_others_noted_until_all_is_looked_at(repository: Repository) -> None:
    await repository.write(await repository.sweep(), HIDDEN, REFUSED, STARS)
    sweep = await repository.sweep()
    assert await repository.to_look_again(sweep) == [HIDDEN, REFUSED]
    await repository.write(sweep, HIDDEN, REFUSED._replace(node_id="PR_99", number=99))
    await repository.resolve(sweep, ("comments", "PR_14"))
    assert await repository.to_look_again(sweep) == []


async def test_notes_outlive_their_job_and_go_with_their_repository(repository: Repository, database: str) -> None:
    await repository.write(await repository.sweep(), HIDDEN)
    async with connected(database) as connection:
        await connection.execute("delete from workspace_backfill_jobs")
        assert await repository.noted() == [HIDDEN]
        assert await repository.to_look_again(await repository.sweep()) == [HIDDEN]
        await connection.execute(
            "delete from workspace_backfill_jobs; delete from workspace_repositories; delete from repositories"
        )
    assert await repository.noted() == []


# --- With the page that finds them


class Scripted:
    """A reader that brings these turns."""

    positions = Position
    is_ahead = False

    def __init__(self, turns: Iterator[Turn[Position]]) -> None:
        self._turns = turns

    async def turn(self, position: Position, *, threads_ended: bool) -> Turn[Position]:  # noqa: ARG002
        return next(self._turns)

    def look_ahead(self, turn: Turn[Position]) -> None: ...

    async def close(self) -> None: ...


@contextmanager
def reading(*turns: Turn[Position]) -> Iterator[None]:
    script = iter(turns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(cast(dict[str, Any], sweep_module.READERS), "pull_requests", lambda *_: Scripted(script))
        yield


async def slice_of(repository: Repository, job_id: str) -> SliceResult:
    sources = Sources(repository.database, cast(GitHub, None))
    return await ActivityEnvironment().run(
        SweepActivity(sources).sweep,
        SweepSlice(
            job_id=job_id,
            repository=repository.ref,
            data_type="pull_requests",
            cutoff_at=datetime(2026, 1, 1, tzinfo=UTC),
            pace=Pace(),
        ),
    )


async def test_a_type_with_notes_is_completed_and_says_how_many(repository: Repository, database: str) -> None:
    found = Turn(Position(cursor="1"), noted=[HIDDEN, REFUSED, HIDDEN._replace(what="reviews")])
    last = Turn(
        Position(cursor="2"), resolved=[("reviews", "PR_12")], noted=[STARS], outcome="completed", proof={"total": 9}
    )
    job_id = await repository.job()
    with reading(found, last):
        result = await slice_of(repository, job_id)
    summary = {"hidden": {"timeline": 3}, "refused": {"comments": 1, "stargazers": 40}}
    assert (result.outcome, result.noted) == ("completed", summary)
    async with connected(database) as connection:
        [row] = await connection.fetch("select status, proof from backfill_sweeps")
    assert (row["status"], row["proof"]) == ("completed", {"total": 9, "noted": summary})
    with reading():
        assert (await slice_of(repository, job_id)).noted == summary, "told again to who did not hear it"


async def test_without_notes_the_proof_says_nothing_of_them(repository: Repository, database: str) -> None:
    with reading(Turn(Position(), outcome="completed", proof={"total": 9})):
        assert (await slice_of(repository, await repository.job())).noted == {}
    async with connected(database) as connection:
        assert await connection.fetchval("select proof from backfill_sweeps") == {"total": 9}


async def test_a_turn_whose_commit_fails_leaves_no_note(repository: Repository) -> None:
    found = Turn(Position(cursor="1"), noted=[HIDDEN])
    refused = Turn(Position(cursor="2"), noted=[REFUSED], resolved=[("timeline", "PR_12")], expected=1 << 40)
    job_id = await repository.job()
    with reading(found, refused):
        result = await slice_of(repository, job_id)
    assert (result.outcome, result.failure and result.failure.code) == ("failed", "unstorable")
    assert await repository.noted() == [HIDDEN]
