"""`migrate` on a database without a table."""

import asyncio

import asyncpg
import pytest

from errors import BadInput, Unreachable
from schema.migrate import migrate
from tests.support.schema import catalog, contract
from tests.support.schema.databases import Open


async def test_it_has_every_table_column_and_key_of_the_contract(database: str, connect: Open) -> None:
    connection = await connect(database)
    found = await catalog.columns(connection)
    for table, columns in contract.tables().items():
        assert columns.items() <= found.get(table, {}).items(), table
    assert contract.keys() <= await catalog.keys(connection)
    assert ("comments", frozenset({"github_id"})) not in await catalog.keys(connection)


async def test_the_contract_has_every_table_of_ours(database: str, connect: Open) -> None:
    assert set(await catalog.columns(await connect(database))) == set(contract.tables())


async def test_a_second_run_changes_nothing(database: str, connect: Open) -> None:
    connection = await connect(database)
    before = await catalog.shape(connection)
    lines: list[str] = []
    await migrate(database, report=lines.append)
    assert lines == ["nothing to do"]
    assert await catalog.shape(connection) == before


async def test_events_are_partitioned_by_month(database: str, connect: Open) -> None:
    connection = await connect(database)
    await connection.execute(
        "create table github_events_cache_2026_11 partition of github_events_cache "
        "for values from ('2026-11-01') to ('2026-12-01')"
    )
    insert = (
        "insert into github_events_cache "
        "(event_id, event_type, actor_login, repository_owner, repository_name, payload, created_at) "
        "values ('1', 'WatchEvent', 'ghost', 'o', 'r', '{}', '2026-11-20') on conflict do nothing"
    )
    assert [await connection.execute(insert), await connection.execute(insert)] == ["INSERT 0 1", "INSERT 0 0"]


async def test_what_somebody_dropped_comes_back(database: str, connect: Open) -> None:
    connection = await connect(database)
    before, columns = await catalog.shape(connection), await catalog.columns(connection)
    await connection.execute(
        """
        alter table workspace_backfill_jobs drop column transition;
        alter table workspace_backfill_jobs drop constraint workspace_backfill_jobs_status_check;
        alter table backfill_sweeps reset (fillfactor);
        alter table comments drop column review_id;
        alter table backfill_parts drop constraint backfill_parts_pkey;
        drop index pull_requests_sweep;
        drop function pull_requests_state_knows_merged;
        drop table repository_star_history;
        comment on table webhook_deliveries is null;
        """
    )
    lines: list[str] = []
    await migrate(database, report=lines.append)
    assert sorted(lines) == [
        "added comments.review_id uuid",
        "added workspace_backfill_jobs.transition integer",
        "added workspace_backfill_jobs_status_check of workspace_backfill_jobs: CHECK ((status = ANY (ARRAY["
        "'pending'::text, 'in_progress'::text, 'completed'::text, 'failed'::text, 'canceled'::text])))",
        "created function pull_requests_state_knows_merged()",
        "created index backfill_parts_pkey on backfill_parts",
        "created index comments_review on comments",
        "created index pull_requests_sweep on pull_requests",
        "created table repository_star_history",
        "described webhook_deliveries",
        "described workspace_backfill_jobs",
        "set fillfactor=50 of backfill_sweeps",
    ]
    # All is as before, but a primary key came back as a unique index, the order of columns and options may differ, and
    # the rules are not checked on old rows.
    after = await catalog.shape(connection)
    names = {" ".join(line.split()[:3]) for line in before if not line.startswith("column")}
    assert names <= {" ".join(line.split()[:3]) for line in after} | {"constraint backfill_parts backfill_parts_pkey"}
    assert await catalog.columns(connection) == columns
    again: list[str] = []
    await migrate(database, report=again.append)
    assert again == ["nothing to do"]


async def test_a_rule_of_ours_that_is_outdated_is_replaced(database: str, connect: Open) -> None:
    connection = await connect(database)
    await connection.execute(
        """
        alter table backfill_sweeps drop constraint backfill_sweeps_status_check,
          add constraint backfill_sweeps_status_check check (status in ('pending', 'completed'))
        """
    )
    lines: list[str] = []
    await migrate(database, report=lines.append)
    assert len(lines) == 1
    assert lines[0].startswith("replaced backfill_sweeps_status_check of backfill_sweeps: CHECK")


async def test_ten_events_of_one_purchase_make_one_job(database: str, connect: Open) -> None:
    connection = await connect(database)
    workspace = await connection.fetchval(
        """
        with owner as (insert into app_users default values returning id)
        insert into workspaces (name, slug, owner_id) select 'Work', 'work', id from owner returning id
        """
    )
    insert = """
        insert into workspace_backfill_jobs (workspace_id, retention_days, cutoff_at, backfill_types, purchase_key)
        values ($1, 365, now(), '{issues}', $2)
        on conflict (workspace_id, purchase_key) where purchase_key is not null do nothing
    """
    assert [await connection.execute(insert, workspace, key) for key in ("sub_1:365", "sub_1:365", None, None)] == [
        "INSERT 0 1",
        "INSERT 0 0",
        "INSERT 0 1",
        "INSERT 0 1",
    ]
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute("update workspace_backfill_jobs set retention_days = 0")
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute("update workspace_backfill_jobs set status = 'skipped'")


