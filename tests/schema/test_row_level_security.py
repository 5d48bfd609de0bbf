"""Row level security in a database of Supabase: who sees and writes what of our tables over its public API."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import BadInput
from sandbox.postgres import Postgres
from schema import rights, shape
from schema.migrate import migrate
from schema.rights import check_rights
from tests.support.programs import Programs
from tests.support.schema.databases import Open
from tests.support.thoroughness import examples
from tests.support.waiting import PATIENCE

# As Supabase has them: the roles of its public API, and who asks, by the claims of his token.
SUPABASE = """
create schema auth;
create function auth.uid() returns uuid language sql stable as $$
  select nullif(current_setting('request.jwt.claims', true)::jsonb ->> 'sub', '')::uuid
$$;
grant usage on schema auth, public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
"""
ROLES = ("anon", "authenticated", "service_role")

# A workspace of one owner and one viewer with a repository, a job and what hangs on it, and the same of strangers.
OWNER, MEMBER, STRANGER, NOBODY = (f"00000000-0000-4000-8000-0000000000a{number}" for number in range(4))
ROWS = f"""
insert into app_users (id, auth_user_id, github_username) values
  ('00000000-0000-4000-8000-000000000010', '{OWNER}', 'owner'),
  ('00000000-0000-4000-8000-000000000011', '{MEMBER}', 'member'),
  ('00000000-0000-4000-8000-000000000012', '{STRANGER}', 'stranger');
insert into workspaces (id, name, slug, owner_id) values
  ('00000000-0000-4000-8000-000000000020', 'Ours', 'ours', '00000000-0000-4000-8000-000000000010'),
  ('00000000-0000-4000-8000-000000000021', 'Theirs', 'theirs', '00000000-0000-4000-8000-000000000012');
insert into workspace_members (workspace_id, user_id, role) values
  ('00000000-0000-4000-8000-000000000020', '00000000-0000-4000-8000-000000000011', 'viewer');
insert into repositories (id, github_id, owner, name, full_name) values
  ('00000000-0000-4000-8000-000000000030', 30, 'acme', 'ours', 'acme/ours'),
  ('00000000-0000-4000-8000-000000000031', 31, 'acme', 'theirs', 'acme/theirs');
insert into workspace_repositories (workspace_id, repository_id, added_by) values
  ('00000000-0000-4000-8000-000000000020', '00000000-0000-4000-8000-000000000030',
   '00000000-0000-4000-8000-000000000010'),
  ('00000000-0000-4000-8000-000000000021', '00000000-0000-4000-8000-000000000031',
   '00000000-0000-4000-8000-000000000012');
insert into subscriptions (id, user_id) values ('00000000-0000-4000-8000-000000000040', '{OWNER}');
insert into subscription_addons (addon_type, subscription_id, user_id, polar_subscription_id) values
  ('extra_repositories', '00000000-0000-4000-8000-000000000040', null, null),
  ('extended_data_retention', null, '{OWNER}', 'sub_owner'),
  ('extended_data_retention', null, '{STRANGER}', 'sub_stranger');
insert into workspace_backfill_jobs (id, workspace_id, retention_days, cutoff_at, backfill_types)
  select ('00000000-0000-4000-8000-00000000005' || right(id::text, 1))::uuid, id, 30, now(), '{{issues}}'
  from workspaces;
insert into workspace_backfill_progress (backfill_job_id, repository_id)
  select ('00000000-0000-4000-8000-00000000005' || right(id::text, 1))::uuid, id from repositories;
insert into backfill_sweeps (backfill_job_id, repository_id, data_type)
  select backfill_job_id, repository_id, 'issues' from workspace_backfill_progress;
insert into repository_star_history (repository_id, day, stars) select id, '2026-01-01', 1 from repositories;
insert into issues (id, github_id, number, title, state, repository_id, created_at, updated_at)
  select id, github_id, 1, 'An issue', 'open', id, now(), now() from repositories;
insert into issue_events (node_id, issue_id, repository_id, event_type, created_at)
  select full_name, id, id, 'closed', now() from repositories;
insert into backfill_notes (repository_id, data_type, what, kind)
  select id, 'issues', 'comments', 'hidden' from repositories;
