"""A workspace whose jobs begin and end as workflows record it, and the outbox that this fills."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import asyncpg
import pytest

from messages import (
    DATA_TYPES,
    Failure,
    Pace,
    PartStatus,
    RepositoryOutcome,
    RepositoryRef,
    RepositoryTransition,
    TypeOutcome,
)
from sandbox.postgres import Postgres
from store import job_end, job_requests, job_start, transitions
from store.database import Database
from tests.support import shop
from tests.support.notify.mailbox import MailServer
from tests.support.notify.messages import ADDRESS
from tests.support.notify.receiver import Receiver

PRIVATE = Failure(
    code="forbidden", message="GitHub refuses the repository", action="Give the token access to octo/b", at=None
)


@dataclass
class World:
    """A workspace `acme` of `ADDRESS`' with the repositories `octo/a` and `octo/b`."""

    dsn: str
    database: Database
    host: asyncpg.Connection
    workspace_id: str
    repositories: list[RepositoryRef]

    async def begin(self) -> str:
        """A job has begun; its id."""
        async with self.database.transaction() as connection:
            job_id = await job_requests.ask_for(connection, workspace=self.workspace_id, actor=shop.OPERATOR)
            await job_start.begin(connection, job_id, Pace())
        return job_id

    async def end(self, job_id: str, *failed: str, attempt: int = 0, failure: Failure = PRIVATE) -> None:
        """The job has ended; the repositories `failed` by a failure of their issues."""
        async with self.database.transaction() as connection:
            for each in self.repositories:
                status: PartStatus = "failed" if each.full_name in failed else "completed"
                types = [
                    TypeOutcome(data_type=data_type, status="failed", failure=failure.of_type(data_type))
                    if status == "failed" and data_type == "issues"
                    else TypeOutcome(data_type=data_type, status="completed")
                    for data_type in DATA_TYPES
                ]
                outcome = RepositoryOutcome(repository=each, status=status, types=types)
                change = RepositoryTransition(job_id=job_id, attempt=attempt, sequence=1, outcome=outcome)
                await transitions.record(connection, change)
            await job_end.finish(connection, job_id, attempt, canceled=False)

    async def ended(self, *failed: str) -> str:
        """A job that has begun and ended."""
        job_id = await self.begin()
        await self.end(job_id, *failed)
        return job_id

    async def due(self) -> None:
        """Whatever waits for its next attempt, or for the end of a lease, has waited long enough."""
        await self.host.execute(
            "update notification_outbox set next_attempt_at = now(), leased_until = null where status = 'pending'"
        )

    async def outbox(self, channel: str = "mail") -> list[tuple[str, str, int]]:
        """Milestone, status and attempts of each row, in their order."""
        rows = await self.host.fetch(
            """
            select milestone, status, attempts from notification_outbox where channel = $1
            order by created_at, job_attempt, milestone <> 'started'
            """,
            channel,
        )
        return [(row["milestone"], row["status"], row["attempts"]) for row in rows]

    async def errors(self, channel: str = "mail") -> Sequence[str]:
        rows = await self.host.fetch(
            "select distinct error from notification_outbox where channel = $1 and error is not null", channel
        )
        return [row["error"] for row in rows]

    async def switch(self, settings: str) -> None:
        """The workspace's settings, as JSON, as the host keeps them."""
        await self.host.execute("update workspaces set settings = $1::text::jsonb", settings)


@pytest.fixture(scope="module")
async def notify_database(postgres: Postgres, migrated_template: str) -> AsyncIterator[str]:
    async with shop.database(postgres, migrated_template) as dsn:
        yield dsn


@pytest.fixture
async def world(notify_database: str) -> AsyncIterator[World]:
    async with Database(notify_database, size=6) as database, shop.emptied(notify_database) as host:
        owner = await shop.buyer(host)
        await host.execute("update app_users set email = $1", ADDRESS)
        workspace_id = await shop.workspace(host, owner, "octo/a", "octo/b", slug="acme")
        await host.execute(
            "insert into workspace_members (workspace_id, user_id, role) values ($1, $2, 'owner')",
            workspace_id,
            owner.app_user_id,
        )
        rows = await host.fetch("select id::text, github_id, full_name from repositories order by full_name")
        repositories = [
            RepositoryRef(repository_id=row["id"], github_id=row["github_id"], full_name=row["full_name"])
            for row in rows
        ]
        yield World(notify_database, database, host, workspace_id, repositories)


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    async with MailServer() as server:
        yield server


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver
