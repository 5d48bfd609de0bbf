"""A sweep in a database, and the rows that it has stored."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from activities.threads.part_queue import PartQueue
from github.threads.thread_types import THREAD_TYPES, ThreadType
from messages import DataType, Pace, RepositoryRef
from rows import Page, Part
from sandbox.purchase import HostRepository, create_workspace
from store import contributors, job_requests, job_start, pages, parts, sweeps
from store.database import Database
from store.sweeps import Sweep
from tests.support import shop

GITHUB_ID = 77


class Stored:
    """A sweep, with methods by which a test stores something for it."""

    def __init__(self, database: Database, sweep: Sweep) -> None:
        self.database = database
        self.sweep = sweep

    @property
    def kind(self) -> ThreadType:
        return THREAD_TYPES[self.sweep.data_type]

    def queue(self) -> PartQueue:
        return PartQueue(self.database, self.sweep, self.kind)

    async def put(self, some: Sequence[Part]) -> None:
        async with self.database.transaction() as connection:
            await parts.put(connection, self.sweep, some)

    async def remove(self, some: Sequence[Part]) -> None:
        async with self.database.transaction() as connection:
            await parts.remove(connection, self.sweep, some)

    async def parts(self) -> list[Part]:
        """Returns all parts that are left, ordered by kind and number."""
        async with self.database.transaction() as connection:
            pending = await parts.pending(connection, self.sweep)
            return [
                part
                for kind, going_on in sorted(pending)
                for part in await parts.take(connection, self.sweep, kind, going_on, 1_000)
            ]

    async def write(self, page: Page) -> None:
        await contributors.write(self.database, page.contributors.values(), page.asked_at)
        async with self.database.transaction() as connection:
            await pages.write(connection, self.sweep.repository, page, self.sweep.cutoff_at)


async def begin_sweep(database: Database, dsn: str, data_type: DataType) -> Stored:
    stored = HostRepository(
        GITHUB_ID, "acme", "wide", is_private=False, is_archived=False, has_issues=True, has_discussions=True
    )
    workspace = await create_workspace(dsn, [stored])
    async with database.transaction() as connection:
        repository_id = await connection.fetchval("select id::text from repositories")
        job_id = await job_requests.ask_for(
            connection,
            workspace=workspace.workspace_id,
            retention_days=365,
            data_types=(data_type,),
            actor=shop.OPERATOR,
        )
        await job_start.begin(connection, job_id, Pace())
    repository = RepositoryRef(repository_id=repository_id, github_id=GITHUB_ID, full_name=stored.full_name)
    cutoff_at = datetime(2026, 11, 2, 12, 0, tzinfo=UTC) - timedelta(days=365)
    sweep = await sweeps.take(database, job_id, repository, data_type, cutoff_at, owner="test")
    return Stored(database, sweep)
