"""A page that Postgres does not take is kept in memory and committed again: nothing is paid for twice."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from activities import commits
from errors import RetryNow
from messages import DATA_TYPES
from sandbox.embeddings import EmbeddingServer
from sandbox.github import StandIn, World
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from store import sweeps
from store.database import Connection, Database
from tests.support.backfill.plans import LITTLE
from tests.support.backfill.whole import Backfill
from tests.support.shop import connected
from tests.support.truth import check

PLAN = Plan("acme/words", pull_requests=40, issues=30, discussions=20, years=2, deep_threads=1, **LITTLE)
LISTS = ("PullRequests", "Issues", "Discussions")
REFUSES_FIRST = """
create sequence tries;
create function refuse() returns trigger language plpgsql as $$
begin
  -- A sequence counts on when its transaction is rolled back.
  if nextval('tries') % 2 = 1 then
    raise exception 'the disk is full' using errcode = 'disk_full';
  end if;
  return new;
end
$$;
create trigger refuse before update on backfill_sweeps for each row when (new.pages > old.pages)
execute function refuse();
"""
"""Makes Postgres refuse every other commit of a page."""


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "FIRST_PAUSE", 0.001)


@pytest.fixture
def backfill(direct: Backfill, embeddings: EmbeddingServer) -> Backfill:
    """With a key."""
    direct.environment |= {"OPENAI_BASE_URL": embeddings.url, "OPENAI_API_KEY": embeddings.token}
    return direct


async def paid_once(backfill: Backfill, github: StandIn, bought: EmbeddingServer) -> Any:
    """Backfills `PLAN`, checks that all rows are right and that nothing was paid for twice, and returns the progress
    row.
    """
    repository = generate(github.world, PLAN)
    backfill.at(github)
    job_id = await backfill.start(await backfill.workspace(repository), types=DATA_TYPES)
    await backfill.completed(job_id)
    await check(backfill.dsn, repository)
    asked = Counter((each.operation, each.path, str(each.variables)) for each in github.log)
    assert [request for request, times in asked.items() if times > 1 and request[0] in LISTS] == []
    texts = Counter(text for each in bought.requests if each.status == 200 for text in each.texts)
    assert set(texts.values()) == {1}
    for sweep in await backfill.rows("select * from backfill_sweeps"):
        assert (sweep["error"], sweep["attempts"]) == (None, 0)
    [progress] = await backfill.rows("select * from workspace_backfill_progress")
    return progress


async def test_a_page_that_postgres_refuses_for_a_moment_is_not_paid_for_again(
    serve: Callable[..., StandIn], backfill: Backfill, embeddings: EmbeddingServer
) -> None:
    async with connected(backfill.dsn) as connection:
        await connection.execute(REFUSES_FIRST)
    progress = await paid_once(backfill, serve(World()), embeddings)
    assert (progress["pull_requests_count"], progress["issues_count"], progress["embeddings_count"]) == (40, 30, 90)
    [tries] = await backfill.rows("select last_value from tries")
    [pages] = await backfill.rows("select sum(pages) as number from backfill_sweeps")
    assert tries["last_value"] >= 2 * pages["number"] > 10


async def test_a_page_that_was_committed_without_an_answer_is_counted_once(
    serve: Callable[..., StandIn],
    backfill: Backfill,
    embeddings: EmbeddingServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when the connection breaks after Postgres committed, and before it said so. Every other commit is so lost."""
    committing: set[Connection] = set()
    tries = 0
    commit, transaction = sweeps.commit, Database.transaction

    async def observed(connection: Connection, *arguments: Any, **options: Any) -> None:
        await commit(connection, *arguments, **options)
        committing.add(connection)

    @asynccontextmanager
    async def unanswered(database: Database) -> AsyncIterator[Connection]:
        nonlocal tries
        async with transaction(database) as connection:
            yield connection
        if connection in committing:
            committing.discard(connection)
            tries += 1
            if tries % 2 == 1:
                raise RetryNow("database", "the connection was lost")

    monkeypatch.setattr(sweeps, "commit", observed)
    monkeypatch.setattr(Database, "transaction", unanswered)
    progress = await paid_once(backfill, serve(World()), embeddings)
    assert (progress["pull_requests_count"], progress["issues_count"], progress["embeddings_count"]) == (40, 30, 90)
    [pages] = await backfill.rows("select sum(pages) as number from backfill_sweeps")
    assert pages["number"] == tries > 10