insert into webhook_deliveries (webhook_id, type, payload) values ('msg_1', 'subscription.active', '{{}}');
insert into github_budgets (account, resource) values ('user:1', 'core');
"""
READABLE = {
    "workspace_backfill_jobs": "id",
    "workspace_backfill_progress": "backfill_job_id",
    "repository_star_history": "repository_id",
    "issue_events": "repository_id",
    "backfill_notes": "repository_id",
    "subscription_addons": "id",
}
"""What a signed-in user may read at all, with a column that tells rows apart."""


@pytest.fixture(scope="module")
async def api_roles(postgres: Postgres) -> AsyncIterator[None]:
    """The roles are a cluster's, not a database's."""
    connection = await asyncpg.connect(postgres.url())
    for role in ROLES:
        if not await connection.fetchval("select exists (select from pg_roles where rolname = $1)", role):
            await connection.execute(f"create role {role} {'bypassrls' if role == 'service_role' else ''}")
    yield
    for role in ROLES:
        await connection.execute(f"drop role {role}")
    await connection.close()


@asynccontextmanager
async def supabase_database(postgres: Postgres, name: str, template: str = "template0") -> AsyncIterator[str]:
    dsn = await postgres.create_database(name, template)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(SUPABASE)
        yield dsn
    finally:
        await connection.close()
        await postgres.drop_database(name)


@pytest.fixture(scope="module")
async def supabase(postgres: Postgres, api_roles: None) -> AsyncIterator[str]:  # noqa: ARG001
    """DSN of a migrated database with rows; tests change it within transactions that they roll back."""
    async with supabase_database(postgres, "supabase") as dsn:
        await migrate(dsn, report=lambda _: None)
        connection = await asyncpg.connect(dsn)
        await connection.execute(ROWS)
        await connection.close()
        yield dsn


@pytest.fixture(scope="module")
async def session(supabase: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(supabase)
    yield connection
    await connection.close()


@pytest.fixture
async def owner(session: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """The tables' owner, in a transaction that is rolled back."""
    transaction = session.transaction()
    await transaction.start()
    yield session
    await transaction.rollback()


async def become(connection: asyncpg.Connection, role: str, user: str = "") -> None:
    await connection.execute("select set_config('request.jwt.claims', $1, true)", json.dumps({"sub": user}))
    await connection.execute(f"set local role {role}")


async def ours(connection: asyncpg.Connection) -> list[str]:
    return sorted((await shape.wanted(connection, dimensions=384)).ours)


async def refusal(connection: asyncpg.Connection, statement: str) -> str | None:
    """The error's class, None if it was done; either way nothing of it stays."""
    savepoint = connection.transaction()
    await savepoint.start()
    try:
        await connection.execute(statement)
    except asyncpg.PostgresError as error:
        return type(error).__name__
    finally:
        await savepoint.rollback()
    return None


async def test_every_table_of_ours_has_row_level_security(owner: asyncpg.Connection) -> None:
    """A table that is added later without it fails here."""
    tables = await ours(owner)
    assert len(tables) > 15
    secured = await owner.fetch("select relname from pg_class where relrowsecurity and relkind = 'r' order by 1")
    assert [row["relname"] for row in secured] == tables
    policies = await owner.fetch("select tablename, cmd, roles::text from pg_policies")
    assert {tuple(row) for row in policies} == {(table, "SELECT", "{authenticated}") for table in READABLE}


async def test_a_member_reads_what_is_of_his_workspaces_alone(owner: asyncpg.Connection) -> None:
    expected = {
        table: {str(row[0]) for row in await owner.fetch(f"select {column} from {table}")}
        for table, column in READABLE.items()
    }
    mine: dict[str, dict[str, set[str]]] = {}
    for user in (OWNER, MEMBER, STRANGER, NOBODY):
        await become(owner, "authenticated", user)
        mine[user] = {
            table: {str(row[0]) for row in await owner.fetch(f"select {column} from {table}")}
            for table, column in READABLE.items()
        }
        await owner.execute("reset role")
    job = "00000000-0000-4000-8000-000000000050"
    repository = "00000000-0000-4000-8000-000000000030"
    addons = mine[OWNER].pop("subscription_addons")
    assert len(addons) == 2
    assert not mine[MEMBER].pop("subscription_addons"), "only the buyer's"
    assert len(mine[STRANGER]["subscription_addons"]) == 1
    assert not mine[STRANGER].pop("subscription_addons") & addons
    assert (
        mine[OWNER]
        == mine[MEMBER]
        == {
            "workspace_backfill_jobs": {job},
            "workspace_backfill_progress": {job},
            "repository_star_history": {repository},
            "issue_events": {repository},
            "backfill_notes": {repository},
        }
    )
    assert mine[STRANGER] == {table: expected[table] - rows for table, rows in mine[OWNER].items()}
    assert not any(mine[NOBODY].values())


