"""The schema and the store's statements on another major of Postgres than the embedded one.

It takes the server that Debian's packages have put on this machine, if there is one. The whole suite runs on any server
that `POSTGRES_PROGRAMS` names.
"""

import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from budget.account import Ask, Told
from budget.prices import Prices
from polar.inbox import Inbox
from reconciler.loop import Reconciler
from rows import Contributor, Embedding, FeedEvent, Note, Page, Part
from sandbox import postgres as postgres_server
from sandbox.postgres import Postgres
from sandbox.processes import Processes
from schema import migrate
from store import (
    coverage,
    embeddings,
    feed,
    job_attempts,
    job_changes,
    job_estimates,
    job_requests,
    job_timeline,
    job_views,
    measures,
    notes,
    sweeps,
)
from store.budgets import Budgets
from store.coverage import Coverage
from store.database import Database
from tests.support import shop
from tests.support.activities.stored import Stored, begin_sweep
from tests.support.schema.vectors import VECTORS
from tests.support.store.rows import BEFORE, NOON, PULL, comment, event, pull, review

DEBIAN = Path("/usr/lib/postgresql")


@pytest.fixture(scope="module")
async def dsn(postgres: Postgres) -> AsyncIterator[str]:
    """DSN of a migrated database of another major."""
    programs = _another(postgres_server.major(postgres.programs))
    with tempfile.TemporaryDirectory(prefix="workspace-backfill-") as name, Processes(Path(name)) as servers:
        server = postgres_server.start(servers, Path(name), programs=programs)
        dsn = await server.create_database("backfills")
        connection = await asyncpg.connect(dsn)
        if not await connection.fetchval("select exists (select from pg_available_extensions where name = 'vector')"):
            await connection.execute(VECTORS)
        await connection.close()
        await migrate.migrate(dsn, report=lambda _line: None)
        yield dsn


def _another(embedded: int) -> Path:
    found = {postgres_server.major(each.parent): each.parent for each in DEBIAN.glob("*/bin/postgres")}
    others = [programs for major, programs in sorted(found.items()) if major >= migrate.OLDEST and major != embedded]
    if not others:
        pytest.skip(f"no server of another major than {embedded} is installed: apt-get install postgresql")
    return others[0]


async def test_a_second_migration_changes_nothing(dsn: str) -> None:
    assert await migrate.pending(dsn) == []


async def test_a_purchase_becomes_a_job_whose_pages_are_stored_and_shown(dsn: str) -> None:
    async with Database(dsn, size=4) as database, shop.connected(dsn) as host:
        await _buy(database, host)
        stored = await begin_sweep(database, dsn, "pull_requests")
        await _store_a_page(stored)
        await _embed(stored)
        await _spend(stored)
        async with database.transaction() as connection:
            await job_estimates.estimate(connection)
        job_id = stored.sweep.job_id
        async with database.transaction() as connection:
            shown = await job_views.look(connection, job_id)
            assert [each.full_name for each in shown.repositories] == ["acme/wide"]
            assert job_id in {each.id for each in await job_views.recent(connection, limit=5)}
            assert await job_changes.by_repository(connection, job_id)
            assert await job_changes.fingerprints(connection, [job_id])
            assert (await job_timeline.story(connection, job_id)).job.id == job_id
            assert (await measures.read(connection)).jobs
        for ask in (job_requests.pause, job_requests.resume, job_requests.ask_to_stop):
            async with database.transaction() as connection:
                await ask(connection, job_id, actor=shop.OPERATOR)
        async with database.transaction() as connection:
            await job_attempts.end(connection, job_id, status="canceled", reason=None)
    assert [row["status"] for row in await _jobs(dsn) if str(row["id"]) == job_id] == ["canceled"]


async def _buy(database: Database, host: asyncpg.Connection) -> None:
    buyer = await shop.buyer(host)
    await shop.workspace(host, buyer)
    await shop.deliver(host, shop.event(buyer=buyer))
    reconciler = Reconciler(database, task_queue="nobody's")
    assert await Inbox(database, shop.PRODUCTS, created=reconciler.hurry).finish_one()
    [addon] = await shop.rows(host, "subscription_addons")
    [job] = await shop.rows(host, "workspace_backfill_jobs")
    assert job["subscription_addon_id"] == addon["id"]


async def _store_a_page(stored: Stored) -> None:
    """Twice, as a retry does: the second time nothing is new."""
    sweep = stored.sweep
    stars = [FeedEvent(f"WatchEvent_{n}", "WatchEvent", f"ann{n}", BEFORE, {"n": n}, "events") for n in range(2)]
    page = Page(NOON, "pull_request", {1: Contributor(1, "ann", None, None, is_bot=False)})
    page.pull_requests, page.reviews, page.events = [pull(PULL)], [review(1)], [event("LE_1")]
    page.comments, page.feed = [comment(1), comment(2, review=1)], stars
    await feed.ensure_months(stored.database, stars)
    for _ in range(2):
        await stored.write(page)
    part = Part("timeline", "PR_100", 1, NOON, parent=PULL)
    await stored.put([part])
    assert [each.node_id for each in await stored.parts()] == ["PR_100"]
    async with stored.database.transaction() as connection:
        await sweeps.fence(connection, sweep)
        counts = await sweeps.count_stored(connection, sweep)
        assert counts == Counter({"pull_requests": 1, "reviews": 1, "comments": 2, "timeline_events": 1})
        await notes.write(connection, sweep, [Note("hidden", "timeline", 1, "PR_100", 3, "hidden")])
        await sweeps.commit(connection, sweep, position={"at": 1}, counts=counts, pages=1, requests=1, points=1)
        await coverage.write(connection, sweep, Coverage(BEFORE, NOON, {}), ())
        assert await feed.by_source(connection, sweep.repository, BEFORE - timedelta(days=9)) == {"events": 2}
        await feed.complete(connection, sweep.repository, BEFORE - timedelta(days=9))


async def _embed(stored: Stored) -> None:
    model, dimensions = "text-embedding-3-small", 384
    async with stored.database.transaction() as connection:
        await embeddings.check_dimensions(connection, dimensions)
        await connection.execute("update pull_requests set title = 'text'")
        place = embeddings.Place("pull_requests")
        [text] = await embeddings.due(connection, stored.sweep, model, dimensions, place, changed=False, most=9)
        vector = [1.0, *(0.0 for _ in range(dimensions - 1))]
        row = Embedding(text.table, text.github_id, text.content_hash, model, vector)
        assert await embeddings.write(connection, [row], BEFORE) == 1
        left = await embeddings.scope(connection, stored.sweep, model, dimensions)
        assert (left.with_text, left.due) == (1, 0)


async def _spend(stored: Stored) -> None:
    budgets = Budgets(stored.database, 1, Prices())
    ask = Ask("graphql", "PullRequests", points=1, seconds=0.01, repository="acme/wide", fence=stored.sweep)
    reservation = await budgets.reserve(ask, ["user:1"])
    await budgets.settle(reservation, Told("answered", 0.01, 1, ((5_000, 1, 3_000),)))


async def _jobs(dsn: str) -> list[dict[str, object]]:
    async with shop.connected(dsn) as host:
        return await shop.rows(host, "workspace_backfill_jobs")
