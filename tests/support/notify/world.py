"""Creates jobs whose milestones are notified."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

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
from store import job_end, job_requests, job_start, transitions
from store.database import Database
from tests.support import shop

PRIVATE = Failure(
    code="forbidden", message="GitHub refuses the repository", action="Give the token access to octo/b", at=None
)


@dataclass
class World:
    """A workspace `acme`, whose owner has the address `ADDRESS`, with the repositories `octo/a` and `octo/b`."""

    dsn: str
    database: Database
    host: asyncpg.Connection
    workspace_id: str
    repositories: list[RepositoryRef]

    async def begin(self) -> str:
        """Begins a job; returns its id."""
        async with self.database.transaction() as connection:
            job_id = await job_requests.ask_for(connection, workspace=self.workspace_id, actor=shop.OPERATOR)
            await job_start.begin(connection, job_id, Pace())
        return job_id

    async def end(self, job_id: str, *failed: str, attempt: int = 0, failure: Failure = PRIVATE) -> None:
        """Ends the job. The issues of the repositories `failed` have failed with `failure`."""
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
        """Begins a job and ends it; returns its id."""
        job_id = await self.begin()
        await self.end(job_id, *failed)
        return job_id

    async def due(self) -> None:
        """Makes every message due that waits for its next attempt, or for the end of a lease."""
        await self.host.execute(
            "update notification_outbox set next_attempt_at = now(), leased_until = null where status = 'pending'"
        )

    async def outbox(self, channel: str = "mail") -> list[tuple[str, str, int]]:
        """Returns milestone, status and attempts of each message of a channel, in order."""
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
        """Sets the workspace's settings, as JSON in the form that the host uses."""
        await self.host.execute("update workspaces set settings = $1::text::jsonb", settings)
