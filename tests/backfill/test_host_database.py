"""A whole backfill beside the host's own rows, on the database that its production has."""

import os
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from sandbox.github import StandIn, World
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.world.identity import RepositoryIdentity
from sandbox.github.world.pull_requests import PullRequest
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import IssueComment
from sandbox.postgres import Postgres
from tests.support import shop
from tests.support.backfill.whole import Backfill
from tests.support.schema.databases import HOST_SCHEMA
from tests.support.truth import check

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
TABLES = ("contributors", "pull_requests", "issues", "reviews", "comments")


@pytest.fixture
async def database(postgres: Postgres) -> AsyncIterator[str]:
    """DSN of the host's database before `migrate`."""
    if not HOST_SCHEMA.is_file():
        reason = "the host's schema is not beside the checkout"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    async with shop.database(postgres, "template0") as dsn:
        async with shop.connected(dsn) as connection:
            await connection.execute(HOST_SCHEMA.read_text("utf-8"))
        yield dsn


async def migrate(backfill: Backfill, *arguments: str) -> list[str]:
    """What `starter.py migrate` says, by line."""
    ended = await backfill.run_starter(backfill.environment, "migrate", *arguments)
    assert ended.exit_code == 0, ended.stderr
    return ended.stdout.splitlines()


async def insert(connection: asyncpg.Connection, table: str, **columns: Any) -> uuid.UUID:
    """A row of the host's; answers its id."""
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    statement = f"insert into {table} ({', '.join(columns)}) values ({places}) returning id"
    made: uuid.UUID = await connection.fetchval(statement, *columns.values())
    return made


async def id_of(connection: asyncpg.Connection, repository: RepositoryIdentity) -> Any:
    return await connection.fetchval("select id from repositories where github_id = $1", repository.database_id)


async def pull_request(connection: asyncpg.Connection, pull: PullRequest, **differently: Any) -> uuid.UUID:
    """As the host captured it long ago."""
    columns = {
        "github_id": pull.database_id,
        "repository_id": await id_of(connection, pull.repository),
        "repository_full_name": "acme/old-name",
        "number": pull.number,
        "title": "as it was",
        "state": "open",
        "head_branch": "topic",
        "created_at": LONG_AGO,
        "updated_at": LONG_AGO + timedelta(days=1),
    }
    return await insert(connection, "pull_requests", **(columns | differently))


async def comment(connection: asyncpg.Connection, of: IssueComment, pull_request_id: uuid.UUID) -> uuid.UUID:
    return await insert(
        connection,
        "comments",
        github_id=of.database_id,
        comment_type="issue_comment",
        pull_request_id=pull_request_id,
        repository_id=await id_of(connection, of.repository),
        body="as it was",
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
    )


async def host_rows(connection: asyncpg.Connection, repository: Repository) -> dict[str, dict[int, uuid.UUID]]:
    """Some of what GitHub has, as the host captured it earlier and partly wrongly. Table -> GitHub id -> the host's id.

    Each is the row that must hold that record afterwards.
    """
    world = repository.world
    kept: dict[str, dict[int, uuid.UUID]] = {table: {} for table in TABLES}
    repository_id = await id_of(connection, repository)
    reviewed = [pull for pull in repository.pull_requests.values() if pull.reviews and pull.comments]
    mistaken, outdated, captured = reviewed[:3]
    known = [world.account(f"acme-dev{number}") for number in range(3)]
    for account, username in ((known[0], known[0].login), (known[1], "had-another-name")):
        kept["contributors"][account.database_id] = await insert(
            connection, "contributors", github_id=account.database_id, username=username
        )
    # A name that another account bears by now.
    kept["contributors"][999] = await insert(connection, "contributors", github_id=999, username=known[2].login)
    author = kept["contributors"][known[0].database_id]

    kept["pull_requests"][mistaken.database_id] = await pull_request(connection, mistaken, github_id=mistaken.number)
    kept["pull_requests"][outdated.database_id] = parent = await pull_request(connection, outdated, author_id=author)
    # A capture step of the host's wrote its own time over GitHub's (host.md, what broke, 18).
    kept["pull_requests"][captured.database_id] = await pull_request(
        connection, captured, updated_at=datetime.now(UTC), last_synced_at=datetime.now(UTC)
    )
    await insert(connection, "requested_reviewers", pull_request_id=parent, username="asked-no-more")
    kept["reviews"][outdated.reviews[0].database_id] = await insert(
        connection,
        "reviews",
        github_id=outdated.reviews[0].database_id,
        pull_request_id=parent,
        repository_id=repository_id,
        author_id=author,
        state="PENDING",
        submitted_at=LONG_AGO,
    )
    kept["comments"][outdated.comments[0].database_id] = await comment(connection, outdated.comments[0], parent)
    issue = next(iter(repository.issues.values()))
    kept["issues"][issue.database_id] = await insert(
        connection,
        "issues",
        github_id=issue.number,
        repository_id=repository_id,
        number=issue.number,
        title="as it was",
        state="open",
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
    )
    return kept


