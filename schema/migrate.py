"""Gives a database the shape that `host/*.sql` and `ours/*.sql` define, whatever its present shape is.

No state is kept between runs. Each run compares the database's catalog with the files, and makes the missing changes.
So a migration can be repeated, and it restores what somebody dropped. An error names what cannot be migrated, before
anything is changed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg

import logs
from addresses import check_postgres, show_postgres
from errors import BadInput, RetryNow, Unreachable
from schema import plan, policies, shape
from schema.plan import Step
from schema.relaxation import relaxations
from schema.rights import check_rights
from schema.shape import Shape

Report = Callable[[str], None]

OLDEST = 15
# While a statement waits for a table, everybody else who wants it queues behind: for no longer than a slow query takes.
LOCK_SECONDS = 0.1
PAUSE_SECONDS = 1.0
# The roles that Supabase's public HTTP API uses; it grants them every new table.
_API_ROLES = ["anon", "authenticated"]
_LOCK = "hashtextextended('workspace-backfill schema', 0)"


async def migrate(
    dsn: str,
    *,
    replace_host_keys: bool = False,
    embedding_dimensions: int = 384,
    patience: float = 60,
    report: Report = print,
) -> None:
    """Creates what is missing, and relaxes constraints that GitHub's data would violate. Reports each change as one
    line. A second call changes nothing.

    `dsn` has to lead to Postgres without a transaction pooler. `replace_host_keys` drops the host's unique key
    (github_id) of `comments`, on which the host's own upserts rely. Concurrent calls wait for each other. A large table
    is neither rewritten nor locked for long.

    Raises `RetryNow` if a lock is not free within `patience` seconds. The error names the table and who holds the lock.
    Earlier changes stay, and the next call continues. Raises `BadInput`, before any change, if a migration may not mend
    something, such as a view in the place of a table.
    """
    connection = await _connect(dsn)
    try:
        await _prepare(connection)
        await _alone(connection, report)
        await _migrate(connection, replace_host_keys, embedding_dimensions, patience, report)
    except (asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError) as error:
        raise BadInput("DATABASE_DIRECT_URL", "leads through a transaction pooler; a direct one is needed") from error
    except asyncpg.ReadOnlySQLTransactionError as error:
        raise BadInput("DATABASE_DIRECT_URL", f"leads to a server that may not be written: {_line(error)}") from error
    except (asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.InterfaceError, OSError) as error:
        raise Unreachable("database", f"Postgres at {show_postgres(dsn)} went away: {error}") from error
    finally:
        await connection.close()


async def pending(dsn: str, *, embedding_dimensions: int = 384) -> list[str]:
    """Returns the changes that `migrate` would make, one line each, and makes no change. Raises `BadInput` as `migrate`
    does.
    """
    connection = await _connect(dsn)
    try:
        await _prepare(connection)
        supabase, wanted, _, hidden_from, steps = await _plan(connection, embedding_dimensions)
        if supabase and not steps:
            steps += await policies.steps(connection, wanted, hidden_from)
        return [line for step in steps for line in step.says]
    finally:
        await connection.close()


async def _migrate(
    connection: asyncpg.Connection, replace_host_keys: bool, dimensions: int, patience: float, report: Report
) -> None:
    supabase, wanted, there, hidden_from, steps = await _plan(connection, dimensions, replace_host_keys)
    _check_ownership(steps, there)
    if supabase:
        _check_that_rows_can_be_secured(wanted, there)
    for key in [] if replace_host_keys else plan.kept_keys(there):
        report(
            f"kept {key.name} of comments, unique (github_id): the host's upserts rely on it. Under it a review "
            "comment and a conversation comment of the same id collide; `migrate --replace-host-keys` drops it"
        )
    await _take_all(connection, steps, patience, report)
    if supabase:
        # Only now: policies call functions, and are read on tables, that the steps before have made.
        for policy in await policies.foreign(connection, wanted):
            report(
                f"kept policy {policy.name} of {policy.table}, {policy.command} to {', '.join(policy.roles)}: not ours"
            )
        securing = await policies.steps(connection, wanted, hidden_from)
        await _take_all(connection, securing, patience, report)
        steps += securing
    if not steps:
        report("nothing to do")


async def _plan(
    connection: asyncpg.Connection, dimensions: int, replace_host_keys: bool = False
) -> tuple[bool, Shape, Shape, list[str], list[Step]]:
    """Plans a migration. Returns whether this is Supabase, the wanted shape, the present shape, the roles that must not
    read new tables, and the steps of the migration.
    """
    supabase = await policies.has_supabase(connection)
    await check_rights(connection, "DATABASE_DIRECT_URL")
    try:
        async with _running("create extension vector, or temporary tables"):
            wanted = await shape.wanted(connection, dimensions=dimensions, supabase=supabase)
    except (asyncpg.FeatureNotSupportedError, asyncpg.UndefinedFileError) as error:
        raise BadInput("DATABASE_URL", f"pgvector has to be installed on the server first: {error}") from error
    there = await shape.found(connection, wanted)
    if problems := plan.conflicts(wanted, there):
        (what, why), *others = problems
        raise BadInput(what, "; ".join([why, *(f"{what}: {why}" for what, why in others)]))
    relaxed = await relaxations(connection, there)
    hidden_from = await _existing(connection, _API_ROLES)
    steps = await _extension(connection)
    steps += plan.steps(wanted, there, relaxed, hidden_from=hidden_from, replace_host_keys=replace_host_keys)
    return supabase, wanted, there, hidden_from, steps


async def _take_all(connection: asyncpg.Connection, steps: list[Step], patience: float, report: Report) -> None:
    for step in steps:
        await _take(connection, step, patience)
        for line in step.says:
            report(line)


async def _connect(dsn: str) -> asyncpg.Connection:
    logs.register_secret(dsn)  # as a whole, should a library print it
    try:
        check_postgres(dsn)
    except ValueError as error:
        raise BadInput("DATABASE_DIRECT_URL", str(error)) from None
    try:
        return await asyncpg.connect(dsn, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
        raise Unreachable("database", f"Postgres at {show_postgres(dsn)} does not answer: {error}") from error
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise Unreachable("database", f"Postgres at {show_postgres(dsn)} refuses us: {error}") from error
    except (ValueError, asyncpg.ClientConfigurationError):
        # The error's text quotes parts of the address, and where it is malformed that may be the password.
        raise BadInput("DATABASE_DIRECT_URL", "is not an address that Postgres understands") from None


async def _prepare(connection: asyncpg.Connection) -> None:
    version = connection.get_server_version()
    if version.major < OLDEST:
        raise BadInput("DATABASE_URL", f"Postgres {OLDEST} or newer is needed, this is {version.major}.{version.minor}")
    if await connection.fetchval("select current_schema()") is None:
        path = await connection.fetchval("select current_setting('search_path')")
        raise BadInput("DATABASE_DIRECT_URL", f"its search_path ({path}) leads to no schema to make tables in")
    # An index takes as long as it takes, whatever limit the role has for its everyday statements.
    await connection.execute("set statement_timeout = 0; set client_min_messages = warning")
    # The host may keep pgvector in a schema that is not on the path; its type must be found by name.
    await connection.execute(
        """
        select set_config('search_path', current_setting('search_path') || ', ' || quote_ident(nspname), false)
        from pg_extension join pg_namespace on pg_namespace.oid = extnamespace
        where extname = 'vector' and not nspname = any (current_schemas(true))
        """
    )


async def _alone(connection: asyncpg.Connection, report: Report) -> None:
    """Waits until no other migration runs, then keeps other migrations out.

    Tries again and again instead of waiting for the lock. A statement that waits for a lock holds a snapshot, and
    `create index concurrently` in the other migration would wait until that snapshot is gone.
    """
    said = False
    while not await connection.fetchval(f"select pg_try_advisory_lock({_LOCK})"):
        if not said:
            report("another migration runs: waiting for its end")
            said = True
        await asyncio.sleep(0.2)


async def _extension(connection: asyncpg.Connection) -> list[Step]:
    if await connection.fetchval("select exists (select from pg_extension where extname = 'vector')"):
        return []
    return [Step("vector", ["create extension if not exists vector"], ["created extension vector"])]


async def _existing(connection: asyncpg.Connection, roles: list[str]) -> list[str]:
    rows = await connection.fetch("select rolname from pg_roles where rolname = any($1::text[]) order by 1", roles)
    return [row[0] for row in rows]


def _check_ownership(steps: list[Step], there: Shape) -> None:
    for step in steps:
        table = there.tables.get(step.name)
        if table and not table.owned:
            raise _refused(step.statements[0], f"must be owner of table {table.name}")


def _check_that_rows_can_be_secured(wanted: Shape, there: Shape) -> None:
    for name in sorted(wanted.ours & there.tables.keys()):
        table = there.tables[name]
        if not table.secured and not table.owned:
            raise _refused(f"alter table {table.sql} enable row level security", f"must be owner of table {name}")


@asynccontextmanager
async def _running(statement: str) -> AsyncIterator[None]:
    """Adds the text of the statement to errors of Postgres that are raised inside the context."""
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise _refused(statement, _line(error)) from error
    except asyncpg.PostgresError as error:
        error.add_note(f"while running: {statement}")
        raise


def _refused(statement: str, right: str) -> BadInput:
    return BadInput("DATABASE_DIRECT_URL", f"its role may not run `{' '.join(statement.split())[:200]}`: {right}")


def _line(error: asyncpg.PostgresError) -> str:
    return " ".join(str(error).split())


async def _take(connection: asyncpg.Connection, step: Step, patience: float) -> None:
    """Makes a step of the migration. If a lock is not free, tries again, and raises `RetryNow` after `patience`
    seconds.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + patience
    while True:
        try:
            return await _do(connection, step, patience)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            # What fails concurrently leaves an invalid index, which is the next run's to repair.
            if step.concurrently or clock() + PAUSE_SECONDS > deadline:
                raise await _locked(connection, step, patience) from error
        except asyncpg.UniqueViolationError as error:
            await _remove_invalid(connection, step)
            raise BadInput(step.name, _line(error)) from error
        except asyncpg.DependentObjectsStillExistError as error:
            raise BadInput(step.name, _line(error)) from error
        await asyncio.sleep(PAUSE_SECONDS)