async def test_purchases_are_kept_apart_without_a_base_subscription(database: str, connect: Open) -> None:
    connection = await connect(database)
    insert = (
        "insert into subscription_addons (addon_type, polar_subscription_id) values ('extended_data_retention', $1)"
    )
    await connection.execute(insert, "sub_1")
    await connection.execute(insert, "sub_2")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(insert, "sub_1")


async def test_deleting_a_workspace_or_a_job_takes_its_bookkeeping_along(database: str, connect: Open) -> None:
    connection = await connect(database)
    await connection.execute(
        """
        insert into app_users default values;
        insert into workspaces (name, slug, owner_id) select 'Work', 'work', id from app_users;
        insert into repositories (github_id, owner, name, full_name) values (3, 'o', 'r', 'o/r');
        insert into workspace_backfill_jobs (workspace_id, retention_days, cutoff_at, backfill_types)
          select id, 1, now(), '{issues}' from workspaces;
        insert into workspace_backfill_progress (backfill_job_id, repository_id)
          select j.id, r.id from workspace_backfill_jobs j, repositories r;
        insert into backfill_sweeps (backfill_job_id, repository_id, data_type)
          select j.id, r.id, 'issues' from workspace_backfill_jobs j, repositories r;
        insert into backfill_parts (backfill_job_id, repository_id, data_type, kind, node_id, began_at)
          select backfill_job_id, repository_id, data_type, 'thread', 'I_', now() from backfill_sweeps;
        delete from workspaces;
        """
    )
    left = await catalog.rows(connection)
    assert {table for table, rows in left.items() if rows} == {"app_users", "repositories"}


async def test_embeddings_have_the_dimensions_asked_for(empty_database: str, connect: Open) -> None:
    await migrate(empty_database, embedding_dimensions=1536, report=lambda _: None)
    connection = await connect(empty_database)
    assert (await catalog.columns(connection))["issues"]["embedding"] == "vector(1536)"
    before = await catalog.shape(connection)
    with pytest.raises(
        BadInput, match=r"pull_requests.embedding: expected vector\(384\), found vector\(1536\); see EMB"
    ):
        await migrate(empty_database, report=lambda _: None)
    assert await catalog.shape(connection) == before


async def test_pgvector_may_live_in_another_schema(empty_database: str, connect: Open) -> None:
    connection = await connect(empty_database)
    await connection.execute("create schema extensions; create extension vector schema extensions")
    await migrate(empty_database, report=lambda _: None)
    assert (await catalog.columns(connection))["issues"]["embedding"] == "extensions.vector(384)"
    lines: list[str] = []
    await migrate(empty_database, report=lines.append)
    assert lines == ["nothing to do"]


async def test_the_tables_may_live_in_another_schema(empty_database: str, connect: Open) -> None:
    connection = await connect(empty_database)
    await connection.execute(
        """
        create schema "Odd one";
        do $$ begin execute format('alter database %I set search_path = "Odd one", public', current_database()); end $$;
        """
    )
    await migrate(empty_database, report=lambda _: None)
    fresh = await connect(empty_database)
    assert set(await catalog.columns(fresh)) == set(contract.tables())
    lines: list[str] = []
    await migrate(empty_database, report=lines.append)
    assert lines == ["nothing to do"]


async def test_two_at_once_wait_for_each_other(empty_database: str) -> None:
    first: list[str] = []
    second: list[str] = []
    await asyncio.gather(migrate(empty_database, report=first.append), migrate(empty_database, report=second.append))
    shorter, longer = sorted((first, second), key=len)
    assert shorter == ["another migration runs: waiting for its end", "nothing to do"]
    assert "created table comments" in longer


@pytest.mark.parametrize(
    ("dsn", "error", "says"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", Unreachable, "127.0.0.1:1/none does not answer"),
        ("postgresql://u:secret#word@127.0.0.1:5432/x", BadInput, "DATABASE_DIRECT_URL"),
    ],
)
async def test_a_server_that_cannot_be_reached_is_named_without_its_password(
    dsn: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as raised:
        await migrate(dsn, report=lambda _: None)
    assert "secret" not in str(raised.value)


async def test_a_database_that_does_not_exist_is_named(empty_database: str) -> None:
    with pytest.raises(Unreachable, match=r'refuses us: database "missing" does not exist'):
        await migrate(empty_database.rpartition("/")[0] + "/missing", report=lambda _: None)