async def test_a_backfill_beside_the_hosts_rows_corrects_them_and_keeps_their_ids(
    serve: Callable[..., StandIn], direct: Backfill
) -> None:
    world = World()
    repository = generate(world, Plan("acme/hosted", pull_requests=60, issues=40, deep_pull_requests=1, years=2))
    direct.at(serve(world))
    workspace_id = await direct.workspace(repository)
    async with shop.connected(direct.dsn) as host:
        kept = await host_rows(host, repository)
        assert any(line.startswith("relaxed ") for line in await migrate(direct))
        await direct.start_worker(direct.environment)
        await direct.completed(await direct.start(workspace_id))
        await check(direct.dsn, repository)
        for table, ids in kept.items():
            rows = await host.fetch(f"select github_id, id from {table} where github_id = any($1)", list(ids))
            assert {row["github_id"]: row["id"] for row in rows} == ids, table
        assert await host.fetchval("select username from contributors where github_id = 999") == "renamed-999"
        [told] = await shop.rows(host, "(select * from notifications where status = 'started')")
        assert told["operation_type"] == "backfill"


async def test_under_the_hosts_key_a_collision_is_a_named_failure_until_the_key_is_replaced(
    serve: Callable[..., StandIn], backfill: Backfill
) -> None:
    world = World()
    repository = generate(world, Plan("acme/colliding", pull_requests=40, issues=0, years=1, collisions=2))
    colliding = sorted(repository.issue_comments.keys() & repository.review_comments.keys())
    assert len(colliding) == 2
    held = repository.issue_comments[colliding[0]]
    assert isinstance(held.pull_request, PullRequest)
    backfill.at(serve(world))
    workspace_id = await backfill.workspace(repository)
    async with shop.connected(backfill.dsn) as host:
        host_id = await comment(host, held, await pull_request(host, held.pull_request))
    await migrate(backfill)
    await backfill.start_worker(backfill.environment)
    job_id = await backfill.start(workspace_id)
    job = await backfill.ended(job_id)
    assert (job["status"], job["failed_repositories"]) == ("failed", 1)
    [error] = job["error_details"]
    assert (error["code"], error["data_type"]) == ("comment_id_collision", "pull_requests")
    assert (error["repository"], error["error_class"]) == ("acme/colliding", "part_over")
    assert "--replace-host-keys" in error["action"]
    assert any(str(number) in error["message"] for number in colliding)
    assert await conversation(backfill, colliding[0]) == host_id, "the review comment of that number took nothing"

    lines = await migrate(backfill, "--replace-host-keys")
    assert len(lines) == 1
    ended = await backfill.run_starter(backfill.environment, "retry", job_id)
    assert ended.exit_code == 0, ended.stderr
    job = await backfill.until("attempt = 1 and completed_at is not null", job_id)
    assert (job["status"], job["error_message"]) == ("completed", None)
    assert await conversation(backfill, colliding[0]) == host_id
    await check(backfill.dsn, repository)


async def conversation(backfill: Backfill, github_id: int) -> uuid.UUID:
    """The id of the conversation comment of that number."""
    [row] = await backfill.rows(
        "select id from comments where github_id = $1 and comment_type = 'issue_comment'", github_id
    )
    found: uuid.UUID = row["id"]
    return found
