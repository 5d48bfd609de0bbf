"""Runs one sweep after the other by the real activity, in the test's own process.

Without Temporal and worker processes a sweep costs hundredths of a second, and a test can look at every request.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.sweep import SweepActivity
from activities.turn import Sources
from budget.prices import Prices
from github.client import GitHub
from github.transport.credentials import Credentials
from messages import DataType, Pace, RepositoryRef, SliceResult, SweepSlice
from sandbox.github import StandIn
from sandbox.github.exchange.requests import Entry
from sandbox.github.world.repositories import Repository
from sandbox.purchase import HostRepository, create_workspace
from store import job_requests, job_start
from store.budgets import Budgets
from store.database import Database
from tests.support import shop
from tests.support.backfill.attempts import environment
from tests.support.truth import check

TOKEN = "ghp_stand_in"
TOKENS = (TOKEN, "ghp_of_another", "ghp_of_a_third")
"""Of the accounts `viewer`, `another` and `third`."""
BEGIN = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


class Reading:
    """Sweeps one repository of a stand-in whose clock stands still."""

    def __init__(self, repository: Repository, github: StandIn, database: Database, dsn: str) -> None:
        self.repository, self.github, self.dsn = repository, github, dsn
        self._database = database
        self._workspace_id = ""

    async def sweep(
        self,
        data_type: DataType,
        *,
        days: int = 10_000,
        tokens: tuple[str, ...] = (TOKEN,),
        fresh: bool = False,
        attempts: int = 1,
        slice_pages: int = 1_000,
    ) -> SliceResult:
        """Runs a job of this one type: to the sweep's end, or its first slice of `slice_pages` pages.

        All of `attempts` but the last may fail. The account of the n-th token of `TOKENS` is `user:{n}`.
        """
        repo, url = self.repository, self.github.url
        repo.world.clock.advance(7_200)
        if not self._workspace_id:
            self._workspace_id = (await create_workspace(self.dsn, [HostRepository.of(repo)])).workspace_id
        cutoff_at = repo.world.clock.now() - timedelta(days=days)
        async with self._database.transaction() as connection:
            repository_id = await connection.fetchval("select id::text from repositories")
            job_id = await job_requests.ask_for(
                connection,
                workspace=self._workspace_id,
                retention_days=days,
                data_types=(data_type,),
                fresh=fresh,
                actor=shop.OPERATOR,
            )
            plan = await job_start.begin(connection, job_id, Pace(slice_pages=slice_pages))
        slice_ = SweepSlice(
            job_id=job_id,
            repository=RepositoryRef(
                repository_id=repository_id, github_id=repo.database_id, full_name=repo.name_with_owner
            ),
            data_type=data_type,
            cutoff_at=cutoff_at,
            pace=plan.pace,
        )
        credentials, prices = Credentials(tokens), Prices()
        for token, each in zip(tokens, await credentials.of(None), strict=True):
            each.account = f"user:{TOKENS.index(token) + 1}"
        async with GitHub(url, f"{url}/graphql", credentials, Budgets(self._database, 1, prices), prices) as github:
            sweep = SweepActivity(Sources(self._database, github)).sweep
            for _ in range(attempts - 1):
                try:
                    result = await environment().run(sweep, slice_)
                    break
                except ApplicationError as error:
                    assert error.type == "retry_now", error
            else:
                result = await environment().run(sweep, slice_)
        async with self._database.transaction() as connection:
            await connection.execute("update workspace_backfill_jobs set status = 'completed' where id = $1", job_id)
        return result

    async def sweep_within(self, requests: int, data_type: DataType) -> SliceResult:
        """Runs a job of this one type to its end, with as many attempts as it needs. Fails if it sends more than
        `requests` requests.
        """
        before = len(self.github.log)
        sweep = asyncio.create_task(self.sweep(data_type, attempts=requests))
        while not sweep.done():
            await asyncio.wait({sweep}, timeout=0.05)
            asked = self.github.log[before:]
            if len(asked) > requests and not sweep.done():
                sweep.cancel()
                await asyncio.wait({sweep})
                last = [entry.operation or entry.path for entry in asked[-5:]]
                pytest.fail(f"{len(asked)} requests for {data_type}, the last of them {last}")
        return await sweep

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        async with self._database.transaction() as connection:
            return await connection.fetch(query, *arguments)

    async def agrees(self) -> None:
        await check(self.dsn, self.repository)

    def asked(self, operation: str) -> list[Entry]:
        return [entry for entry in self.github.log if entry.operation == operation]

    def listed(self, route: str = "pulls/comments") -> list[Entry]:
        """Returns the requests for pages of a list of comments, without the one that counts them."""
        return [
            entry for entry in self.github.log if f"/{route}?" in entry.path and "per_page=1&" not in entry.path + "&"
        ]

    def firsts(self, operation: str) -> list[tuple[int, str | None]]:
        return [(entry.variables["first"], entry.after) for entry in self.asked(operation)]


Read = Callable[..., Reading]