async def test_a_member_whose_invitation_is_pending_reads_nothing(owner: asyncpg.Connection) -> None:
    await owner.execute("alter table workspace_members add if not exists invited_at timestamptz")
    await owner.execute("alter table workspace_members add if not exists accepted_at timestamptz")
    read = {}
    for accepted in ("null", "now()"):
        await owner.execute(f"update workspace_members set invited_at = now(), accepted_at = {accepted}")
        await become(owner, "authenticated", MEMBER)
        read[accepted] = [
            len(await owner.fetch(f"select {column} from {table}"))
            for table, column in READABLE.items()
            if table != "subscription_addons"
        ]
        await owner.execute("reset role")
    assert read == {"null": [0] * 5, "now()": [1] * 5}


PLACES = st.sets(st.tuples(st.integers(0, 2), st.integers(0, 2)))


@settings(max_examples=examples(10, 100))
@given(owners=st.tuples(*[st.integers(0, 2)] * 3), members=PLACES, repositories=PLACES)
async def test_whoever_belongs_to_whatever_workspaces_sees_of_no_other(
    session: asyncpg.Connection,
    owners: tuple[int, ...],
    members: set[tuple[int, int]],
    repositories: set[tuple[int, int]],
) -> None:
    """`members` are pairs of a user and a workspace, `repositories` of a repository and a workspace that holds it."""
    users, spaces, places = ([uuid.uuid4() for _ in range(3)] for _ in range(3))
    transaction = session.transaction()
    await transaction.start()
    try:
        for number in range(3):
            await session.execute(
                "insert into app_users (id, auth_user_id, github_username) values ($1, $1, 'x')", users[number]
            )
            await session.execute(
                "insert into repositories (id, github_id, owner, name, full_name) values ($1, $2, 'o', $3, $3)",
                *(places[number], 1_000 + number, str(number)),
            )
        for number, owner in enumerate(owners):
            await session.execute(
                "insert into workspaces (id, name, slug, owner_id) values ($1, 'w', $2, $3)",
                *(spaces[number], str(number), users[owner]),
            )
            await session.execute(
                "insert into workspace_backfill_jobs (id, workspace_id, retention_days, cutoff_at, backfill_types)"
                "values ($1, $1, 30, now(), '{issues}')",
                spaces[number],
            )
        for user, space in members:
            await session.execute(
                "insert into workspace_members (workspace_id, user_id, role) values ($1, $2, 'viewer')",
                *(spaces[space], users[user]),
            )
        for repository, space in repositories:
            await session.execute(
                "insert into workspace_repositories (workspace_id, repository_id, added_by) values ($1, $2, $3)",
                *(spaces[space], places[repository], users[0]),
            )
            await session.execute(
                "insert into workspace_backfill_progress (backfill_job_id, repository_id) values ($1, $2)",
                *(spaces[space], places[repository]),
            )
        for place in places:
            await session.execute(
                "insert into repository_star_history (repository_id, day, stars) values ($1, '2026-01-01', 1)", place
            )
        for user in range(3):
            mine = {space for space in range(3) if owners[space] == user or (user, space) in members}
            await become(session, "authenticated", str(users[user]))
            jobs = await session.fetch("select id from workspace_backfill_jobs")
            progress = await session.fetch("select backfill_job_id, repository_id from workspace_backfill_progress")
            stars = await session.fetch("select repository_id from repository_star_history")
            await session.execute("reset role")
            assert {row[0] for row in jobs} == {spaces[space] for space in mine}
            held = {(repository, space) for repository, space in repositories if space in mine}
            assert {tuple(row) for row in progress} == {(spaces[space], places[each]) for each, space in held}
            assert {row[0] for row in stars} == {places[each] for each, _ in held}
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("role", ["anon", "authenticated"])
async def test_what_no_policy_opens_is_closed_even_where_it_is_granted(owner: asyncpg.Connection, role: str) -> None:
    tables = await ours(owner)
    for granted in (False, True):
        if granted:
            await owner.execute(f"grant all on all tables in schema public to {role}")
        await become(owner, role, OWNER)
        for table in tables:
            if role == "authenticated" and table in READABLE:
                continue
            savepoint = owner.transaction()
            await savepoint.start()
            if granted:
                assert await owner.fetchval(f"select count(*) from {table}") == 0, table
            else:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await owner.fetchval(f"select count(*) from {table}")
            await savepoint.rollback()
        await owner.execute("reset role")


