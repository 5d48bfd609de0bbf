"""`migrate` where something is in its way: other sessions, other shapes, other people's rights."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from errors import BadInput, RetryNow
from sandbox.postgres import Postgres
from schema.migrate import migrate
from tests.support.schema import catalog
from tests.support.schema.databases import HOST_ROWS, Open


async def test_a_table_that_is_in_use_is_named_and_nothing_is_half_done(host_database: str, connect: Open) -> None:
    connection = await connect(host_database)
    holder = await connect(host_database, server_settings={"application_name": "nightly report"})
    await holder.execute("begin; select count(*) from pull_requests")
    before = [line for line in await catalog.shape(connection) if "pull_requests" in line]
    with pytest.raises(RetryNow, match=r"^locked: pull_requests: no lock within 0\.3 s .*nightly report.*idle in tran"):
        await migrate(host_database, patience=0.3, report=lambda _: None)
    assert [line for line in await catalog.shape(connection) if "pull_requests" in line] == before
    await holder.execute("commit")
    lines: list[str] = []
    await migrate(host_database, patience=0.3, report=lines.append)
    assert "added pull_requests.node_id text" in lines


async def test_a_step_that_fails_in_the_middle_is_undone(empty_database: str, connect: Open) -> None:
    connection = await connect(empty_database)
    await connection.execute("create table reviews_pull_request ()")
    with pytest.raises(asyncpg.DuplicateTableError) as raised:
        await migrate(empty_database, report=lambda _: None)
    assert raised.value.__notes__[0].startswith('while running: create index "reviews_pull_request" on reviews')
    assert not any(line.startswith("relation reviews ") for line in await catalog.shape(connection))
    await connection.execute("drop table reviews_pull_request")
    lines: list[str] = []
    await migrate(empty_database, report=lines.append)
    assert lines[0] == "created table reviews"


async def test_a_table_that_is_in_use_for_a_moment_is_waited_for(
    host_database: str, connect: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schema.migrate.LOCK_SECONDS", 0.1)
    monkeypatch.setattr("schema.migrate.PAUSE_SECONDS", 0.1)
    holder = await connect(host_database)
    await holder.execute("begin; select count(*) from pull_requests")
    # Postgres itself ends this session after a while.
    await holder.execute("set idle_in_transaction_session_timeout = '500ms'")
    lines: list[str] = []
    await migrate(host_database, patience=20, report=lines.append)
    assert "added pull_requests.node_id text" in lines


async def test_an_index_that_could_not_be_finished_is_repaired(host_database: str, connect: Open) -> None:
    await migrate(host_database, report=lambda _: None)
    connection = await connect(host_database)
    before = await catalog.shape(connection)
    await connection.execute("drop index comments_pull_request")
    writer = await connect(host_database)
    await writer.execute("begin; update comments set body = body")
    with pytest.raises(RetryNow, match=r"^locked: comments: no lock within 0\.3 s for `create index concurrently"):
        await migrate(host_database, patience=0.3, report=lambda _: None)
    assert any(
        "comments_pull_request false" in line.replace(" f ", " false ") for line in await catalog.shape(connection)
    )
    await writer.execute("commit")
    lines: list[str] = []
    await migrate(host_database, report=lines.append)
    assert lines[-1] == "repaired index comments_pull_request on comments"
    assert await catalog.shape(connection) == before


async def test_duplicates_are_named_and_refuse_nobody(host_database: str, connect: Open) -> None:
    connection = await connect(host_database)
    await connection.execute(
        "insert into subscription_addons (addon_type, price_per_unit, subscription_id) "
        "select addon_type, 1, subscription_id from subscription_addons"
    )
    with pytest.raises(
        BadInput, match=r"^bad_input: subscription_addons: .*Key \(subscription_id, addon_type\)=.* is dup"
    ):
        await migrate(host_database, report=lambda _: None)
    assert not any(" f create" in line.lower() for line in await catalog.shape(connection) if line.startswith("index"))
    await connection.execute("delete from subscription_addons where price_per_unit = 1")
    await migrate(host_database, report=lambda _: None)


# Each makes the host's database one that cannot be mended; all of them together are said at once.
OBSTACLES = {
    "contributors.id: expected uuid as part of the primary key, found no such column": """
        alter table contributors rename column id to contributor_id
    """,
    "index pull_requests_sweep of pull_requests: expected btree (repository_id, updated_at), found another index": """
        create index pull_requests_sweep on pull_requests (html_url)
    """,
    "requested_reviewers: expected a table, found a view": """
        alter table requested_reviewers rename to reviewers; create view requested_reviewers as select * from reviewers
    """,
    "issues.labels: expected jsonb, found text[]": "alter table issues alter column labels type text[] using null",
    "issues.team: expected a default or null, found not null, and nothing fills it": """
        alter table issues add column team text not null default ''; alter table issues alter column team drop default
    """,
    "comments.github_id: expected bigint, found integer": "alter table comments alter column github_id type integer",
    "discussions.embedding: expected vector(384), found vector(1536); see EMBEDDING_DIMENSIONS": """
        alter table discussions alter column embedding type vector(1536) using null
    """,
}
# A wider number is no obstacle, nor is a column that is not ours to use, nor one more that somebody else must fill.
NO_OBSTACLES = """
    alter table issues alter column number type bigint;
    alter table repositories alter column topics type text using null;
    alter table repositories alter column license set not null;