async def _do(connection: asyncpg.Connection, step: Step, patience: float) -> None:
    if step.concurrently:
        # It waits for transactions older than itself, and nobody waits for it.
        await connection.execute(f"set lock_timeout = '{patience:.3f}s'")
        for statement in step.statements:
            async with _running(statement):
                await connection.execute(statement)
        return
    await connection.execute(f"set lock_timeout = '{min(LOCK_SECONDS, patience):.3f}s'")
    async with connection.transaction():
        for statement in step.statements:
            async with _running(statement):
                await connection.execute(statement)


async def _remove_invalid(connection: asyncpg.Connection, step: Step) -> None:
    """Drops a unique index that could not be finished, because such an index would keep refusing rows."""
    names = await connection.fetch(
        """
        select indexrelid::regclass::text from pg_index
        where indrelid = to_regclass($1) and not indisvalid and indisunique
        """,
        step.name,
    )
    for name in names if step.concurrently else []:
        await connection.execute(f"drop index concurrently {name[0]}")


async def _locked(connection: asyncpg.Connection, step: Step, patience: float) -> RetryNow:
    holders = await connection.fetch(
        """
        select distinct c.relname || ' is used by ' || concat_ws(
          ', ', 'pid ' || a.pid, nullif(a.application_name, ''), a.usename, a.state,
          'in a transaction since ' || to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')
        )
        from pg_locks l join pg_class c on c.oid = l.relation join pg_stat_activity a on a.pid = l.pid
        where l.granted and l.pid <> pg_backend_pid() and c.relname = any($1::text[])
          and l.database = (select oid from pg_database where datname = current_database())
        order by 1 limit 5
        """,
        [step.name, *step.also],
    )
    who = "; ".join(row[0] for row in holders) or "who held it has ended, or is not shown to this role"
    return RetryNow(
        "locked",
        f"{step.name}: no lock within {patience:g} s for `{' '.join(step.statements[0].split())[:120]}`: {who}",
        "end that session or wait for it, then migrate again: it goes on where it stopped",
    )