@pytest.mark.parametrize("role", ["anon", "authenticated"])
async def test_nobody_writes_over_the_public_api(owner: asyncpg.Connection, role: str) -> None:
    tables = await ours(owner)
    first = "select relname, attname from pg_class join pg_attribute on attrelid = pg_class.oid and attnum = 1"
    columns = {row["relname"]: row["attname"] for row in await owner.fetch(first)}
    await become(owner, role, OWNER)
    for table in tables:
        for statement in (
            f"insert into {table} default values",
            f"update {table} set {columns[table]} = default",
            f"delete from {table}",
            f"truncate {table} cascade",
        ):
            assert await refusal(owner, statement) == "InsufficientPrivilegeError", statement
    await owner.execute("reset role")
    await owner.execute(f"grant select, insert, update, delete on all tables in schema public to {role}")
    await become(owner, role, OWNER)
    refused = await refusal(
        owner,
        "insert into webhook_deliveries (webhook_id, type, payload) values ('forged', 'subscription.active', '{}')",
    )
    assert refused == "InsufficientPrivilegeError"
    for table in tables:
        # Of what may be read, too: a policy for reading is none for writing.
        assert await owner.execute(f"update {table} set {columns[table]} = {columns[table]}") == "UPDATE 0", table
        assert await owner.execute(f"delete from {table}") == "DELETE 0", table


async def test_members_do_not_read_who_did_what_from_where(owner: asyncpg.Connection) -> None:
    await become(owner, "authenticated", OWNER)
    for column in ("metadata", "error_details", "purchase_key"):
        assert await refusal(owner, f"select {column} from workspace_backfill_jobs") == "InsufficientPrivilegeError"


@pytest.mark.parametrize("role", ["postgres", "service_role"])
async def test_the_owner_and_the_service_role_do_everything(owner: asyncpg.Connection, role: str) -> None:
    await become(owner, role)
    await check_rights(owner)
    for table in READABLE:
        assert await owner.fetchval(f"select count(*) from {table}") >= 2
    assert await owner.execute("update workspace_backfill_jobs set status = 'in_progress'") == "UPDATE 2"
    assert await owner.execute("delete from webhook_deliveries") == "DELETE 1"


async def test_functions_that_act_as_their_owner_answer_for_the_caller_alone(owner: asyncpg.Connection) -> None:
    functions = await owner.fetch(
        """
        select proname, pronargs, proconfig, has_function_privilege('anon', oid, 'execute') as anon,
          has_function_privilege('authenticated', oid, 'execute') as authenticated,
          coalesce((select bool_or(grantee = 0) from aclexplode(proacl)), proacl is null) as public
        from pg_proc where prosecdef and pronamespace = 'public'::regnamespace
        """
    )
    assert {row["proname"] for row in functions} == {
        "backfill_caller_repositories",
        "backfill_caller_subscriptions",
        "backfill_caller_workspaces",
    }
    for row in functions:
        assert tuple(row)[1:] == (0, ['search_path=""'], False, True, False), row["proname"]
    assert (
        await owner.fetchval(
            "select count(*) from pg_class where relkind in ('v', 'm') and relnamespace = $1::regnamespace::oid",
            "public",
        )
        == 0
    )


@pytest.mark.parametrize("table", ["issue_events", "workspace_backfill_jobs", "workspace_backfill_progress"])
async def test_policies_find_rows_by_an_index(owner: asyncpg.Connection, table: str) -> None:
    await owner.execute("set local enable_seqscan = off")
    await become(owner, "authenticated", MEMBER)
    plan = "\n".join(row[0] for row in await owner.fetch(f"explain select count(*) from {table}"))
    # Who asks is found out once a statement, not once a row.
    assert "InitPlan" in plan
    assert "SubPlan" not in plan.replace("InitPlan", "")
    assert "Index Cond" in plan