"""


async def test_what_cannot_be_mended_is_named_before_anything_is_changed(host_database: str, connect: Open) -> None:
    connection = await connect(host_database)
    await connection.execute(";".join(OBSTACLES.values()))
    before = await catalog.shape(connection)
    with pytest.raises(BadInput) as raised:
        await migrate(host_database, report=lambda _: None)
    for says in OBSTACLES:
        assert says in raised.value.message
    assert await catalog.shape(connection) == before


async def test_what_only_looks_like_an_obstacle_is_none(host_database: str, connect: Open) -> None:
    connection = await connect(host_database)
    await connection.execute("update repositories set license = 'MIT';" + NO_OBSTACLES)
    await migrate(host_database, report=lambda _: None)


@pytest.fixture
async def role(empty_database: str, connect: Open) -> AsyncIterator[str]:
    """A role that may log in, make tables in this test's database and nothing else."""
    connection = await connect(empty_database)
    name = empty_database.rpartition("/")[2].replace("test_", "role_")
    await connection.execute(
        f"create extension vector; create role {name} login; grant create on schema public to {name}"
    )
    yield name
    await connection.execute(f"drop owned by {name} cascade; drop role {name}")


def signed_in(dsn: str, role: str) -> str:
    return dsn.replace("postgres@", f"{role}@")


async def test_an_owner_needs_no_more_rights(empty_database: str, host_schema: str, role: str, connect: Open) -> None:
    dsn = signed_in(empty_database, role)
    connection = await connect(dsn)
    await connection.execute(host_schema + HOST_ROWS)
    await migrate(dsn, replace_host_keys=True, report=lambda _: None)
    lines: list[str] = []
    await migrate(dsn, report=lines.append)
    assert lines == ["nothing to do"]


async def test_an_empty_database_needs_no_more_than_tables(empty_database: str, role: str) -> None:
    dsn = signed_in(empty_database, role)
    await migrate(dsn, report=lambda _: None)
    lines: list[str] = []
    await migrate(dsn, report=lines.append)
    assert lines == ["nothing to do"]


async def test_a_right_that_is_lacking_is_named_before_anything_is_changed(
    empty_database: str, host_schema: str, role: str, connect: Open
) -> None:
    dsn = signed_in(empty_database, role)
    owner, other = await connect(dsn), await connect(empty_database)
    await owner.execute(host_schema)
    await other.execute("alter table comments owner to postgres; grant all on comments to public")
    before = await catalog.shape(owner)
    with pytest.raises(BadInput, match=r"may not run `alter table comments .*`: must be owner of table comments"):
        await migrate(dsn, report=lambda _: None)
    assert await catalog.shape(owner) == before


async def test_the_right_to_make_tables_is_named(empty_database: str, role: str, connect: Open) -> None:
    connection = await connect(empty_database)
    await connection.execute(f"revoke create on schema public from {role}")
    with pytest.raises(BadInput, match=r"may not run `create table app_users .*`: permission denied for schema public"):
        await migrate(signed_in(empty_database, role), report=lambda _: None)


async def test_the_right_to_make_the_extension_is_named(empty_database: str, role: str, connect: Open) -> None:
    connection = await connect(empty_database)
    await connection.execute("drop extension vector")
    with pytest.raises(BadInput, match=r"create extension vector.*permission denied to create extension"):
        await migrate(signed_in(empty_database, role), report=lambda _: None)


@pytest.fixture
async def api_roles(postgres: Postgres) -> AsyncIterator[None]:
    """The roles of Supabase's public API; a cluster's, not a database's."""
    connection = await asyncpg.connect(postgres.url())
    await connection.execute("create role anon; create role authenticated")
    yield
    await connection.execute("drop role anon; drop role authenticated")
    await connection.close()


@pytest.mark.usefixtures("api_roles")
async def test_new_tables_are_hidden_from_supabases_public_api(host_database: str, connect: Open) -> None:
    connection = await connect(host_database)
    await connection.execute(
        "alter default privileges in schema public grant all on tables to anon, authenticated;"
        "grant select on comments to authenticated"
    )
    try:
        lines: list[str] = []
        await migrate(host_database, report=lines.append)
        assert "created table webhook_deliveries, hidden from anon and authenticated" in lines
        seen = await connection.fetch(
            """
            select relname, rolname from pg_class, pg_roles
            where relkind = 'r' and relnamespace = 'public'::regnamespace and rolname in ('anon', 'authenticated')
              and has_table_privilege(rolname, pg_class.oid, 'select, insert, update, delete')
            """
        )
        assert [tuple(row) for row in seen] == [("comments", "authenticated")]
        # What an operator grants later stays.
        await connection.execute("grant select on workspace_backfill_jobs to authenticated")
        lines.clear()
        await migrate(host_database, report=lines.append)
        assert lines[-1] == "nothing to do"
        assert await connection.fetchval(
            "select has_table_privilege('authenticated', 'workspace_backfill_jobs', 'select')"
        )
    finally:
        await connection.execute("drop owned by anon, authenticated")