async def test_a_partition_that_is_added_cannot_be_read_by_its_own_name(owner: asyncpg.Connection) -> None:
    await owner.execute("select github_events_cache_ensure_month('2026-03-01')")
    await owner.execute("grant select on all tables in schema public to authenticated")
    await owner.execute(
        """
        insert into github_events_cache (
          event_id, event_type, actor_login, repository_owner, repository_name, payload, created_at
        ) values ('1', 'WatchEvent', 'ghost', 'o', 'r', '{}', '2026-03-20')
        """
    )
    await become(owner, "authenticated", OWNER)
    assert await owner.fetchval("select count(*) from github_events_cache_2026_03") == 0
    assert await owner.fetchval("select count(*) from github_events_cache") == 1, (
        "the host's table is the host's to close"
    )


# --- migrate ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def unmigrated(postgres: Postgres, api_roles: None, host_template: str) -> AsyncIterator[str]:  # noqa: ARG001
    """The host's production database, at Supabase."""
    async with supabase_database(postgres, "supabase_host", host_template) as dsn:
        yield dsn


async def migrated(dsn: str) -> list[str]:
    lines: list[str] = []
    await migrate(dsn, report=lines.append)
    return lines


HOSTS = """
alter table workspaces enable row level security;
create policy "Members read" on workspaces for select to authenticated using (true);
alter table subscription_addons enable row level security;
create policy "Users read their own" on subscription_addons for select to public using (user_id = auth.uid());
create policy "Service writes" on subscription_addons to service_role using (true);
"""


async def test_migrate_adds_what_is_missing_and_leaves_the_hosts_policies(unmigrated: str, connect: Open) -> None:
    connection = await connect(unmigrated)
    await connection.execute("alter table subscription_addons add column user_id uuid;" + HOSTS)
    lines = await migrated(unmigrated)
    assert "enabled row level security of webhook_deliveries" in lines
    assert (
        "created policy backfill_members_read of workspace_backfill_jobs: Members of a workspace read its jobs."
        in lines
    )
    assert "left backfill_caller_workspaces() to authenticated alone" in lines
    kept = "kept policy Users read their own of subscription_addons, select to public: not ours"
    assert kept in lines
    assert not any("Service writes" in line for line in lines), "who bypasses it anyway is no news"
    assert "enabled row level security of subscription_addons" not in lines
    policies = "select tablename || ': ' || policyname from pg_policies order by 1"
    found = [row[0] for row in await connection.fetch(policies)]
    assert "workspaces: Members read" in found
    secured = {row[0] for row in await connection.fetch("select relname from pg_class where relrowsecurity")}
    hosts = set(rights.RIGHTS) - set(await ours(connection))
    assert secured & hosts == {"workspaces"}, "of the host's tables only what the host has closed"
    again = await migrated(unmigrated)
    assert [line for line in again if line.startswith("kept policy")] == [kept]
    assert again[-1] == "nothing to do"


async def test_migrate_brings_back_what_was_dropped_or_changed(unmigrated: str, connect: Open) -> None:
    await migrated(unmigrated)
    connection = await connect(unmigrated)
    await connection.execute(
        """
        alter table github_budgets disable row level security;
        drop policy backfill_members_read on issue_events;
        alter policy backfill_members_read on workspace_backfill_jobs using (true);
        revoke select on repository_star_history from authenticated;
        grant execute on function backfill_caller_workspaces to anon;
        """
    )
    lines = await migrated(unmigrated)
    assert [line for line in lines if not line.startswith("kept")] == [
        "replaced policy backfill_members_read of workspace_backfill_jobs: Members of a workspace read its jobs.",
        "created policy backfill_members_read of issue_events: "
        "Members of a workspace read the timelines of its repositories.",
        "granted authenticated to read repository_star_history, as far as policies let",
        "enabled row level security of github_budgets",
        "left backfill_caller_workspaces() to authenticated alone",
    ]
    assert (await migrated(unmigrated))[-1] == "nothing to do"


async def test_a_database_that_moves_to_supabase_gains_them_with_the_next_migrate(
    postgres: Postgres,
    api_roles: None,  # noqa: ARG001
    migrated_template: str,
    connect: Open,
) -> None:
    dsn = await postgres.create_database("moves", migrated_template)
    try:
        connection = await connect(dsn)
        secured = "select count(*) from pg_class where relrowsecurity"
        assert await connection.fetchval(secured) == 0
        assert await migrated(dsn) == ["nothing to do"]
        await connection.execute(SUPABASE)
        assert "enabled row level security of webhook_deliveries" in await migrated(dsn)
        assert await connection.fetchval(secured) == len(await ours(connection))
    finally:
        await postgres.drop_database("moves")


async def test_a_role_that_may_not_make_policies_is_told_so_before_anything_is_changed(
    unmigrated: str, connect: Open
) -> None:
    connection = await connect(unmigrated)
    await connection.execute("create role migrator login; grant create, usage on schema public to migrator")
    try:
        with pytest.raises(BadInput, match="may not use schema auth, which policies need"):
            await migrate(unmigrated.replace("postgres@", "migrator@"), report=lambda _: None)
    finally:
        await connection.execute("drop owned by migrator; drop role migrator")


# --- The programs' role -----------------------------------------------------------------------------------------------


async def test_a_role_to_which_policies_apply_is_refused(owner: asyncpg.Connection) -> None:
    await owner.execute("create role weak; grant all on all tables in schema public to weak")
    await become(owner, "weak")
    assert await owner.fetchval("select count(*) from workspace_backfill_jobs") == 0, "in silence"
    with pytest.raises(
        BadInput, match=r"^bad_input: DATABASE_URL: row level security hides rows of .* from its role weak"
    ):
        await check_rights(owner)
    await owner.execute("reset role; alter role weak bypassrls")
    await become(owner, "weak")
    await check_rights(owner)


async def test_the_owner_is_refused_where_policies_are_forced_upon_him(owner: asyncpg.Connection) -> None:
    await owner.execute(
        """
        create role weak;
        grant usage, create on schema public to weak;
        do $$ declare name text; begin
          for name in select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace
          loop execute format('alter table %I owner to weak', name); end loop;
        end $$;
        alter table backfill_sweeps force row level security;
        """
    )
    await become(owner, "weak")
    assert await owner.fetchval("select count(*) from workspace_backfill_jobs") == 2
    with pytest.raises(BadInput, match=r"hides rows of backfill_sweeps from its role weak"):
        await check_rights(owner)


async def test_a_role_that_may_not_write_is_refused(owner: asyncpg.Connection) -> None:
    await owner.execute(
        "create role weak bypassrls; grant all on all tables in schema public to weak;"
        "revoke update on workspace_backfill_progress from weak; revoke select, delete on backfill_parts from weak;"
        "revoke update on workspaces from weak; grant update (data_retention_days) on workspaces to weak"
    )
    await become(owner, "weak")
    with pytest.raises(BadInput) as refused:
        await check_rights(owner)
    assert (
        "its role weak lacks rights: update on workspace_backfill_progress; select, delete on backfill_parts: grant"
        in (refused.value.message)
    )


async def test_the_rights_that_are_asked_for_are_of_every_table(owner: asyncpg.Connection) -> None:
    assert set(rights.RIGHTS) == set((await shape.wanted(owner, dimensions=384)).tables)


async def test_no_program_starts_with_a_role_that_would_see_no_rows(
    environment: dict[str, str], database: str, programs: Programs, connect: Open
) -> None:
    connection = await connect(database)
    await connection.execute(
        "create role blind login; grant all on all tables in schema public to blind;"
        "alter table workspace_backfill_jobs enable row level security"
    )
    try:
        blind = environment | {"DATABASE_URL": database.replace("postgres@", "blind@")}
        commands = [("worker.py",), ("webhook.py",), ("starter.py", "list"), ("starter.py", "migrate")]
        started = [programs.run("-".join(command), *command, env=blind) for command in commands]
        for program in started:
            assert await asyncio.to_thread(program.wait, PATIENCE) == 2, program.tail()
            assert "row level security hides rows of workspace_backfill_jobs from its role blind" in program.tail()
    finally:
        await connection.execute("drop owned by blind; drop role blind")
